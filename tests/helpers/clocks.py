"""Time in tests: a clock that moves only when it is moved, and waiting for conditions.

Nothing else in the tests sleeps: a pause that is long enough on a quiet machine is too short on a busy one.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 300.0
"""Longest wait of a test for a condition, s; only a failure takes that long."""
PATIENCE_MS = round(1000 * PATIENCE_S)
"""The same for Qt, ms."""
POLL_INTERVAL_S = 0.002
"""Time between two checks of a condition, s."""


class SteppedClock:
    """A clock that moves only when it is moved; replaces ``time.perf_counter``, and its ``sleep`` ``time.sleep``.

    ``oversleep`` is the time by which a sleep ends late, s.
    """

    def __init__(self, now: float = 100.0, oversleep: float = 1e-4) -> None:
        self.now = now
        self.oversleep = oversleep

    def __call__(self) -> float:
        """Return the time, s."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Move the clock."""
        self.now += seconds

    def sleep(self, seconds: float) -> None:
        """Move the clock as a sleep does, and let other threads run."""
        self.advance(seconds + self.oversleep)
        time.sleep(POLL_INTERVAL_S / 10)


def wait_until(condition: Callable[[], object], seconds: float = PATIENCE_S, description: str = "") -> None:
    """Wait until ``condition()`` is true; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{description or condition} did not come within {seconds:.0f} s"
        time.sleep(POLL_INTERVAL_S)


def sleep(seconds: float) -> None:
    """Sleep, for work that must take a moment; to wait for a result, use ``wait_until``."""
    time.sleep(seconds)
