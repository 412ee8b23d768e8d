"""Driving the gripper with keys or a gamepad: a velocity that someone keeps saying, and that ends when they stop."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from metagui.arms.arm import CONTROL_PERIOD_S
from metagui.arms.control.tick import TICKS_PER_DECISION
from metagui.arms.kinematics import (
    GRIPPER_CLOSED_RAD,
    GRIPPER_OPEN_RAD,
    MAX_DISPLACEMENT_M,
    MAX_YAW_CHANGE_RAD,
    ToolMotion,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.arms.arm import FloatArray, Observation

VELOCITY_TIMEOUT_S = 0.25
"""How long a velocity holds when nobody repeats it, s: a lost gamepad stops the arm."""
DECISION_PERIOD_S = CONTROL_PERIOD_S * TICKS_PER_DECISION
"""Between two decisions, s."""
MAX_TOOL_SPEED_M_S = MAX_DISPLACEMENT_M / DECISION_PERIOD_S
"""Fastest the gripper is driven, m/s."""
MAX_TURN_RATE_RAD_S = MAX_YAW_CHANGE_RAD / DECISION_PERIOD_S
"""Fastest it is turned, rad/s."""


class _VelocityRequest(NamedTuple):
    velocity: FloatArray
    turn_rate: float
    gripper_open: bool
    received_at: float


class VelocityController:
    """Moves the gripper at the velocity said last, in the arm's base frame. Implements Controller.

    ``set_velocity`` may be called from any thread. Before its first call the arm holds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._request: _VelocityRequest | None = None

    def set_velocity(self, vx: float, vy: float, vz: float, turn_rate: float, gripper_open: bool) -> None:
        """Say where to go, m/s forward, left and up, rad/s about the vertical; repeat it, or it ends.

        Faster than ``TOP_SPEED`` and ``TOP_TURN`` is slowed down, in the same direction; what is not a finite number
        stands still.
        """
        velocity = np.array([vx, vy, vz, turn_rate], dtype=np.float64)
        if not np.isfinite(velocity).all():
            velocity[:] = 0.0
        speed = math.hypot(*velocity[:3].tolist())
        if not math.isfinite(speed):  # finite numbers, but no finite length
            velocity[:], speed = 0.0, 0.0
        if speed > MAX_TOOL_SPEED_M_S:
            velocity[:3] *= MAX_TOOL_SPEED_M_S / speed
        turned = min(max(float(velocity[3]), -MAX_TURN_RATE_RAD_S), MAX_TURN_RATE_RAD_S)
        with self._lock:
            self._request = _VelocityRequest(velocity[:3], turned, gripper_open, self._clock())

    def decide(self, observation: Observation) -> ToolMotion | None:
        """Return the motion until the next decision: none where nobody has said anything lately."""
        with self._lock:
            wish = self._request
        if wish is None:
            return None
        share = DECISION_PERIOD_S if self._clock() - wish.received_at <= VELOCITY_TIMEOUT_S else 0.0
        gripper = GRIPPER_OPEN_RAD if wish.gripper_open else GRIPPER_CLOSED_RAD
        return ToolMotion(wish.velocity * share, wish.turn_rate * share, gripper)
