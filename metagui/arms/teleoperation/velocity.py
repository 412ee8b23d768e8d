"""Driving the gripper with keys or a gamepad: a velocity that someone keeps saying, and that ends when they stop."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from metagui.arms.arm import CONTROL_PERIOD
from metagui.arms.control.tick import DECISION_TICKS
from metagui.arms.kinematics import GRIPPER_CLOSED, GRIPPER_OPEN, MAX_STEP, MAX_TURN, Motion

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.arms.arm import FloatArray, Observation

STALE = 0.25
"""How long a velocity holds when nobody repeats it, s: a lost gamepad stops the arm."""
DECISION = CONTROL_PERIOD * DECISION_TICKS
"""Between two decisions, s."""
TOP_SPEED = MAX_STEP / DECISION
"""Fastest the gripper is driven, m/s."""
TOP_TURN = MAX_TURN / DECISION
"""Fastest it is turned, rad/s."""


class _Wish(NamedTuple):
    velocity: FloatArray
    turn: float
    gripper_open: bool
    said_at: float


class VelocityController:
    """Moves the gripper at the velocity said last, in the arm's base frame. Implements Controller.

    ``set_velocity`` may be called from any thread. Before its first call the arm holds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._wish: _Wish | None = None

    def set_velocity(self, vx: float, vy: float, vz: float, turn: float, gripper_open: bool) -> None:
        """Say where to go, m/s forward, left and up, rad/s about the vertical; repeat it, or it ends.

        Faster than ``TOP_SPEED`` and ``TOP_TURN`` is slowed down, in the same direction; what is not a finite number
        stands still.
        """
        velocity = np.array([vx, vy, vz, turn], dtype=np.float64)
        if not np.isfinite(velocity).all():
            velocity[:] = 0.0
        speed = math.hypot(*velocity[:3].tolist())
        if not math.isfinite(speed):  # finite numbers, but no finite length
            velocity[:], speed = 0.0, 0.0
        if speed > TOP_SPEED:
            velocity[:3] *= TOP_SPEED / speed
        turned = min(max(float(velocity[3]), -TOP_TURN), TOP_TURN)
        with self._lock:
            self._wish = _Wish(velocity[:3], turned, gripper_open, self._clock())

    def decide(self, observation: Observation) -> Motion | None:
        """Return the motion until the next decision: none where nobody has said anything lately."""
        with self._lock:
            wish = self._wish
        if wish is None:
            return None
        share = DECISION if self._clock() - wish.said_at <= STALE else 0.0
        gripper = GRIPPER_OPEN if wish.gripper_open else GRIPPER_CLOSED
        return Motion(wish.velocity * share, wish.turn * share, gripper)
