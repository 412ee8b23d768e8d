"""The checksum of a block of frames, computed from what its frames state."""

import zlib

import numpy as np
import pytest

from metagui.demonstrations.recording.frame_checksums import FrameChecksums
from metagui.demonstrations.recording.journal import FRAME


@pytest.mark.parametrize("count", [1, 2, 3, 7, 100, 257])
@pytest.mark.parametrize("length", [1, 64, 1244])
def test_checksum_of_a_block_is_that_of_its_bytes(count, length):
    rng = np.random.default_rng(count * length)
    payloads = [rng.bytes(length) for _ in range(count)]
    stated = np.array([zlib.crc32(each) for each in payloads], np.uint32)
    block = b"".join(FRAME.pack(b"R", length, zlib.crc32(each)) + each for each in payloads)
    assert FrameChecksums(b"R", length).compute(stated) == zlib.crc32(block)


def test_any_changed_bit_gives_another_checksum():
    payloads = [bytes([number]) * 20 for number in range(9)]
    checksums = FrameChecksums(b"R", 20)
    expected = checksums.compute(np.array([zlib.crc32(each) for each in payloads], np.uint32))
    block = b"".join(FRAME.pack(b"R", 20, zlib.crc32(each)) + each for each in payloads)
    for position in range(len(block)):
        changed = bytearray(block)
        changed[position] ^= 1 << position % 8
        assert zlib.crc32(changed) != expected
