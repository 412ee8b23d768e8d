"""Tests of packets and registers: exact in both directions, and found in any garbage."""

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech import protocol as frames
from metagui.arms.feetech.protocol import BROADCAST_ID, InstructionCode, Packet, PacketParser, encode

PACKETS = st.builds(Packet, st.integers(0, BROADCAST_ID), st.integers(0, 255), st.binary(max_size=40))


def test_encode_matches_manual() -> None:
    assert encode(frames.build_ping(1)) == bytes.fromhex("FF FF 01 02 01 FB")
    assert encode(frames.build_read(1, 56, 2)) == bytes.fromhex("FF FF 01 04 02 38 02 BE")
    assert encode(Packet(1, 0, bytes((0x18, 0x05)))) == bytes.fromhex("FF FF 01 04 00 18 05 DD")
    assert encode(frames.build_write(BROADCAST_ID, 5, b"\x01")) == bytes.fromhex("FF FF FE 04 03 05 01 F4")
    assert encode(frames.build_sync_read((1, 2), 56, 8)) == bytes.fromhex("FF FF FE 06 82 38 08 01 02 36")


def test_build_sync_write_lists_servos() -> None:
    packet = frames.build_sync_write({1: b"\x00\x08", 2: b"\x00\x08"}, 42)
    assert packet == Packet(BROADCAST_ID, InstructionCode.SYNC_WRITE, bytes.fromhex("2A 02 01 00 08 02 00 08"))
    with pytest.raises(ValueError, match="same number of bytes"):
        frames.build_sync_write({1: b"\x00", 2: b"\x00\x08"}, 42)


def test_encode_out_of_range_raises() -> None:
    for packet in (Packet(255, 1, b""), Packet(1, 256, b""), Packet(1, 1, bytes(249))):
        with pytest.raises(ValueError, match="No packet"):
            encode(packet)


@given(st.lists(PACKETS, max_size=6), st.integers(1, 9))
def test_parser_split_stream_returns_packets(packets: list[Packet], size: int) -> None:
    line = b"".join(map(encode, packets))
    parser = PacketParser()
    found = [p for i in range(0, len(line), size) for p in parser.feed(line[i : i + size])]
    assert found == packets
    assert parser.finish() == []


@given(st.binary(max_size=300), PACKETS)
@settings(max_examples=300)
def test_parser_after_garbage_finds_next_packet(garbage: bytes, packet: Packet) -> None:
    """Unless the garbage, or garbage and packet together, are a packet by chance: the limit of the checksum."""
    parser = PacketParser()
    found = parser.feed(garbage + encode(packet)) + parser.finish()
    assert found
    assert found[-1] == packet or _covers(garbage, encode(packet), found)
    parser.clear()
    assert parser.feed(encode(packet)) == [packet]


def _covers(garbage: bytes, frame: bytes, found: list[Packet]) -> bool:
    """Return whether a packet that was found starts in the garbage and ends in the frame."""
    line = garbage + frame
    return any(line.find(encode(p)) < len(garbage) < line.find(encode(p)) + len(encode(p)) for p in found)


@given(PACKETS, st.data())
def test_parser_wrong_bit_is_rejected(packet: Packet, data: st.DataObject) -> None:
    line = bytearray(encode(packet))
    index = data.draw(st.integers(0, len(line) - 1))
    line[index] ^= 1 << data.draw(st.integers(0, 7))
    parser = PacketParser()
    assert packet not in parser.feed(bytes(line)) + parser.finish()


def test_parser_packet_of_two_halves_is_doubtful() -> None:
    """A packet that is cut off, with the first bytes of the next one, is valid by chance."""
    whole = Packet(3, 0, bytes(range(4)))
    for value in range(256):
        cut = encode(Packet(2, 0, bytes((value, 0, 0, 0))))[:6]
        parser = PacketParser(max_length=6)
        packets = [*parser.feed(cut + encode(whole)), *parser.finish()]
        assert parser.doubtful == [packet for packet in packets if packet != whole]
        if parser.doubtful:
            break
    assert [packet.id for packet in parser.doubtful] == [2]
    parser.clear()
    assert parser.feed(encode(whole) * 2) == [whole, whole]
    assert parser.finish() == parser.doubtful == []


def test_parser_million_random_bytes() -> None:
    """No crash, no hang, nothing accepted that is not a packet, and the next valid packet is found."""
    rng = random.Random(7)
    good = Packet(3, 0, bytes(range(15)))
    parser, fed, accepted = PacketParser(max_length=32), 0, 0
    started = time.thread_time()
    while fed < 1_000_000:
        line = _make_noise(rng, encode(good))
        fed += len(line)
        for packet in parser.feed(line) + parser.finish():
            assert encode(packet) in line
            accepted += packet != good
        assert parser.feed(encode(good)) == [good]
    assert time.thread_time() - started < 60
    assert parser.rejected_count > 1000
    assert accepted < parser.rejected_count / 20  # one candidate in 256 by chance, and some mutations cancel out


def _make_noise(rng: random.Random, frame: bytes) -> bytes:
    """Return random bytes, or frames in which some bytes were changed, dropped or repeated."""
    if rng.random() < 0.2:
        return bytes(rng.choices((0xFF, 0xFF, 1, 2, 3, 17, rng.randrange(256)), k=300))
    line = bytearray(frame * 12)
    for _ in range(rng.randrange(1, 30)):
        index = rng.randrange(len(line))
        operation = rng.randrange(3)
        if operation == 0:
            line[index] = rng.randrange(256)
        elif operation == 1:
            del line[index]
        else:
            line[index:index] = rng.randbytes(rng.randrange(1, 5))
    return bytes(line)


@pytest.mark.parametrize("bit", [10, 11, 15])
def test_sign_magnitude_round_trips(bit: int) -> None:
    top = (1 << bit) - 1
    for number in (-top, -1, 0, 1, top):
        assert reg.decode_sign_magnitude(reg.encode_sign_magnitude(number, bit), bit) == number
    assert reg.encode_sign_magnitude(-5, bit) == 5 | 1 << bit
    for number in (-top - 1, top + 1):
        with pytest.raises(ValueError, match="does not fit"):
            reg.encode_sign_magnitude(number, bit)


@given(st.integers(-2047, 2047))
def test_register_homing_offset_round_trips(offset: int) -> None:
    assert reg.HOMING_OFFSET.unpack(reg.HOMING_OFFSET.pack(offset)) == offset


def test_register_value_too_large_raises() -> None:
    for register, value in ((reg.ID, 256), (reg.ID, -1), (reg.GOAL_POSITION, 40000), (reg.HOMING_OFFSET, 2048)):
        with pytest.raises(ValueError, match="does not fit"):
            register.pack(value)


def test_unpack_feedback_reads_fifteen_bytes() -> None:
    assert (reg.FEEDBACK_ADDRESS, reg.FEEDBACK_SIZE) == (56, 15)
    data = bytes.fromhex("00 08 64 80 F4 05 4A 1E 00 20 01 00 00 0A 80")
    assert reg.unpack_feedback(data) == reg.Feedback(2048, -100, -500, 74, 30, 32, 1, -10)
