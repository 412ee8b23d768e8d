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
    MIN_RISE_M,
    MIN_TRAVEL_M,
    Boundary,
    BoundaryKind,
    SmoothedTrajectory,
    find_contact_boundaries,
    find_rests,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metagui.demonstrations.demonstration import Demonstration

MAX_PAUSE_DELAY_S = 0.6
"""A pause this soon after a rise is part of the same cut, s."""
MISSING_BOUNDARY_COST = 1.5
"""What a take counts in which no such cuts are to be found, against 1 for every cut that is ignored."""
MIN_SEGMENT_S = 0.3
"""Shorter segments are joined to the next, s."""


def segment_take(take: Demonstration) -> tuple[Segment, ...]:
    """Return the segments of a take, without clicks, in order; what lies between them are pauses."""
    return _split_at_boundaries(take, [c for c in find_boundaries(take) if c.strength >= 1.0])


def ensure_segmented(take: Demonstration) -> Demonstration:
    """Return a take with its cuts; one that has clicks, or cuts already, as it is."""
    return take if take.segments else replace(take, segments=segment_take(take))


def align_segmentation(takes: Sequence[Demonstration]) -> tuple[Demonstration, ...]:
    """Cut several takes of one task alike: at the kinds of places, in their order, that agree best with all takes.

    A take that has as many segments already stays as it is, since a person may have moved its cuts; so does one with
    clicks, and these say how many there are to be. A take in which no such cuts are to be found keeps its own.
    """
    counts = {len(take.segments) for take in takes}
    found = {index: find_boundaries(take) for index, take in enumerate(takes) if not _has_instructions(take)}
    if not found or (len(counts) == 1 and counts != {0}):
        return tuple(takes)
    clicked = Counter(len(take.segments) for take in takes if _has_instructions(take)).most_common(1)
    votes = Counter(
        _select_strongest_kinds(each, clicked[0][0] - 1) if clicked else _select_certain_kinds(each)
        for each in found.values()
    )
    usual = min(votes, key=lambda kinds: (_compute_disagreement(kinds, found.values()), -votes[kinds], len(kinds)))
    return tuple(
        _segment_like(take, found[index], usual) if index in found and len(take.segments) != len(usual) + 1 else take
        for index, take in enumerate(takes)
    )


def _segment_like(
    take: Demonstration, boundaries: Sequence[Boundary], kinds: tuple[BoundaryKind, ...]
) -> Demonstration:
    """Cut a take at these kinds of places; if it has no such, at its own."""
    chosen = _match_kinds(boundaries, kinds)
    return ensure_segmented(take) if chosen is None else replace(take, segments=_split_at_boundaries(take, chosen))


def _select_strongest_kinds(boundaries: Sequence[Boundary], count: int) -> tuple[BoundaryKind, ...]:
    """Return the kinds of so many of the strongest cuts, in the take's order."""
    kept = sorted(boundaries, key=lambda cut: -cut.strength)[:count]
    return tuple(cut.kind for cut in boundaries if cut in kept)


def _select_certain_kinds(boundaries: Sequence[Boundary]) -> tuple[BoundaryKind, ...]:
    return tuple(cut.kind for cut in boundaries if cut.strength >= 1.0)


def _compute_disagreement(kinds: tuple[BoundaryKind, ...], takes: Iterable[Sequence[Boundary]]) -> float:
    """Return how many cuts of all takes have to be ignored to cut at ``kinds``; missing ones count more."""
    return sum(
        MISSING_BOUNDARY_COST
        if _match_kinds(found, kinds) is None
        else max(len(_select_certain_kinds(found)) - len(kinds), 0)
        for found in takes
    )


def _has_instructions(take: Demonstration) -> bool:
    return any(segment.instruction is not None for segment in take.segments)


def _match_kinds(boundaries: Sequence[Boundary], kinds: tuple[BoundaryKind, ...]) -> tuple[Boundary, ...] | None:
    """Return the strongest cuts of these kinds in this order; None if there are not so many."""
    best: list[tuple[float, tuple[Boundary, ...]] | None] = [
        (0.0, ()),
        *(None for _ in kinds),
    ]  # for the first 0, 1, … kinds
    for cut in boundaries:
        for count in range(len(kinds), 0, -1):
            before, now = best[count - 1], best[count]
            if cut.kind == kinds[count - 1] and before is not None:
                strength = before[0] + min(cut.strength, 2.0)
                if now is None or strength > now[0]:
                    best[count] = strength, (*before[1], cut)
    return None if best[-1] is None else best[-1][1]


def find_boundaries(take: Demonstration) -> tuple[Boundary, ...]:
    """Return every place where a take could be cut, in order, without those at its beginning and end."""
    first, last = take.trim or (0, len(take))
    motion = SmoothedTrajectory.from_take(take)
    least = motion.count_samples(MIN_SEGMENT_S)
    if last - first <= 2 * least:
        return ()
    after = find_contact_boundaries(take, motion)
    busy = np.zeros(len(take), dtype=bool)
    for begin, cut in after:
        busy[begin : cut.stop] = True
    resting = [r for r in find_rests(motion) if not busy[r.stop : r.start + 1].all()]
    ends = [_absorb_pause(cut, resting, motion) for _, cut in after]
    taken = {(cut.stop, cut.start) for cut in ends}
    alone = [r for r in resting if not any(r.stop < stop + least and start - least < r.start for stop, start in taken)]
    begin, end = motion.find_active_range(first, last)
    order = sorted([*ends, *alone], key=lambda cut: cut.stop)
    return tuple(
        cut
        for cut in order
        if cut.stop - begin >= least
        and end - cut.start >= least
        and motion.measure_travel(cut.start, end) > MIN_TRAVEL_M
    )


def _split_at_boundaries(take: Demonstration, boundaries: Sequence[Boundary]) -> tuple[Segment, ...]:
    """Return the segments between cuts, from the first motion to the last."""
    begin, end = SmoothedTrajectory.from_take(take).find_active_range(*(take.trim or (0, len(take))))
    starts, stops = [begin, *(c.start for c in boundaries)], [*(c.stop for c in boundaries), end]
    return tuple(Segment(start, stop) for start, stop in zip(starts, stops, strict=True) if stop > start)


def _absorb_pause(boundary: Boundary, rest_boundaries: Sequence[Boundary], trajectory: SmoothedTrajectory) -> Boundary:
    """Return a cut that leaves out the pause in which the rise ended, if there is one."""
    for rest in rest_boundaries:
        soon = boundary.stop <= rest.start and rest.stop - boundary.stop <= trajectory.count_samples(MAX_PAUSE_DELAY_S)
        if (
            rest.strength >= 1.0
            and soon
            and trajectory.measure_travel(boundary.stop, max(rest.stop, boundary.stop + 1)) < MIN_RISE_M
        ):
            return replace(boundary, stop=max(rest.stop, boundary.stop), start=rest.start)
    return boundary
