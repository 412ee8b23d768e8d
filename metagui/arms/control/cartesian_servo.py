"""Follows the motions of the tool: integrates the commanded tool pose and converts it to joint targets."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import Command
from metagui.arms.kinematics import (
    HOME_ANGLES_RAD,
    HOME_POSITION_M,
    PAN_AXIS_X_M,
    ToolPose,
    compute_tool_pose,
    solve_joint_angles,
)

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray, Observation
    from metagui.arms.kinematics import JointAngles, ToolMotion


MIN_RISE_FRACTION = 0.7
"""Fraction of a step that is upwards, above which an arm at the limit of its reach moves sideways to rise further."""
HIGHEST_RISE_DISTANCE_M = 0.20
"""Distance from the pan axis at which the tool can rise highest, m."""


class CartesianServo:
    """Follows tool motions: integrates the commanded tool pose and converts it to joint commands.

    The commanded position stays within ``max_tracking_error``, m, of the real one, so that a blocked arm is not pushed
    harder and harder, and above ``min_height``, m, so that it does not hit the table.
    """

    def __init__(self, max_tracking_error: float = 0.015, min_height: float = 0.006) -> None:
        self.max_tracking_error = max_tracking_error
        self.min_height = min_height
        self._position = HOME_POSITION_M.copy()
        self._yaw = 0.0
        self._last_targets = HOME_ANGLES_RAD.copy()

    @property
    def target(self) -> ToolPose:
        """Return the commanded tool pose."""
        return ToolPose(self._position.copy(), np.float64(self._yaw))  # type: ignore[arg-type]

    def reset(self, observation: Observation, sent: FloatArray | None = None) -> None:
        """Start at the last sent joint targets (J,) if they are close to the present pose, else at that pose."""
        start = observation.joints.positions
        if sent is not None and float(np.abs(sent[:5] - start[:5]).max()) < 0.15:
            start = sent
        self._position, self._yaw = compute_tool_pose(start)
        self._last_targets = np.array(start, dtype=np.float64)

    def step(self, observation: Observation, motion: ToolMotion, fraction: float = 0.5) -> Command:
        """Move the commanded pose by a fraction of ``motion`` and return the joint targets for it.

        At the limit of its reach the arm slides along it, or moves to where it can rise; else it stays.
        """
        wanted = self._position + fraction * motion.displacement
        offset = wanted - observation.tool_position
        stretch = math.sqrt(float(offset @ offset))
        if stretch > self.max_tracking_error:
            wanted = observation.tool_position + offset * (self.max_tracking_error / stretch)
        wanted[2] = max(wanted[2], self.min_height)
        angles = self._move_towards(wanted, self._yaw + fraction * motion.yaw_change)
        self._last_targets = np.array([*(angles or self._last_targets[:5]), motion.gripper])
        return Command(self._last_targets)

    def _move_towards(self, wanted: FloatArray, yaw: float) -> JointAngles | None:
        """Command the first reachable pose of: the wanted one, one nearer to the middle, one along the limit."""
        step = wanted - self._position
        length = float(np.linalg.norm(step))
        positions = [wanted, _slide_along_reach_limit(self._position, wanted)]
        if step[2] > MIN_RISE_FRACTION * length:
            positions.insert(1, _step_to_middle_of_reach(self._position, length))
        for position in positions:
            angles = solve_joint_angles(position.tolist(), yaw)
            if angles is not None:
                self._position, self._yaw = position, yaw
                return angles
        return None


def _slide_along_reach_limit(present: FloatArray, target: FloatArray) -> FloatArray:
    """Return ``target`` (3,) at the present height and distance from the pan axis, 0.5 mm off the limit.

    A straight path that passes too close to the arm thus goes around it.
    """
    x, y = target[0] - PAN_AXIS_X_M, target[1]
    distance, here = max(math.hypot(x, y), 1e-9), math.hypot(present[0] - PAN_AXIS_X_M, present[1])
    scale = (here + math.copysign(0.0005, here - distance)) / distance
    return np.array([PAN_AXIS_X_M + x * scale, y * scale, present[2]])


def _step_to_middle_of_reach(present: FloatArray, step: float) -> FloatArray:
    """Return the point (3,) ``step`` m nearer to where the arm can rise highest, at the present height."""
    x, y = present[0] - PAN_AXIS_X_M, present[1]
    distance = max(math.hypot(x, y), 1e-9)
    scale = 1.0 + min(max(HIGHEST_RISE_DISTANCE_M - distance, -step), step) / distance
    return np.array([PAN_AXIS_X_M + x * scale, y * scale, present[2]])
