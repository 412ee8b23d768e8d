"""Editing the segmentation of a take: moving, adding and removing boundaries. Qt-free."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration, Segment

SegmentTuple = tuple["Segment", ...]

MIN_SEGMENT_SAMPLES = 10
"""Minimum number of samples of a segment."""
BOUNDARY_SHORTCUTS = (
    ("B", "add a boundary at the playhead, or remove the one there"),
    ("M", "move the nearest boundary to the playhead"),
)
"""Keys with the joint angles focused, for takes without clicks, and what they do."""


def is_segmentation_editable(take: Demonstration) -> bool:
    """Return True if the segments of a take were estimated, not given by instructions."""
    return all(segment.instruction is None for segment in take.segments)


def list_boundaries(segments: SegmentTuple) -> tuple[int, ...]:
    """Return the samples at which segments begin or end, sorted."""
    return tuple(sorted({sample for s in segments for sample in (s.start, s.stop)}))


def move_boundary(segments: SegmentTuple, boundary: int, sample: int, sample_count: int) -> SegmentTuple:
    """Return the segments with ``boundary`` moved to ``sample``, within the limits of its neighbours."""
    boundaries = list_boundaries(segments)
    index = boundaries.index(boundary)
    low = boundaries[index - 1] + MIN_SEGMENT_SAMPLES if index else 0
    high = boundaries[index + 1] - MIN_SEGMENT_SAMPLES if index + 1 < len(boundaries) else sample_count
    to = min(max(sample, low), high) if low <= high else boundary
    return tuple(
        replace(s, start=to if s.start == boundary else s.start, stop=to if s.stop == boundary else s.stop)
        for s in segments
    )


def split_segment(segments: SegmentTuple, sample: int) -> SegmentTuple:
    """Return the segments with one more boundary at ``sample``, if both parts are long enough."""
    out: list[Segment] = []
    for s in segments:
        if s.start + MIN_SEGMENT_SAMPLES <= sample <= s.stop - MIN_SEGMENT_SAMPLES:
            out += [replace(s, stop=sample), replace(s, start=sample)]
        else:
            out.append(s)
    return tuple(out)


def join_segments(segments: SegmentTuple, boundary: int) -> SegmentTuple:
    """Return the segments with those on both sides of ``boundary`` joined, including a pause between them."""
    for before, after in itertools.pairwise(segments):
        if boundary in (before.stop, after.start):
            joined = replace(before, stop=after.stop)
            return tuple(joined if s is before else s for s in segments if s is not after)
    return segments


def toggle_boundary(segments: SegmentTuple, sample: int, _sample_count: int) -> SegmentTuple:
    """Return the segments with one more boundary at ``sample``, or without the one that is too near for another."""
    nearest = _find_nearest(segments, sample)
    if nearest is not None and abs(nearest - sample) < MIN_SEGMENT_SAMPLES:
        return join_segments(segments, nearest)
    return split_segment(segments, sample)


def bring_boundary(segments: SegmentTuple, sample: int, sample_count: int) -> SegmentTuple:
    """Return the segments with the boundary nearest to ``sample`` moved there, as far as its neighbours allow."""
    nearest = _find_nearest(segments, sample)
    return segments if nearest is None else move_boundary(segments, nearest, sample, sample_count)


def _find_nearest(segments: SegmentTuple, sample: int) -> int | None:
    return min(list_boundaries(segments), key=lambda boundary: abs(boundary - sample), default=None)
