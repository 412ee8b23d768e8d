"""Monitors of the safety gate: stalled joints, temperature and voltage."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import Joint, JointState


@dataclass(frozen=True)
class StallSettings:
    """Conditions under which a joint counts as stalled."""

    load: float = 0.9
    """Smallest load of a stalled joint, as a fraction of the servo's maximum torque."""
    error: float = 0.1
    """Smallest distance between target and position of a stalled joint, rad."""
    time: float = 0.5
    """Shortest duration of both conditions, s."""
    squeeze: float = 0.1
    """Largest distance of a stalled gripper's target past its position, rad, so that it does not drop an object."""


@dataclass(frozen=True)
class HealthSettings:
    """Limits of a servo's temperature and voltage; beyond them the arm holds."""

    max_temperature: float = 70.0
    """Highest temperature, degrees Celsius."""
    cool_down: float = 5.0
    """Cooling below ``max_temperature`` before the arm moves again, degrees."""
    min_voltage: float = 4.5
    """Lowest supply voltage, V."""
    max_voltage: float = 13.5
    """Highest supply voltage, V."""
    fault_ticks: int = 10
    """Number of consecutive ticks with a fault before the arm holds; a single wrong reading is normal."""


class StallMonitor:
    """Puts a barrier in front of a stalled joint until its target moves away from the barrier.

    A barrier narrows a joint's limits to its present position, so its target returns there.
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
        """Remove all barriers."""
        self._floor = list(self._lower)
        self._ceiling = list(self._upper)
        self._pushing_ticks = [0] * len(self._names)

    def observe(self, sent: list[float], present: list[float], loads: list[float]) -> None:
        """Count the ticks for which each joint has been stalled. A NaN load (not measured) is no stall."""
        heavy, far = self._settings.load, self._settings.error
        for i, (target, position, load) in enumerate(zip(sent, present, loads, strict=True)):
            if abs(load) >= heavy and abs(target - position) >= far:
                self._pushing_ticks[i] += 1
                if self._pushing_ticks[i] > self._ticks:
                    self._raise_barrier(i, position, target - position)
            else:
                self._pushing_ticks[i] = 0

    def apply_barriers(self, targets: list[float]) -> list[float]:
        """Return targets clipped to the barriers; a target that moves away from a barrier removes it."""
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
        """Return whether there is any barrier; fast, as at nearly every tick there is none."""
        return self._ceiling != self._upper or self._floor != self._lower

    @property
    def stalled(self) -> list[str]:
        """Names of the stalled joints; a gripper that holds an object does not count."""
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
    """Raises an alarm for temperature or voltage, and clears it when both are within their limits again."""

    def __init__(self, joints: Sequence[Joint], settings: HealthSettings) -> None:
        self._settings = settings
        self._names = [joint.name for joint in joints]
        self._fault_ticks = 0
        self.alarm: str | None = None

    def observe(self, state: JointState) -> None:
        """Check one reading; NaN (not measured) is no alarm."""
        fault = self._find_first_fault(state.temperatures.tolist(), state.voltages.tolist())
        if fault is None:
            self._fault_ticks, self.alarm = 0, None
            return
        self._fault_ticks += 1
        if self.alarm is None and self._fault_ticks >= self._settings.fault_ticks:
            self.alarm = self._describe(*fault)

    def _find_first_fault(self, temperatures: list[float], voltages: list[float]) -> tuple[int, float, float] | None:
        """Return index, temperature and voltage of the first joint beyond a limit."""
        settings = self._settings
        max_temperature = settings.max_temperature - (settings.cool_down if self.alarm else 0.0)
        for i, (temperature, voltage) in enumerate(zip(temperatures, voltages, strict=True)):
            # NaN must compare as no fault, so the range of voltages is not written as ``not low <= v <= high``.
            if temperature > max_temperature or voltage < settings.min_voltage or voltage > settings.max_voltage:
                return i, temperature, voltage
        return None

    def _describe(self, i: int, temperature: float, voltage: float) -> str:
        settings = self._settings
        if temperature > settings.max_temperature:
            fault = f"is at {temperature:.0f} °C (limit {settings.max_temperature:.0f}). Let it cool"
        else:
            fault = f"gets {voltage:.1f} V ({settings.min_voltage} to {settings.max_voltage}). Check the supply"
        return f"The arm holds: {self._names[i]} {fault}; it moves again by itself."
