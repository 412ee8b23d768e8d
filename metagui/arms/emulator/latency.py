"""Latencies of USB adapters: how late an emulated line delivers the replies of its servos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random


@dataclass(frozen=True)
class LatencyProfile:
    """Latency of an adapter; a reply is late by a random time between two limits."""

    name: str
    """Name of the adapter or the case."""
    shortest: float
    """Smallest delay of a reply, s."""
    longest: float
    """Largest delay of a reply, s."""

    def draw_delay(self, generator: random.Random) -> float:
        """Return the delay of the next reply, s."""
        return generator.uniform(self.shortest, self.longest)


LATENCY_PROFILES = {
    "ch343": LatencyProfile("CH343", 0.0, 0.0005),
    "cp210x": LatencyProfile("CP210x", 0.001, 0.004),
    "ftdi": LatencyProfile("FTDI at 16 ms", 0.016, 0.016),
    "ftdi-unaligned": LatencyProfile("FTDI, not aligned", 0.001, 0.016),
    "ftdi-1ms": LatencyProfile("FTDI at 1 ms", 0.001, 0.001),
    "hub": LatencyProfile("hub", 0.0, 0.03),
    "network": LatencyProfile("network", 0.02, 0.06),
}
"""Latencies of common adapters, by a name for the command line."""
