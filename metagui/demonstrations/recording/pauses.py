"""Where a take moves and where it rests: the range of its motion, its pauses, and a copy without them."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from metagui.arms.arm import make_read_only
from metagui.demonstrations.demonstration import Segment
from metagui.demonstrations.recording.smoothed_trajectory import (
    MIN_PAUSE_S,
    REST_RADIUS_M,
    REST_WINDOW_S,
    RETAINED_REST_S,
    SmoothedTrajectory,
    find_runs,
)

if TYPE_CHECKING:
    from metagui.arms.arm import BoolArray
    from metagui.demonstrations.demonstration import Demonstration

OBJECT_MOTION_M = 0.002
"""Motion of an object during the rest window, m, above which the take does not rest."""


def find_motion(take: Demonstration) -> tuple[int, int]:
    """Return the samples [start, stop) from the first motion to the last one, within the take's trim."""
    first, last = take.trim or (0, len(take))
    if last - first < 2:
        return first, last
    start, stop = SmoothedTrajectory.from_take(take).find_active_range(first, last)
    return start, max(stop, start + 1)


def find_pauses(take: Demonstration) -> list[tuple[int, int]]:
    """Return the pauses, samples [start, stop), within the motion: nothing moves for ``MIN_PAUSE_S`` or longer.

    A short rest on both sides is no part of them, so that motions end and begin at rest.
    """
    start, stop = find_motion(take)
    if stop - start < 2:
        return []
    smooth = SmoothedTrajectory.from_take(take)
    resting = (smooth.extent <= REST_RADIUS_M) & ~smooth.rotating & ~_find_object_motion(take, smooth)
    resting[:start] = resting[stop:] = False
    retained, half = smooth.count_samples(RETAINED_REST_S), smooth.count_samples(REST_WINDOW_S) // 2
    runs = find_runs(resting, min_length=max(smooth.count_samples(MIN_PAUSE_S) - 2 * half, 1))
    margin = max(retained - half, 0)  # the window around a sample reaches into the motion on both sides
    return [(begin + margin, end - margin) for begin, end in runs if end - begin > 2 * margin and end < stop]


def _find_object_motion(take: Demonstration, smooth: SmoothedTrajectory) -> BoolArray:
    """Return where an object moves, (N,)."""
    if not take.object_positions.shape[1]:
        return np.zeros(len(take), dtype=bool)
    width = min(smooth.count_samples(REST_WINDOW_S), len(take) - 1)
    moved = np.abs(take.object_positions[width:] - take.object_positions[:-width]).max(axis=(1, 2)) > OBJECT_MOTION_M
    out = np.zeros(len(take), dtype=bool)
    for shift in (0, width // 2, width):
        out[shift : shift + len(moved)] |= moved
    return out


def remove_pauses(take: Demonstration) -> Demonstration:
    """Return a copy without its pauses and without the rests at both ends; the clock goes on across each cut."""
    start, stop = find_motion(take)
    kept = np.zeros(len(take), dtype=bool)
    kept[start:stop] = True
    for begin, end in find_pauses(take):
        kept[begin:end] = False
    return keep_samples(take, kept)


def keep_samples(take: Demonstration, kept: BoolArray) -> Demonstration:
    """Return a copy of only the samples that are ``kept``, (N,), with its segments and without a trim."""
    before = np.concatenate([[0], np.cumsum(kept)])
    segments = tuple(
        Segment(int(before[s.start]), int(before[s.stop]), s.instruction)
        for s in take.segments
        if before[s.start] < before[s.stop]
    )
    cut: Demonstration = _select(take, len(take), np.flatnonzero(kept))
    return replace(cut, segments=segments, trim=None, time=make_read_only(_close_gaps(take, kept)))


def _close_gaps(take: Demonstration, kept: BoolArray) -> Any:
    """Return the times of the kept samples, without the time of those left out."""
    index = np.flatnonzero(kept)
    steps = np.diff(take.time[index])
    period = float(np.median(np.diff(take.time))) if len(take) > 1 else 0.0
    gaps = np.diff(index) > 1
    if not gaps.any():
        return take.time[index]
    steps[gaps] = period
    return take.time[index[:1]].sum() + np.concatenate([[0.0], np.cumsum(steps)])[: len(index)]


def _select(record: Any, count: int, index: Any) -> Any:
    """Return a frozen record with the samples ``index`` of every array of ``count`` samples, also in inner records."""
    changes: dict[str, Any] = {}
    for each in fields(record):
        value = getattr(record, each.name)
        if isinstance(value, np.ndarray) and len(value) == count:
            changes[each.name] = make_read_only(value[index])
        elif is_dataclass(value):
            changes[each.name] = _select(value, count, index)
    return replace(record, **changes)
