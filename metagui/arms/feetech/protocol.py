"""The frames of Feetech's servo bus, encoded, decoded and found again in whatever a line delivers. No I/O.

A frame is ``FF FF ID LEN CODE parameters CHECK``: LEN counts CODE, the parameters and CHECK; CHECK is the
complement of the sum from ID to the last parameter. CODE is an instruction on the way out and the servo's
status bits on the way back. Numbers are little-endian (Feetech, *Communication protocol manual*).
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HEADER = b"\xff\xff"
BROADCAST = 0xFE
"""The id that every servo listens to."""
OVERHEAD = 6
"""Bytes of a frame without its parameters."""
LONGEST = 250
"""Greatest LEN that is taken for one."""


class Instruction(IntEnum):
    """What a servo can be told to do."""

    PING = 0x01
    READ = 0x02
    WRITE = 0x03
    REG_WRITE = 0x04
    ACTION = 0x05
    SYNC_READ = 0x82
    SYNC_WRITE = 0x83


class Status(IntFlag):
    """What a servo complains about in every reply."""

    VOLTAGE = 1
    ANGLE = 2
    OVERHEAT = 4
    OVERCURRENT = 8
    OVERLOAD = 32


class Packet(NamedTuple):
    """One frame, taken apart."""

    id: int
    code: int
    params: bytes


def checksum(body: bytes | bytearray) -> int:
    """Return CHECK for everything between the header and CHECK itself."""
    return ~sum(body) & 0xFF


def encode(packet: Packet) -> bytes:
    """Return the bytes of one frame. Raises ValueError for what no frame can hold."""
    length = len(packet.params) + 2
    if not (0 <= packet.id <= BROADCAST and 0 <= packet.code <= 0xFF and length <= LONGEST):
        raise ValueError(f"No frame can hold id {packet.id}, code {packet.code} and {length - 2} bytes.")
    body = bytes((packet.id, length, packet.code)) + packet.params
    return HEADER + body + bytes((checksum(body),))


def ping(ident: int) -> Packet:
    """Ask whether a servo is there."""
    return Packet(ident, Instruction.PING, b"")


def read(ident: int, address: int, size: int) -> Packet:
    """Ask one servo for ``size`` bytes from ``address``."""
    return Packet(ident, Instruction.READ, bytes((address, size)))


def write(ident: int, address: int, data: bytes) -> Packet:
    """Write bytes from ``address`` on."""
    return Packet(ident, Instruction.WRITE, bytes((address,)) + data)


def sync_read(idents: Iterable[int], address: int, size: int) -> Packet:
    """Ask several servos for the same registers; they answer one after the other."""
    return Packet(BROADCAST, Instruction.SYNC_READ, bytes((address, size, *idents)))


def sync_write(values: Mapping[int, bytes], address: int) -> Packet:
    """Write the same registers of several servos at once; none of them answers."""
    sizes = {len(data) for data in values.values()}
    if len(sizes) != 1:
        raise ValueError(f"A sync write has equally many bytes for every servo, not {sorted(sizes)}.")
    data = b"".join(bytes((ident,)) + value for ident, value in values.items())
    return Packet(BROADCAST, Instruction.SYNC_WRITE, bytes((address, sizes.pop())) + data)


class PacketStream:
    """Finds frames in a stream of bytes that may hold anything between them.

    A candidate that fails costs one byte, not its length, so that a frame behind a false header is still found.
    ``longest`` is the greatest LEN that can be meant, ``rejected`` how many candidates had a wrong CHECK.
    """

    def __init__(self, longest: int = LONGEST) -> None:
        self.longest = longest
        self.rejected = 0
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        """How many bytes wait for the rest of their frame."""
        return len(self._buffer)

    def clear(self) -> None:
        """Forget what is incomplete."""
        self._buffer.clear()

    def feed(self, data: bytes) -> list[Packet]:
        """Take bytes in; return the frames they complete."""
        self._buffer += data
        line, packets, place = bytes(self._buffer), [], 0
        while (place := self._candidate(line, place)) + 4 <= len(line):
            end = place + 4 + line[place + 3]
            if len(line) < end:
                break
            if checksum(line[place + 2 : end - 1]) == line[end - 1]:
                packets.append(Packet(line[place + 2], line[place + 4], line[place + 5 : end - 1]))
                place = end
            else:
                self.rejected += 1
                place += 1
        del self._buffer[:place]
        return packets

    def finish(self) -> list[Packet]:
        """The line has gone quiet: give up what is incomplete and return the frames that lay behind it."""
        packets = self.feed(b"")
        while self._buffer:
            del self._buffer[0]
            packets += self.feed(b"")
        return packets

    def _candidate(self, line: bytes, place: int) -> int:
        """Return where from ``place`` on a frame could begin, though its LEN may still be missing."""
        while (start := line.find(HEADER, place)) >= 0:
            if start + 4 > len(line) or (line[start + 2] != 0xFF and 2 <= line[start + 3] <= self.longest):
                return start
            place = start + 1
        return max(place, len(line) - line.endswith(HEADER[:1]))
