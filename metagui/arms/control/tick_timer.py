"""Absolute deadlines for the control loop, and the interpreter settings that help it to meet them."""

from __future__ import annotations

import functools
import gc
import sys
import time
from typing import TYPE_CHECKING

from metagui.arms.control.memory_lock import lock_memory

if TYPE_CHECKING:
    from collections.abc import Callable

SWITCH_INTERVAL_S = 0.0005
"""Longest time that another thread may keep the interpreter when the loop needs it, s. With Python's default of 5 ms,
at each of the loop's waits for the bus, every tenth tick at 100 Hz was late during training; a shorter interval only
costs time."""


class TickTimer:
    """Waits for the deadlines of a fixed-rate loop and counts those that were missed.

    ``period`` is the time between two deadlines, s.
    """

    def __init__(
        self,
        period: float,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.period = period
        self.missed_deadlines = 0
        """Deadlines that passed without a tick since the timer was made."""
        self._clock = clock
        self._sleep = sleep
        self._deadline = 0.0

    def start(self) -> None:
        """Make now the first deadline."""
        self._deadline = self._clock()

    def wait(self) -> tuple[float, float]:
        """Wait for the deadline; return the time and how long after the deadline it is, s."""
        self._sleep(max(0.0, self._deadline - self._clock()))
        now = self._clock()
        return now, now - self._deadline

    def advance(self) -> None:
        """Go on to the next deadline, also if it has just passed: a late tick is better than none.

        Deadlines more than a period ago count as missed and are skipped.
        """
        self._deadline += self.period
        late = self._clock() - self._deadline
        if late >= self.period:
            missed = int(late / self.period) + 1
            self.missed_deadlines += missed
            self._deadline += missed * self.period


@functools.cache
def tune_interpreter() -> None:
    """Make the interpreter switch to a ticking loop sooner, and keep it in memory; has an effect once per process.

    Everything that modules created at import is excluded from garbage collection, as collecting it would stop all
    threads for 0.1 s. That memory cannot be locked is told by ``metagui check``.
    """
    lock_memory()
    sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_INTERVAL_S))
    gc.collect()
    gc.freeze()
