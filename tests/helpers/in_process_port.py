"""A port without a line: the emulated arm replies at once, and its time passes only with goals or on request.

A USB arm on this port is as repeatable and as fast as the simulated arm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.arms.arm import ConnectionLostError
from metagui.arms.feetech.serial_port import REPLY_TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.arms.emulator.emulated_arm import EmulatedArm


class InProcessPort:
    """A port that replies at once; a late reply arrives after the next timeout. Implements Port.

    With ``lockstep``, every goal for the arm advances it by one control period, as in the simulated arm.
    """

    def __init__(self, arm: EmulatedArm, lockstep: bool = True) -> None:
        self.arm = arm
        self.lockstep = lockstep
        self.unplugged = False
        self.reply_timeout = REPLY_TIMEOUT_S
        self.clock: Callable[[], float] = lambda: 0.0
        self._received = bytearray()
        self._late_replies: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Send bytes. Raises ConnectionLostError."""
        self._require_plugged_in()
        before = _count_goals(self.arm)
        for reply in self.arm.feed(data):
            if reply.delay >= self.arm.faults.late_delay:
                self._late_replies.append(reply.data)
            else:
                self._received += reply.data
        if self.lockstep and _count_goals(self.arm) > before:
            self.arm.advance()

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes, fewer after a timeout. Raises ConnectionLostError."""
        self._require_plugged_in()
        data = bytes(self._received[:size])
        del self._received[:size]
        if len(data) < size and self._late_replies:
            self._received += self._late_replies.pop(0)
        return data

    def discard(self) -> int:
        """Discard received bytes; return their number. Raises ConnectionLostError."""
        self._require_plugged_in()
        count = len(self._received)
        self._received.clear()
        return count

    def set_baud(self, baud: int) -> None:
        """Change the baud rate of the host."""
        self.arm.bus.baud = baud

    def close(self) -> None:
        """Do nothing, as there is nothing to close."""

    def _require_plugged_in(self) -> None:
        if self.unplugged:
            raise ConnectionLostError("The emulated port was unplugged.")


def _count_goals(arm: EmulatedArm) -> int:
    return sum(servo.goal_count for servo in arm.servos)
