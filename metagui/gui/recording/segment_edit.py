"""Where a take that a hand led is cut, and moving, adding and removing such a cut. Qt-free."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration, Segment

SegmentTuple = tuple["Segment", ...]

MIN_SEGMENT_SAMPLES = 10
"""Samples a segment must have."""


def is_segmentation_editable(take: Demonstration) -> bool:
    """Whether the cuts of a take were guessed, so that a person may know better: nobody clicked there."""
    return all(segment.instruction is None for segment in take.segments)


def list_boundaries(segments: SegmentTuple) -> tuple[int, ...]:
    """Return the samples at which segments begin or end, in order."""
    return tuple(sorted({sample for s in segments for sample in (s.start, s.stop)}))


def move_boundary(segments: SegmentTuple, boundary: int, sample: int, sample_count: int) -> SegmentTuple:
    """Return the segments of a take of ``samples`` with the edge at ``edge`` moved as near to ``sample`` as it may."""
    every = list_boundaries(segments)
    place = every.index(boundary)
    low = every[place - 1] + MIN_SEGMENT_SAMPLES if place else 0
    high = every[place + 1] - MIN_SEGMENT_SAMPLES if place + 1 < len(every) else sample_count
    to = min(max(sample, low), high) if low <= high else boundary
    return tuple(
        replace(s, start=to if s.start == boundary else s.start, stop=to if s.stop == boundary else s.stop)
        for s in segments
    )


def split_segment(segments: SegmentTuple, sample: int) -> SegmentTuple:
    """Return the segments with one more cut at ``sample``, if there is room for it."""
    out: list[Segment] = []
    for s in segments:
        if s.start + MIN_SEGMENT_SAMPLES <= sample <= s.stop - MIN_SEGMENT_SAMPLES:
            out += [replace(s, stop=sample), replace(s, start=sample)]
        else:
            out.append(s)
    return tuple(out)


def join_segments(segments: SegmentTuple, boundary: int) -> SegmentTuple:
    """Return the segments without the cut at ``edge``: those on both sides become one, a pause between them too."""
    for before, after in itertools.pairwise(segments):
        if boundary in (before.stop, after.start):
            one = replace(before, stop=after.stop)
            return tuple(one if s is before else s for s in segments if s is not after)
    return segments
