"""Limits the force of the gripper's grip, and relaxes it after a while without opening the jaws.

The goal stays past the object, so that the jaws never open; only the greatest torque of the motor is lowered. A motor
that squeezes at more than its overload torque for two seconds would protect itself and stay weak.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metagui.arms.feetech import control_table as reg

if TYPE_CHECKING:
    from metagui.arms.feetech.control_table import Feedback
    from metagui.arms.so101.protection.temporary_registers import TemporaryRegisters

SQUEEZE_TICKS = 6
"""Distance of the goal past the position from which on the gripper squeezes, ticks."""
SLIP_TICKS = 40
"""Motion of the jaws after which a relaxed grip gets its full force again, ticks."""


@dataclass(frozen=True)
class GripSettings:
    """Limits of the grip's force, as fractions of the motor's torque."""

    grasping: float = 0.5
    """Largest torque while the gripper moves and grasps."""
    holding: float = 0.2
    """Largest torque while it holds an object; below the load at which the motor counts as overloaded."""
    relax_after: float = 1.0
    """Time of squeezing after which the torque is lowered, s."""


class GripLimiter:
    """Sets the torque limit of the gripper's servo from its goals and feedback."""

    def __init__(self, servo_id: int, registers: TemporaryRegisters, settings: GripSettings) -> None:
        self._servo_id = servo_id
        self._registers = registers
        self._settings = settings
        self._squeezing_since: float | None = None
        self._relaxed_at: int | None = None
        self._limit = 0
        original = registers.originals[reg.TORQUE_LIMIT][servo_id]
        self._grasping_limit = min(original, round(1000 * settings.grasping))
        self._holding_limit = min(original, round(1000 * settings.holding))

    @property
    def relaxed(self) -> bool:
        """Return whether the grip is relaxed."""
        return self._relaxed_at is not None

    def begin(self) -> None:
        """Set the limit for grasping. Raises ServoSilentError, ServoRefusedError."""
        self._squeezing_since = self._relaxed_at = None
        self._set_limit(self._grasping_limit)

    def update(self, goal: int, feedback: Feedback, now: float) -> None:
        """Relax or strengthen the grip for the last goal, ticks, at time ``now``, s. Raises ArmError."""
        if not self._is_squeezing(goal, feedback):
            self._squeezing_since = None
            if self._relaxed_at is not None:
                self._relaxed_at = None
                self._set_limit(self._grasping_limit)
            return
        self._squeezing_since = now if self._squeezing_since is None else self._squeezing_since
        if self._relaxed_at is None and now - self._squeezing_since >= self._settings.relax_after:
            self._relaxed_at = feedback.position
            self._set_limit(self._holding_limit)

    def _is_squeezing(self, goal: int, feedback: Feedback) -> bool:
        """Return whether the motor pushes against something that stops it."""
        distance = abs(goal - feedback.position)
        if self._relaxed_at is not None:
            return distance >= SQUEEZE_TICKS and abs(feedback.position - self._relaxed_at) < SLIP_TICKS
        return distance >= SQUEEZE_TICKS and abs(feedback.load) >= 1000 * self._settings.holding

    def _set_limit(self, limit: int) -> None:
        self._registers.set(reg.TORQUE_LIMIT, {self._servo_id: limit})
