"""How fast the control loop really ticks, over the last second or so."""

from __future__ import annotations

from collections import deque

MAX_READINGS = 60
"""Readings kept; they come thirty times a second."""


class RateMeter:
    """Counts ticks against their own clock."""

    def __init__(self) -> None:
        self._readings: deque[tuple[int, float]] = deque(maxlen=MAX_READINGS)

    def update(self, index: int, time: float) -> float:
        """Take in the newest tick's index and time, s; return the rate, Hz. A smaller index starts over."""
        if self._readings and index <= self._readings[-1][0]:
            self._readings.clear()
        self._readings.append((index, time))
        (first, began), (last, ended) = self._readings[0], self._readings[-1]
        return (last - first) / (ended - began) if ended > began else 0.0
