"""Texts on a line that is slow or silent, for errors and warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SLOW_LATENCY_S = 0.008
"""Latency from which on messages name it, s: such a line cannot be read 50 times per second with a retry."""


def describe_latency(latency: float, adapter: str = "") -> str:
    """Return a text on an adapter, if it delivers replies late, with the fix; empty for a quick one."""
    if latency < SLOW_LATENCY_S:
        return ""
    name = f"The adapter {adapter}" if adapter else "The adapter"
    return (
        f"{name} delivers replies {latency * 1e3:.0f} ms late, so the arm is read less often. Set its latency "
        "timer to 1 ms (FTDI: 16 ms at first; Linux: /sys/bus/usb-serial/devices/…/latency_timer, Windows: advanced "
        "settings of the port), or use the arm's own board."
    )


def describe_silence(servo_ids: Iterable[int], latency: float = 0.0) -> str:
    """Return the message for servos that do not answer."""
    names = ", ".join(str(servo_id) for servo_id in sorted(servo_ids))
    return (
        f"No answer from servo {names} after several requests. "
        f"Check the arm's power supply and the cable to that servo, then connect again. {describe_latency(latency)}"
    ).rstrip()
