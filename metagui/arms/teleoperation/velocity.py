"""Moves the gripper at a velocity from keys or a gamepad, which must be repeated and otherwise expires."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from metagui.arms.arm import CONTROL_PERIOD_S
from metagui.arms.control.tick import GO_HOME_FIRST, TICKS_PER_DECISION, JointMove
from metagui.arms.kinematics import (
    GRIPPER_CLOSED_RAD,
    GRIPPER_OPEN_RAD,
    MAX_DISPLACEMENT_M,
    MAX_YAW_CHANGE_RAD,
    ToolMotion,
    has_cartesian_way,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.arms.arm import FloatArray, Observation

VELOCITY_TIMEOUT_S = 0.25
"""Time after which a velocity expires unless it is repeated, s, so that a lost gamepad stops the arm."""
DECISION_PERIOD_S = CONTROL_PERIOD_S * TICKS_PER_DECISION
"""Time between two decisions, s."""
MAX_TOOL_SPEED_M_S = MAX_DISPLACEMENT_M / DECISION_PERIOD_S
"""Highest speed of the gripper, m/s."""
MAX_TURN_RATE_RAD_S = MAX_YAW_CHANGE_RAD / DECISION_PERIOD_S
"""Highest turn rate of the gripper, rad/s."""


class _VelocityRequest(NamedTuple):
    """A requested velocity and the time of the request."""

    velocity: FloatArray
    """(3,) velocity in the base frame, m/s."""
    turn_rate: float
    """Rotation about the vertical, rad/s."""
    gripper_open: bool
    """True if the gripper should be open."""
    received_at: float
    """Time of the request, s."""


class VelocityController:
    """Moves the gripper at the velocity requested last, in the arm's base frame. Implements Controller.

    ``set_velocity`` may be called from any thread. Before its first call the arm holds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._request: _VelocityRequest | None = None
        self._moving = False

    def set_velocity(self, vx: float, vy: float, vz: float, turn_rate: float, gripper_open: bool) -> None:
        """Request a velocity, m/s forward, left, up, rad/s about the vertical; it expires unless repeated.

        Speeds above ``MAX_TOOL_SPEED_M_S`` and ``MAX_TURN_RATE_RAD_S`` are reduced, in the same direction; a velocity
        that is not finite counts as zero.
        """
        velocity = np.array([vx, vy, vz, turn_rate], dtype=np.float64)
        if not np.isfinite(velocity).all():
            velocity[:] = 0.0
        speed = math.hypot(*velocity[:3].tolist())
        if not math.isfinite(speed):  # the components are finite, but their norm is not
            velocity[:], speed = 0.0, 0.0
        if speed > MAX_TOOL_SPEED_M_S:
            velocity[:3] *= MAX_TOOL_SPEED_M_S / speed
        clipped = min(max(float(velocity[3]), -MAX_TURN_RATE_RAD_S), MAX_TURN_RATE_RAD_S)
        with self._lock:
            self._request = _VelocityRequest(velocity[:3], clipped, gripper_open, self._clock())

    def decide(self, observation: Observation) -> ToolMotion | JointMove | None:
        """Return the motion until the next decision: zero after expiry, None before the first velocity.

        From a pose where the tool cannot move in a line, the first motion is the way home.
        """
        with self._lock:
            request = self._request
        if request is None:
            return None
        duration = DECISION_PERIOD_S if self._clock() - request.received_at <= VELOCITY_TIMEOUT_S else 0.0
        moves = duration > 0.0 and bool(request.turn_rate or request.velocity.any())
        was_moving, self._moving = self._moving, moves
        if moves and not was_moving and not has_cartesian_way(observation.joints.positions):
            self._moving = False
            return GO_HOME_FIRST
        gripper = GRIPPER_OPEN_RAD if request.gripper_open else GRIPPER_CLOSED_RAD
        return ToolMotion(request.velocity * duration, request.turn_rate * duration, gripper)
