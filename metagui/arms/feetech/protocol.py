"""Encoding, decoding and parsing of the packets on Feetech's servo bus, without I/O.

A packet is ``FF FF ID LEN CODE parameters CHECK``: LEN counts CODE, the parameters and CHECK; CHECK is the
complement of the sum from ID to the last parameter. CODE is an instruction in requests and the servo's status bits
in replies. Numbers are little-endian (Feetech, *Communication protocol manual*).
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FRAME_HEADER = b"\xff\xff"
"""First bytes of a packet."""
BROADCAST_ID = 0xFE
"""Id that addresses every servo."""
FRAME_OVERHEAD_BYTES = 6
"""Size of a packet without its parameters, bytes."""
MAX_FRAME_LENGTH = 250
"""Largest valid LEN."""


class InstructionCode(IntEnum):
    """Instructions of a servo."""

    PING = 0x01
    READ = 0x02
    WRITE = 0x03
    REG_WRITE = 0x04
    ACTION = 0x05
    RESET = 0x06
    """Restores the factory settings, except the id."""
    REBOOT = 0x08
    SYNC_READ = 0x82
    SYNC_WRITE = 0x83


class ServoStatus(IntFlag):
    """Fault bits that a servo reports in every reply."""

    VOLTAGE = 1
    ANGLE = 2
    OVERHEAT = 4
    OVERCURRENT = 8
    OVERLOAD = 32


class Packet(NamedTuple):
    """One decoded packet."""

    id: int
    """Id of the servo that is addressed or replies."""
    code: int
    """Instruction of a request, status bits of a reply."""
    parameters: bytes
    """Parameters of a request, data of a reply."""


def checksum(body: bytes | bytearray) -> int:
    """Return CHECK for the bytes between the header and CHECK."""
    return ~sum(body) & 0xFF


def encode(packet: Packet) -> bytes:
    """Return the bytes of a packet. Raises ValueError if a field is out of range."""
    length = len(packet.parameters) + 2
    if not (0 <= packet.id <= BROADCAST_ID and 0 <= packet.code <= 0xFF and length <= MAX_FRAME_LENGTH):
        raise ValueError(f"No packet can hold id {packet.id}, code {packet.code} and {length - 2} bytes.")
    body = bytes((packet.id, length, packet.code)) + packet.parameters
    return FRAME_HEADER + body + bytes((checksum(body),))


def build_ping(servo_id: int) -> Packet:
    """Return the request that tests whether a servo answers."""
    return Packet(servo_id, InstructionCode.PING, b"")


def build_read(servo_id: int, address: int, size: int) -> Packet:
    """Return the request for ``size`` bytes of one servo from ``address`` on."""
    return Packet(servo_id, InstructionCode.READ, bytes((address, size)))


def build_write(servo_id: int, address: int, data: bytes) -> Packet:
    """Return the request that writes bytes from ``address`` on."""
    return Packet(servo_id, InstructionCode.WRITE, bytes((address,)) + data)


def build_sync_read(servo_ids: Iterable[int], address: int, size: int) -> Packet:
    """Return the request for the same registers of several servos, which reply one after the other."""
    return Packet(BROADCAST_ID, InstructionCode.SYNC_READ, bytes((address, size, *servo_ids)))


def build_sync_write(values: Mapping[int, bytes], address: int) -> Packet:
    """Return the request that writes the same registers of several servos, without a reply."""
    sizes = {len(data) for data in values.values()}
    if len(sizes) != 1:
        raise ValueError(f"A sync write needs the same number of bytes for every servo, not {sorted(sizes)}.")
    data = b"".join(bytes((servo_id,)) + value for servo_id, value in values.items())
    return Packet(BROADCAST_ID, InstructionCode.SYNC_WRITE, bytes((address, sizes.pop())) + data)


class PacketParser:
    """Finds packets in a stream of bytes that may contain anything between them.

    Only one byte of a candidate with a wrong CHECK is skipped, so that a packet after a false header is still found.
    ``max_length`` is the largest LEN of an expected packet, ``rejected_count`` the number of candidates with a wrong
    CHECK. ``doubtful`` are the packets directly before bytes that are no packet: one in 256 packets that are cut off
    makes a valid one with the first bytes of the next, whose other bytes are left over.
    """

    def __init__(self, max_length: int = MAX_FRAME_LENGTH) -> None:
        self.max_length = max_length
        self.rejected_count = 0
        self.doubtful: list[Packet] = []
        self._buffer = bytearray()
        self._last: Packet | None = None

    def clear(self) -> None:
        """Discard an incomplete packet, and forget the packets before."""
        self._buffer.clear()
        self.doubtful.clear()
        self._last = None

    def feed(self, data: bytes) -> list[Packet]:
        """Append received bytes; return the packets that they complete."""
        self._buffer += data
        line, packets, start, packet_end = bytes(self._buffer), [], 0, 0
        while (start := self._find_candidate(line, start)) + 4 <= len(line):
            if start > packet_end:
                self._mark_doubtful()
            end = start + 4 + line[start + 3]
            if len(line) < end:
                break
            if checksum(line[start + 2 : end - 1]) == line[end - 1]:
                self._last = Packet(line[start + 2], line[start + 4], line[start + 5 : end - 1])
                packets.append(self._last)
                start = packet_end = end
            else:
                self.rejected_count += 1
                start += 1
        if start > packet_end:
            self._mark_doubtful()
        del self._buffer[:start]
        return packets

    def finish(self) -> list[Packet]:
        """Discard an incomplete packet, as the line is silent, and return the packets found behind its header."""
        packets = self.feed(b"")
        if self._buffer:
            self._mark_doubtful()
        while self._buffer:
            del self._buffer[0]
            packets += self.feed(b"")
        return packets

    def _mark_doubtful(self) -> None:
        """Note that bytes that are no packet follow the last packet."""
        if self._last is not None:
            self.doubtful.append(self._last)
            self._last = None

    def _find_candidate(self, line: bytes, offset: int) -> int:
        """Return the index from ``offset`` on at which a packet could start, even if its LEN is still missing."""
        while (start := line.find(FRAME_HEADER, offset)) >= 0:
            if start + 4 > len(line) or (line[start + 2] != 0xFF and 2 <= line[start + 3] <= self.max_length):
                return start
            offset = start + 1
        return max(offset, len(line) - line.endswith(FRAME_HEADER[:1]))
