"""Repeats one stage of a demonstration relative to its reference object in the present scene.

The demonstrated path is moved with the reference object, and blended into that from where the tool is. The phase, which
is the row of the demonstration, advances by one per decision while the tool follows, and waits for it otherwise. The
motion is the demonstrated one plus a fraction of the remaining error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.kinematics import MAX_YAW_CHANGE_RAD, ToolMotion
from metagui.demonstrations.primitives.primitive import wrap_quarter_turn
from metagui.learning.object_replay.reference_choice import NO_OBJECT
from metagui.learning.policy.features import limit_displacement

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray, Observation
    from metagui.learning.object_replay.replay_stages import DemonstratedSegment, Stage


@dataclass(frozen=True)
class ReplaySettings:
    """Gains and tolerances of object-relative replay."""

    gain: float = 0.35
    """Fraction of the position error corrected in one decision."""
    yaw_gain: float = 0.5
    """Fraction of the yaw error corrected in one decision."""
    tolerance_m: float = 0.012
    """Position error above which the phase waits, m."""
    fine_tolerance_m: float = 0.004
    """The same in the last decisions before a contact and at the end of a stage, m."""
    fine_yaw_tolerance_rad: float = 0.12
    """Yaw error above which the phase waits in these decisions, rad."""
    fine_decisions: int = 8
    """Number of these decisions."""
    max_waiting_decisions: int = 25
    """Number of decisions in a row without progress after which the phase advances in spite of an error."""
    blend_fraction: float = 0.8
    """Fraction of the approach in which the path is blended from where the tool is."""
    contact_step_m: float = 0.002
    """Downward step in a decision in which a contact is missing, m; the gain limits the sum of such steps."""
    progress_m: float = 0.001
    """Minimum decrease of the error that counts as progress, m."""
    push_tolerance_m: float = 0.005
    """Distance from its goal at which a pushed object has arrived, m."""
    push_gain: float = 0.25
    """Step of a push near the goal, as a fraction of the remaining distance."""
    min_push_step_m: float = 0.0007
    """Minimum step of a push, m."""
    max_push_offset_m: float = 0.014
    """Distance of the finger tips from the line at which they are moved behind the object again, m."""
    max_push_error_m: float = 0.010
    """Distance from its goal at which a pushed object that was left is pushed again, m."""
    max_push_attempts: int = 4
    """Maximum number of times that a push begins again."""


class StageMotion:
    """Repeats one stage that is no push."""

    def __init__(
        self, take: DemonstratedSegment, stage: Stage, observation: Observation, settings: ReplaySettings
    ) -> None:
        self._take, self._stage, self._settings = take, stage, settings
        self._path = take.get_path(stage.carried)
        self._row = stage.start
        self._weights = compute_blend_weights(self._path, stage.start, stage.arrival, settings.blend_fraction)
        self._start_offset = self._locate(observation) - self._path[self._row]
        self._start_turn = wrap_turn(observation.tool_yaw - take.tool_yaws[self._row])
        self._origin, self._origin_yaw = np.zeros(3), 0.0
        self._observe_reference(observation, first=True)
        if stage.is_retreat:  # relative to the tool: the object, just let go of, may still drop
            offset = self._path[self._row] - take.object_positions[self._row, stage.reference]
            self._origin = observation.tool_position - rotate(offset, self._start_turn)
        self._waiting = Waiting(settings)

    def decide(self, observation: Observation) -> ToolMotion | None:
        """Return the next motion, or None if the stage is over."""
        if self._row >= self._stage.stop:
            return None
        if self._stage.is_grasp and observation.scene.held[self._stage.reference]:
            return None
        self._observe_reference(observation)
        row = self._row
        turn = self._compute_turn(row, observation)
        error = self._compute_target(row, turn) - self._locate(observation)
        yaw_error = wrap_turn(self._take.tool_yaws[row] + turn - observation.tool_yaw)
        correction = self._settings.gain * error
        if self._lacks_contact(observation):
            correction = correction - (0.0, 0.0, self._settings.contact_step_m)
        if self._may_advance(error, yaw_error, observation):
            self._row += 1
            following = min(self._row, self._stage.stop - 1)
            change = self._compute_target(following, turn) - self._compute_target(row, turn)
            demonstrated = self._path[following] - self._path[row]
            correction = correction + change - rotate(demonstrated - self._take.steps[row], self._angle(turn))
        return make_motion(correction, self._settings.yaw_gain * yaw_error, float(self._take.gripper[row]))

    def _observe_reference(self, observation: Observation, first: bool = False) -> None:
        """Follow the reference object until the gripper touches or releases it: then it moves with the tool."""
        scene, index = observation.scene, self._stage.reference
        if index != NO_OBJECT and (first or not (self._stage.is_retreat or scene.touched[index])):
            self._origin, self._origin_yaw = scene.positions[index], float(scene.yaws[index])

    def _locate(self, observation: Observation) -> FloatArray:
        """Return the position (3,) of what follows the path, m: the carried object if it is held, else the tool."""
        carried = self._stage.carried
        if carried == NO_OBJECT:
            return observation.tool_position
        if observation.scene.held[carried]:
            return np.asarray(observation.scene.positions[carried])
        row = min(self._row, len(self._path) - 1)
        return np.asarray(observation.tool_position + self._path[row] - self._take.tool_positions[row])

    def _angle(self, turn: float) -> float:
        return turn if self._stage.rotates else 0.0

    def _compute_turn(self, row: int, observation: Observation) -> float:
        """Return the turn of the tool against the demonstration at a row, rad."""
        stage, take, scene = self._stage, self._take, observation.scene
        if stage.reference == NO_OBJECT or stage.is_retreat:
            return self._start_turn
        final = 0.0
        if stage.aligns:
            final = float(self._origin_yaw - take.object_yaws[row, stage.reference])
            if stage.carried != NO_OBJECT:
                grip = float(scene.yaws[stage.carried] - take.object_yaws[row, stage.carried])
                final += wrap_turn(observation.tool_yaw - take.tool_yaws[row]) - grip
            final = float(wrap_quarter_turn(final))
        weight = self._weights[row - stage.start]
        return float((1.0 - weight) * self._start_turn + weight * final)

    def _compute_target(self, row: int, turn: float) -> FloatArray:
        """Return the position (3,) that belongs to a row in the present scene, m."""
        stage, weight = self._stage, self._weights[row - self._stage.start]
        shifted = self._path[row] + self._start_offset
        if stage.reference == NO_OBJECT:
            return np.asarray(shifted)
        offset = self._path[row] - self._take.object_positions[row, stage.reference]
        relative = self._origin + rotate(offset, self._angle(turn))
        return np.asarray((1.0 - weight) * shifted + weight * relative)

    def _may_advance(self, error: FloatArray, yaw_error: float, observation: Observation) -> bool:
        """Return whether the tool follows closely enough, has the contact, or has waited for too long."""
        stage, settings = self._stage, self._settings
        distance = float(np.linalg.norm(error))
        is_fine = any(0 <= row - self._row <= settings.fine_decisions for row in stage.contacts or [stage.stop])
        tolerance = settings.fine_tolerance_m if is_fine else settings.tolerance_m
        follows = distance < tolerance and not (is_fine and abs(yaw_error) > settings.fine_yaw_tolerance_rad)
        return self._waiting.update(follows and not self._lacks_contact(observation), distance + 0.05 * abs(yaw_error))

    def _lacks_contact(self, observation: Observation) -> bool:
        """Return whether the reference was touched at this row of the demonstration and is not touched now."""
        return self._row in self._stage.contacts and not observation.scene.touched[self._stage.reference]


class Waiting:
    """Limits the number of decisions for which the phase waits without progress."""

    def __init__(self, settings: ReplaySettings) -> None:
        self._settings = settings
        self._count, self._smallest = 0, math.inf

    def update(self, follows: bool, error_m: float) -> bool:
        """Return whether the phase advances, given whether the tool follows and the error, m."""
        if not follows:
            has_progress = error_m < self._smallest - self._settings.progress_m
            self._count = 0 if has_progress else self._count + 1
            self._smallest = min(self._smallest, error_m)
            if self._count < self._settings.max_waiting_decisions:
                return False
        self._count, self._smallest = 0, math.inf
        return True


def make_motion(displacement: FloatArray, turn: float, gripper: float) -> ToolMotion:
    """Return the motion, limited to what one decision may request; m and rad."""
    limited = min(max(turn, -MAX_YAW_CHANGE_RAD), MAX_YAW_CHANGE_RAD)
    return ToolMotion(limit_displacement(displacement), limited, gripper)


def compute_blend_weights(path: FloatArray, start: int, arrival: int, fraction: float) -> FloatArray:
    """Return the weights (T - start,) of the reference along a path (T, 3), from 0 at the start to 1 near arrival."""
    lengths = np.concatenate([[0.0], np.linalg.norm(np.diff(path[start:], axis=0), axis=1).cumsum()])
    end = fraction * lengths[arrival - start]
    if end <= 0.0:
        return np.ones(len(lengths))
    position = np.clip(lengths / end, 0.0, 1.0)
    return np.asarray(position * position * (3.0 - 2.0 * position))


def rotate(displacement: FloatArray, angle: float) -> FloatArray:
    """Return a displacement (3,) rotated about the vertical."""
    cosine, sine = math.cos(angle), math.sin(angle)
    x, y, z = displacement
    return np.array([cosine * x - sine * y, sine * x + cosine * y, z])


def wrap_turn(angle: float) -> float:
    """Return an angle wrapped to (-pi, pi], rad."""
    return math.atan2(math.sin(angle), math.cos(angle))
