"""Motion of a take without tremor: smoothed tool positions, and the samples at which the tool rests or turns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import CONTROL_PERIOD_S

if TYPE_CHECKING:
    from metagui.arms.arm import BoolArray, FloatArray
    from metagui.demonstrations.demonstration import Demonstration

SMOOTHING_WINDOW_S = 0.16
"""Length of the moving average, s: the period of a hand's tremor, which it removes."""
REST_WINDOW_S, REST_RADIUS_M = 0.30, 0.005
"""The tool rests if it stays within this radius, m, during this time, s."""
REST_ROTATION_RAD = 0.12
"""Maximum rotation of the tool or the gripper during a rest, rad."""
MIN_PAUSE_S = 0.50
"""Duration of a rest from which it is a boundary by itself, s."""
RETAINED_REST_S = 0.08
"""Time of a rest that stays part of the segment before it, s, so that a policy learns to end at rest."""


@dataclass(frozen=True)
class SmoothedTrajectory:
    """Smoothed motion of a take with N samples."""

    positions: FloatArray
    """(N, 3) tool positions, m."""
    extent: FloatArray
    """(N,) range of the tool positions during the rest window around a sample, m."""
    rotating: BoolArray
    """(N,) True if the gripper moves or the tool turns during that window."""
    sample_rate: float
    """Hz."""

    @classmethod
    def from_take(cls, take: Demonstration) -> SmoothedTrajectory:
        """Smooth the motion of a take."""
        period = float(np.median(np.diff(take.time))) if len(take) > 1 else CONTROL_PERIOD_S
        rate = 1.0 / max(period, 1e-3)
        width = max(round(SMOOTHING_WINDOW_S * rate), 1) | 1
        positions = _smooth(take.tool_positions, width)
        window = max(round(REST_WINDOW_S * rate), 2) | 1
        extent = np.linalg.norm(_compute_window_range(positions, window), axis=1)
        angles = np.column_stack([take.joint_positions[:, -1], np.unwrap(take.tool_yaws)])
        rotation = _compute_window_range(_smooth(angles, width), window)
        return cls(positions, extent, np.asarray((rotation > REST_ROTATION_RAD).any(axis=1)), rate)

    def count_samples(self, duration: float) -> int:
        """Return the number of samples in a duration, s; 1 or more."""
        return max(round(duration * self.sample_rate), 1)

    def measure_travel(self, start: int, stop: int) -> float:
        """Return the maximum distance of the samples [start, stop) from the first, m; 0 behind the end."""
        if start >= len(self.positions):
            return 0.0
        return float(np.linalg.norm(self.positions[start:stop] - self.positions[start], axis=1).max(initial=0.0))

    def stays_within(self, start: int, stop: int, radius: float) -> bool:
        """Whether the samples [start, stop) are within ``radius`` m of the first."""
        return self.measure_travel(start, stop) <= radius

    def stays_above(self, start: int, stop: int, radius: float) -> bool:
        """Whether the samples [start, stop) are within ``radius`` m of the first horizontally."""
        horizontal = self.positions[start:stop, :2] - self.positions[min(start, len(self.positions) - 1), :2]
        return float(np.linalg.norm(horizontal, axis=1).max(initial=0.0)) <= radius

    def find_active_range(self, first: int, last: int) -> tuple[int, int]:
        """Return the samples [start, stop) between the rests at the beginning and the end of [first, last)."""
        moving = np.flatnonzero((self.extent > REST_RADIUS_M) | self.rotating)
        moving = moving[(moving >= first) & (moving < last)]
        if not len(moving):
            return first, last
        half = self.count_samples(REST_WINDOW_S) // 2  # the window around a sample reaches into the rest after it
        begin = first if moving[0] - first < self.count_samples(MIN_PAUSE_S) else int(moving[0])
        end = int(moving[-1]) + 1 - half + self.count_samples(RETAINED_REST_S)
        return begin, last if last - end < 2 * self.count_samples(RETAINED_REST_S) else max(end, begin + 1)


def find_runs(flags: BoolArray, max_gap: int = 0, min_length: int = 1) -> list[tuple[int, int]]:
    """Return the runs [start, stop) of true flags (N,), with short gaps filled and short runs dropped."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    runs: list[tuple[int, int]] = []
    for start, stop in edges.reshape(-1, 2).tolist():
        if runs and start - runs[-1][1] <= max_gap:
            start = runs.pop()[0]
        runs.append((start, stop))
    return [(start, stop) for start, stop in runs if stop - start >= min_length]


def _smooth(values: FloatArray, window: int) -> FloatArray:
    """Return the moving average of (N, D) over ``window`` samples, an odd number."""
    padded = np.pad(values, ((window // 2, window // 2), (0, 0)), mode="edge")
    total = np.cumsum(np.concatenate([np.zeros((1, values.shape[1])), padded]), axis=0)
    return np.asarray((total[window:] - total[:-window]) / window)


def _compute_window_range(values: FloatArray, window: int) -> FloatArray:
    """Return the maximum minus the minimum of (N, D) within ``window`` samples around each."""
    padded = np.pad(values, ((window // 2, window // 2), (0, 0)), mode="edge")
    views = np.lib.stride_tricks.sliding_window_view(padded, window, axis=0)
    return np.asarray(views.max(axis=-1) - views.min(axis=-1))
