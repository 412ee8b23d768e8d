"""Takes resampled to 64 points of object-relative channels, for the Siamese network and dynamic time warping.

The points are equally spaced in *path*: the distance moved by tool and gripper, without tremor. A pause, and the speed
of a person, therefore change nothing. The objects are a set of any size: a channel depends on where an object is, how
large it is and what happens to it, never on its name or its place in the list.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metagui.learning.policy.feature_layout import COARSE_SCALE_M, FINE_SCALE_M, FINEST_SCALE_M
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
OBJECT_CHANNELS, GLOBAL_CHANNELS = 28, 6
"""Numbers of channels of one object, and of those that belong to no object."""
OFFSET_CHANNELS, NEAREST_CHANNELS = slice(0, 3), slice(9, 12)
"""Object channels: position relative to the tool, and position of the nearest other object relative to the object, in
units of ``COARSE_SCALE_M``."""
ABSENT_OBJECT = 0
"""Identity of a place in the object axis that holds no object."""
MAX_FINE = 5.0
"""Limit of lengths in units of ``FINE_SCALE_M``."""
PATH_PLAY_M, PATH_PLAY_RAD = 0.004, 0.05
"""Motion of the tool, m, and of the gripper, rad, that does not count as path: a hand's tremor is smaller."""
GRIPPER_PATH_M_PER_RAD = 0.06
"""Length of path that a rotation of the gripper counts as, m/rad."""


@dataclass(frozen=True)
class Trajectories:
    """n takes resampled to equal length, with up to A objects each."""

    object_channels: Array
    """(n, TRAJECTORY_POINTS, A, OBJECT_CHANNELS); 0 where there is no object."""
    global_channels: Array
    """(n, TRAJECTORY_POINTS, GLOBAL_CHANNELS)"""
    identities: NDArray[np.uint64]
    """(n, A) identities of the objects, equal for equal names; ABSENT_OBJECT where there is none."""

    def __len__(self) -> int:
        return len(self.identities)

    def __getitem__(self, rows: NDArray[np.int64]) -> Trajectories:
        return Trajectories(self.object_channels[rows], self.global_channels[rows], self.identities[rows])

    def padded_to(self, count: int) -> Trajectories:
        """Return the takes with ``count`` places for objects, which is not less than there are."""
        missing = count - self.identities.shape[1]
        if not missing:
            return self
        return Trajectories(
            np.pad(self.object_channels, ((0, 0), (0, 0), (0, missing), (0, 0))),
            self.global_channels,
            np.pad(self.identities, ((0, 0), (0, missing))),
        )


def resample_takes(takes: Sequence[Demonstration]) -> Trajectories:
    """Resample takes between their first and last segment.

    Raises FeatureError for numbers that are not finite.
    """
    return concatenate_trajectories([_resample_take(take) for take in takes])


def concatenate_trajectories(parts: Sequence[Trajectories]) -> Trajectories:
    """Return the takes of all parts, in order."""
    count = max(part.identities.shape[1] for part in parts)
    padded = [part.padded_to(count) for part in parts]
    return Trajectories(
        np.concatenate([p.object_channels for p in padded]),
        np.concatenate([p.global_channels for p in padded]),
        np.concatenate([p.identities for p in padded]),
    )


def identify(name: str) -> int:
    """Return the identity of the object with a name: 64 bits of its SHA-256, the same on every machine."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") or 1


def measure_path(tool_positions: FloatArray, gripper_angles: FloatArray) -> FloatArray:
    """Return the length of the path up to every sample, (N,), m, from tool positions (N, 3) and gripper angles (N,).

    Motion within a small play does not count, so that neither tremor nor a pause adds to it.
    """
    tool = _follow_with_play(tool_positions, PATH_PLAY_M)
    gripper = _follow_with_play(gripper_angles[:, None], PATH_PLAY_RAD)
    steps = np.linalg.norm(np.diff(tool, axis=0), axis=1)
    steps += GRIPPER_PATH_M_PER_RAD * np.abs(np.diff(gripper[:, 0]))
    return np.concatenate([[0.0], np.cumsum(steps)])


def _follow_with_play(values: FloatArray, play: float) -> FloatArray:
    """Return a follower (N, D) that moves only as far as ``play`` behind ``values`` requires."""
    follower = values.astype(np.float64)
    x = follower[0].copy()
    for row, value in enumerate(follower):
        lag = value - x
        distance = float(np.sqrt(lag @ lag))
        if distance > play:
            x = x + lag * (1.0 - play / distance)
        follower[row] = x
    return follower


def _find_intervals(path: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return start and end (TRAJECTORY_POINTS,) of the intervals of equal path, as fractional samples."""
    samples = len(path)
    rising = path / max(float(path[-1]), 1e-6) + np.linspace(0.0, 1e-3, samples)  # time decides where nothing moves
    edges = np.interp(np.linspace(0.0, rising[-1], TRAJECTORY_POINTS + 1), rising, np.arange(samples))
    edges = edges * samples / max(samples - 1, 1)
    return edges[:-1], edges[1:]


def _average(values: FloatArray, starts: FloatArray, stops: FloatArray) -> Array:
    """Return the mean of (N, D) over every interval, (TRAJECTORY_POINTS, D): at a dwell, tremor averages out."""
    total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0, dtype=np.float64)])
    at = np.arange(len(total))
    width = np.maximum(stops - starts, 1e-6)
    columns = [(np.interp(stops, at, c) - np.interp(starts, at, c)) / width for c in total.T]
    return np.stack(columns, axis=1).astype(np.float32)


def _any(flags: NDArray[np.bool_], starts: FloatArray, stops: FloatArray) -> Array:
    """Return 1 where a flag (N, A) is set within an interval, (TRAJECTORY_POINTS, A)."""
    total = np.concatenate([np.zeros((1, flags.shape[1]), dtype=int), np.cumsum(flags, axis=0)])
    first, last = np.floor(starts).astype(int), np.ceil(stops).astype(int)
    last = np.minimum(np.maximum(last, first + 1), len(flags))
    return np.asarray(total[last] > total[np.minimum(first, last)], dtype=np.float32)


def _resample_take(take: Demonstration) -> Trajectories:
    """Return one take as trajectories."""
    check_finite(take)
    first, last = take.trim or (0, len(take))
    if take.segments:
        inside = max(first, take.segments[0].start), min(last, take.segments[-1].stop + 1)
        first, last = inside if inside[1] > inside[0] else (first, last)
    rows = slice(first, last)
    gripper = np.asarray(take.joint_positions[rows, -1])
    intervals = _find_intervals(measure_path(np.asarray(take.tool_positions[rows]), gripper))
    count = len(take.objects)
    tool = _average(np.asarray(take.tool_positions[rows]), *intervals)
    positions = _average(np.asarray(take.object_positions[rows]).reshape(len(gripper), -1), *intervals)
    positions = positions.reshape(TRAJECTORY_POINTS, count, 3)
    contact = np.stack([_any(np.asarray(flags[rows]), *intervals) for flags in (take.held, take.touched)], axis=-1)
    sizes = np.array([each.width for each in take.objects], dtype=np.float32)
    objects = _make_object_channels(tool, positions, contact, sizes)
    opening = normalise_gripper(_average(gripper[:, None], *intervals).astype(np.float64))
    height = [tool[:, 2:] / COARSE_SCALE_M, np.clip(tool[:, 2:] / FINE_SCALE_M, -MAX_FINE, MAX_FINE)]
    shared = np.concatenate([opening, *height, (tool - tool[:1]) / COARSE_SCALE_M], axis=1)
    identities = np.array([[identify(each.name) for each in take.objects]], dtype=np.uint64)
    return Trajectories(objects[None], shared[None].astype(np.float32), identities)


def _make_object_channels(tool: Array, positions: Array, contact: Array, sizes: Array) -> Array:
    """Return (T, A, OBJECT_CHANNELS) from (T, 3), (T, A, 3), (T, A, 2) and edge lengths (A,).

    Position relative to the tool at three scales, displacement since the start at two, position of the nearest other
    object at three, held and touched, edge length and height.
    """
    offset, moved = positions - tool[:, None], positions - positions[:1]
    nearest = _find_nearest_offset(positions, sizes)
    extent = np.broadcast_to((sizes / COARSE_SCALE_M)[None, :, None], (*positions.shape[:2], 1))
    parts = [*_scale(offset), *_scale(nearest), *_scale(moved)[:2], contact, extent]
    parts.append(np.clip(positions[..., 2:] / FINE_SCALE_M, -MAX_FINE, MAX_FINE))
    return np.concatenate(parts, axis=-1, dtype=np.float32)


def _scale(lengths: Array) -> tuple[Array, Array, Array]:
    """Return lengths, m, at three scales."""
    fine = np.clip(lengths / FINE_SCALE_M, -MAX_FINE, MAX_FINE)
    return lengths / COARSE_SCALE_M, fine, np.tanh(lengths / FINEST_SCALE_M)


def _find_nearest_offset(positions: Array, sizes: Array) -> Array:
    """Return the position of the nearest other object with an extent, relative to each, (T, A, 3); 0 without one."""
    between = positions[:, None] - positions[:, :, None]  # (T, A, A, 3): the second relative to the first
    distance = np.linalg.norm(between, axis=-1)
    distance[:, np.eye(len(sizes), dtype=bool)] = np.inf
    distance[:, :, sizes <= 0] = np.inf
    nearest = distance.argmin(axis=2)
    found = np.take_along_axis(between, nearest[:, :, None, None], axis=2)[:, :, 0]
    return np.asarray(np.where(np.isfinite(distance.min(axis=2))[..., None], found, 0.0), dtype=np.float32)
