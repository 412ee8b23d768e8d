"""Numbers of a step that a person can set: place on the table, height, radius; in mm from the arm's base. Qt-free."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.tables.table import TABLE_CENTRE_M

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metagui.arms.arm import FloatArray, Observation
    from metagui.demonstrations.demonstration import Instruction


@dataclass(frozen=True)
class StepNumber:
    """One number of a step, with its name, its limits and the step of its arrow keys, mm."""

    key: str
    text: str
    low: float
    high: float
    step: float = 5.0


AHEAD = StepNumber("ahead", "Ahead", -140.0, 420.0)
LEFT = StepNumber("left", "Left", -340.0, 340.0)
HEIGHT = StepNumber("height", "Height", 0.0, 300.0)
UP = StepNumber("height", "Up", -100.0, 100.0)
RADIUS = StepNumber("radius", "Radius", 10.0, 80.0)
MM_PER_M = 1000.0


def list_numbers(action: str, on_table: bool) -> tuple[StepNumber, ...]:
    """Return the numbers of a step; ``on_table`` if its place is a point of the table, not an object."""
    place = (AHEAD, LEFT) if on_table and action in ("reach", "place", "push", "slide", "trace") else ()
    own = {"reach": (HEIGHT,), "trace": (HEIGHT, RADIUS), "move": (UP,)}
    return (*place, *own.get(action, ()))


def list_numbers_of(instruction: Instruction) -> tuple[StepNumber, ...]:
    """Return the numbers of an instruction."""
    return list_numbers(instruction.action, (instruction.target_name or instruction.object_name) == "table")


def read_numbers(instruction: Instruction) -> dict[str, float]:
    """Return the numbers of an instruction, mm."""
    offset = np.asarray(instruction.parameters.get("offset", (0.0, 0.0, 0.0)), dtype=float)
    x, y, _ = TABLE_CENTRE_M + offset
    metres = {"ahead": x, "left": y, "height": offset[2], "radius": instruction.parameters.get("radius", 0.03)}
    return {each.key: round(MM_PER_M * float(metres[each.key]), 1) for each in list_numbers_of(instruction)}


def change_numbers(instruction: Instruction, numbers: Mapping[str, float]) -> Instruction:
    """Return an instruction with other numbers, mm; those that it does not have are ignored."""
    known = {each.key for each in list_numbers_of(instruction)}
    metres = {key: value / MM_PER_M for key, value in numbers.items() if key in known}
    parameters = dict(instruction.parameters)
    if metres.keys() - {"radius"}:
        x, y, z = (float(each) for each in parameters.get("offset", (0.0, 0.0, 0.0)))
        x = metres["ahead"] - float(TABLE_CENTRE_M[0]) if "ahead" in metres else x
        y = metres["left"] - float(TABLE_CENTRE_M[1]) if "left" in metres else y
        parameters["offset"] = (round(x, 4), round(y, 4), round(metres.get("height", z), 4))
    if "radius" in metres:
        parameters["radius"] = round(metres["radius"], 4)
    return replace(instruction, parameters=parameters)


def describe_place(position: FloatArray) -> str:
    """Return a position (3,), m, as text, such as ``210 mm ahead, 40 mm left``."""
    side = "left" if position[1] >= 0 else "right"
    return f"{MM_PER_M * position[0]:.0f} mm ahead, {abs(MM_PER_M * position[1]):.0f} mm {side}"


def describe_object_place(name: str, index: int, observation: Observation | None) -> str:
    """Return where an object is now as text; empty for the table and before the first observation."""
    if name == "table" or observation is None:
        return ""
    held = ", held" if observation.scene.held[index] else ""
    return f"{describe_place(observation.scene.positions[index])}{held}"
