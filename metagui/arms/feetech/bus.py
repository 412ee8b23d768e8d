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

MOST_BYTES = 16
"""How many times the expected bytes are read before a babbling line is given up."""
SETTLE = 0.001
"""How long a line must be silent after something went wrong, s."""
SETTLE_TRIES = 5


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


class Reply(NamedTuple):
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
        self._stream = frames.PacketStream()
        self._turn = threading.RLock()

    def find_echo(self, ident: int) -> None:
        """Notice whether the adapter repeats what is sent."""
        request = frames.read(ident, reg.ID.address, reg.ID.size)
        reply = reg.ID.size + frames.OVERHEAD
        with self._turn:
            self.echo = request in list(self._listen(request, reply + len(frames.encode(request))))

    def ping(self, ident: int) -> bool:
        """Return whether a servo answers."""
        with self._turn:
            return bool(self._ask(frames.ping(ident), (ident,), 0))

    def read(self, ident: int, register: Register) -> int:
        """Return one register of one servo. Raises ServoSilentError."""
        with self._turn:
            request = frames.read(ident, register.address, register.size)
            replies = self._ask(request, (ident,), register.size)
        if not replies:
            raise ServoSilentError(silence((ident,)))
        return register.unpack(replies[ident].data)

    def sync_read(self, idents: Iterable[int], address: int, size: int) -> dict[int, Reply]:
        """Return ``size`` bytes of every servo that answers; those that do not are asked again, alone."""
        replies: dict[int, Reply] = {}
        missing = tuple(idents)
        with self._turn:
            for attempt in range(self.retries + 1):
                self.counters.retries += attempt > 0
                replies |= self._attempt(frames.sync_read(missing, address, size), missing, size)
                missing = tuple(ident for ident in missing if ident not in replies)
                if not missing:
                    break
        return replies

    def write(self, ident: int, register: Register, value: int) -> None:
        """Write one register and read it back, which no lost acknowledgement can spoil.

        Raises ServoSilentError or ServoRefusedError.
        """
        request = frames.write(ident, register.address, register.pack(value))
        with self._turn:
            for _ in range(self.retries + 1):
                self._attempt(request, (ident,), 0)
                kept = self.read(ident, register)
                if kept == value:
                    return
        raise ServoRefusedError(
            f"Servo {ident} keeps {kept} as its {register.name} where {value} was written. The arm stays where it "
            "is; switch its supply off and on, and try again."
        )

    def sync_write(self, register: Register, values: Mapping[int, int]) -> None:
        """Write one register of several servos at once; nobody acknowledges it."""
        data = {ident: register.pack(value) for ident, value in values.items()}
        request = frames.encode(frames.sync_write(data, register.address))
        with self._turn:
            self.counters.exchanges += 1
            self.port.write(request)

    def _ask(self, request: Packet, idents: Sequence[int], size: int) -> dict[int, Reply]:
        """Try until somebody answers."""
        for attempt in range(self.retries + 1):
            self.counters.retries += attempt > 0
            replies = self._attempt(request, idents, size)
            if replies:
                return replies
        return {}

    def _attempt(self, request: Packet, idents: Sequence[int], size: int) -> dict[int, Reply]:
        """Ask once; return who answered. What is left on the line is cleared away if anybody did not."""
        replies: dict[int, Reply] = {}
        echoes = [request] if self.echo else []
        expected = len(idents) * (size + frames.OVERHEAD)
        expected += len(request.params) + frames.OVERHEAD if self.echo else 0
        for packet in self._listen(request, expected):
            if packet in echoes:
                echoes.remove(packet)
            elif packet.id in idents and len(packet.params) == size:
                replies.setdefault(packet.id, Reply(packet.code, packet.params))
            if len(replies) == len(idents):
                return replies
        self.counters.lost += len(idents) - len(replies)
        self._settle()
        return replies

    def _listen(self, request: Packet, expected: int) -> Iterator[Packet]:
        """Send a request and yield the frames that come, until the line is silent or has said far too much."""
        self.counters.exchanges += 1
        self.counters.discarded += self.port.discard()
        self._stream.clear()
        self._stream.longest = min(expected, frames.LONGEST)
        self.port.write(frames.encode(request))
        received = 0
        while received < MOST_BYTES * expected:
            size = max(expected - received, 1)
            data = self.port.read(size)
            received += len(data)
            yield from self._stream.feed(data)
            if len(data) < size:
                break
        yield from self._stream.finish()

    def _settle(self) -> None:
        """Wait until nothing comes any more, so that a late reply is not taken for the next one."""
        for _ in range(SETTLE_TRIES):
            time.sleep(SETTLE)
            count = self.port.discard()
            self.counters.discarded += count
            if not count:
                return


def silence(idents: Iterable[int]) -> str:
    """Say that servos do not answer, and what to do."""
    names = ", ".join(str(ident) for ident in sorted(idents))
    return (
        f"No answer from servo {names}, asked several times. The others hold their position. "
        "Check the arm's power supply and the cable to that servo, then connect again."
    )
