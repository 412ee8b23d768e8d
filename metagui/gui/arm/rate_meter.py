"""Meter of the actual rate of the control loop, over about two seconds."""

from __future__ import annotations

from collections import deque

MAX_READINGS = 60
"""Number of readings in the average; there are 30 per second."""


class RateMeter:
    """Measures the tick rate from tick indices and tick times."""

    def __init__(self) -> None:
        self._readings: deque[tuple[int, float]] = deque(maxlen=MAX_READINGS)

    def update(self, index: int, time: float) -> float:
        """Add the newest tick's index and time, s, and return the rate, Hz; a smaller index restarts it."""
        if self._readings and index <= self._readings[-1][0]:
            self._readings.clear()
        self._readings.append((index, time))
        (first, began), (last, ended) = self._readings[0], self._readings[-1]
        return (last - first) / (ended - began) if ended > began else 0.0
