"""A port with the latency of real adapters and a stepped clock, for tests that need no real time.

Every reply arrives later by a random time, but the order of the bytes is kept, as on every serial line.
"""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING

from metagui.arms.emulator.latency import LATENCY_PROFILES, LatencyProfile
from metagui.arms.feetech.serial_port import BYTE_TIME_S
from tests.helpers.emulated_line import EmulatedLine

if TYPE_CHECKING:
    from metagui.arms.emulator.emulated_arm import EmulatedArm


SLOW_LINES = (
    *LATENCY_PROFILES.values(),
    LatencyProfile("around the timeout", 0.008, 0.013),
    LatencyProfile("0 to 60 ms", 0.0, 0.06),
)
"""Latencies of adapters, and two that are difficult."""


class SlowPort(EmulatedLine):
    """The line to an emulated arm through an adapter with a latency. Implements Port."""

    def __init__(self, arm: EmulatedArm, profile: LatencyProfile, seed: int = 0) -> None:
        super().__init__(arm)
        self.profile = profile
        self.now = 0.0
        self._random = random.Random(seed)
        self._arriving: deque[tuple[float, bytes]] = deque()

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
        return self._take(size)

    def _receive(self) -> None:
        while self._arriving and self._arriving[0][0] <= self.now:
            self._received += self._arriving.popleft()[1]
