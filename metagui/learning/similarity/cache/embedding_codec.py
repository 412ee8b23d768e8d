"""Embeddings of takes as the bytes that the cache stores, for the window and for ``metagui similar``."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from metagui.learning.similarity.cache.take_cache import TakeCache
from metagui.learning.similarity.embeddings import Embeddings

if TYPE_CHECKING:
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.similarity.siamese_network import SiameseEncoder

_SIZES = struct.Struct("<HH")
"""Lengths of an embedding of a motion, and of one of objects, in front of its float32 numbers."""


def open_embeddings(library: Path, encoder_digest: str) -> TakeCache:
    """Return the stored embeddings of a library's takes by the encoder whose file has this SHA-256."""
    return TakeCache(library, f"embeddings-{encoder_digest[:24]}")


def encode_embedding(encoder: SiameseEncoder, take: Demonstration) -> bytes:
    """Embed a take; return the embedding as bytes, none for a take without objects. Raises FeatureError."""
    from metagui.learning.similarity.siamese import embed

    if not take.objects:
        return b""
    row = embed(encoder, [take])
    numbers = np.concatenate([row.motion, row.numbers, row.objects], axis=1).astype("<f4")
    return _SIZES.pack(row.motion.shape[1], row.objects.shape[1]) + numbers.tobytes()


def decode_embedding(value: bytes) -> Embeddings | None:
    """Invert ``encode_embedding``; return None for a take without objects."""
    if not value:
        return None
    width, roles = _SIZES.unpack_from(value)
    numbers = np.frombuffer(value, "<f4", 2 * width + roles, _SIZES.size)[None]
    return Embeddings(numbers[:, :width], numbers[:, width : 2 * width], numbers[:, 2 * width :])
