"""What the ports of emulated arms inside the process have in common: received bytes, the baud rate, closing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.arms.feetech.serial_port import REPLY_TIMEOUT_S

if TYPE_CHECKING:
    from metagui.arms.emulator.emulated_arm import EmulatedArm


class EmulatedLine:
    """The line to an emulated arm; ``_receive`` adds the bytes that have arrived until now."""

    def __init__(self, arm: EmulatedArm) -> None:
        self.arm = arm
        self.reply_timeout = REPLY_TIMEOUT_S
        self.closed = False
        self._received = bytearray()

    def discard(self) -> int:
        """Discard received bytes; return their number. Raises ConnectionLostError."""
        self._receive()
        count = len(self._received)
        self._received.clear()
        return count

    def set_baud(self, baud: int) -> None:
        """Change the baud rate of the host."""
        self.arm.bus.baud = baud

    def close(self) -> None:
        """Close the port."""
        self.closed = True

    def _take(self, size: int) -> bytes:
        """Return and remove up to ``size`` received bytes."""
        data = bytes(self._received[:size])
        del self._received[:size]
        return data

    def _receive(self) -> None:
        """Add the bytes that have arrived. Raises ConnectionLostError."""
        raise NotImplementedError
