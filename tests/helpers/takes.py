"""A few real takes by the scripted demonstrator, made once, for the tests of learning."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.programs.program import TaskProgram
from metagui.demonstrations.programs.scripted import GenerationSettings, generate_takes

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration

EXAMPLE_PROGRAMS = (
    TaskProgram("above red", (Instruction("reach", "red cube", None, {"offset": (0.0, 0.0, 0.06)}),)),
    TaskProgram("above green", (Instruction("reach", "green cube", None, {"offset": (0.02, 0.0, 0.06)}),)),
    TaskProgram("lift blue", (Instruction("grasp", "blue cube", None, {"height": 0.07}),)),
    TaskProgram("press red", (Instruction("press", "red cube"),)),
    TaskProgram("put red on violet", (Instruction("grasp", "red cube"), Instruction("place", "violet zone"))),
    TaskProgram("circle", (Instruction("trace", "yellow zone", None, {"radius": 0.03, "offset": (0.0, 0.0, 0.06)}),)),
)


@functools.cache
def generate_example_takes(takes_per_program: int = 3) -> dict[str, tuple[Demonstration, ...]]:
    """Return every program's takes."""
    settings = GenerationSettings(takes=takes_per_program, seed=5, prefix_fraction=0.5, workers=1)
    return {program.name: tuple(generate_takes(program, settings)) for program in EXAMPLE_PROGRAMS}
