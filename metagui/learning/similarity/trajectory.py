"""Takes resampled to 64 points of object-relative channels, for the Siamese network and dynamic time warping.

Channels are in the scene's order of objects, because *which* object a task is about is part of the task. No channel
depends on where on the table the objects are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metagui.learning.policy.feature_layout import COARSE_SCALE_M, FINE_SCALE_M
from metagui.learning.policy.features import check_finite
from metagui.learning.policy.track import normalise_gripper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from metagui.arms.arm import FloatArray
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.policy.feature_layout import Array

TRAJECTORY_POINTS = 64
"""Number of points of a resampled take."""
OBJECT_CHANNELS = 11
"""Number of channels of one object."""
OFFSET_CHANNELS, MOVED_CHANNELS, CONTACT_CHANNELS = slice(0, 3), slice(6, 9), slice(9, 11)
"""Object channels: position relative to the tool and displacement since the start, in units of ``COARSE_SCALE_M``; held
and touched. Channels 3 to 5 are tanh of the position at ``FINE_SCALE_M``."""
GLOBAL_CHANNELS = 5
"""Number of global channels."""
HEIGHT_CHANNEL = 1
"""Global channel of the tool's height, in units of ``COARSE_SCALE_M``; 0 is the gripper, 2 to 4 the displacement."""
MIN_DURATION_S = 0.02
"""Minimum duration of a take, s; keeps its logarithm finite."""


@dataclass(frozen=True)
class Trajectories:
    """n takes resampled to equal length, with A objects."""

    object_channels: Array
    """(n, TRAJECTORY_POINTS, A, OBJECT_CHANNELS)"""
    global_channels: Array
    """(n, TRAJECTORY_POINTS, GLOBAL_CHANNELS)"""
    log_durations: Array
    """(n,) natural logarithm of the duration in s."""

    def __len__(self) -> int:
        return len(self.log_durations)

    def __getitem__(self, rows: NDArray[np.int64]) -> Trajectories:
        return Trajectories(self.object_channels[rows], self.global_channels[rows], self.log_durations[rows])


def resample_takes(takes: Sequence[Demonstration]) -> Trajectories:
    """Resample takes between their first and last segment.

    Raises FeatureError for numbers that are not finite.
    """
    rows = [_resample_take(take) for take in takes]
    return Trajectories(*(np.stack(column) for column in zip(*rows, strict=True)))


def concatenate_trajectories(parts: Sequence[Trajectories]) -> Trajectories:
    """Return the takes of all parts, in order."""
    return Trajectories(
        np.concatenate([p.object_channels for p in parts]),
        np.concatenate([p.global_channels for p in parts]),
        np.concatenate([p.log_durations for p in parts]),
    )


def resample(values: FloatArray, count: int = TRAJECTORY_POINTS) -> Array:
    """Interpolate (T, ...) linearly to (count, ...)."""
    at = np.linspace(0, len(values) - 1, count)
    low = np.minimum(at.astype(int), len(values) - 1)
    high = np.minimum(low + 1, len(values) - 1)
    part = (at - low).reshape(-1, *(1,) * (values.ndim - 1))
    return np.asarray(values[low] * (1 - part) + values[high] * part, dtype=np.float32)


def _resample_take(take: Demonstration) -> tuple[Array, Array, Array]:
    """Return a take's object channels, global channels and log duration."""
    check_finite(take)
    first, last = take.trim or (0, len(take))
    if take.segments:
        inside = max(first, take.segments[0].start), min(last, take.segments[-1].stop + 1)
        first, last = inside if inside[1] > inside[0] else (first, last)
    rows = slice(first, last)
    tool, positions = take.tool_positions[rows], take.object_positions[rows]
    offset = positions - tool[:, None]
    moved = (positions - positions[:1]) / COARSE_SCALE_M
    contact = np.stack([take.held[rows], take.touched[rows]], axis=-1)
    objects = np.concatenate([offset / COARSE_SCALE_M, np.tanh(offset / FINE_SCALE_M), moved, contact], axis=-1)
    gripper = normalise_gripper(take.joint_positions[rows, -1])
    globals_ = np.concatenate(
        [gripper[:, None], tool[:, 2:] / COARSE_SCALE_M, (tool - tool[:1]) / COARSE_SCALE_M], axis=-1
    )
    seconds = max(float(take.time[rows][-1] - take.time[rows][0]), MIN_DURATION_S)
    return resample(objects), resample(globals_), np.array(np.log(seconds), dtype=np.float32)
