"""The master's side of the servo bus: ask, wait, sort out what came back, ask again what was lost.

Every exchange begins with an empty line and ends when all replies are there or the line has been silent for the
port's reply time, so that nothing that came before, late or garbled, is ever taken for an answer.
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
"""How many times the expected bytes are read before a babbling line is given up."""
LINE_QUIET_S = 0.001
"""How long a line must be silent after something went wrong, s."""
LINE_QUIET_TRIES = 5


class ServoSilentError(ArmError):
    """A servo does not answer, though it was asked several times."""


class ServoRefusedError(ArmError):
    """A servo did not take a value that was written to it."""


@dataclass
class BusCounters:
    """What happened on the line since it was opened."""

    exchanges: int = 0
    retries: int = 0
    """Exchanges that had to be repeated."""
    lost: int = 0
    """Replies that never came, repeats included."""
    discarded: int = 0
    """Bytes that nobody had asked for."""


class ServoReply(NamedTuple):
    """What one servo answered."""

    status: int
    data: bytes


class ServoBus:
    """A line with servos on it. Calls from several threads take turns.

    ``retries`` is how often an exchange is repeated; all methods raise ConnectionLostError if the port vanishes.
    """

    def __init__(self, port: Port, retries: int = 2) -> None:
        self.port = port
        self.retries = retries
        self.counters = BusCounters()
        self.echo = False
        self._parser = frames.PacketParser()
        self._lock = threading.RLock()

    def detect_echo(self, servo_id: int) -> None:
        """Notice whether the adapter repeats what is sent."""
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
        """Return ``size`` bytes of every servo that answers; those that do not are asked again, alone."""
        replies: dict[int, ServoReply] = {}
        missing = tuple(servo_ids)
        with self._lock:
            for attempt in range(self.retries + 1):
                self.counters.retries += attempt > 0
                replies |= self._exchange_once(frames.build_sync_read(missing, address, size), missing, size)
                missing = tuple(ident for ident in missing if ident not in replies)
                if not missing:
                    break
        return replies

    def write(self, servo_id: int, register: Register, value: int) -> None:
        """Write one register and read it back, which no lost acknowledgement can spoil.

        Raises ServoSilentError or ServoRefusedError.
        """
        request = frames.build_write(servo_id, register.address, register.pack(value))
        with self._lock:
            for _ in range(self.retries + 1):
                self._exchange_once(request, (servo_id,), 0)
                kept = self.read(servo_id, register)
                if kept == value:
                    return
        raise ServoRefusedError(
            f"Servo {servo_id} keeps {kept} as its {register.name} where {value} was written. The arm stays where it "
            "is; switch its supply off and on, and try again."
        )

    def sync_write(self, register: Register, values: Mapping[int, int]) -> None:
        """Write one register of several servos at once; nobody acknowledges it."""
        data = {ident: register.pack(value) for ident, value in values.items()}
        request = frames.encode(frames.build_sync_write(data, register.address))
        with self._lock:
            self.counters.exchanges += 1
            self.port.write(request)

    def _exchange(self, request: Packet, servo_ids: Sequence[int], size: int) -> dict[int, ServoReply]:
        """Try until somebody answers."""
        for attempt in range(self.retries + 1):
            self.counters.retries += attempt > 0
            replies = self._exchange_once(request, servo_ids, size)
            if replies:
                return replies
        return {}

    def _exchange_once(self, request: Packet, servo_ids: Sequence[int], size: int) -> dict[int, ServoReply]:
        """Ask once; return who answered. What is left on the line is cleared away if anybody did not."""
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
        """Send a request and yield the frames that come, until the line is silent or has said far too much."""
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
        """Wait until nothing comes any more, so that a late reply is not taken for the next one."""
        for _ in range(LINE_QUIET_TRIES):
            time.sleep(LINE_QUIET_S)
            count = self.port.discard()
            self.counters.discarded += count
            if not count:
                return


def describe_silence(servo_ids: Iterable[int]) -> str:
    """Say that servos do not answer, and what to do."""
    names = ", ".join(str(ident) for ident in sorted(servo_ids))
    return (
        f"No answer from servo {names}, asked several times. The others hold their position. "
        "Check the arm's power supply and the cable to that servo, then connect again."
    )
