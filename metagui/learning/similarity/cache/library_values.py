"""Embeddings and paths of all takes of a library: stored ones where there are, and those that are missing computed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from metagui.demonstrations.demonstration import TakeKey
from metagui.demonstrations.storage.errors import UnknownTakeError, UnknownTaskError
from metagui.learning.similarity.cache.embedding_codec import decode_embedding, encode_embedding, open_embeddings
from metagui.learning.similarity.cache.encoder_identity import (
    find_encoder_path,
    identify_encoder,
    shipped_encoder_path,
)
from metagui.learning.similarity.cache.take_cache import TakeCache
from metagui.learning.similarity.motion import PATH_POINTS, compute_path

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from metagui.arms.arm import FloatArray
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.storage.hdf5 import TakeInfo
    from metagui.demonstrations.storage.index.library_reader import LibraryReader
    from metagui.learning.similarity.cache.encoder_identity import EncoderIdentity
    from metagui.learning.similarity.embeddings import Embeddings
    from metagui.learning.similarity.encoder_file import CalibratedEncoder

SAVE_EVERY = 500
"""Number of computed values after which they are stored, so that a long computation can be interrupted."""


@dataclass(frozen=True)
class ComputedTakes:
    """Progress of computing what is missing."""

    done: int
    total: int


@dataclass(frozen=True)
class LibraryEmbeddings:
    """Embeddings of takes, and the encoder that they are of."""

    rows: dict[TakeKey, Embeddings | None]
    """Embeddings of one row each; None for a take without objects. Takes that cannot be read are missing."""
    encoder: EncoderIdentity


class LibraryValues:
    """Values of takes of a library; ``on_left_out`` is called with the reason for every take that cannot be used."""

    def __init__(self, library: LibraryReader, takes: Sequence[TakeInfo], on_left_out: Callable[[str], None]) -> None:
        self._library, self._takes, self._on_left_out = library, takes, on_left_out

    def load_embeddings(
        self, encoder_path: Path | None, load_encoder: Callable[[], CalibratedEncoder]
    ) -> Generator[ComputedTakes, None, LibraryEmbeddings]:
        """Return the embeddings; ``load_encoder`` is called only if some are missing, or no encoder is at the path.

        ``encoder_path`` None stands for the library's own or the shipped one. Raises the errors of ``load_encoder``.
        """
        identity = identify_encoder(encoder_path or find_encoder_path(self._library.root))
        cache = None if identity is None else open_embeddings(self._library.root, identity.digest)
        found = {} if cache is None else self._find(cache)
        encoder = None
        if cache is None or len(found) < len(self._list_readable()):
            encoder = load_encoder()
            if identity is None or "problem" in encoder.about:  # the shipped one instead of one that cannot be read
                identity = identify_encoder(shipped_encoder_path())
                assert identity is not None, "the encoder was read from this file"
                cache = open_embeddings(self._library.root, identity.digest)
                found = self._find(cache)
        assert cache is not None and identity is not None  # noqa: PT018 - not a test
        found |= yield from self._compute(cache, found, partial(_embed, encoder))
        rows = {key: decode_embedding(value) for key, value in found.items()}
        return LibraryEmbeddings(rows, identity)

    def load_paths(self) -> Generator[ComputedTakes, None, dict[TakeKey, FloatArray | None]]:
        """Return the paths (PATH_POINTS, 4) of ``motion.compute_path``; None where the tool's position is not known."""
        cache = TakeCache(self._library.root, f"paths-{PATH_POINTS}")
        found = self._find(cache)
        found |= yield from self._compute(cache, found, _encode_path)
        return {key: _decode_path(value) for key, value in found.items()}

    def _list_readable(self) -> list[TakeInfo]:
        return [info for info in self._takes if not info.error]

    def _find(self, cache: TakeCache) -> dict[TakeKey, bytes]:
        """Return the stored values."""
        pairs = ((TakeKey(info.task, info.name), cache.find(info.path)) for info in self._list_readable())
        return {key: value for key, value in pairs if value is not None}

    def _compute(
        self, cache: TakeCache, found: dict[TakeKey, bytes], compute: Callable[[Demonstration], bytes]
    ) -> Generator[ComputedTakes, None, dict[TakeKey, bytes]]:
        """Return the values that are missing in ``found``, and store them."""
        missing = [info for info in self._takes if TakeKey(info.task, info.name) not in found]
        computed: dict[TakeKey, bytes] = {}
        for done, info in enumerate(missing):
            value = None if info.error else cache.find(info.path)  # of a copy that was computed meanwhile
            if value is None:
                with cache.adding(info.path) as values:
                    values += [compute(take) for take in self._load(info)]
                value = values[0] if values else None
            if value is not None:
                computed[TakeKey(info.task, info.name)] = value
            if done % SAVE_EVERY == SAVE_EVERY - 1:
                cache.save([each.path for each in self._takes])
            yield ComputedTakes(done + 1, len(missing))
        cache.save([info.path for info in self._takes])
        return computed

    def _load(self, info: TakeInfo) -> list[Demonstration]:
        """Return the take, or nothing if it cannot be used."""
        try:
            return self._library.load_intact_takes(info.task, self._on_left_out, [info.name])
        except (UnknownTaskError, UnknownTakeError):
            return []  # it was removed since it was listed


def _embed(encoder: CalibratedEncoder | None, take: Demonstration) -> bytes:
    assert encoder is not None, "it is loaded if an embedding is missing"
    return encode_embedding(encoder.encoder, take)


def _encode_path(take: Demonstration) -> bytes:
    path = compute_path(take)
    return b"" if path is None else path.astype("<f8").tobytes()


def _decode_path(value: bytes) -> FloatArray | None:
    return np.frombuffer(value, "<f8").reshape(PATH_POINTS, -1) if value else None
