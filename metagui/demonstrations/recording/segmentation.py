"""Segmentation of takes that were recorded without instructions, such as hand-guided ones.

Policies are learnt segment by segment. In a hand-guided take the end of a segment shows as a cue: a cube was grasped,
released or touched and the tool rose after it, or the tool rests. Pauses belong to no segment, because nothing can be
learnt from them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from metagui.demonstrations.demonstration import Segment
from metagui.demonstrations.recording.segment_alignment import find_common_boundaries, select_strongest
from metagui.demonstrations.recording.segmentation_cues import (
    MIN_RISE_M,
    MIN_TRAVEL_M,
    Boundary,
    find_contact_boundaries,
    find_rests,
    mark_strokes,
)
from metagui.demonstrations.recording.smoothed_trajectory import MIN_PAUSE_S, RETAINED_REST_S, SmoothedTrajectory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.demonstrations.demonstration import Demonstration

MAX_PAUSE_DELAY_S = 0.6
"""Maximum time between a rise and a pause that belongs to the same boundary, s."""
MAX_REST_OFFSET_M, MIN_LONG_REST_STRENGTH = 0.03, 2.0
"""In a single take, a rest is a boundary only within the former horizontal distance of an object, m, or if its strength
is at least the latter (one second): people hesitate anywhere, and no other take shows where a rest has a meaning."""
HESITATION_FACTOR = 3.0
"""Factor on both strengths in a single take of a person who hesitates: where contacts show the ends of segments, and
the tool also rests where none can end."""
MIN_HESITATION_S = 0.1
"""Minimum duration of a rest that tells so, behind the part that stays in its segment, s."""
MIN_SEGMENT_S = 0.3
"""Minimum duration of a segment, s; shorter ones are joined to the next."""


def segment_take(take: Demonstration) -> tuple[Segment, ...]:
    """Return the segments of a take in order, without instructions and without the pauses between them."""
    return _split_at_boundaries(take, _select_certain(take, find_boundaries(take)))


def ensure_segmented(take: Demonstration) -> Demonstration:
    """Return the take with segments; a take that has segments is returned unchanged."""
    return take if take.segments else replace(take, segments=segment_take(take))


def align_segmentation(takes: Sequence[Demonstration]) -> tuple[Demonstration, ...]:
    """Split the takes of one task at corresponding boundaries.

    Takes with instructions, and those whose boundaries the user has set, remain unchanged and determine the number of
    segments. A take without that many boundaries gets a number of its own.
    """
    free = [index for index, take in enumerate(takes) if not has_fixed_segments(take)]
    counts = Counter(len(take.segments) for take in takes if has_fixed_segments(take)).most_common(1)
    if not free:
        return tuple(takes)
    free_takes = [takes[index] for index in free]
    found = [find_boundaries(take) for take in free_takes]
    aligned = list(takes)
    count = counts[0][0] - 1 if counts else None
    chosen = None if count is None and len(free) == 1 else find_common_boundaries(free_takes, found, count)
    if chosen is None:
        chosen = [
            _select_certain(take, boundaries) if count is None else select_strongest(boundaries, count)
            for take, boundaries in zip(free_takes, found, strict=True)
        ]
    for index, boundaries in zip(free, chosen, strict=True):
        aligned[index] = replace(takes[index], segments=_split_at_boundaries(takes[index], boundaries))
    return tuple(aligned)


def has_fixed_segments(take: Demonstration) -> bool:
    """Whether a take must not be segmented again: it has instructions, or the user has set its boundaries."""
    has_instructions = any(segment.instruction is not None for segment in take.segments)
    return bool(take.segments) and (take.manually_segmented or has_instructions)


def find_boundaries(take: Demonstration) -> tuple[Boundary, ...]:
    """Return all candidate boundaries of a take in order, without its beginning and end."""
    first, last = take.trim or (0, len(take))
    trajectory = SmoothedTrajectory.from_take(take)
    min_length = trajectory.count_samples(MIN_SEGMENT_S)
    if last - first <= 2 * min_length:
        return ()
    contacts, in_contact = find_contact_boundaries(take, trajectory)
    rests = [each for each in find_rests(trajectory) if not in_contact[min(each.start, len(take) - 1)]]
    next_stops = [*(each.stop for each in contacts), len(take)][1:]
    ends = [_absorb_pauses(each, rests, trajectory, stop) for each, stop in zip(contacts, next_stops, strict=True)]
    used = {(each.stop, each.start) for each in ends}
    separate = [
        each
        for each in rests
        if not any(each.stop < start + min_length and stop - min_length < each.start for stop, start in used)
    ]
    begin, end = trajectory.find_active_range(first, last)
    ordered = sorted([*ends, *separate], key=lambda each: each.stop)
    return tuple(
        each
        for each in mark_strokes(ordered)
        if each.stop - begin >= min_length
        and end - each.start >= min_length
        and trajectory.measure_travel(each.start, end) > MIN_TRAVEL_M
        and not (each.kind != "rest" and trajectory.stays_above(each.start, end, MAX_REST_OFFSET_M))  # a retreat
    )


def _select_certain(take: Demonstration, boundaries: Sequence[Boundary]) -> tuple[Boundary, ...]:
    """Return the boundaries that need no other take as evidence."""
    min_strength = HESITATION_FACTOR if _shows_hesitation(take, boundaries) else 1.0
    return tuple(each for each in boundaries if each.strength >= 1.0 and _is_certain(take, each, min_strength))


def _is_certain(take: Demonstration, boundary: Boundary, min_strength: float) -> bool:
    """Whether a boundary is a contact, a turn of strokes, a long rest, or a rest above an object.

    ``min_strength`` is that of a rest above an object.
    """
    if boundary.cue != "rest":
        return True
    if _is_aligning(take, boundary):
        return False
    is_long = boundary.strength >= min_strength * MIN_LONG_REST_STRENGTH
    return is_long or (boundary.strength >= min_strength and _is_above_object(take, boundary.stop))


def _shows_hesitation(take: Demonstration, boundaries: Sequence[Boundary]) -> bool:
    """Whether a take with contacts has a rest that is too short for a boundary, on a straight way, or aligning."""
    shortest = MIN_HESITATION_S * SmoothedTrajectory.from_take(take).sample_rate
    rests = [each for each in boundaries if each.cue == "rest" and each.start - each.stop > shortest]
    has_contact = bool((take.held | take.touched).any())
    return has_contact and any(each.strength < 1.0 or _is_aligning(take, each) for each in rests)


def _is_aligning(take: Demonstration, boundary: Boundary) -> bool:
    """Whether the tool goes straight down or up from a rest to the next contact: people align as long as they want."""
    flags = take.held | take.touched
    first = min(boundary.start, len(take) - 1)
    changed = np.flatnonzero((flags[first:] != flags[first]).any(axis=1))
    if not len(changed):
        return False
    path = take.tool_positions[boundary.stop : first + int(changed[0]) + 1, :2]
    return bool(np.linalg.norm(path - path[-1], axis=1).max() < MAX_REST_OFFSET_M)


def _is_above_object(take: Demonstration, sample: int) -> bool:
    """Whether the tool is above or at an object that is neither the table nor held."""
    sample = min(sample, len(take) - 1)
    offsets = take.tool_positions[sample] - take.object_positions[sample]
    others = np.array([each.kind != "table" for each in take.objects]) & ~take.held[sample]
    return bool((np.linalg.norm(offsets[:, :2], axis=1)[others] < MAX_REST_OFFSET_M).any())


def _split_at_boundaries(take: Demonstration, boundaries: Sequence[Boundary]) -> tuple[Segment, ...]:
    """Return the segments between boundaries, from the first motion to the last."""
    begin, end = SmoothedTrajectory.from_take(take).find_active_range(*(take.trim or (0, len(take))))
    starts, stops = [begin, *(each.start for each in boundaries)], [*(each.stop for each in boundaries), end]
    return tuple(Segment(start, stop) for start, stop in zip(starts, stops, strict=True) if stop > start)


def _absorb_pauses(
    boundary: Boundary, rests: Sequence[Boundary], trajectory: SmoothedTrajectory, next_stop: int
) -> Boundary:
    """Return the boundary of a contact extended by the pauses at the end of its rise and above its place.

    ``next_stop`` is the end of the next contact: pauses after it belong to that one.
    """
    max_delay = trajectory.count_samples(MAX_PAUSE_DELAY_S)
    min_length = trajectory.count_samples(MIN_PAUSE_S - RETAINED_REST_S)
    extended, was_extended = boundary, False
    for rest in rests:
        if rest.start - rest.stop < min_length or rest.stop < boundary.stop or rest.start > next_stop:
            continue
        travel = trajectory.measure_travel(boundary.stop, max(rest.stop, boundary.stop + 1))
        is_soon = rest.stop - boundary.stop <= max_delay and travel < MIN_RISE_M
        if is_soon or trajectory.stays_above(boundary.stop, rest.start, MAX_REST_OFFSET_M):
            extended = replace(extended, stop=extended.stop if was_extended else rest.stop, start=rest.start)
            was_extended = True
    return extended
