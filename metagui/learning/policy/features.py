"""What a policy sees: a demonstration as arrays of numbers relative to the anchors, one row a decision.

A policy decides every second sample (25 Hz). What it sees is relative to the tool, anchor by anchor. Where the
segment began is one more anchor, the last: as plain numbers the way since then became a shortcut past the scene
(a reach went as far as its demonstrations had gone). There is no task name, no anchor name and no number that only
one task has, so that a policy cannot know its task from its observation and must take it from the demonstration.
Recording and running go through the same functions: a run keeps the track of its segment so far and takes the last
row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from metagui.arms.kinematics import (
    GRIPPER_CLOSED_RAD,
    GRIPPER_OPEN_RAD,
    MAX_DISPLACEMENT_M,
    MAX_YAW_CHANGE_RAD,
    ToolMotion,
    forward_kinematics,
)
from metagui.demonstrations.primitives.primitive import wrap_quarter_turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import BoolArray, FloatArray, Observation, SceneObject
    from metagui.demonstrations.demonstration import Demonstration

Array = NDArray[np.float32]

VERSION = 4
"""Raised whenever a feature changes its meaning; a prior of another version does not fit."""
SAMPLES_PER_DECISION = 2
"""Samples between two decisions."""
DONE_DECISIONS = 2
"""How many decisions at a segment's end are taught as done."""

OBJECT_KINDS = ("cube", "zone", "table")
KIND_FEATURES = len(OBJECT_KINDS) + 1
"""The last kind is the segment's start."""
OBJECT_INPUT_FEATURES = 21
"""Those that networks see as they are; from the rest, the box, only clues are made."""
BOX_FEATURES = 6
"""Middle (3) and half size (3) of the box in which the anchor has been since the segment began, seen from the tool.

How far the tool went would again be a shortcut past the scene; whether it has been at a place is not."""
OBJECT_FEATURES = OBJECT_INPUT_FEATURES + BOX_FEATURES
GLOBAL_FEATURES = 7
HELD_COLUMN = 10 + KIND_FEATURES
"""Column of an anchor's features that says whether it is held …"""
CONTACT_FEATURES = 3
"""… and the first of so many that say whether it is or was held or touched."""
ACTION_SIZE = 5
"""Displacement (3), turn, gripper."""

DISPLACEMENT_SCALE_M = 0.008
TURN_SCALE_RAD = 0.15
GRIPPER_SCALE = 0.7
COARSE_SCALE_M, FINE_SCALE_M, FINEST_SCALE_M = 0.1, 0.02, 0.008
"""Lengths, m, at which relative positions are shown."""

HEIGHT_SMOOTHING_DECISIONS = 4.0
"""Decisions over which the tool's height is steadied: hands tremble by millimetres."""
HEIGHT_DEADBAND_M, SWEEP_DECAY_M = 0.0015, 0.007
"""Steadied height may change by so much in a decision, m, as it does on a circle; with more, what is swept fades."""

MIRROR_SIGNS = (
    np.array(
        [1, -1, 1, 1, -1, 1, 1, -1, 1, -1, *(1,) * KIND_FEATURES, 1, 1, 1, -1, 1, -1, 1, 1, -1, 1, 1, 1, 1],
        dtype=np.float32,
    ),
    np.array([1, 1, 1, 1, -1, 1, -1], dtype=np.float32),
    np.array([1, -1, 1, -1, 1], dtype=np.float32),
)
"""Signs that turn anchor features, global ones and actions into those of the left-right mirrored take."""


class FeatureError(Exception):
    """A take cannot be learnt from; the message names it and says why."""


@dataclass(frozen=True)
class Track:
    """What was observed at T decisions of one segment, A anchors."""

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
    """(A + 1,) angles swept until the last row but one, of a track that leaves out rows between first and last two."""
    smoothed_height: float = 0.0
    """Its steadied height then, m."""
    visited_bounds: FloatArray | None = None
    """(2, A + 1, 3) least and greatest ways to the anchors until then, m."""

    def with_start(self) -> Track:
        """Return the track with one more anchor: the tool where the segment began."""
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


@dataclass(frozen=True)
class SegmentArrays:
    """One click's part of one take, ready to learn from: T decisions."""

    object_features: Array
    """(T, A + 1, ANCHOR_FEATURES), the segment's start last."""
    global_features: Array
    """(T, GLOBAL_FEATURES)"""
    actions: Array
    """(T, ACTIONS) what was commanded, in units of the scales above."""
    done: Array
    """(T,) 1 in the last decisions."""

    def __len__(self) -> int:
        return len(self.done)

    def select(self, index: NDArray[np.int64]) -> SegmentArrays:
        """Return some of the decisions."""
        return SegmentArrays(
            self.object_features[index], self.global_features[index], self.actions[index], self.done[index]
        )

    @classmethod
    def empty(cls, object_count: int) -> SegmentArrays:
        """Return a segment without decisions."""
        shapes = ((0, object_count + 1, OBJECT_FEATURES), (0, GLOBAL_FEATURES), (0, ACTION_SIZE), (0,))
        return cls(*(np.zeros(shape, np.float32) for shape in shapes))


def encode(demonstration: Demonstration) -> tuple[SegmentArrays, ...]:
    """Return a take's segments as arrays, in order; within its trim. Raises FeatureError.

    A take without cuts is one segment. A segment may be empty if it was trimmed away.
    """
    check_finite(demonstration)
    tool = forward_kinematics(demonstration.command_requested)
    first, last = demonstration.trim or (0, len(demonstration))
    return tuple(
        _encode_span(demonstration, tool.position, tool.yaw, max(start, first), min(stop, last))
        for start, stop in _segment_spans(demonstration)
    )


def _segment_spans(take: Demonstration) -> list[tuple[int, int]]:
    """Return the samples [start, stop) of every segment, each with the decision in which it was found done."""
    if not take.segments:
        return [(0, len(take))]
    starts = [s.start for s in take.segments[1:]] + [len(take)]
    ends = [min(s.stop + SAMPLES_PER_DECISION, begin) for s, begin in zip(take.segments, starts, strict=True)]
    return [(s.start, max(s.stop, end)) for s, end in zip(take.segments, ends, strict=True)]


def _encode_span(
    take: Demonstration, requested_positions: FloatArray, requested_yaws: FloatArray, start: int, stop: int
) -> SegmentArrays:
    """Encode the samples ``[start, stop)``."""
    if start >= stop:
        return SegmentArrays.empty(len(take.objects))
    rows = np.arange(start, stop, SAMPLES_PER_DECISION)
    track = Track(
        take.tool_positions[rows],
        take.tool_yaws[rows],
        take.joint_positions[rows, -1],
        take.object_positions[rows],
        take.object_yaws[rows],
        take.held[rows],
        take.touched[rows],
        encode_kinds(take.objects),
    )
    anchors, globals_ = encode_track(track)
    done = (np.arange(len(rows)) >= len(rows) - DONE_DECISIONS).astype(np.float32)
    return SegmentArrays(
        anchors, globals_, _encode_actions(take, requested_positions, requested_yaws, rows, stop), done
    )


def _encode_actions(
    take: Demonstration, requested_positions: FloatArray, requested_yaws: FloatArray, rows: NDArray[np.int64], stop: int
) -> Array:
    """Return (T, ACTIONS): how the commanded pose moved in the two ticks that each decision was in force.

    The command of sample t is issued on tick t, so a decision's motion leads from the command before it to the
    second one after.
    """
    before, after = np.maximum(rows - 1, 0), np.minimum(rows + 1, stop - 1)
    span = np.maximum(after - before, 1) / SAMPLES_PER_DECISION  # a first or last decision may know of one tick only
    step = (requested_positions[after] - requested_positions[before]) / span[:, None]
    turn = wrap_angle(requested_yaws[after] - requested_yaws[before]) / span
    gripper = normalise_gripper(take.command_requested[rows, -1])
    columns = [step / DISPLACEMENT_SCALE_M, (turn / TURN_SCALE_RAD)[:, None], GRIPPER_SCALE * gripper[:, None]]
    return np.concatenate(columns, axis=1).astype(np.float32)


def motion_from_action(action: Array, done: bool) -> ToolMotion:
    """Return the motion that (ACTIONS,) numbers ask for, within what one decision may ask."""
    step = action[:3].astype(np.float64) * DISPLACEMENT_SCALE_M
    length = math.sqrt(float(step @ step))
    if length > MAX_DISPLACEMENT_M:
        step *= MAX_DISPLACEMENT_M / length
    turn = min(max(float(action[3]) * TURN_SCALE_RAD, -MAX_YAW_CHANGE_RAD), MAX_YAW_CHANGE_RAD)
    opening = min(max(float(action[4]) / GRIPPER_SCALE, -1.0), 1.0)
    middle, half = (GRIPPER_OPEN_RAD + GRIPPER_CLOSED_RAD) / 2, (GRIPPER_OPEN_RAD - GRIPPER_CLOSED_RAD) / 2
    return ToolMotion(step, turn, middle + half * opening, done)


def action_from_motion(motion: ToolMotion) -> Array:
    """Return the (ACTIONS,) numbers that ask for a motion."""
    gripper = GRIPPER_SCALE * float(normalise_gripper(np.asarray(motion.gripper)))
    return np.array(
        [*motion.displacement / DISPLACEMENT_SCALE_M, motion.yaw_change / TURN_SCALE_RAD, gripper], dtype=np.float32
    )


def normalise_gripper(angle: FloatArray) -> FloatArray:
    """Return -1 for closed and 1 for open."""
    middle, half = (GRIPPER_OPEN_RAD + GRIPPER_CLOSED_RAD) / 2, (GRIPPER_OPEN_RAD - GRIPPER_CLOSED_RAD) / 2
    return np.asarray((angle - middle) / half)


def wrap_angle(angle: FloatArray) -> FloatArray:
    """Return the same angles in [-pi, pi)."""
    return (angle + math.pi) % (2 * math.pi) - math.pi


def encode_kinds(objects: Sequence[SceneObject]) -> FloatArray:
    """Return (A, KIND_FEATURES): which kind each anchor is, one-hot."""
    return np.array([[float(anchor.kind == kind) for kind in (*OBJECT_KINDS, "start")] for anchor in objects])


def encode_track(track: Track, last_only: bool = False) -> tuple[Array, Array]:
    """Return features of anchors (T, A + 1, ANCHOR_FEATURES) and global ones (T, GLOBAL_FEATURES), or the last."""
    track = track.with_start()
    rows = slice(-1, None) if last_only else slice(None)
    anchors = np.concatenate(
        [_relative_features(track, rows), _history_features(track, rows), _box_features(track, rows)], axis=-1
    )
    return anchors.astype(np.float32), _global_features(track, rows).astype(np.float32)


def _relative_features(track: Track, rows: slice) -> FloatArray:
    """(T, A, 14): where each anchor is from the tool, at three scales, how it is turned, what kind it is."""
    way = track.object_positions[rows] - track.tool_positions[rows, None]
    cosine, sine = np.cos(track.tool_yaws[rows, None]), np.sin(track.tool_yaws[rows, None])
    jaw = np.stack([way[..., 0] * cosine + way[..., 1] * sine, way[..., 1] * cosine - way[..., 0] * sine], -1)
    turn = wrap_quarter_turn(track.object_yaws[rows] - track.tool_yaws[rows, None]) * (4 / math.pi)
    return np.concatenate(
        [
            way / COARSE_SCALE_M,
            np.tanh(way / FINE_SCALE_M),
            np.tanh(jaw / FINEST_SCALE_M),
            np.tanh(way[..., 2:] / FINEST_SCALE_M),
            turn[..., None],
            np.broadcast_to(track.kinds, (*turn.shape, KIND_FEATURES)),
        ],
        axis=-1,
    )


def _history_features(track: Track, rows: slice) -> FloatArray:
    """(T, A, 7): held, held or touched since the segment began, angle swept at this height, how far it was moved."""
    touched = np.logical_or.accumulate(track.touched, axis=0)[rows]
    was_held = np.logical_or.accumulate(track.held, axis=0)[rows]
    moved = (track.object_positions[rows] - track.object_positions[:1]) / COARSE_SCALE_M
    columns = [track.held[rows], touched, was_held, _swept_angles(track)[0][rows] / (2 * math.pi)]
    return np.concatenate([np.stack(columns, axis=-1), moved], axis=-1)


def _box_features(track: Track, rows: slice) -> FloatArray:
    """(T, A, BOX): middle and half size of the box in which the way to each anchor has been."""
    least, greatest = (been[rows] for been in _visited_bounds(track))
    return np.concatenate([(least + greatest) / 2, (greatest - least) / 2], axis=-1) / COARSE_SCALE_M


def _visited_bounds(track: Track) -> tuple[FloatArray, FloatArray]:
    """(T, A, 3) least and greatest way to each anchor since the segment began, m."""
    way = track.object_positions - track.tool_positions[:, None]
    least, greatest = np.minimum.accumulate(way, axis=0), np.maximum.accumulate(way, axis=0)
    if track.visited_bounds is not None:
        least[-1], greatest[-1] = (
            np.minimum(way[-1], track.visited_bounds[0]),
            np.maximum(way[-1], track.visited_bounds[1]),
        )
    return least, greatest


def _swept_angles(track: Track) -> tuple[FloatArray, FloatArray]:
    """(T, A) angle by which the tool has gone round each anchor, seen from above, rad; (T,) steadied height, m.

    What was swept is forgotten as the tool goes up or down: on the way to a circle is not yet round it.
    """
    way = track.tool_positions[:, None, :2] - track.object_positions[..., :2]
    angle, radius = np.arctan2(way[..., 1], way[..., 0]), np.hypot(way[..., 0], way[..., 1])
    near = (radius[1:] < 0.005) | (radius[:-1] < 0.005)
    increments = np.where(near, 0.0, wrap_angle(np.diff(angle, axis=0)))
    swept, level = np.zeros(angle.shape), np.repeat(track.tool_positions[:1, 2], len(angle))
    for row in range(1, len(angle)):
        if track.swept_angles is not None and row == len(angle) - 2:
            swept[row], level[row] = track.swept_angles, track.smoothed_height
            continue
        climb = (track.tool_positions[row, 2] - level[row - 1]) / HEIGHT_SMOOTHING_DECISIONS
        level[row] = level[row - 1] + climb
        swept[row] = (
            swept[row - 1] * math.exp(-max(abs(climb) - HEIGHT_DEADBAND_M, 0.0) / SWEEP_DECAY_M) + increments[row - 1]
        )
    return swept, level


def _global_features(track: Track, rows: slice) -> FloatArray:
    """(T, GLOBAL_FEATURES): the gripper, whether anything is held, the tool's height and turn."""
    height, yaw = track.tool_positions[rows, 2], track.tool_yaws[rows]
    columns = [
        normalise_gripper(track.gripper_angles[rows]),
        track.held[rows].any(-1),
        height / COARSE_SCALE_M,
        np.tanh(height / FINE_SCALE_M),
        yaw / 0.8,
        np.cos(yaw),
        np.sin(yaw),
    ]
    return np.stack(columns, axis=-1)


class Tracker:
    """Keeps the track of the present segment while a policy runs: its first row, the last two, and what adds up."""

    def __init__(self, objects: Sequence[SceneObject]) -> None:
        self._kinds = encode_kinds(objects)
        self.begin_segment()

    def begin_segment(self) -> None:
        """Start a new segment."""
        self._rows: list[Observation] = []
        self._swept_angles: FloatArray | None = None
        self._smoothed_height = 0.0
        self._visited_bounds: FloatArray | None = None
        self._touched = self._held = np.zeros(len(self._kinds), dtype=bool)

    def observe(self, observation: Observation) -> tuple[Array, Array]:
        """Take in one decision's observation; return its (A + 1, ANCHOR_FEATURES) and (GLOBAL_FEATURES,)."""
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
        anchors, globals_ = encode_track(track, last_only=True)
        whole = track.with_start()
        swept, level = _swept_angles(whole)
        self._swept_angles, self._smoothed_height = swept[-1], float(level[-1])
        self._visited_bounds = np.stack([been[-1] for been in _visited_bounds(whole)])
        self._touched, self._held = self._touched | now.touched, self._held | now.held
        return anchors[0], globals_[0]


def check_finite(take: Demonstration) -> None:
    """Raise FeatureError naming the take, the quantity and the sample, if a number is not finite."""
    used = (
        "joint_positions", "tool_positions", "tool_yaws", "object_positions", "object_yaws", "command_requested"
    )  # fmt: skip
    first, last = take.trim or (0, len(take))
    for field in fields(take):
        if field.name not in used:
            continue
        values = np.asarray(getattr(take, field.name))[first:last].reshape(max(last - first, 0), -1)
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if len(bad):
            raise FeatureError(
                f"Take '{take.name}' of '{take.task}' holds numbers that are not finite ({field.name}, sample "
                f"{first + bad[0]}). Nothing was changed; leave the take out, or trim that sample away."
            )
