"""Cuts a take that nobody clicked in: where a hand grasped, let go or touched something, and where it paused.

A person who leads the arm by the hand gives no clicks, but policies are learnt click by click. What a click would
have ended with shows in the take: a cube is grasped, let go or touched and the tool has risen from there, or the tool
rests. Pauses belong to no segment: nothing is to be learnt from them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from metagui.demonstrations.demonstration import Segment
from metagui.demonstrations.recording.segmentation_cues import (
    LEAST_RISE,
    LEAST_TRAVEL,
    Cut,
    Kind,
    Motion,
    after_contacts,
    rests,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metagui.demonstrations.demonstration import Demonstration

AT_PAUSE = 0.6
"""A pause this soon after a rise is part of the same cut, s."""
MISSING = 1.5
"""What a take counts in which no such cuts are to be found, against 1 for every cut that is ignored."""
LEAST_SEGMENT = 0.3
"""Shorter segments are joined to the next, s."""


def cuts(take: Demonstration) -> tuple[Segment, ...]:
    """Return the segments of a take, without clicks, in order; what lies between them are pauses."""
    return _segments(take, [c for c in possible_cuts(take) if c.strength >= 1.0])


def with_cuts(take: Demonstration) -> Demonstration:
    """Return a take with its cuts; one that has clicks, or cuts already, as it is."""
    return take if take.segments else replace(take, segments=cuts(take))


def reconciled(takes: Sequence[Demonstration]) -> tuple[Demonstration, ...]:
    """Cut several takes of one task alike: at the kinds of places, in their order, that agree best with all takes.

    A take that has as many segments already stays as it is, since a person may have moved its cuts; so does one with
    clicks, and these say how many there are to be. A take in which no such cuts are to be found keeps its own.
    """
    counts = {len(take.segments) for take in takes}
    found = {index: possible_cuts(take) for index, take in enumerate(takes) if not _clicked(take)}
    if not found or (len(counts) == 1 and counts != {0}):
        return tuple(takes)
    clicked = Counter(len(take.segments) for take in takes if _clicked(take)).most_common(1)
    votes = Counter(_strongest(each, clicked[0][0] - 1) if clicked else _sure(each) for each in found.values())
    usual = min(votes, key=lambda kinds: (_disagreement(kinds, found.values()), -votes[kinds], len(kinds)))
    return tuple(
        _cut_like(take, found[index], usual) if index in found and len(take.segments) != len(usual) + 1 else take
        for index, take in enumerate(takes)
    )


def _cut_like(take: Demonstration, found: Sequence[Cut], kinds: tuple[Kind, ...]) -> Demonstration:
    """Cut a take at these kinds of places; if it has no such, at its own."""
    chosen = _matching(found, kinds)
    return with_cuts(take) if chosen is None else replace(take, segments=_segments(take, chosen))


def _strongest(found: Sequence[Cut], count: int) -> tuple[Kind, ...]:
    """Return the kinds of so many of the strongest cuts, in the take's order."""
    kept = sorted(found, key=lambda cut: -cut.strength)[:count]
    return tuple(cut.kind for cut in found if cut in kept)


def _sure(found: Sequence[Cut]) -> tuple[Kind, ...]:
    return tuple(cut.kind for cut in found if cut.strength >= 1.0)


def _disagreement(kinds: tuple[Kind, ...], takes: Iterable[Sequence[Cut]]) -> float:
    """Return how many cuts of all takes have to be ignored to cut at ``kinds``; missing ones count more."""
    return sum(
        MISSING if _matching(found, kinds) is None else max(len(_sure(found)) - len(kinds), 0) for found in takes
    )


def _clicked(take: Demonstration) -> bool:
    return any(segment.click is not None for segment in take.segments)


def _matching(found: Sequence[Cut], kinds: tuple[Kind, ...]) -> tuple[Cut, ...] | None:
    """Return the strongest cuts of these kinds in this order; None if there are not so many."""
    best: list[tuple[float, tuple[Cut, ...]] | None] = [
        (0.0, ()),
        *(None for _ in kinds),
    ]  # for the first 0, 1, … kinds
    for cut in found:
        for count in range(len(kinds), 0, -1):
            before, now = best[count - 1], best[count]
            if cut.kind == kinds[count - 1] and before is not None:
                strength = before[0] + min(cut.strength, 2.0)
                if now is None or strength > now[0]:
                    best[count] = strength, (*before[1], cut)
    return None if best[-1] is None else best[-1][1]


def possible_cuts(take: Demonstration) -> tuple[Cut, ...]:
    """Return every place where a take could be cut, in order, without those at its beginning and end."""
    first, last = take.trim or (0, len(take))
    motion = Motion.of(take)
    least = motion.samples(LEAST_SEGMENT)
    if last - first <= 2 * least:
        return ()
    after = after_contacts(take, motion)
    busy = np.zeros(len(take), dtype=bool)
    for begin, cut in after:
        busy[begin : cut.stop] = True
    resting = [r for r in rests(motion) if not busy[r.stop : r.start + 1].all()]
    ends = [_with_pause(cut, resting, motion) for _, cut in after]
    taken = {(cut.stop, cut.start) for cut in ends}
    alone = [r for r in resting if not any(r.stop < stop + least and start - least < r.start for stop, start in taken)]
    begin, end = motion.active(first, last)
    order = sorted([*ends, *alone], key=lambda cut: cut.stop)
    return tuple(
        cut
        for cut in order
        if cut.stop - begin >= least and end - cut.start >= least and motion.travel(cut.start, end) > LEAST_TRAVEL
    )


def _segments(take: Demonstration, chosen: Sequence[Cut]) -> tuple[Segment, ...]:
    """Return the segments between cuts, from the first motion to the last."""
    begin, end = Motion.of(take).active(*(take.trim or (0, len(take))))
    starts, stops = [begin, *(c.start for c in chosen)], [*(c.stop for c in chosen), end]
    return tuple(Segment(start, stop) for start, stop in zip(starts, stops, strict=True) if stop > start)


def _with_pause(cut: Cut, resting: Sequence[Cut], motion: Motion) -> Cut:
    """Return a cut that leaves out the pause in which the rise ended, if there is one."""
    for rest in resting:
        soon = cut.stop <= rest.start and rest.stop - cut.stop <= motion.samples(AT_PAUSE)
        if rest.strength >= 1.0 and soon and motion.travel(cut.stop, max(rest.stop, cut.stop + 1)) < LEAST_RISE:
            return replace(cut, stop=max(rest.stop, cut.stop), start=rest.start)
    return cut
