"""Geometry of demonstrated paths: whether a path is more than an approach to its end, and whether a run followed it.

Paths are compared in order, so that a place that was visited twice has to be visited twice.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import FloatArray

STEP_M, SMOOTHING_SAMPLES = 0.005, 9
"""Distance between the points of a thinned path, m, and length of the moving average before it, samples, so that tremor
leaves no trace."""
MAX_APPROACH_RATIO, MAX_APPROACH_EXCESS_M = 1.35, 0.025
"""Longest horizontal path to a point, relative to the distance and in addition to it, m."""
MAX_APPROACH_BEND, MIN_BEND_M = 0.4, 0.020
"""Largest lateral deviation of an approach from the straight line, relative to its length, and the least that counts,
m: people lead in curves."""
MAX_EXTRA_CLIMB_M = 0.030
"""Largest vertical motion of an approach in addition to one rise and one descent, m."""
MAX_ENTRY_BEND, MIN_ENTRY_BEND_M = 0.06, 0.006
"""The same deviation for the part of a path that is only the way to its beginning."""
MAX_GAP_FRACTION = 0.35
"""Largest distance between the ends of a closed path, relative to its length."""
MIN_REPETITION_RATIO, MIN_REPETITION_EXCESS_M = 2.5, 0.080
"""Horizontal length of a path that goes to and fro, relative to its extent and in addition to it, m."""


def thin(path: FloatArray, step: float = STEP_M) -> FloatArray:
    """Return points (n, 3) of the smoothed path (T, 3), at least ``step`` m from the point before, and the last."""
    path = _smooth(path)
    kept = [0]
    for index in range(1, len(path)):
        offset = path[index] - path[kept[-1]]
        if float(offset @ offset) >= step * step:
            kept.append(index)
    if kept[-1] != len(path) - 1:
        kept.append(len(path) - 1)
    return np.asarray(path[kept])


def _smooth(path: FloatArray) -> FloatArray:
    """Return the moving average of a path (T, 3); the ends are repeated."""
    half = SMOOTHING_SAMPLES // 2
    padded = np.concatenate([path[:1].repeat(half + 1, axis=0), path, path[-1:].repeat(half, axis=0)]).cumsum(axis=0)
    return np.asarray((padded[SMOOTHING_SAMPLES:] - padded[:-SMOOTHING_SAMPLES]) / SMOOTHING_SAMPLES)


def measure_length(path: FloatArray) -> float:
    """Return the length of a path (n, d), m."""
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())


def is_approach(path: FloatArray) -> bool:
    """Return whether a thinned path (n, 3) does no more than go to its end, over obstacles and in a slight curve."""
    horizontal, heights = path[:, :2], path[:, 2]
    distance = float(np.linalg.norm(horizontal[-1] - horizontal[0]))
    climb = float(np.abs(np.diff(heights)).sum()) - float(2 * heights.max() - heights[0] - heights[-1])
    return (
        measure_length(horizontal) <= MAX_APPROACH_RATIO * distance + MAX_APPROACH_EXCESS_M
        and _measure_bend(horizontal) <= max(MAX_APPROACH_BEND * distance, MIN_BEND_M)
        and climb <= MAX_EXTRA_CLIMB_M
    )


def is_repetitive(path: FloatArray) -> bool:
    """Return whether a thinned path (n, 3) goes to and fro at its end, as in wiping or stirring."""
    horizontal = path[find_entry(path) :, :2]
    extent = float(np.linalg.norm(np.ptp(horizontal, axis=0)))
    return measure_length(horizontal) > MIN_REPETITION_RATIO * extent + MIN_REPETITION_EXCESS_M


def find_entry(path: FloatArray) -> int:
    """Return the point of a thinned path (n, 3) at which the way to its beginning ends and the motion begins.

    The path has arrived when it is as near to the middle of its later half as that half is wide. A path that neither
    closes nor goes to and fro begins where it leaves the straight line of its approach, if that is later.
    """
    later = path[len(path) // 2 :]
    centre = (later.min(axis=0) + later.max(axis=0)) / 2
    radius = float(np.linalg.norm(later - centre, axis=1).max())
    arrival = int((np.linalg.norm(path - centre, axis=1) <= radius + STEP_M).argmax())
    if is_closed(path[arrival:]):
        return arrival
    horizontal = path[:, :2]
    for stop in range(len(path), arrival + 1, -1):
        part = horizontal[:stop]
        chord = float(np.linalg.norm(part[-1] - part[0]))
        is_direct = measure_length(part) <= 1.1 * chord + STEP_M
        if is_direct and _measure_bend(part) <= max(MAX_ENTRY_BEND * chord, MIN_ENTRY_BEND_M):
            return stop - 1
    return arrival


def is_closed(path: FloatArray) -> bool:
    """Return whether a path (n, 3) ends near its beginning, as a circle does without its first part."""
    return float(np.linalg.norm(path[-1] - path[0])) < MAX_GAP_FRACTION * measure_length(path)


def measure_coverage(path: FloatArray, run: FloatArray, tolerance: float) -> float:
    """Return the fraction of a path's points (n, 3) that a run (m, 3) passes within ``tolerance`` m, in order."""
    return float(measure_suffix_coverage(path, run, tolerance)[0]) if len(path) and len(run) else 0.0


def measure_suffix_coverage(path: FloatArray, run: FloatArray, tolerance: float) -> FloatArray:
    """Return, for every point of a path (n, 3), the coverage of the path from there on, (n,).

    It is the longest common subsequence of the points from there on and the run's, one to one: at a turning point, a
    run may not stand for a part of the path that it leaves out.
    """
    near = ((path[:, None] - run[None]) ** 2).sum(axis=-1) <= tolerance * tolerance
    longest, found = np.zeros(len(run) + 1), np.zeros(len(path))
    for index in range(len(path) - 1, -1, -1):
        longest[:-1] = np.maximum(longest[:-1], longest[1:] + near[index])
        longest = np.maximum.accumulate(longest[::-1])[::-1].copy()
        found[index] = longest[0] / (len(path) - index)
    return found


def find_common_suffix(path: FloatArray, others: Sequence[FloatArray], tolerance: float, coverage: float) -> int:
    """Return the first point of a path (n, 3) from which on the other paths follow it; n if they never do."""
    follows = np.ones(len(path), dtype=bool)
    for other in others:
        follows &= measure_suffix_coverage(path, other, tolerance) >= coverage
    return int(follows.argmax()) if follows.any() else len(path)


def _measure_bend(horizontal: FloatArray) -> float:
    """Return the largest distance of points (n, 2) from the segment between the first and the last, m."""
    start, chord = horizontal[0], horizontal[-1] - horizontal[0]
    squared = float(chord @ chord)
    along = np.clip((horizontal - start) @ chord / squared, 0.0, 1.0) if squared > 0.0 else np.zeros(len(horizontal))
    return float(np.linalg.norm(horizontal - start - along[:, None] * chord, axis=1).max(initial=0.0))


def measure_direction_spread(starts: FloatArray, ends: FloatArray) -> float:
    """Return the largest angle between the horizontal directions from ends to starts, (takes, 3) each, rad."""
    offsets = starts[:, :2] - ends[:, :2]
    angles = np.arctan2(offsets[:, 1], offsets[:, 0])
    difference = angles[:, None] - angles[None]
    return float(np.abs((difference + math.pi) % (2 * math.pi) - math.pi).max(initial=0.0))
