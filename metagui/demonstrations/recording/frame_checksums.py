"""Check of many frames at once: the CRC-32 of a block follows from the checksums that its frames state.

A CRC is linear over GF(2): that of two parts, one behind the other, is the first one's, advanced over as many zero
bytes as the second part has, XOR the second one's (``crc32_combine`` of zlib). A block needs one call of zlib instead
of one per sample, whose overhead was half of the time of checking.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

from metagui.demonstrations.recording.journal import FRAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_BITS = 1 << np.arange(32, dtype=np.uint64)


class FrameChecksums:
    """Checksums of blocks of frames that have the same kind and length."""

    def __init__(self, kind: bytes, length: int) -> None:
        """Prepare for frames with a payload of ``length`` bytes."""
        start = FRAME.pack(kind, length, 0)[:-4]
        self._without_stated = _advance(4)(np.array([zlib.crc32(start)], np.uint32))[0] ^ np.uint32(
            zlib.crc32(bytes(4))
        )
        self._encode_word = _LinearMap(lambda bit: zlib.crc32(bit.to_bytes(4, "little")) ^ zlib.crc32(bytes(4)))
        self._advance_payload = _advance(length)
        self._advance_frames = [_advance(FRAME.size + length)]
        """Advance over 1, 2, 4, … frames."""

    def compute(self, stated: NDArray[np.uint32]) -> int:
        """Return the CRC-32 of the block whose frames have payloads with the checksums ``stated`` (n,), n >= 1."""
        headers = self._encode_word(stated) ^ self._without_stated
        found = self._advance_payload(headers) ^ stated
        level = 0
        while len(found) > 1:
            if len(found) % 2:
                found = np.concatenate([np.zeros(1, np.uint32), found])  # changes nothing in front
            if level == len(self._advance_frames):
                self._advance_frames.append(self._advance_frames[-1].double())
            found = self._advance_frames[level](found[::2]) ^ found[1::2]
            level += 1
        return int(found[0])


class _LinearMap:
    """Linear map of 32-bit words over GF(2), applied to arrays with a table for each byte."""

    def __init__(self, compute_image: Callable[[int], int]) -> None:
        """Create the map from the image of every power of two."""
        self._images = np.array([compute_image(int(bit)) for bit in _BITS], np.uint32)
        self._tables = []
        for first in range(0, 32, 8):
            table = np.zeros(256, np.uint32)
            for bit in range(8):
                table[1 << bit : 2 << bit] = table[: 1 << bit] ^ self._images[first + bit]
            self._tables.append(table)

    def __call__(self, words: NDArray[np.uint32]) -> NDArray[np.uint32]:
        low, second, third, high = self._tables
        found: NDArray[np.uint32] = low[words & 255] ^ second[words >> 8 & 255]
        found ^= third[words >> 16 & 255] ^ high[words >> 24]
        return found

    def double(self) -> _LinearMap:
        """Return the map that is this one applied twice."""
        images = dict(zip(_BITS.tolist(), self(self._images).tolist(), strict=True))
        return _LinearMap(images.__getitem__)


def _advance(size: int) -> _LinearMap:
    """Return the map from the CRC of some bytes to its part of the CRC with ``size`` more bytes behind them."""
    zeros = bytes(size)
    return _LinearMap(lambda bit: zlib.crc32(zeros, bit) ^ zlib.crc32(zeros, 0))
