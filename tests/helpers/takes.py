"""A few real takes by the scripted demonstrator, made once, for the tests of learning."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from metagui.demonstrations.demonstration import Click
from metagui.demonstrations.programs.program import ClickProgram
from metagui.demonstrations.programs.scripted import GenerateSettings, takes_of

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration

PROGRAMS = (
    ClickProgram("above red", (Click("reach", "red cube", None, {"offset": (0.0, 0.0, 0.06)}),)),
    ClickProgram("above green", (Click("reach", "green cube", None, {"offset": (0.02, 0.0, 0.06)}),)),
    ClickProgram("lift blue", (Click("grasp", "blue cube", None, {"height": 0.07}),)),
    ClickProgram("press red", (Click("press", "red cube"),)),
    ClickProgram("put red on violet", (Click("grasp", "red cube"), Click("place", "violet zone"))),
    ClickProgram("circle", (Click("trace", "yellow zone", None, {"radius": 0.03, "offset": (0.0, 0.0, 0.06)}),)),
)


@functools.cache
def shown(takes: int = 3) -> dict[str, tuple[Demonstration, ...]]:
    """Return every program's takes."""
    settings = GenerateSettings(takes=takes, seed=5, prefixes=0.5, workers=1)
    return {program.name: tuple(takes_of(program, settings)) for program in PROGRAMS}
