"""Where a take that a hand led is cut, and moving, adding and removing such a cut. Qt-free."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration, Segment

Segments = tuple["Segment", ...]

LEAST = 10
"""Samples a segment must have."""


def movable(take: Demonstration) -> bool:
    """Whether the cuts of a take were guessed, so that a person may know better: nobody clicked there."""
    return all(segment.click is None for segment in take.segments)


def edges(segments: Segments) -> tuple[int, ...]:
    """Return the samples at which segments begin or end, in order."""
    return tuple(sorted({sample for s in segments for sample in (s.start, s.stop)}))


def moved(segments: Segments, edge: int, sample: int, samples: int) -> Segments:
    """Return the segments of a take of ``samples`` with the edge at ``edge`` moved as near to ``sample`` as it may."""
    every = edges(segments)
    place = every.index(edge)
    low = every[place - 1] + LEAST if place else 0
    high = every[place + 1] - LEAST if place + 1 < len(every) else samples
    to = min(max(sample, low), high) if low <= high else edge
    return tuple(
        replace(s, start=to if s.start == edge else s.start, stop=to if s.stop == edge else s.stop) for s in segments
    )


def split(segments: Segments, sample: int) -> Segments:
    """Return the segments with one more cut at ``sample``, if there is room for it."""
    out: list[Segment] = []
    for s in segments:
        if s.start + LEAST <= sample <= s.stop - LEAST:
            out += [replace(s, stop=sample), replace(s, start=sample)]
        else:
            out.append(s)
    return tuple(out)


def joined(segments: Segments, edge: int) -> Segments:
    """Return the segments without the cut at ``edge``: those on both sides become one, a pause between them too."""
    for before, after in itertools.pairwise(segments):
        if edge in (before.stop, after.start):
            one = replace(before, stop=after.stop)
            return tuple(one if s is before else s for s in segments if s is not after)
    return segments
