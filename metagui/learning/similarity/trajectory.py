"""A whole take as 64 points of object-relative channels: what the Siamese network and time warping compare.

Channels stay in the scene's order of anchors, because *which* object a task is about is part of the task. Nothing
says where on the table things lay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metagui.learning.policy.feature_layout import COARSE_SCALE_M, FINE_SCALE_M, Array
from metagui.learning.policy.features import check_finite
from metagui.learning.policy.track import normalise_gripper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from metagui.arms.arm import FloatArray
    from metagui.demonstrations.demonstration import Demonstration

TRAJECTORY_POINTS = 64
OBJECT_CHANNELS = 11
GLOBAL_CHANNELS = 5


@dataclass(frozen=True)
class Trajectories:
    """Takes resampled to equal length: n takes, A anchors."""

    object_channels: Array
    """(n, POINTS, A, ANCHOR_CHANNELS)"""
    global_channels: Array
    """(n, POINTS, GLOBAL_CHANNELS)"""
    log_durations: Array
    """(n,) natural logarithm of seconds."""

    def __len__(self) -> int:
        return len(self.log_durations)

    def __getitem__(self, rows: NDArray[np.int64]) -> Trajectories:
        return Trajectories(self.object_channels[rows], self.global_channels[rows], self.log_durations[rows])


def resample_takes(takes: Sequence[Demonstration]) -> Trajectories:
    """Resample takes between their first and last click. Raises FeatureError for numbers that are not finite."""
    rows = [_resample_take(take) for take in takes]
    return Trajectories(*(np.stack(column) for column in zip(*rows, strict=True)))


def concatenate_trajectories(parts: Sequence[Trajectories]) -> Trajectories:
    """Put several series one after the other."""
    return Trajectories(
        np.concatenate([p.object_channels for p in parts]),
        np.concatenate([p.global_channels for p in parts]),
        np.concatenate([p.log_durations for p in parts]),
    )


def _resample_take(take: Demonstration) -> tuple[Array, Array, Array]:
    check_finite(take)
    first, last = take.trim or (0, len(take))
    if take.segments:
        inside = max(first, take.segments[0].start), min(last, take.segments[-1].stop + 1)
        first, last = inside if inside[1] > inside[0] else (first, last)
    rows = slice(first, last)
    tool, where = take.tool_positions[rows], take.object_positions[rows]
    way = where - tool[:, None]
    moved = (where - where[:1]) / COARSE_SCALE_M
    contact = np.stack([take.held[rows], take.touched[rows]], axis=-1)
    anchors = np.concatenate([way / COARSE_SCALE_M, np.tanh(way / FINE_SCALE_M), moved, contact], axis=-1)
    gripper = normalise_gripper(take.joint_positions[rows, -1])
    globals_ = np.concatenate(
        [gripper[:, None], tool[:, 2:] / COARSE_SCALE_M, (tool - tool[:1]) / COARSE_SCALE_M], axis=-1
    )
    seconds = max(float(take.time[rows][-1] - take.time[rows][0]), 0.02)
    return resample(anchors), resample(globals_), np.array(np.log(seconds), dtype=np.float32)


def resample(values: FloatArray, count: int = TRAJECTORY_POINTS) -> Array:
    """Interpolate (T, ...) linearly to (points, ...)."""
    at = np.linspace(0, len(values) - 1, count)
    low = np.minimum(at.astype(int), len(values) - 1)
    high = np.minimum(low + 1, len(values) - 1)
    part = (at - low).reshape(-1, *(1,) * (values.ndim - 1))
    return np.asarray(values[low] * (1 - part) + values[high] * part, dtype=np.float32)
