"""What makes sense as a program: which clicks can follow each other, and which cube goes where in them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from metagui.demonstrations.programs.ambiguity import AMBIGUITY_MARGIN_M, MAX_STACK_OFFSET_M

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metagui.demonstrations.demonstration import Instruction


def is_valid_sequence(instructions: tuple[Instruction, ...]) -> bool:
    """Whether the clicks can follow each other: nothing is asked of a cube in the hand, covered or in the way.

    Nor is a point asked for that always lies nearer to the cube's new neighbour: no take could tell which is meant.
    """
    held, busy = None, set[str]()
    beside: dict[tuple[str, str], tuple[float, float]] = {}
    for click in instructions:
        if click.action == "grasp":
            if held or click.object_name in busy:
                return False
            held = click.object_name
        elif (
            click.object_name == held
            or (click.action != "reach" and click.object_name in busy)
            or (click.action in ("reach", "trace") and _is_nearer_to_neighbour(click, beside))
        ):
            return False
        elif click.action in ("place", "slide"):
            x, y, _ = click.parameters.get("offset", (0.0, 0.0, 0.0))
            beside |= {(str(held), click.object_name): (x, y), (click.object_name, str(held)): (-x, -y)}
            busy.add(click.object_name)
            held = None
        elif click.action in ("push", "press") and held:
            return False
        elif click.action == "push":
            if click.target_name in busy:
                return False
            busy.add(str(click.target_name))
    return True


def _is_nearer_to_neighbour(
    instruction: Instruction, neighbour_offsets: Mapping[tuple[str, str], tuple[float, float]]
) -> bool:
    """Whether a click's point is nearer to what was put beside its anchor; on the same spot it does not matter."""
    x, y, _ = instruction.parameters["offset"]
    ways = [
        way
        for (anchor, _), way in neighbour_offsets.items()
        if anchor == instruction.object_name and math.hypot(*way) > MAX_STACK_OFFSET_M
    ]
    return any(math.hypot(x + dx, y + dy) < math.hypot(x, y) + AMBIGUITY_MARGIN_M for dx, dy in ways)


def find_object_pairs(instructions: tuple[Instruction, ...]) -> set[tuple[str, str]]:
    """Return which cube goes to which anchor."""
    found, held = set(), ""
    for click in instructions:
        if click.action == "grasp":
            held = click.object_name
        elif click.action in ("place", "slide"):
            found.add((held, click.object_name))
        elif click.action == "push":
            found.add((click.object_name, str(click.target_name)))
    return found
