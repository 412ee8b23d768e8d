"""Rules for valid programs: which instructions can follow each other, and which cube goes to which object."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from metagui.demonstrations.programs.ambiguity import AMBIGUITY_MARGIN_M, MAX_STACK_OFFSET_M

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metagui.demonstrations.demonstration import Instruction


def is_valid_sequence(instructions: tuple[Instruction, ...]) -> bool:
    """Whether the instructions can follow each other.

    No instruction may refer to a cube that is held, covered or in the way, nor to a point that is always nearer to the
    cube's new neighbour, because no take could show which of the two is meant.
    """
    held, busy = None, set[str]()
    neighbours: dict[tuple[str, str], tuple[float, float]] = {}
    for each in instructions:
        if each.action == "grasp":
            if held or each.object_name in busy:
                return False
            held = each.object_name
        elif (
            each.object_name == held
            or (each.action != "reach" and each.object_name in busy)
            or (each.action in ("reach", "trace") and _is_nearer_to_neighbour(each, neighbours))
        ):
            return False
        elif each.action in ("place", "slide"):
            x, y, _ = each.parameters.get("offset", (0.0, 0.0, 0.0))
            neighbours |= {(str(held), each.object_name): (x, y), (each.object_name, str(held)): (-x, -y)}
            busy.add(each.object_name)
            held = None
        elif each.action in ("push", "press") and held:
            return False
        elif each.action == "push":
            if each.target_name in busy:
                return False
            busy.add(str(each.target_name))
    return True


def _is_nearer_to_neighbour(
    instruction: Instruction, neighbour_offsets: Mapping[tuple[str, str], tuple[float, float]]
) -> bool:
    """Whether the point is nearer to an object placed next to the instruction's object; stacked objects do not count.

    ``neighbour_offsets`` holds the horizontal offset of the first object from the second, m.
    """
    x, y, _ = instruction.parameters["offset"]
    offsets = [
        offset
        for (name, _), offset in neighbour_offsets.items()
        if name == instruction.object_name and math.hypot(*offset) > MAX_STACK_OFFSET_M
    ]
    return any(math.hypot(x + dx, y + dy) < math.hypot(x, y) + AMBIGUITY_MARGIN_M for dx, dy in offsets)


def find_object_pairs(instructions: tuple[Instruction, ...]) -> set[tuple[str, str]]:
    """Return the pairs of a moved cube and the object to which it goes."""
    found, held = set(), ""
    for each in instructions:
        if each.action == "grasp":
            held = each.object_name
        elif each.action in ("place", "slide"):
            found.add((held, each.object_name))
        elif each.action == "push":
            found.add((each.object_name, str(each.target_name)))
    return found
