"""Encodes demonstrations as arrays for the policy, and converts between actions and tool motions.

A policy decides every second sample (25 Hz): one row per decision. See ``track`` for the observed features and
``feature_layout`` for their columns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.control.tick import TICKS_PER_DECISION
from metagui.arms.kinematics import (
    GRIPPER_CLOSED_RAD,
    GRIPPER_OPEN_RAD,
    JOINTS,
    MAX_DISPLACEMENT_M,
    MAX_YAW_CHANGE_RAD,
    ToolMotion,
    forward_kinematics,
)
from metagui.demonstrations.storage.validation import find_non_finite
from metagui.learning.policy.feature_layout import (
    ACTION_LAYOUT,
    ACTION_SIZE,
    DISPLACEMENT_SCALE_M,
    GLOBAL_FEATURES,
    GRIPPER_SCALE,
    OBJECT_FEATURES,
    TURN_SCALE_RAD,
)
from metagui.learning.policy.track import Track, encode_kinds, encode_track, normalise_gripper, wrap_angle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from metagui.arms.arm import FloatArray
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.policy.feature_layout import Array

DONE_DECISIONS = 2
"""Number of decisions at a segment's end that are labelled as done."""


class FeatureError(Exception):
    """A take cannot be encoded; the message names it and the reason."""


@dataclass(frozen=True)
class SegmentArrays:
    """One segment of one take as training data: T decisions."""

    object_features: Array
    """(T, A + 1, OBJECT_FEATURES), the segment's start last."""
    global_features: Array
    """(T, GLOBAL_FEATURES)"""
    actions: Array
    """(T, ACTION_SIZE) requested motion, see ``ActionLayout``."""
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
    """Return a take's segments as arrays, in order, within its trim. Raises FeatureError.

    A take without boundaries is one segment. A segment may be empty if it was trimmed away.
    """
    check_finite(demonstration)
    _check_joints(demonstration)
    tool = forward_kinematics(demonstration.command_requested)
    first, last = demonstration.trim or (0, len(demonstration))
    return tuple(
        _encode_span(demonstration, tool.position, tool.yaw, max(start, first), min(stop, last))
        for start, stop in segment_spans(demonstration)
    )


def most_common_segment_count(takes: Sequence[tuple[SegmentArrays, ...]]) -> int:
    """Return the number of segments that most of the encoded takes have; 0 for no takes."""
    counts = [len(segments) for segments in takes]
    return max(set(counts), key=counts.count) if counts else 0


def motion_from_action(action: Array, done: bool) -> ToolMotion:
    """Return the motion for an action (ACTION_SIZE,), limited to what one decision may request."""
    step = limit_displacement(action[ACTION_LAYOUT.displacement].astype(np.float64) * DISPLACEMENT_SCALE_M)
    turn = min(max(float(action[ACTION_LAYOUT.turn]) * TURN_SCALE_RAD, -MAX_YAW_CHANGE_RAD), MAX_YAW_CHANGE_RAD)
    opening = min(max(float(action[ACTION_LAYOUT.gripper]) / GRIPPER_SCALE, -1.0), 1.0)
    middle, half = (GRIPPER_OPEN_RAD + GRIPPER_CLOSED_RAD) / 2, (GRIPPER_OPEN_RAD - GRIPPER_CLOSED_RAD) / 2
    return ToolMotion(step, turn, middle + half * opening, done)


def limit_displacement(displacement: FloatArray) -> FloatArray:
    """Return the displacement (3,) m, limited to what one decision may request."""
    length = math.sqrt(float(displacement @ displacement))
    return displacement if length <= MAX_DISPLACEMENT_M else displacement * (MAX_DISPLACEMENT_M / length)


def action_from_motion(motion: ToolMotion) -> Array:
    """Return the action (ACTION_SIZE,) for a motion."""
    gripper = GRIPPER_SCALE * float(normalise_gripper(np.asarray(motion.gripper)))
    return np.array(
        [*motion.displacement / DISPLACEMENT_SCALE_M, motion.yaw_change / TURN_SCALE_RAD, gripper], dtype=np.float32
    )


def check_finite(take: Demonstration) -> None:
    """Raise FeatureError if a number of a take is not finite, with its place, or if the take has no objects."""
    if not take.objects:
        raise FeatureError(
            f"Take '{take.name}' of '{take.task}' has no objects, so nothing says what its motion is relative to. "
            "Nothing was changed; replay the take, or import it again with the objects that stood on the table."
        )
    if found := find_non_finite(take):
        raise FeatureError(
            f"Take '{take.name}' of '{take.task}' contains numbers that are not finite ({found}). Nothing was changed; "
            "leave the take out, or trim that sample away."
        )


def _check_joints(take: Demonstration) -> None:
    """Raise FeatureError for a take of another arm, from which no policy can be learnt."""
    if take.joint_names != tuple(joint.name for joint in JOINTS):
        raise FeatureError(
            f"Take '{take.name}' of '{take.task}' was recorded with the joints {', '.join(take.joint_names)}, and "
            "policies move an SO-101. Nothing was changed; leave the take out."
        )


def segment_spans(take: Demonstration) -> list[tuple[int, int]]:
    """Return the samples [start, stop) of every segment, with the decision that detected its end."""
    if not take.segments:
        return [(0, len(take))]
    starts = [s.start for s in take.segments[1:]] + [len(take)]
    ends = [min(s.stop + TICKS_PER_DECISION, begin) for s, begin in zip(take.segments, starts, strict=True)]
    return [(s.start, max(s.stop, end)) for s, end in zip(take.segments, ends, strict=True)]


def _encode_span(
    take: Demonstration, requested_positions: FloatArray, requested_yaws: FloatArray, start: int, stop: int
) -> SegmentArrays:
    """Encode the samples ``[start, stop)``."""
    if start >= stop:
        return SegmentArrays.empty(len(take.objects))
    rows = np.arange(start, stop, TICKS_PER_DECISION)
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
    object_features, global_features = encode_track(track)
    actions = _encode_actions(take, requested_positions, requested_yaws, rows, stop)
    done = (np.arange(len(rows)) >= len(rows) - DONE_DECISIONS).astype(np.float32)
    return SegmentArrays(object_features, global_features, actions, done)


def _encode_actions(
    take: Demonstration, requested_positions: FloatArray, requested_yaws: FloatArray, rows: NDArray[np.int64], stop: int
) -> Array:
    """Return (T, ACTION_SIZE): the change of the requested pose in the two ticks of each decision.

    The command of sample t is issued on tick t, so a decision's motion leads from the command before it to the
    second one after it.
    """
    before, after = np.maximum(rows - 1, 0), np.minimum(rows + 1, stop - 1)
    span = np.maximum(after - before, 1) / TICKS_PER_DECISION  # the first or last decision may have only one tick
    step = (requested_positions[after] - requested_positions[before]) / span[:, None]
    turn = wrap_angle(requested_yaws[after] - requested_yaws[before]) / span
    gripper = normalise_gripper(take.command_requested[rows, -1])
    columns = [step / DISPLACEMENT_SCALE_M, (turn / TURN_SCALE_RAD)[:, None], GRIPPER_SCALE * gripper[:, None]]
    return np.concatenate(columns, axis=1).astype(np.float32)
