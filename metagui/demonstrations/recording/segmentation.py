"""Cuts a take that nobody clicked in: where a hand grasped, let go or touched something, and where it paused.

A person who leads the arm by the hand gives no clicks, but policies are learnt click by click. What a click would
have ended with shows in the take: a cube is grasped, let go or touched and the tool has risen from there, or the tool
rests. Pauses belong to no segment: nothing is to be learnt from them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from metagui.demonstrations.demonstration import Segment
from metagui.demonstrations.recording.segment_alignment import agreed, strongest
from metagui.demonstrations.recording.segmentation_cues import (
    MIN_PAUSE_S,
    MIN_RISE_M,
    MIN_TRAVEL_M,
    RETAINED_REST_S,
    Boundary,
    SmoothedTrajectory,
    find_contact_boundaries,
    find_rests,
    strokes,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.demonstrations.demonstration import Demonstration

MAX_PAUSE_DELAY_S = 0.6
"""A pause this soon after a rise is part of the same cut, s."""
MIN_SEGMENT_S = 0.3
"""Shorter segments are joined to the next, s."""


def segment_take(take: Demonstration) -> tuple[Segment, ...]:
    """Return the segments of a take, without clicks, in order; what lies between them are pauses."""
    return _split_at_boundaries(take, _select_certain_kinds(find_boundaries(take)))


def ensure_segmented(take: Demonstration) -> Demonstration:
    """Return a take with its cuts; one that has clicks, or cuts already, as it is."""
    return take if take.segments else replace(take, segments=segment_take(take))


def align_segmentation(takes: Sequence[Demonstration]) -> tuple[Demonstration, ...]:
    """Cut several takes of one task alike, at the heaviest sequence of signs that all have in common.

    A take with clicks stays as it is, and so does one whose cuts a person moved; these say how many there are to be.
    Only a take that cannot be cut so often then keeps cuts of its own number.
    """
    free = [index for index, take in enumerate(takes) if not is_settled(take)]
    counts = Counter(len(take.segments) for take in takes if is_settled(take)).most_common(1)
    if not free:
        return tuple(takes)
    shown = [takes[index] for index in free]
    found = [find_boundaries(take) for take in shown]
    cut = list(takes)
    count = counts[0][0] - 1 if counts else None
    chosen = None if count is None and len(free) == 1 else agreed(shown, found, count)
    if chosen is None:
        chosen = [_select_certain_kinds(cuts) if count is None else strongest(cuts, count) for cuts in found]
    for index, places in zip(free, chosen, strict=True):
        cut[index] = replace(takes[index], segments=_split_at_boundaries(takes[index], places))
    return tuple(cut)


def is_settled(take: Demonstration) -> bool:
    """Whether a take is not to be cut anew: it was clicked, or a person moved its cuts."""
    return bool(take.segments) and (take.recut or any(segment.instruction is not None for segment in take.segments))


def _select_certain_kinds(boundaries: Sequence[Boundary]) -> tuple[Boundary, ...]:
    return tuple(cut for cut in boundaries if cut.strength >= 1.0)


def find_boundaries(take: Demonstration) -> tuple[Boundary, ...]:
    """Return every place where a take could be cut, in order, without those at its beginning and end."""
    first, last = take.trim or (0, len(take))
    motion = SmoothedTrajectory.from_take(take)
    least = motion.count_samples(MIN_SEGMENT_S)
    if last - first <= 2 * least:
        return ()
    after, belongs = find_contact_boundaries(take, motion)
    resting = [r for r in find_rests(motion) if not belongs[min(r.start, len(take) - 1)]]
    ends = [_absorb_pause(cut, resting, motion) for cut in after]
    taken = {(cut.stop, cut.start) for cut in ends}
    alone = [r for r in resting if not any(r.stop < stop + least and start - least < r.start for stop, start in taken)]
    begin, end = motion.find_active_range(first, last)
    order = sorted([*ends, *alone], key=lambda cut: cut.stop)
    return tuple(
        cut
        for cut in strokes(order)
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
        long = rest.start - rest.stop >= trajectory.count_samples(MIN_PAUSE_S - RETAINED_REST_S)
        if long and soon and trajectory.measure_travel(boundary.stop, max(rest.stop, boundary.stop + 1)) < MIN_RISE_M:
            return replace(boundary, stop=max(rest.stop, boundary.stop), start=rest.start)
    return boundary
