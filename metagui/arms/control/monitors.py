"""What the safety gate keeps an eye on between commands: joints that push in vain, heat and voltage."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import Joint, JointState


@dataclass(frozen=True)
class StallSettings:
    """When a joint counts as pushing in vain."""

    load: float = 0.9
    """Fraction of the servo's maximum torque that it must reach."""
    error: float = 0.1
    """How far its target must lie from its position, rad."""
    time: float = 0.5
    """How long both must last, s."""
    squeeze: float = 0.1
    """How far past a stalled gripper's position its target may stay, rad, so that it keeps what it holds."""


@dataclass(frozen=True)
class HealthSettings:
    """What a servo may report before the arm is made to hold."""

    max_temperature: float = 70.0
    """Degrees Celsius."""
    cool_down: float = 5.0
    """How far below that it must cool before it moves again, degrees."""
    min_voltage: float = 4.5
    max_voltage: float = 13.5
    fault_ticks: int = 10
    """For how many ticks in a row something must be wrong; one odd reading is normal."""


class StallMonitor:
    """Puts a barrier in front of a joint that has pushed in vain, until it is asked to retreat from it.

    A barrier narrows a joint's limits to where it stands, so its target is eased back there.
    """

    def __init__(self, joints: Sequence[Joint], period: float, settings: StallSettings) -> None:
        self._settings = settings
        self._ticks = round(settings.time / period)
        self._names = [joint.name for joint in joints]
        self._lower = [joint.lower for joint in joints]
        self._upper = [joint.upper for joint in joints]
        self.hold_slack = [0.0] * (len(self._names) - 1) + [settings.squeeze]
        self.stall_count = 0
        self.reset()

    def reset(self) -> None:
        """Take all barriers down."""
        self._floor = list(self._lower)
        self._ceiling = list(self._upper)
        self._pushing_ticks = [0] * len(self._names)

    def observe(self, sent: list[float], present: list[float], loads: list[float]) -> None:
        """Count how long each joint has pushed. NaN, where an arm cannot measure, is not pushing."""
        heavy, far = self._settings.load, self._settings.error
        for i, (target, position, load) in enumerate(zip(sent, present, loads, strict=True)):
            if abs(load) >= heavy and abs(target - position) >= far:
                self._pushing_ticks[i] += 1
                if self._pushing_ticks[i] > self._ticks:
                    self._raise_barrier(i, position, target - position)
            else:
                self._pushing_ticks[i] = 0

    def apply_barriers(self, targets: list[float]) -> list[float]:
        """Return targets within the limits kept behind the barriers; a joint that retreats takes its barrier down."""
        if not self._has_barrier:
            return targets
        return [self._apply_barrier(i, target) for i, target in enumerate(targets)]

    def _apply_barrier(self, i: int, target: float) -> float:
        if target < self._ceiling[i]:
            self._ceiling[i] = self._upper[i]
        if target > self._floor[i]:
            self._floor[i] = self._lower[i]
        return min(max(target, self._floor[i]), self._ceiling[i])

    @property
    def _has_barrier(self) -> bool:
        """Whether there is a barrier at all: at nearly every tick there is none, and that is soon seen."""
        return self._ceiling != self._upper or self._floor != self._lower

    @property
    def stalled(self) -> list[str]:
        """Names of the joints that gave way; a gripper that holds something is not among them."""
        if not self._has_barrier:
            return []
        return [name for i, name in enumerate(self._names[:-1]) if self._is_barred(i)]

    def _raise_barrier(self, i: int, position: float, error: float) -> None:
        self._pushing_ticks[i] = 0
        self.stall_count += not self._is_barred(i)
        barrier = position + math.copysign(self.hold_slack[i], error)
        barrier = min(max(barrier, self._lower[i]), self._upper[i])
        if error > 0:
            self._ceiling[i] = barrier
        else:
            self._floor[i] = barrier

    def _is_barred(self, i: int) -> bool:
        return self._ceiling[i] < self._upper[i] or self._floor[i] > self._lower[i]


class HealthMonitor:
    """Raises an alarm over temperature and voltage, and clears it when both are well again."""

    def __init__(self, joints: Sequence[Joint], settings: HealthSettings) -> None:
        self._settings = settings
        self._names = [joint.name for joint in joints]
        self._fault_ticks = 0
        self.alarm: str | None = None

    def observe(self, state: JointState) -> None:
        """Look at one reading; NaN, where an arm cannot measure, is no alarm."""
        odd = self._find_first_fault(state.temperatures.tolist(), state.voltages.tolist())
        if odd is None:
            self._fault_ticks, self.alarm = 0, None
            return
        self._fault_ticks += 1
        if self.alarm is None and self._fault_ticks >= self._settings.fault_ticks:
            self.alarm = self._describe(*odd)

    def _find_first_fault(self, heats: list[float], volts: list[float]) -> tuple[int, float, float] | None:
        settings = self._settings
        hottest = settings.max_temperature - (settings.cool_down if self.alarm else 0.0)
        least, most = settings.min_voltage, settings.max_voltage
        for i, (heat, volt) in enumerate(zip(heats, volts, strict=True)):
            if heat > hottest or volt < least or volt > most:
                return i, heat, volt
        return None

    def _describe(self, i: int, heat: float, volt: float) -> str:
        settings = self._settings
        if heat > settings.max_temperature:
            what = f"is at {heat:.0f} °C (limit {settings.max_temperature:.0f}). Let it cool"
        else:
            what = f"gets {volt:.1f} V ({settings.min_voltage} to {settings.max_voltage}). Check the supply"
        return f"The arm holds: {self._names[i]} {what}; it moves again by itself."
