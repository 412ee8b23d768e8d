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

FRAME_HEADER = b"\xff\xff"
BROADCAST_ID = 0xFE
"""The id that every servo listens to."""
FRAME_OVERHEAD_BYTES = 6
"""Bytes of a frame without its parameters."""
MAX_FRAME_LENGTH = 250
"""Greatest LEN that is taken for one."""


class InstructionCode(IntEnum):
    """What a servo can be told to do."""

    PING = 0x01
    READ = 0x02
    WRITE = 0x03
    REG_WRITE = 0x04
    ACTION = 0x05
    SYNC_READ = 0x82
    SYNC_WRITE = 0x83


class ServoStatus(IntFlag):
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
    parameters: bytes


def checksum(body: bytes | bytearray) -> int:
    """Return CHECK for everything between the header and CHECK itself."""
    return ~sum(body) & 0xFF


def encode(packet: Packet) -> bytes:
    """Return the bytes of one frame. Raises ValueError for what no frame can hold."""
    length = len(packet.parameters) + 2
    if not (0 <= packet.id <= BROADCAST_ID and 0 <= packet.code <= 0xFF and length <= MAX_FRAME_LENGTH):
        raise ValueError(f"No frame can hold id {packet.id}, code {packet.code} and {length - 2} bytes.")
    body = bytes((packet.id, length, packet.code)) + packet.parameters
    return FRAME_HEADER + body + bytes((checksum(body),))


def build_ping(servo_id: int) -> Packet:
    """Ask whether a servo is there."""
    return Packet(servo_id, InstructionCode.PING, b"")


def build_read(servo_id: int, address: int, size: int) -> Packet:
    """Ask one servo for ``size`` bytes from ``address``."""
    return Packet(servo_id, InstructionCode.READ, bytes((address, size)))


def build_write(servo_id: int, address: int, data: bytes) -> Packet:
    """Write bytes from ``address`` on."""
    return Packet(servo_id, InstructionCode.WRITE, bytes((address,)) + data)


def build_sync_read(servo_ids: Iterable[int], address: int, size: int) -> Packet:
    """Ask several servos for the same registers; they answer one after the other."""
    return Packet(BROADCAST_ID, InstructionCode.SYNC_READ, bytes((address, size, *servo_ids)))


def build_sync_write(values: Mapping[int, bytes], address: int) -> Packet:
    """Write the same registers of several servos at once; none of them answers."""
    sizes = {len(data) for data in values.values()}
    if len(sizes) != 1:
        raise ValueError(f"A sync write has equally many bytes for every servo, not {sorted(sizes)}.")
    data = b"".join(bytes((ident,)) + value for ident, value in values.items())
    return Packet(BROADCAST_ID, InstructionCode.SYNC_WRITE, bytes((address, sizes.pop())) + data)


class PacketParser:
    """Finds frames in a stream of bytes that may hold anything between them.

    A candidate that fails costs one byte, not its length, so that a frame behind a false header is still found.
    ``longest`` is the greatest LEN that can be meant, ``rejected`` how many candidates had a wrong CHECK.
    """

    def __init__(self, max_length: int = MAX_FRAME_LENGTH) -> None:
        self.max_length = max_length
        self.rejected_count = 0
        self._buffer = bytearray()

    @property
    def pending_bytes(self) -> int:
        """How many bytes wait for the rest of their frame."""
        return len(self._buffer)

    def clear(self) -> None:
        """Forget what is incomplete."""
        self._buffer.clear()

    def feed(self, data: bytes) -> list[Packet]:
        """Take bytes in; return the frames they complete."""
        self._buffer += data
        line, packets, place = bytes(self._buffer), [], 0
        while (place := self._find_candidate(line, place)) + 4 <= len(line):
            end = place + 4 + line[place + 3]
            if len(line) < end:
                break
            if checksum(line[place + 2 : end - 1]) == line[end - 1]:
                packets.append(Packet(line[place + 2], line[place + 4], line[place + 5 : end - 1]))
                place = end
            else:
                self.rejected_count += 1
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

    def _find_candidate(self, line: bytes, offset: int) -> int:
        """Return where from ``place`` on a frame could begin, though its LEN may still be missing."""
        while (start := line.find(FRAME_HEADER, offset)) >= 0:
            if start + 4 > len(line) or (line[start + 2] != 0xFF and 2 <= line[start + 3] <= self.max_length):
                return start
            offset = start + 1
        return max(offset, len(line) - line.endswith(FRAME_HEADER[:1]))
