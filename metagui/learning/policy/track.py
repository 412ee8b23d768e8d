"""What was observed in one segment, and its features relative to the objects, one row per decision.

Positions are relative to the tool, object by object. The pose at the segment's start is encoded as one more object,
the last: as plain numbers, the displacement since the start lets the policy ignore the scene (measured: a reach went as
far as its demonstrations had gone). There is no task name, no object name and no number that only one task has, so the
policy cannot infer its task from an observation and must take it from the demonstrations. Recording and execution use
the same functions: during execution ``Tracker`` stores the segment so far and returns the last row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.kinematics import GRIPPER_CLOSED_RAD, GRIPPER_OPEN_RAD
from metagui.demonstrations.primitives.primitive import wrap_quarter_turn
from metagui.learning.policy.feature_layout import (
    COARSE_SCALE_M,
    FEATURE_KINDS,
    FINE_SCALE_M,
    FINEST_SCALE_M,
    KIND_FEATURES,
    OBJECT_KINDS,
    YAW_SCALE_RAD,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import BoolArray, FloatArray, Observation, SceneObject
    from metagui.learning.policy.feature_layout import Array

HEIGHT_SMOOTHING_DECISIONS = 4.0
"""Time constant of the tool height's low-pass filter, decisions; hand tremor is in the order of millimetres."""
HEIGHT_DEADBAND_M, SWEEP_DECAY_M = 0.0015, 0.007
"""Change of the filtered height per decision that leaves swept angles unchanged, m, and the excess at which they decay
by 1/e, m. On a circle the height changes by less than the deadband."""
MIN_SWEEP_RADIUS_M = 0.005
"""Horizontal distance to an object below which no angle about it is counted, m."""


@dataclass(frozen=True)
class Track:
    """Observations at T decisions of one segment with A objects."""

    tool_positions: FloatArray
    """(T, 3) m."""
    tool_yaws: FloatArray
    """(T,) rad."""
    gripper_angles: FloatArray
    """(T,) rad."""
    object_positions: FloatArray
    """(T, A, 3) m."""
    object_yaws: FloatArray
    """(T, A) rad."""
    held: BoolArray
    """(T, A)"""
    touched: BoolArray
    """(T, A)"""
    kinds: FloatArray
    """(A, KIND_FEATURES) one-hot."""
    swept_angles: FloatArray | None = None
    """(A + 1,) swept angles at the last row but one, rad, if rows between the first and the last two are left out."""
    smoothed_height: float = 0.0
    """Filtered height at that row, m."""
    visited_bounds: FloatArray | None = None
    """(2, A + 1, 3) minimum and maximum positions relative to the tool up to that row, m."""

    def with_start(self) -> Track:
        """Return the track with one more object: the tool's pose at the segment's start."""
        shape = (len(self.tool_positions), 1)
        never = np.zeros(shape, dtype=bool)
        positions = np.broadcast_to(self.tool_positions[:1, None], (*shape, 3))
        kind = np.eye(KIND_FEATURES)[-1:]
        return replace(
            self,
            object_positions=np.concatenate([self.object_positions, positions], axis=1),
            object_yaws=np.concatenate([self.object_yaws, np.broadcast_to(self.tool_yaws[:1, None], shape)], axis=1),
            held=np.concatenate([self.held, never], axis=1),
            touched=np.concatenate([self.touched, never], axis=1),
            kinds=np.concatenate([self.kinds, kind]),
        )


class Tracker:
    """Computes features during execution from the segment's first row, its last two rows and accumulated values."""

    def __init__(self, objects: Sequence[SceneObject]) -> None:
        self._kinds = encode_kinds(objects)
        self.begin_segment()

    def begin_segment(self) -> None:
        """Discard the present segment and begin a new one."""
        self._rows: list[Observation] = []
        self._swept_angles: FloatArray | None = None
        self._smoothed_height = 0.0
        self._visited_bounds: FloatArray | None = None
        self._touched = self._held = np.zeros(len(self._kinds), dtype=bool)

    def observe(self, observation: Observation) -> tuple[Array, Array]:
        """Add one decision's observation; return its (A + 1, OBJECT_FEATURES) and (GLOBAL_FEATURES,) features."""
        self._rows = [*self._rows[:1], *self._rows[-1:], observation] if self._rows else [observation]
        scenes = [row.scene for row in self._rows]
        now, earlier = scenes[-1], len(scenes) - 1
        track = Track(
            np.array([row.tool_position for row in self._rows]),
            np.array([row.tool_yaw for row in self._rows]),
            np.array([row.gripper for row in self._rows]),
            np.array([s.positions for s in scenes]),
            np.array([s.yaws for s in scenes]),
            np.array([*[self._held] * earlier, now.held]),
            np.array([*[self._touched] * earlier, now.touched]),
            self._kinds,
            self._swept_angles,
            self._smoothed_height,
            self._visited_bounds,
        )
        object_features, global_features = encode_track(track, last_only=True)
        with_start = track.with_start()
        swept, heights = _swept_angles(with_start)
        self._swept_angles, self._smoothed_height = swept[-1], float(heights[-1])
        self._visited_bounds = np.stack([bound[-1] for bound in _visited_bounds(with_start)])
        self._touched, self._held = self._touched | now.touched, self._held | now.held
        return object_features[0], global_features[0]


def encode_kinds(objects: Sequence[SceneObject]) -> FloatArray:
    """Return the objects' kinds one-hot, (A, KIND_FEATURES)."""
    kinds = [FEATURE_KINDS.get(obj.kind) for obj in objects]
    return np.array([[float(found == kind) for kind in (*OBJECT_KINDS, "start")] for found in kinds])


def encode_track(track: Track, last_only: bool = False) -> tuple[Array, Array]:
    """Return object features (T, A + 1, OBJECT_FEATURES) and global features (T, GLOBAL_FEATURES).

    ``last_only`` computes the last row only, T = 1.
    """
    track = track.with_start()
    rows = slice(-1, None) if last_only else slice(None)
    object_features = np.concatenate(
        [_relative_features(track, rows), _history_features(track, rows), _box_features(track, rows)], axis=-1
    )
    return object_features.astype(np.float32), _global_features(track, rows).astype(np.float32)


def normalise_gripper(angle: FloatArray) -> FloatArray:
    """Return gripper angles (rad) scaled to -1 for closed and 1 for open."""
    middle, half = (GRIPPER_OPEN_RAD + GRIPPER_CLOSED_RAD) / 2, (GRIPPER_OPEN_RAD - GRIPPER_CLOSED_RAD) / 2
    return np.asarray((angle - middle) / half)


def wrap_angle(angle: FloatArray) -> FloatArray:
    """Return angles wrapped to [-pi, pi), rad."""
    return (angle + math.pi) % (2 * math.pi) - math.pi


def _relative_features(track: Track, rows: slice) -> FloatArray:
    """Return ``ObjectLayout.offset`` to ``kind``, (T, A, 14)."""
    offset = track.object_positions[rows] - track.tool_positions[rows, None]
    cosine, sine = np.cos(track.tool_yaws[rows, None]), np.sin(track.tool_yaws[rows, None])
    jaw = np.stack(
        [offset[..., 0] * cosine + offset[..., 1] * sine, offset[..., 1] * cosine - offset[..., 0] * sine], -1
    )
    turn = wrap_quarter_turn(track.object_yaws[rows] - track.tool_yaws[rows, None]) * (4 / math.pi)
    return np.concatenate(
        [
            offset / COARSE_SCALE_M,
            np.tanh(offset / FINE_SCALE_M),
            np.tanh(jaw / FINEST_SCALE_M),
            np.tanh(offset[..., 2:] / FINEST_SCALE_M),
            turn[..., None],
            np.broadcast_to(track.kinds, (*turn.shape, KIND_FEATURES)),
        ],
        axis=-1,
    )


def _history_features(track: Track, rows: slice) -> FloatArray:
    """Return ``ObjectLayout.held`` to ``moved``, (T, A, 7)."""
    touched = np.logical_or.accumulate(track.touched, axis=0)[rows]
    was_held = np.logical_or.accumulate(track.held, axis=0)[rows]
    moved = (track.object_positions[rows] - track.object_positions[:1]) / COARSE_SCALE_M
    columns = [track.held[rows], touched, was_held, _swept_angles(track)[0][rows] / (2 * math.pi)]
    return np.concatenate([np.stack(columns, axis=-1), moved], axis=-1)


def _box_features(track: Track, rows: slice) -> FloatArray:
    """Return ``ObjectLayout.box_centre`` and ``box_half_size``, (T, A, 6)."""
    minimum, maximum = (bound[rows] for bound in _visited_bounds(track))
    return np.concatenate([(minimum + maximum) / 2, (maximum - minimum) / 2], axis=-1) / COARSE_SCALE_M


def _visited_bounds(track: Track) -> tuple[FloatArray, FloatArray]:
    """Return minimum and maximum positions relative to the tool in the segment so far, (T, A, 3) m each."""
    offset = track.object_positions - track.tool_positions[:, None]
    minimum, maximum = np.minimum.accumulate(offset, axis=0), np.maximum.accumulate(offset, axis=0)
    if track.visited_bounds is not None:
        minimum[-1], maximum[-1] = (
            np.minimum(offset[-1], track.visited_bounds[0]),
            np.maximum(offset[-1], track.visited_bounds[1]),
        )
    return minimum, maximum


def _swept_angles(track: Track) -> tuple[FloatArray, FloatArray]:
    """Return angles swept by the tool about each object, (T, A) rad, and filtered heights, (T,) m.

    Angles are seen from above and decay while the tool changes its height: the approach to a circle does not count.
    """
    offset = track.tool_positions[:, None, :2] - track.object_positions[..., :2]
    angle, radius = np.arctan2(offset[..., 1], offset[..., 0]), np.hypot(offset[..., 0], offset[..., 1])
    near = (radius[1:] < MIN_SWEEP_RADIUS_M) | (radius[:-1] < MIN_SWEEP_RADIUS_M)
    increments = np.where(near, 0.0, wrap_angle(np.diff(angle, axis=0)))
    swept, heights = np.zeros(angle.shape), np.repeat(track.tool_positions[:1, 2], len(angle))
    for row in range(1, len(angle)):
        if track.swept_angles is not None and row == len(angle) - 2:
            swept[row], heights[row] = track.swept_angles, track.smoothed_height
            continue
        climb = (track.tool_positions[row, 2] - heights[row - 1]) / HEIGHT_SMOOTHING_DECISIONS
        heights[row] = heights[row - 1] + climb
        decay = math.exp(-max(abs(climb) - HEIGHT_DEADBAND_M, 0.0) / SWEEP_DECAY_M)
        swept[row] = swept[row - 1] * decay + increments[row - 1]
    return swept, heights


def _global_features(track: Track, rows: slice) -> FloatArray:
    """Return the columns of ``GlobalLayout``, (T, GLOBAL_FEATURES)."""
    height, yaw = track.tool_positions[rows, 2], track.tool_yaws[rows]
    columns = [
        normalise_gripper(track.gripper_angles[rows]),
        track.held[rows].any(-1),
        height / COARSE_SCALE_M,
        np.tanh(height / FINE_SCALE_M),
        yaw / YAW_SCALE_RAD,
        np.cos(yaw),
        np.sin(yaw),
    ]
    return np.stack(columns, axis=-1)
