"""A port without a line: the virtual arm answers at once, and its time passes only when it is told to move.

That makes a whole USB arm as repeatable and as fast as the simulated one; tests and ``generate`` want that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.arms.arm import ConnectionLostError

if TYPE_CHECKING:
    from metagui.arms.emulator.emulated_arm import VirtualArm


class DirectPort:
    """A port without a line: what is written is answered at once, and a late reply comes after the next wait.

    ``lockstep`` lets a control period pass at every goal for the arm, as the simulated arm does.
    """

    def __init__(self, arm: VirtualArm, lockstep: bool = True) -> None:
        self.arm = arm
        self.lockstep = lockstep
        self.vanished = False
        self._arrived = bytearray()
        self._late: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Send bytes. Raises ConnectionLostError."""
        self._require()
        before = _goals(self.arm)
        for reply in self.arm.feed(data):
            if reply.delay >= self.arm.faults.lateness:
                self._late.append(reply.data)
            else:
                self._arrived += reply.data
        if self.lockstep and _goals(self.arm) > before:
            self.arm.advance()

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes; fewer mean that the time was up."""
        self._require()
        data = bytes(self._arrived[:size])
        del self._arrived[:size]
        if len(data) < size and self._late:
            self._arrived += self._late.pop(0)
        return data

    def discard(self) -> int:
        """Forget what has arrived; return how many bytes that were."""
        self._require()
        count = len(self._arrived)
        self._arrived.clear()
        return count

    def close(self) -> None:
        """Nothing to close."""

    def _require(self) -> None:
        if self.vanished:
            raise ConnectionLostError("The virtual port was unplugged.")


def _goals(arm: VirtualArm) -> int:
    return sum(servo.goals for servo in arm.servos)
