"""Notices when the machine itself stands still, as a virtual one does while its host fetches memory for it.

One process on each processor core does nothing but wake up every millisecond, with a real-time priority above that of
the control loop. Where it wakes late, nothing on that core could have run: neither the program nor any other is why a
deadline was missed then.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metagui.arms.control.realtime_priority import REALTIME_PRIORITY

if TYPE_CHECKING:
    from collections.abc import Iterator

WAKE_PERIOD_S = 0.001
"""Time between two looks at the clock, s."""
MIN_STALL_S = 0.005
"""Shortest time that counts as a stall, s."""


@dataclass
class Stalls:
    """Intervals in which a core stood still, as (start, end) on ``time.perf_counter``; filled when watching ends."""

    intervals: list[tuple[float, float]] = field(default_factory=list)

    def cover(self, start: float, end: float) -> bool:
        """Return whether a core stood still at some time between ``start`` and ``end``."""
        return any(begun < end and ended > start for begun, ended in self.intervals)


@contextlib.contextmanager
def watch_stalls() -> Iterator[Stalls]:
    """Watch every core that this process may use; yields stalls that are complete once the context has ended.

    Watches none where the system refuses the priority, since an ordinary process may be late for other reasons.
    """
    stalls = Stalls()
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    command = [sys.executable, "-m", "benchmarks.stall_watch"]
    processes = [subprocess.Popen([*command, str(c)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for c in cores]
    try:
        yield stalls
    finally:
        for process in processes:
            found, _ = process.communicate()  # closes its input, which ends it
            stalls.intervals += [(begun, ended) for begun, ended in json.loads(found or b"[]")]


def _watch_core(core: int) -> None:
    """Look at the clock until standard input ends, then print the stalls."""
    os.sched_setaffinity(0, {core})
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(REALTIME_PRIORITY + 2))
    except OSError as error:
        print(f"Stalls of core {core} are not watched: {error.strerror}.", file=sys.stderr)
        return
    gc.freeze()
    gc.disable()
    stalls = []
    os.set_blocking(0, False)
    before = time.perf_counter()
    while _is_open():
        time.sleep(WAKE_PERIOD_S)
        now = time.perf_counter()
        if now - before > WAKE_PERIOD_S + MIN_STALL_S:
            stalls.append((before, now))
        before = now
    print(json.dumps(stalls))


def _is_open() -> bool:
    try:
        return os.read(0, 1) != b""
    except BlockingIOError:
        return True


if __name__ == "__main__":
    _watch_core(int(sys.argv[1]))
