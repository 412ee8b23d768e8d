"""The motion that an emulated servo demands of its shaft, in each of its operating modes."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

MAX_SERVO_SPEED_TICKS_S = 3400.0
"""Speed if ``GOAL_VELOCITY`` is 0 (50 turns per minute), ticks/s."""
FULL_LOAD_TICKS = 40.0
"""Distance from a shaft to its goal at which its servo gives full torque, with P = 16, ticks."""
FULL_PWM = 1000
"""Full duty cycle of the open-loop mode."""


class OperatingMode(IntEnum):
    """Values of ``OPERATING_MODE``."""

    POSITION = 0
    WHEEL = 1
    OPEN_LOOP = 2
    STEP = 3


class Goals(NamedTuple):
    """Registers that determine the motion."""

    mode: int
    """Operating mode."""
    position: int
    """Goal position, ticks; in the step mode, steps from the last goal."""
    lowest: int
    """Lowest goal, ticks."""
    highest: int
    """Highest goal, ticks; no goal is clipped if it is not above the lowest."""
    velocity: int
    """Goal velocity, ticks/s; as a limit, 0 stands for none."""
    pwm: int
    """Duty cycle of the open-loop mode, in thousandths."""


class ServoMotion:
    """Moves a set-point from where the torque was switched on to the goal, no faster than the servo turns."""

    def __init__(self) -> None:
        self.last_push: float | None = None
        """Distance from the shaft to the set-point, ticks; None while the torque is off."""
        self._setpoint = 0.0
        self._step_goal = 0.0
        self._mode: int = OperatingMode.POSITION

    def start(self, position: float, turned: float, mode: int) -> None:
        """Start at the present shaft: ``position`` within a turn, ``turned`` counted on across turns, ticks."""
        self._mode = mode
        self._setpoint = position if mode == OperatingMode.POSITION else turned
        self._step_goal = turned

    def add_steps(self, steps: int) -> None:
        """Move the goal of the step mode."""
        self._step_goal += steps

    def compute_push(self, goals: Goals, position: float, turned: float, elapsed: float) -> float:
        """Return how far the shaft should turn from its present angle after ``elapsed`` s, ticks."""
        if goals.mode != self._mode:
            self.start(position, turned, goals.mode)
        step = (abs(goals.velocity) or MAX_SERVO_SPEED_TICKS_S) * elapsed
        present = turned
        if goals.mode == OperatingMode.WHEEL:
            ahead = (
                self._setpoint + min(max(goals.velocity, -MAX_SERVO_SPEED_TICKS_S), MAX_SERVO_SPEED_TICKS_S) * elapsed
            )
            self._setpoint = min(max(ahead, turned - FULL_LOAD_TICKS), turned + FULL_LOAD_TICKS)
        elif goals.mode == OperatingMode.OPEN_LOOP:
            self._setpoint = turned + FULL_LOAD_TICKS * goals.pwm / FULL_PWM
        elif goals.mode == OperatingMode.STEP:
            self._setpoint += min(max(self._step_goal - self._setpoint, -step), step)
        else:
            present = position
            goal = min(max(goals.position, goals.lowest), max(goals.lowest, goals.highest))
            self._setpoint += min(max(goal - self._setpoint, -step), step)
        self.last_push = self._setpoint - present
        return self.last_push
