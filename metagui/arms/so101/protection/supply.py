"""The supply of an arm: whether its voltage fits the motors, which exist for 7.4 V and for 12 V.

A motor does not state for which voltage it was built, but its factory settings allow at most 8 V or 14 V.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.arms.arm import ArmError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_LOW_LIMIT_V = 10.0
"""Largest voltage that a motor for 7.4 V allows, V; a motor for 12 V allows more."""
DAMAGING_VOLTAGE_V = 9.5
"""Voltage from which on a motor for 7.4 V is not switched on, V; a full battery of two cells has 8.4 V."""
MIN_HIGH_SUPPLY_V = 9.0
"""Smallest supply voltage at which a motor for 12 V has about its torque, V."""
NOMINAL_HIGH_V = 12.0
"""Nominal voltage of a motor for 12 V, V."""


class WrongSupplyError(ArmError):
    """The supply would damage the motors."""


def require_safe_supply(max_voltages: Mapping[int, float], voltages: Mapping[int, float]) -> None:
    """Raise WrongSupplyError if motors for 7.4 V get 12 V; both arguments are in V, by servo id."""
    endangered = [
        servo_id
        for servo_id, voltage in voltages.items()
        if max_voltages[servo_id] <= MAX_LOW_LIMIT_V and voltage >= DAMAGING_VOLTAGE_V
    ]
    if endangered:
        raise WrongSupplyError(
            f"Servo {_join(endangered)} is made for 7.4 V, but the supply has {voltages[endangered[0]]:.1f} V, which "
            "can destroy it. The arm was not switched on. Switch its supply off now, and use one of 5 to 7.4 V."
        )


def describe_weak_supply(max_voltages: Mapping[int, float], voltages: Mapping[int, float]) -> str:
    """Return a warning if motors for 12 V get much less; empty if the supply fits. Arguments as above."""
    weak = [
        servo_id
        for servo_id, voltage in voltages.items()
        if max_voltages[servo_id] > MAX_LOW_LIMIT_V and voltage < MIN_HIGH_SUPPLY_V
    ]
    if not weak:
        return ""
    voltage = voltages[weak[0]]
    return (
        f"Servo {_join(weak)} is made for 12 V, but the supply has {voltage:.1f} V: that does no harm, but the arm has "
        f"about {voltage / NOMINAL_HIGH_V:.0%} of its torque and speed, and may sink. Use a supply of 12 V."
    )


def _join(servo_ids: list[int]) -> str:
    return ", ".join(map(str, servo_ids))
