"""Repeats one demonstrated push: to the pushed object, along its line to the goal, and away.

Before the push, positions of the closed finger tips are relative to the pushed object, in a frame that points at its
goal. During the push, the tips stay behind the object on that line, where they were on average in the demonstration.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from metagui.demonstrations.primitives.primitive import FINGERTIP_OFFSET_M, wrap_quarter_turn
from metagui.learning.object_replay.reference_choice import NO_OBJECT
from metagui.learning.object_replay.replay_motion import Waiting, compute_blend_weights, make_motion, rotate, wrap_turn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from metagui.arms.arm import FloatArray, Observation
    from metagui.arms.kinematics import ToolMotion
    from metagui.learning.object_replay.replay_motion import ReplaySettings
    from metagui.learning.object_replay.replay_stages import DemonstratedSegment, Stage

PUSH_ARRIVAL_RADIUS_M = 0.03
"""Horizontal distance from the place where the push begins at which the approach ends, m."""
MIN_DIRECTION_DISTANCE_M = 0.010
"""Distance from the goal below which the direction of the push is not updated, m."""

RISE_M = 0.003
"""Height above the lowest position after a push at which the tool has begun to rise, m."""
MIN_OBJECT_STEP_M = 0.0005
"""Minimum displacement of the object in a decision in which it is pushed, m."""


class DemonstratedPush:
    """What a demonstrated push shows: its decisions, its direction, and where the finger tips are during it."""

    def __init__(self, take: DemonstratedSegment, stage: Stage, min_step_m: float) -> None:
        self.object_path = take.object_positions[:, stage.pushed]
        """(T, 3) positions of the pushed object, m."""
        self.tips = take.tool_positions + compute_tip_offset(take.tool_yaws)
        """(T, 3) positions of the closed finger tips, m."""
        remaining = self.object_path[stage.stop - 1] - self.object_path
        distance = np.hypot(remaining[:, 0], remaining[:, 1])
        moved = np.linalg.norm(self.object_path - self.object_path[stage.start], axis=1)
        self.start = int((moved > min_step_m).argmax())
        """First decision at which the object moves."""
        self.stop = min(max(self.start + 1, int((distance < min_step_m).argmax())), stage.stop - 1)
        """First decision at which the object is at its goal."""
        heights = take.tool_positions[self.stop : stage.stop, 2]
        low = np.flatnonzero(heights < heights.min() + RISE_M)
        self.leaving = self.stop + int(low[-1])
        """Decision at which the tool begins to rise after the push."""
        self.direction = direction(remaining[stage.start])
        """Direction from the object to its goal at the start, rad."""
        start_offsets = take.tool_positions[: self.start + 1] - take.tool_positions[self.start]
        self.arrival = int((np.hypot(start_offsets[:, 0], start_offsets[:, 1]) < PUSH_ARRIVAL_RADIUS_M).argmax())
        """First decision near the place where the push begins."""
        rows = self._find_pushing_rows(distance)
        angles = np.array([direction(remaining[row]) for row in rows])
        offsets = [rotate(self.tips[row] - self.object_path[row], -a) for row, a in zip(rows, angles, strict=True)]
        self.tip_offset = np.median(offsets, axis=0) * (1.0, 0.0, 1.0)
        """(3,) position of the finger tips relative to the object: ahead, to the left, up, m.

        A push that is not through the middle turns the object aside, so the second is 0 whatever was demonstrated."""
        self.step = float(np.percentile(np.hypot(take.steps[rows, 0], take.steps[rows, 1]), 75))
        """Horizontal step of a decision, m."""
        turns = take.tool_yaws[rows] - angles
        self.relative_yaw = math.atan2(float(np.sin(4 * turns).sum()), float(np.cos(4 * turns).sum())) / 4
        """Yaw of the tool relative to the direction, up to quarter turns, rad."""

    def _find_pushing_rows(self, distance: FloatArray) -> NDArray[np.int64]:
        """Return the decisions in which the object moves and is not too near to its goal for a direction."""
        rows = np.arange(self.start, self.stop)
        steps = np.linalg.norm(self.object_path[rows + 1] - self.object_path[rows], axis=1)
        clear = distance[rows] > MIN_DIRECTION_DISTANCE_M
        pushing = rows[(steps > MIN_OBJECT_STEP_M) & clear]
        return pushing if len(pushing) else rows


class PushMotion:
    """Repeats a stage in which an object is pushed."""

    def __init__(
        self, take: DemonstratedSegment, stage: Stage, observation: Observation, settings: ReplaySettings
    ) -> None:
        self._take, self._stage, self._settings = take, stage, settings
        self._push = DemonstratedPush(take, stage, settings.min_push_step_m)
        self._row = stage.start
        self._direction = direction(self._compute_remaining(observation))
        self._weights = compute_blend_weights(
            take.tool_positions, stage.start, self._push.arrival, settings.blend_fraction
        )
        self._start_offset = observation.tool_position - take.tool_positions[self._row]
        self._start_turn = wrap_turn(observation.tool_yaw - take.tool_yaws[self._row])
        self._leaving_position = observation.tool_position
        self._attempts = 0
        self._waiting = Waiting(settings)

    def decide(self, observation: Observation) -> ToolMotion | None:
        """Return the next motion, or None if the push is over."""
        if self._row >= self._stage.stop:
            remaining = self._compute_remaining(observation)
            if math.hypot(remaining[0], remaining[1]) < self._settings.max_push_error_m or not self._try_again():
                return None
        if self._row < self._push.start:
            self._update_direction(observation)
        elif self._row < self._push.stop:
            motion = self._drive(observation)
            if motion is not None:
                return motion
        return self._follow(observation)

    def _compute_remaining(self, observation: Observation) -> FloatArray:
        """Return the displacement (3,) of the pushed object to its goal, m, horizontal."""
        scene, stage = observation.scene, self._stage
        last = stage.stop - 1
        goal = self._push.object_path[last]
        if stage.reference != NO_OBJECT:
            goal = goal - self._take.object_positions[last, stage.reference] + scene.positions[stage.reference]
        return np.asarray((goal - scene.positions[stage.pushed]) * (1.0, 1.0, 0.0))

    def _update_direction(self, observation: Observation) -> None:
        """Aim at the goal, unless the object is so near to it that the direction is noise."""
        remaining = self._compute_remaining(observation)
        if math.hypot(remaining[0], remaining[1]) > MIN_DIRECTION_DISTANCE_M:
            self._direction = direction(remaining)

    def _follow(self, observation: Observation) -> ToolMotion:
        """Return the next motion before or after the push itself."""
        row, settings = self._row, self._settings
        yaw_error = wrap_turn(self._compute_yaw(row) - observation.tool_yaw)
        target = self._compute_target(row, observation)
        error = target - observation.tool_position
        correction = settings.gain * error
        is_fine = row < self._push.start <= row + settings.fine_decisions
        tolerance = settings.fine_tolerance_m if is_fine else settings.tolerance_m
        distance = float(np.linalg.norm(error))
        if self._waiting.update(distance < tolerance, distance):
            self._row += 1
            following = min(self._row, self._stage.stop - 1)
            correction = correction + self._compute_target(following, observation) - target
        return make_motion(correction, settings.yaw_gain * yaw_error, float(self._take.gripper[row]))

    def _compute_yaw(self, row: int) -> float:
        """Return the tool's yaw at a row, rad: blended into that of the push, and kept afterwards."""
        weight = self._weights[row - self._stage.start]
        pushing = float(wrap_quarter_turn(self._direction + self._push.relative_yaw))
        return float((1.0 - weight) * (self._take.tool_yaws[row] + self._start_turn) + weight * pushing)

    def _compute_target(self, row: int, observation: Observation) -> FloatArray:
        """Return the tool position (3,) that belongs to a row in the present scene, m."""
        turn, path = self._direction - self._push.direction, self._take.tool_positions
        if row >= self._push.stop:  # straight up: any other way might push the object on
            rise = path[row, 2] - path[self._push.leaving, 2]
            return np.asarray(self._leaving_position + (0.0, 0.0, rise))
        weight, position = self._weights[row - self._stage.start], observation.scene.positions[self._stage.pushed]
        relative = position + rotate(self._push.tips[row] - self._push.object_path[row], turn)
        relative = relative - compute_tip_offset(np.asarray(self._compute_yaw(row)))
        shifted = path[row] + self._start_offset
        return np.asarray((1.0 - weight) * shifted + weight * relative)

    def _drive(self, observation: Observation) -> ToolMotion | None:
        """Return the next motion along the line to the goal, or None to approach again or to leave."""
        settings, push = self._settings, self._push
        self._update_direction(observation)
        remaining = rotate(self._compute_remaining(observation), -self._direction)
        position = observation.scene.positions[self._stage.pushed]
        distance = float(remaining[0])
        tip = observation.tool_position + compute_tip_offset(np.asarray(observation.tool_yaw))
        error = push.tip_offset - rotate(tip - position, -self._direction)
        aside = abs(float(error[1]))
        if distance < settings.push_tolerance_m or self._waiting.update(False, distance):
            self._leave(observation)
            return None
        if aside > settings.max_push_offset_m or error[0] < -settings.max_push_offset_m:
            if not self._try_again():
                self._leave(observation)
            return None
        step = min(push.step, settings.push_gain * distance + settings.min_push_step_m)
        step *= 1.0 - min(aside / settings.max_push_offset_m, 0.8)
        motion = rotate(np.array([step, settings.gain * error[1], settings.gain * error[2]]), self._direction)
        yaw_error = wrap_turn(self._compute_yaw(push.start) - observation.tool_yaw)
        return make_motion(motion, settings.yaw_gain * yaw_error, float(self._take.gripper[push.start]))

    def _try_again(self) -> bool:
        """Return to the end of the approach; return False if that was done too often."""
        if self._attempts == self._settings.max_push_attempts:
            return False
        self._attempts += 1
        self._row = self._push.arrival
        return True

    def _leave(self, observation: Observation) -> None:
        """End the push here."""
        self._row, self._leaving_position = self._push.leaving, observation.tool_position


def compute_tip_offset(yaw: FloatArray) -> FloatArray:
    """Return the offsets (..., 3) of the closed finger tips from the tool, m, for yaws (...) in rad."""
    return FINGERTIP_OFFSET_M * np.stack([np.cos(yaw), np.sin(yaw), np.zeros_like(yaw)], axis=-1)


def direction(displacement: FloatArray) -> float:
    """Return the horizontal direction of a displacement (3,), rad."""
    return math.atan2(displacement[1], displacement[0])
