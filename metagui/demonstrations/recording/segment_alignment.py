"""Where all takes of a task can be cut alike: the heaviest common subsequence of what shows in them.

Every take shows a sequence of signs: this was grasped, that let go or touched, a rest. A sequence that is contained
in all of them cuts all takes alike, so that no take is refused; the heaviest is taken, where a grip weighs more than
a touch, and a touch more than a rest. People pause anywhere; where all pause at one place, it means something.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.recording.segmentation_cues import Boundary

    Signs = tuple[str, ...]

WEIGHTS = {"grip": 4.0, "touch": 2.0, "rest": 1.0}
STRONGEST = 2.0
"""More than this much strength says no more."""
WEAKEST = 0.3
"""A slower moment is looked at only if it is at least so strong."""
TOGETHER = 0.03
"""Takes rest at one place if, seen from some thing, they rest no farther apart than this, m."""
MANY = 3000
"""So many common sequences are compared; with more, rests that are no cuts by themselves are not looked at."""


def agreed(
    takes: Sequence[Demonstration], found: Sequence[Sequence[Boundary]], count: int | None = None
) -> list[tuple[Boundary, ...]] | None:
    """Return where to cut every take so that all are cut alike, given where each could be cut.

    With ``count``, at so many places; None if the takes do not have so many in common.
    """
    usable = [[cut for cut in cuts if cut.strength >= WEAKEST] for cuts in found]
    common = list(_common(usable, count))
    if len(common) >= MANY:
        usable = [[cut for cut in cuts if cut.strength >= 1.0] for cuts in found]
        common = list(_common(usable, count))
    best: tuple[float, list[tuple[Boundary, ...]]] | None = None
    for signs in common:
        if count is not None and len(signs) != count:
            continue
        chosen = [heaviest(cuts, signs) for cuts in usable]
        alike = zip(*chosen, strict=True)
        gain = sum(_gain(takes, place) for place in alike)
        if best is None or gain > best[0]:
            best = gain, chosen
    return None if best is None else best[1]


def _common(found: Sequence[Sequence[Boundary]], count: int | None) -> Iterator[Signs]:
    """Yield every sequence of signs, no longer than ``count``, that all takes contain; the shorter ones first."""
    signs = [[cut.sign for cut in cuts] for cuts in found]
    every = sorted(set(signs[0]).intersection(*signs[1:]))
    level: dict[Signs, tuple[int, ...]] = {(): (0,) * len(signs)}
    seen = 0
    while level and seen < MANY:
        yield from level
        seen += len(level)
        longer: dict[Signs, tuple[int, ...]] = {}
        for begun, places in level.items():
            for sign in every if count is None or len(begun) < count else ():
                after = [_after(own, sign, place) for own, place in zip(signs, places, strict=True)]
                if all(after):
                    longer[*begun, sign] = tuple(after)
        level = longer


def _after(signs: Sequence[str], sign: str, place: int) -> int:
    """Return the place after the first such sign at ``place`` or later; 0 if there is none."""
    return signs.index(sign, place) + 1 if sign in signs[place:] else 0


def heaviest(cuts: Sequence[Boundary], signs: Signs) -> tuple[Boundary, ...]:
    """Return the strongest cuts of a take that show ``signs``, which it contains, in this order."""
    none: tuple[float, tuple[Boundary, ...]] = (-math.inf, ())
    best = [(0.0, ()), *(none for _ in signs)]  # for the first 0, 1, … signs
    for cut in cuts:
        for length in range(len(signs), 0, -1):
            if cut.sign == signs[length - 1]:
                strength = best[length - 1][0] + min(cut.strength, STRONGEST)
                if strength > best[length][0]:
                    best[length] = strength, (*best[length - 1][1], cut)
    return best[-1][1]


def strongest(cuts: Sequence[Boundary], count: int) -> tuple[Boundary, ...]:
    """Return so many of a take's heaviest cuts, in its order; all where it has fewer."""
    kept = sorted(cuts, key=lambda cut: -WEIGHTS[cut.kind] * cut.strength)[:count]
    return tuple(cut for cut in cuts if cut in kept)


def _gain(takes: Sequence[Demonstration], place: Sequence[Boundary]) -> float:
    """Return what is gained by cutting all takes there; less than nothing where it is no place at all."""
    if place[0].kind == "rest" and not _at_one_place(takes, place):
        return -math.inf
    strengths = (math.log2(min(cut.strength, STRONGEST)) for cut in place)
    return WEIGHTS[place[0].kind] * sum(strengths) / len(place)


def _at_one_place(takes: Sequence[Demonstration], rests: Iterable[Boundary]) -> bool:
    """Whether the takes rest at one place, seen from something that is not in the hand, or on the table."""
    ways, held = [], []
    for take, cut in zip(takes, rests, strict=True):
        sample = min(cut.stop, len(take) - 1)
        ways.append(take.tool_positions[sample] - take.object_positions[sample])
        held.append(take.held[sample])
    apart = np.linalg.norm(np.ptp(np.array(ways), axis=0), axis=1)
    return bool((apart[~np.any(held, axis=0)] < TOGETHER).any())
