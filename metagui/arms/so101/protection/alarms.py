"""Alarms of an arm's servos: faults that they report, as texts for the user.

A fault counts after a few readings, because a dip of the supply is normal, and its text stays for a moment after its
end, so that it can be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.arms.feetech.protocol import ServoStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.feetech.control_table import Feedback

ONSET_READINGS = 3
"""Number of consecutive readings with a fault from which on it is an alarm."""
KEEP_S = 2.0
"""Time for which an alarm stays after its end, s."""
CURRENT_UNIT_A = 6.5e-3
"""Unit of a servo's current, A."""
CLEAR_OVERLOAD_TEXT = "Clear the overload"
"""Text of the button that ends an overload."""
KNOWN_FAULTS = tuple(ServoStatus)
"""Faults that a servo can report."""
GRIPPER = "gripper"


class AlarmMonitor:
    """Watches the feedback of the servos of the joints ``names``; ``text`` and ``overloaded`` are the result."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._counts: dict[tuple[int, ServoStatus], int] = {}
        self._active: dict[tuple[int, ServoStatus], float] = {}
        """Time of the last reading with each present fault, s, by index of the joint and kind."""
        self.text = ""
        """Text for the user, empty without an alarm."""
        self.overloaded: frozenset[int] = frozenset()
        """Indices of the joints that have reduced their torque because of an overload."""

    def observe(self, feedback: Sequence[Feedback], now: float) -> None:
        """Check one reading of all servos at time ``now``, s."""
        if not self._counts and not self._active and not any(each.status for each in feedback):
            return  # nearly always
        reported = {
            (index, fault) for index, each in enumerate(feedback) for fault in KNOWN_FAULTS if each.status & fault
        }
        self._counts = {key: self._counts.get(key, 0) + 1 for key in reported}
        before = set(self._active)
        self._active |= {key: now for key, count in self._counts.items() if count >= ONSET_READINGS}
        self._active = {key: seen for key, seen in self._active.items() if now - seen <= KEEP_S}
        if set(self._active) != before:
            self._update(feedback)

    def forget_overload(self, indices: frozenset[int]) -> None:
        """Drop the overloads of joints that were cleared, without the time for which an alarm stays."""
        self._counts = {key: n for key, n in self._counts.items() if not _is_overload(key, indices)}
        self._active = {key: seen for key, seen in self._active.items() if not _is_overload(key, indices)}
        self._update(())

    def _update(self, feedback: Sequence[Feedback]) -> None:
        self.overloaded = frozenset(index for index, fault in self._active if fault is ServoStatus.OVERLOAD)
        texts = []
        for fault in KNOWN_FAULTS:
            indices = sorted(index for index, kind in self._active if kind is fault)
            if indices:
                names = [self._names[index] for index in indices]
                texts.append(describe_fault(fault, names, [feedback[index] for index in indices] if feedback else []))
        self.text = " ".join(texts)


def _is_overload(key: tuple[int, ServoStatus], indices: frozenset[int]) -> bool:
    return key[1] is ServoStatus.OVERLOAD and key[0] in indices


def describe_fault(fault: ServoStatus, names: Sequence[str], feedback: Sequence[Feedback] = ()) -> str:
    """Return what happened, what is safe and what to do for a fault of the joints ``names``."""
    who = " and ".join(names)
    if fault is ServoStatus.VOLTAGE:
        volts = f" ({_list(f'{each.voltage / 10:.1f} V' for each in feedback)})" if feedback else ""
        return (
            f"The supply of {who} is outside the motor's limits{volts}. The arm goes on, but may be weak or lose its "
            "torque. Check the supply's voltage and its plug."
        )
    if fault is ServoStatus.ANGLE:
        return (
            f"The angle sensor of {who} fails. The joint may let go or jump. Support the arm, disconnect it, and have "
            "the motor replaced."
        )
    if fault is ServoStatus.OVERHEAT:
        degrees = f" ({_list(f'{each.temperature} °C' for each in feedback)})" if feedback else ""
        return (
            f"The motor of {who} is too hot{degrees} and has switched its torque off. The other joints hold. Support "
            "the arm and let it cool for some minutes."
        )
    if fault is ServoStatus.OVERCURRENT:
        amperes = f" ({_list(f'{abs(each.current) * CURRENT_UNIT_A:.1f} A' for each in feedback)})" if feedback else ""
        return (
            f"The motor of {who} draws too much current{amperes} and may switch its torque off. The other joints "
            "hold. Remove what blocks it."
        )
    return _describe_overload(names)


def _describe_overload(names: Sequence[str]) -> str:
    who = " and ".join(names)
    if list(names) == [GRIPPER]:
        return (
            "The gripper is overloaded: its motor has reduced its torque by itself and stays weak, so it may drop what "
            f"it holds. The arm holds. Take the object, then press “{CLEAR_OVERLOAD_TEXT}”."
        )
    return (
        f"The motor of {who} is overloaded: it has reduced its torque by itself and stays weak, so the arm may sink. "
        f"Support the arm, remove the load, then press “{CLEAR_OVERLOAD_TEXT}”."
    )


def _list(values: object) -> str:
    return ", ".join(dict.fromkeys(values))  # type: ignore[call-overload]
