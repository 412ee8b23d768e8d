"""A pseudo-terminal that serves the emulated arm in real time; any program can open it as a serial port.

Replies are sent no earlier than they would arrive on a wire with the given baud rate, through an adapter with the given
latency. Servos that are set to another baud rate than the client's port do not understand it.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import struct
import sys
import threading
import time
from typing import TYPE_CHECKING

from metagui.arms.arm import CONTROL_PERIOD_S, ArmError
from metagui.arms.feetech.serial_port import BITS_PER_BYTE, SERVO_BUS_BAUD

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.arms.emulator.emulated_arm import EmulatedArm
    from metagui.arms.emulator.latency import LatencyProfile

_LINUX_TCGETS2, _TERMIOS2_BYTES = 0x802C542A, 44
"""Request for the settings of a terminal, which end with its speed in bits per second, and their size, bytes."""
_STOP_POLL_S = 0.05
"""Longest time after which the server checks whether it should stop, s."""


class EmulatedPort:
    """Serves one emulated arm from the pseudo-terminal ``name``; a context manager, which unplugs the arm at its end.

    ``baud`` None means no limit of the speed. With ``physics`` False, time passes only when ``arm.advance()`` is
    called. ``latency`` None means an adapter without a latency. Raises ArmError on systems without pseudo-terminals.
    """

    def __init__(
        self,
        arm: EmulatedArm,
        baud: int | None = SERVO_BUS_BAUD,
        physics: bool = True,
        latency: LatencyProfile | None = None,
    ) -> None:
        self.arm = arm
        self._latency = latency
        self._random = random.Random(0)
        self._byte_time = BITS_PER_BYTE / baud if baud else 0.0
        self._stopping = threading.Event()
        self._pending_replies: list[tuple[float, bytes]] = []
        self._delivered_at = 0.0
        self._server_end, self._client_end, self.name = _open_terminal()
        jobs = (self._serve_bus, self._run_physics) if physics else (self._serve_bus,)
        self._threads = [threading.Thread(target=job, name=f"emulated arm {job.__name__}") for job in jobs]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Unplug the arm: programs that have the port open get an error."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        os.close(self._server_end)
        os.close(self._client_end)

    def __enter__(self) -> EmulatedPort:
        """Return the port."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Unplug the arm."""
        self.close()

    def _serve_bus(self) -> None:
        while not self._stopping.is_set():
            pause = self._pending_replies[0][0] - time.perf_counter() if self._pending_replies else _STOP_POLL_S
            if select.select([self._server_end], [], [], max(pause, 0.0))[0]:
                self._queue_replies(os.read(self._server_end, 4096))
            while self._pending_replies and self._pending_replies[0][0] <= time.perf_counter():
                with contextlib.suppress(BlockingIOError):  # without a reader the rest is lost, as on a wire
                    os.write(self._server_end, self._pending_replies.pop(0)[1])

    def _queue_replies(self, data: bytes) -> None:
        """Queue the replies: prompt ones in one burst, as an adapter delivers them, late ones separately."""
        now = time.perf_counter() + len(data) * self._byte_time
        self.arm.bus.baud = _read_baud(self._server_end) or self.arm.bus.baud
        replies = self.arm.feed(data)
        lateness = self.arm.faults.late_delay
        prompt = [reply for reply in replies if reply.delay < lateness]
        burst = b"".join(reply.data for reply in prompt)
        if burst:
            delay = max(reply.delay for reply in prompt)
            self._pending_replies.append((self._delay(now + delay + len(burst) * self._byte_time), burst))
        self._pending_replies += [
            (self._delay(now + reply.delay), reply.data) for reply in replies if reply.delay >= lateness
        ]
        self._pending_replies.sort(key=lambda pending: pending[0])

    def _delay(self, sent_at: float) -> float:
        """Return when the adapter delivers bytes; it keeps their order."""
        if self._latency is None:
            return sent_at
        self._delivered_at = max(self._delivered_at, sent_at + self._latency.draw_delay(self._random))
        return self._delivered_at

    def _run_physics(self) -> None:
        """Advance in real time; on a slow machine the emulated time falls behind and is not caught up."""
        deadline = time.perf_counter()
        while not self._stopping.is_set():
            self.arm.advance()
            deadline = max(deadline + CONTROL_PERIOD_S, time.perf_counter() - CONTROL_PERIOD_S)
            time.sleep(max(0.0, deadline - time.perf_counter()))


def serve(
    arm: EmulatedArm,
    on_ready: Callable[[str], None],
    stop: threading.Event,
    baud: int | None = SERVO_BUS_BAUD,
    latency: LatencyProfile | None = None,
) -> None:
    """Serve ``arm`` until ``stop`` is set; call ``on_ready`` with the port's name. Raises ArmError."""
    with EmulatedPort(arm, baud, latency=latency) as port:
        on_ready(port.name)
        stop.wait()


def _open_terminal() -> tuple[int, int, str]:
    """Return the file descriptors of both ends of a raw pseudo-terminal and the name of the client's end."""
    try:
        import tty
    except ImportError:
        raise ArmError(
            "The emulated arm needs a pseudo-terminal, which Windows does not have. Nothing was started; "
            "use the simulated arm instead, or run it under Linux, macOS or WSL."
        ) from None
    server_end, client_end = os.openpty()
    tty.setraw(client_end)
    os.set_blocking(server_end, False)
    return server_end, client_end, os.ttyname(client_end)


def _read_baud(terminal: int) -> int | None:
    """Return the baud rate that the client has set; None if the system does not tell it."""
    if sys.platform != "linux":
        return None
    import fcntl

    settings = fcntl.ioctl(terminal, _LINUX_TCGETS2, bytes(_TERMIOS2_BYTES))
    return int(struct.unpack_from("I", settings, _TERMIOS2_BYTES - 4)[0])
