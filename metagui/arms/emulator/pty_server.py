"""A pseudo-terminal with the virtual arm behind it, in real time: any program can open it as a serial port.

Replies leave no sooner than a wire of the given baud rate would have brought them.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from typing import TYPE_CHECKING

from metagui.arms.arm import CONTROL_PERIOD, ArmError

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.arms.emulator.emulated_arm import VirtualArm

BAUD = 1_000_000
BITS_A_BYTE = 10
"""Start, eight, stop."""
_WATCH = 0.05
"""How often the server looks whether it shall end, s."""


class VirtualPort:
    """Serves one virtual arm from a pseudo-terminal called ``name``. A context manager; closing it is unplugging.

    ``baud`` None is a wire without a limit. ``physics`` False leaves time to whoever calls ``arm.advance()``.
    Raises ArmError where there are no pseudo-terminals.
    """

    def __init__(self, arm: VirtualArm, baud: int | None = BAUD, physics: bool = True) -> None:
        self.arm = arm
        self._byte_time = BITS_A_BYTE / baud if baud else 0.0
        self._stopping = threading.Event()
        self._waiting: list[tuple[float, bytes]] = []
        self._ours, self._theirs, self.name = _open_terminal()
        jobs = (self._serve_bus, self._run_physics) if physics else (self._serve_bus,)
        self._threads = [threading.Thread(target=job, name=f"virtual arm {job.__name__}") for job in jobs]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Unplug: whoever has the port open gets an error."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        os.close(self._ours)
        os.close(self._theirs)

    def __enter__(self) -> VirtualPort:
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Unplug."""
        self.close()

    def _serve_bus(self) -> None:
        while not self._stopping.is_set():
            pause = self._waiting[0][0] - time.perf_counter() if self._waiting else _WATCH
            if select.select([self._ours], [], [], max(pause, 0.0))[0]:
                self._take(os.read(self._ours, 4096))
            while self._waiting and self._waiting[0][0] <= time.perf_counter():
                with contextlib.suppress(BlockingIOError):  # nobody reads: what does not fit is lost, as on a wire
                    os.write(self._ours, self._waiting.pop(0)[1])

    def _take(self, data: bytes) -> None:
        """Put the answers in line: prompt ones in one burst, as an adapter hands them over; late ones apart."""
        now = time.perf_counter() + len(data) * self._byte_time
        replies = self.arm.feed(data)
        lateness = self.arm.faults.lateness
        prompt = [reply for reply in replies if reply.delay < lateness]
        burst = b"".join(reply.data for reply in prompt)
        if burst:
            delay = max(reply.delay for reply in prompt)
            self._waiting.append((now + delay + len(burst) * self._byte_time, burst))
        self._waiting += [(now + reply.delay, reply.data) for reply in replies if reply.delay >= lateness]
        self._waiting.sort()

    def _run_physics(self) -> None:
        """Advance in real time; where the machine cannot keep up, time is lost rather than caught up with."""
        deadline = time.perf_counter()
        while not self._stopping.is_set():
            self.arm.advance()
            deadline = max(deadline + CONTROL_PERIOD, time.perf_counter() - CONTROL_PERIOD)
            time.sleep(max(0.0, deadline - time.perf_counter()))


def serve(arm: VirtualArm, ready: Callable[[str], None], stop: threading.Event, baud: int | None = BAUD) -> None:
    """Serve ``arm`` until ``stop`` is set; ``ready`` is told the port's name. Raises ArmError."""
    with VirtualPort(arm, baud) as port:
        ready(port.name)
        stop.wait()


def _open_terminal() -> tuple[int, int, str]:
    """Return both ends of a raw pseudo-terminal and the name of theirs."""
    try:
        import tty
    except ImportError:
        raise ArmError(
            "The virtual arm needs a pseudo-terminal, which Windows does not have. Nothing was started; "
            "use the simulated arm instead, or run it under Linux, macOS or WSL."
        ) from None
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    return ours, theirs, os.ttyname(theirs)
