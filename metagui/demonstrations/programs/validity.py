"""What makes sense as a program: which clicks can follow each other, and which cube goes where in them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from metagui.demonstrations.programs.ambiguity import MARGIN, PILED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metagui.demonstrations.demonstration import Click


def sensible(clicks: tuple[Click, ...]) -> bool:
    """Whether the clicks can follow each other: nothing is asked of a cube in the hand, covered or in the way.

    Nor is a point asked for that always lies nearer to the cube's new neighbour: no take could tell which is meant.
    """
    held, busy = None, set[str]()
    beside: dict[tuple[str, str], tuple[float, float]] = {}
    for click in clicks:
        if click.verb == "grasp":
            if held or click.anchor in busy:
                return False
            held = click.anchor
        elif (
            click.anchor == held
            or (click.verb != "reach" and click.anchor in busy)
            or (click.verb in ("reach", "trace") and _nearer_to_neighbour(click, beside))
        ):
            return False
        elif click.verb in ("place", "slide"):
            x, y, _ = click.parameters.get("offset", (0.0, 0.0, 0.0))
            beside |= {(str(held), click.anchor): (x, y), (click.anchor, str(held)): (-x, -y)}
            busy.add(click.anchor)
            held = None
        elif click.verb in ("push", "press") and held:
            return False
        elif click.verb == "push":
            if click.target in busy:
                return False
            busy.add(str(click.target))
    return True


def _nearer_to_neighbour(click: Click, beside: Mapping[tuple[str, str], tuple[float, float]]) -> bool:
    """Whether a click's point is nearer to what was put beside its anchor; on the same spot it does not matter."""
    x, y, _ = click.parameters["offset"]
    ways = [way for (anchor, _), way in beside.items() if anchor == click.anchor and math.hypot(*way) > PILED]
    return any(math.hypot(x + dx, y + dy) < math.hypot(x, y) + MARGIN for dx, dy in ways)


def pairs(clicks: tuple[Click, ...]) -> set[tuple[str, str]]:
    """Return which cube goes to which anchor."""
    found, held = set(), ""
    for click in clicks:
        if click.verb == "grasp":
            held = click.anchor
        elif click.verb in ("place", "slide"):
            found.add((held, click.anchor))
        elif click.verb == "push":
            found.add((click.anchor, str(click.target)))
    return found
