"""A port with the latency of real adapters and a stepped clock, for tests that need no real time.

Every reply arrives later by a random time, but the order of the bytes is kept, as on every serial line.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metagui.arms.feetech.serial_port import BYTE_TIME_S, REPLY_TIMEOUT_S

if TYPE_CHECKING:
    from metagui.arms.emulator.emulated_arm import EmulatedArm


@dataclass(frozen=True)
class LatencyProfile:
    """Latency of an adapter."""

    name: str
    """Name of the adapter or the case."""
    shortest: float
    """Smallest delay of a reply, s."""
    longest: float
    """Largest delay of a reply, s."""


LATENCY_PROFILES = (
    LatencyProfile("CH343", 0.0, 0.0005),
    LatencyProfile("CP210x", 0.001, 0.004),
    LatencyProfile("FTDI at 16 ms", 0.016, 0.016),
    LatencyProfile("FTDI, not aligned", 0.001, 0.016),
    LatencyProfile("around the timeout", 0.008, 0.013),
    LatencyProfile("hub", 0.0, 0.03),
    LatencyProfile("network", 0.02, 0.06),
    LatencyProfile("0 to 60 ms", 0.0, 0.06),
)


class SlowPort:
    """The line to an emulated arm through an adapter with a latency. Implements Port."""

    def __init__(self, arm: EmulatedArm, profile: LatencyProfile, seed: int = 0) -> None:
        self.arm = arm
        self.profile = profile
        self.reply_timeout = REPLY_TIMEOUT_S
        self.now = 0.0
        self.closed = False
        self._random = random.Random(seed)
        self._arriving: deque[tuple[float, bytes]] = deque()
        self._received = bytearray()

    def clock(self) -> float:
        """Return the time, s."""
        return self.now

    def write(self, data: bytes) -> None:
        """Send bytes; the replies arrive later."""
        self.now += len(data) * BYTE_TIME_S
        sent_at = self.now
        for reply in self.arm.feed(data):
            sent_at += len(reply.data) * BYTE_TIME_S
            delay = reply.delay + self._random.uniform(self.profile.shortest, self.profile.longest)
            last = self._arriving[-1][0] if self._arriving else 0.0
            self._arriving.append((max(last, sent_at + delay), reply.data))

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes, fewer after a timeout."""
        end = self.now + self.reply_timeout
        self._receive()
        while len(self._received) < size and self._arriving and self._arriving[0][0] <= end:
            self.now = max(self.now, self._arriving[0][0])
            self._receive()
        if len(self._received) < size:
            self.now = end
        data = bytes(self._received[:size])
        del self._received[:size]
        return data

    def discard(self) -> int:
        """Discard received bytes; return their number."""
        self._receive()
        count = len(self._received)
        self._received.clear()
        return count

    def set_baud(self, baud: int) -> None:
        """Change the baud rate."""
        self.arm.bus.baud = baud

    def close(self) -> None:
        """Close the port."""
        self.closed = True

    def _receive(self) -> None:
        while self._arriving and self._arriving[0][0] <= self.now:
            self._received += self._arriving.popleft()[1]
