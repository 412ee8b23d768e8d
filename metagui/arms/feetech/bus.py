"""The host's side of the servo bus: send a request, match the replies, repeat what was lost.

Every exchange starts with an empty line and ends when all replies have arrived or the line has been silent for the
port's reply timeout, so that late or garbled bytes of an earlier exchange are not taken for a reply.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from metagui.arms.arm import ArmError
from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech import protocol as frames

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from metagui.arms.feetech.control_table import Register
    from metagui.arms.feetech.protocol import Packet
    from metagui.arms.feetech.serial_port import Port

MAX_BYTES_FACTOR = 16
"""Multiple of the expected number of bytes after which reading from a line full of noise is given up."""
LINE_QUIET_S = 0.001
"""Time for which a line must be silent after an error, s."""
LINE_QUIET_TRIES = 5
"""Number of times that silence is awaited."""


class ServoSilentError(ArmError):
    """A servo does not answer, also after several requests."""


class ServoRefusedError(ArmError):
    """A servo did not accept a value that was written to it."""


@dataclass
class BusCounters:
    """Statistics of the line since it was opened."""

    exchanges: int = 0
    """Number of requests sent."""
    retries: int = 0
    """Number of repeated requests."""
    lost: int = 0
    """Number of replies that did not arrive, repeats included."""
    discarded: int = 0
    """Number of unexpected bytes."""


class ServoReply(NamedTuple):
    """Reply of one servo."""

    status: int
    """Status bits, see ``ServoStatus``."""
    data: bytes
    """Parameters of the reply."""


class ServoBus:
    """A line with servos on it; calls from several threads are serialised.

    ``retries`` is the number of times that an exchange is repeated. All methods raise ConnectionLostError if the port
    disappears.
    """

    def __init__(self, port: Port, retries: int = 2) -> None:
        self.port = port
        self.retries = retries
        self.counters = BusCounters()
        self.echo = False
        self._parser = frames.PacketParser()
        self._lock = threading.RLock()

    def detect_echo(self, servo_id: int) -> None:
        """Detect whether the adapter echoes what is sent, and set ``echo``."""
        request = frames.build_read(servo_id, reg.ID.address, reg.ID.size)
        reply = reg.ID.size + frames.FRAME_OVERHEAD_BYTES
        with self._lock:
            self.echo = request in list(self._receive(request, reply + len(frames.encode(request))))

    def ping(self, servo_id: int) -> bool:
        """Return whether a servo answers."""
        with self._lock:
            return bool(self._exchange(frames.build_ping(servo_id), (servo_id,), 0))

    def read(self, servo_id: int, register: Register) -> int:
        """Return one register of one servo. Raises ServoSilentError."""
        with self._lock:
            request = frames.build_read(servo_id, register.address, register.size)
            replies = self._exchange(request, (servo_id,), register.size)
        if not replies:
            raise ServoSilentError(describe_silence((servo_id,)))
        return register.unpack(replies[servo_id].data)

    def sync_read(self, servo_ids: Iterable[int], address: int, size: int) -> dict[int, ServoReply]:
        """Return ``size`` bytes of every servo that answers; only requests to silent ones are repeated."""
        replies: dict[int, ServoReply] = {}
        missing = tuple(servo_ids)
        with self._lock:
            for attempt in range(self.retries + 1):
                self.counters.retries += attempt > 0
                replies |= self._exchange_once(frames.build_sync_read(missing, address, size), missing, size)
                missing = tuple(servo_id for servo_id in missing if servo_id not in replies)
                if not missing:
                    break
        return replies

    def write(self, servo_id: int, register: Register, value: int) -> None:
        """Write one register and read it back, which also works if the acknowledgement is lost.

        Raises ServoSilentError or ServoRefusedError.
        """
        request = frames.build_write(servo_id, register.address, register.pack(value))
        with self._lock:
            for _ in range(self.retries + 1):
                self._exchange_once(request, (servo_id,), 0)
                stored = self.read(servo_id, register)
                if stored == value:
                    return
        raise ServoRefusedError(
            f"Servo {servo_id} reports {stored} as its {register.name} after {value} was written. The arm stays where "
            "it is; switch its supply off and on, and try again."
        )

    def sync_write(self, register: Register, values: Mapping[int, int]) -> None:
        """Write one register of several servos at once, without acknowledgement."""
        data = {servo_id: register.pack(value) for servo_id, value in values.items()}
        request = frames.encode(frames.build_sync_write(data, register.address))
        with self._lock:
            self.counters.exchanges += 1
            self.port.write(request)

    def _exchange(self, request: Packet, servo_ids: Sequence[int], size: int) -> dict[int, ServoReply]:
        """Repeat the request until there is any reply; return the replies by servo id."""
        for attempt in range(self.retries + 1):
            self.counters.retries += attempt > 0
            replies = self._exchange_once(request, servo_ids, size)
            if replies:
                return replies
        return {}

    def _exchange_once(self, request: Packet, servo_ids: Sequence[int], size: int) -> dict[int, ServoReply]:
        """Send the request once; return the replies by servo id. If one is missing, the line is drained."""
        replies: dict[int, ServoReply] = {}
        echoes = [request] if self.echo else []
        expected = len(servo_ids) * (size + frames.FRAME_OVERHEAD_BYTES)
        expected += len(request.parameters) + frames.FRAME_OVERHEAD_BYTES if self.echo else 0
        for packet in self._receive(request, expected):
            if packet in echoes:
                echoes.remove(packet)
            elif packet.id in servo_ids and len(packet.parameters) == size:
                replies.setdefault(packet.id, ServoReply(packet.code, packet.parameters))
            if len(replies) == len(servo_ids):
                return replies
        self.counters.lost += len(servo_ids) - len(replies)
        self._drain()
        return replies

    def _receive(self, request: Packet, expected: int) -> Iterator[Packet]:
        """Send a request and yield received packets until the line is silent or too many bytes arrive."""
        self.counters.exchanges += 1
        self.counters.discarded += self.port.discard()
        self._parser.clear()
        self._parser.max_length = min(expected, frames.MAX_FRAME_LENGTH)
        self.port.write(frames.encode(request))
        received = 0
        while received < MAX_BYTES_FACTOR * expected:
            size = max(expected - received, 1)
            data = self.port.read(size)
            received += len(data)
            yield from self._parser.feed(data)
            if len(data) < size:
                break
        yield from self._parser.finish()

    def _drain(self) -> None:
        """Wait until the line is silent, so that a late reply is not taken for the next one."""
        for _ in range(LINE_QUIET_TRIES):
            time.sleep(LINE_QUIET_S)
            count = self.port.discard()
            self.counters.discarded += count
            if not count:
                return


def describe_silence(servo_ids: Iterable[int]) -> str:
    """Return the message for servos that do not answer."""
    names = ", ".join(str(servo_id) for servo_id in sorted(servo_ids))
    return (
        f"No answer from servo {names} after several requests. The others hold their position. "
        "Check the arm's power supply and the cable to that servo, then connect again."
    )
