"""The host's side of the servo bus: send a request, match the replies, repeat what was lost.

A reply does not name its question: only its id and its size show that it belongs to it. So after a reply that is
missing or was not expected, the line is synchronised before the next question: a servo is asked for a number of bytes
that no other recent question asked for. As a line keeps the order of its bytes, no older reply can follow its answer,
however late the adapter delivers. The same questions measure how late that is, and the reply timeout follows.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from metagui.arms.arm import ArmError
from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech import protocol as frames
from metagui.arms.feetech.line_messages import describe_silence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from metagui.arms.feetech.control_table import Register
    from metagui.arms.feetech.protocol import Packet
    from metagui.arms.feetech.serial_port import Port

MAX_BYTES_FACTOR = 16
"""Multiple of the expected number of bytes after which reading from a line full of noise is given up."""
SYNC_SIZES = range(3, 15)
"""Sizes of the replies that synchronise the line, used in turn, bytes; no other question asks for one of them."""
SYNC_ADDRESS = reg.MODEL_NUMBER.address
"""Address of the bytes that are read to synchronise the line; any address with documented registers will do."""
PROBE_COUNT, MAX_PROBE_FAILURES = 6, 2
"""Number of replies that measure the latency of a line, and of lost first ones after which it is given up."""
TIMEOUT_FACTOR, TIMEOUT_MARGIN_S = 1.5, 0.004
"""The reply timeout is the latency, multiplied and increased by these."""
MAX_REPLY_TIMEOUT_S = 0.15
"""Largest reply timeout, s: that of a line whose latency is not known."""
LATENCY_DECAY = 0.9
"""Factor of the measured latency at every faster reply, so that a computer that was busy once does not count on."""


class ServoSilentError(ArmError):
    """A servo does not answer, also after several requests."""

    servo_ids: frozenset[int] = frozenset()
    """Ids of the servos, if known."""


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
    late: int = 0
    """Number of synchronisations that found a reply that came after its timeout."""


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
        """True if the adapter echoes what is sent; ``probe`` finds out."""
        self.latency = 0.0
        """Time from a request to its reply, s, the largest of the last ones."""
        self.repeated_ids: set[int] = set()
        """Ids that answered a question twice: two servos have them."""
        self._min_timeout = port.reply_timeout
        self._synchronised = False
        self._sync_count = 0
        self._sync_failures = 0
        self._responder: int | None = None
        self._parser = frames.PacketParser()
        self._lock = threading.RLock()

    def probe(self, servo_ids: Sequence[int]) -> None:
        """Measure the latency of the line and whether it echoes, with servos that may be silent."""
        with self._lock:
            latencies = []
            for index in range(PROBE_COUNT):
                self.port.reply_timeout, self.latency = MAX_REPLY_TIMEOUT_S, 0.0
                if self._synchronise(servo_ids[index % len(servo_ids)]):
                    latencies.append(self.latency)
                elif index >= MAX_PROBE_FAILURES and not latencies:
                    break
            self._set_latency(max(latencies, default=0.0))

    def scan(self, servo_ids: Iterable[int]) -> list[int]:
        """Return the ids that answer, on a line of unknown latency: late replies count too."""
        found = set()
        with self._lock:
            self._discard()
            self._synchronised = False
            for servo_id in servo_ids:
                request = frames.build_read(servo_id, reg.ID.address, reg.ID.size)
                for packet in self._receive(request, reg.ID.size + frames.FRAME_OVERHEAD_BYTES):
                    if packet.parameters == bytes((packet.id,)):
                        found.add(packet.id)
                        if packet.id == servo_id:
                            break
            self.port.reply_timeout = MAX_REPLY_TIMEOUT_S
            for packet in self._read_packets(MAX_BYTES_FACTOR * reg.ID.size):
                found |= {packet.id} if packet.parameters == bytes((packet.id,)) else set()
            self._set_latency(self.latency)
        return sorted(found)

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
            raise ServoSilentError(describe_silence((servo_id,), self.latency))
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

    def count_replies(self, servo_id: int, address: int, size: int) -> tuple[int, bool]:
        """Ask one servo once; return the number of complete replies, and whether there were damaged ones too."""
        with self._lock:
            request = frames.build_read(servo_id, address, size)
            self._discard()
            if not self._synchronised:
                self._synchronise(self._choose_responder((servo_id,)))
            rejected = self._parser.rejected_count
            self.port.reply_timeout = MAX_REPLY_TIMEOUT_S
            # Two replies are waited for, so that the line is silent at the end.
            packets = list(self._receive(request, 2 * (size + frames.FRAME_OVERHEAD_BYTES)))
            replies = [packet for packet in packets if packet.id == servo_id and len(packet.parameters) == size]
            self._synchronised = False
            self._set_latency(self.latency)
            return len(replies), self._parser.rejected_count > rejected

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
        """Send the request once; return the replies by servo id.

        Only replies with data need a synchronised line: pings and writes have none that could be mistaken.
        """
        replies: dict[int, ServoReply] = {}
        self._discard()
        if size and not self._synchronised and not self._synchronise(self._choose_responder(servo_ids)):
            self.counters.lost += len(servo_ids)
            return replies
        echoes = [request] if self.echo else []
        expected = len(servo_ids) * (size + frames.FRAME_OVERHEAD_BYTES)
        expected += len(request.parameters) + frames.FRAME_OVERHEAD_BYTES if self.echo else 0
        for packet in self._receive(request, expected):
            if packet in echoes:
                echoes.remove(packet)
            elif packet.id in servo_ids and len(packet.parameters) == size:
                if packet.id in replies:
                    self.repeated_ids.add(packet.id)
                replies.setdefault(packet.id, ServoReply(packet.code, packet.parameters))
                self._responder = packet.id
            if len(replies) == len(servo_ids):
                return replies
        for packet in self._parser.doubtful:
            replies.pop(packet.id, None)
        self.counters.lost += len(servo_ids) - len(replies)
        self._synchronised = self._synchronised and not size
        return replies

    def _choose_responder(self, servo_ids: Sequence[int]) -> int:
        """Return the servo that synchronises the line: the last one that answered, or after failures others too."""
        candidates = ([] if self._responder is None else [self._responder]) + list(servo_ids)
        return candidates[self._sync_failures % len(candidates)]

    def _synchronise(self, servo_id: int) -> bool:
        """Wait until no older reply can arrive: for one with a size of its own. Return False if it is lost."""
        size = SYNC_SIZES[self._sync_count % len(SYNC_SIZES)]
        self._sync_count += 1
        request = frames.build_read(servo_id, SYNC_ADDRESS, size)
        late, sent_at = bool(self._discard()), self.port.clock()
        for packet in self._receive(request, size + frames.FRAME_OVERHEAD_BYTES):
            if packet == request:
                self.echo = True
            elif packet.id == servo_id and len(packet.parameters) == size and packet not in self._parser.doubtful:
                self._synchronised, self._sync_failures, self._responder = True, 0, servo_id
                self.counters.late += late
                timeout = self.port.reply_timeout if late else 0.0
                self._set_latency(max(self.port.clock() - sent_at, LATENCY_DECAY * self.latency, timeout))
                return True
            else:
                late = True
        self._sync_failures += 1
        if late:
            self._set_latency(self.port.reply_timeout)
        return False

    def _set_latency(self, latency: float) -> None:
        """Set the latency of the line and the reply timeout that it needs."""
        self.latency = min(latency, MAX_REPLY_TIMEOUT_S)
        timeout = min(TIMEOUT_FACTOR * self.latency + TIMEOUT_MARGIN_S, MAX_REPLY_TIMEOUT_S)
        self.port.reply_timeout = max(timeout, self._min_timeout)

    def _discard(self) -> int:
        """Discard bytes that no question asked for; return their number. More of them may follow."""
        count = self.port.discard()
        if count:
            self.counters.discarded += count
            self._synchronised = False
        return count

    def _receive(self, request: Packet, expected: int) -> Iterator[Packet]:
        """Send a request and yield received packets until the line is silent or too many bytes arrive."""
        self.counters.exchanges += 1
        self._parser.clear()
        self._parser.max_length = min(expected, frames.MAX_FRAME_LENGTH)
        self.port.write(frames.encode(request))
        yield from self._read_packets(expected)

    def _read_packets(self, expected: int) -> Iterator[Packet]:
        """Yield received packets until the line is silent or too many bytes arrive."""
        received = 0
        while received < MAX_BYTES_FACTOR * expected:
            size = max(expected - received, 1)
            data = self.port.read(size)
            received += len(data)
            yield from self._parser.feed(data)
            if len(data) < size:
                break
        yield from self._parser.finish()
