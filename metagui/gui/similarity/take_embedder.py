"""Embeds takes of a library by the content of their files, with the store that ``metagui similar`` has, too.

For background threads, of which one at a time uses an embedder.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from metagui.demonstrations.demonstration import TakeKey
from metagui.demonstrations.storage.errors import LibraryError
from metagui.learning.similarity.cache.embedding_codec import decode_embedding, encode_embedding, open_embeddings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.storage.library import Library
    from metagui.learning.similarity.cache.take_cache import TakeCache
    from metagui.learning.similarity.embeddings import Embeddings
    from metagui.learning.similarity.encoder_file import CalibratedEncoder


class FileStamp(NamedTuple):
    """What is equal for equal content, also after a file was renamed."""

    device: int
    inode: int
    size: int
    modified_ns: int


@dataclass(frozen=True)
class EmbeddedTakes:
    """Result of one batch."""

    embeddings: dict[FileStamp, Embeddings] = field(default_factory=dict)
    """Embeddings of one row each."""
    takes: list[Demonstration] = field(default_factory=list)
    """Takes that were read."""
    left_out: list[str] = field(default_factory=list)
    """Reasons why takes could not be embedded."""


@dataclass(frozen=True)
class StampedTakes:
    """The takes of a library that can be read."""

    stamps: dict[TakeKey, FileStamp] = field(default_factory=dict)
    paths: dict[TakeKey, Path] = field(default_factory=dict)
    stored: dict[FileStamp, Embeddings] = field(default_factory=dict)
    """Stored embeddings of files that have not changed since."""


class TakeEmbedder:
    """Embeds with one encoder. Embeddings of an encoder that has no file yet are not stored."""

    def __init__(self, encoder: CalibratedEncoder, library: Library) -> None:
        self._encoder, self._library = encoder, library
        self._cache: TakeCache | None = None

    def stamp_takes(self, tasks: Iterable[str]) -> StampedTakes:
        """Return the takes of these tasks, with the embeddings that are found without reading a take."""
        if self._cache is None and self._encoder.file_digest:
            self._cache = open_embeddings(self._library.root, self._encoder.file_digest)
        found = StampedTakes()
        for task in tasks:
            with contextlib.suppress(LibraryError):  # the task has gone since it was listed
                for info in self._library.list_takes(task):
                    if info.sample_count and not info.error:
                        self._add(found, TakeKey(task, info.name), info.path)
        return found

    def _add(self, found: StampedTakes, key: TakeKey, path: Path) -> None:
        try:
            status = path.stat()
        except OSError:
            return
        stamp = FileStamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        found.stamps[key], found.paths[key] = stamp, path
        value = self._cache.find_unchanged(path) if self._cache is not None else None
        if value and (row := decode_embedding(value)) is not None:
            found.stored[stamp] = row

    def embed_takes(self, batch: Mapping[TakeKey, FileStamp], paths: Mapping[TakeKey, Path]) -> EmbeddedTakes:
        """Embed takes, or find the embeddings by content; those that are damaged or gone are left out."""
        from metagui.learning.policy.features import FeatureError

        found = EmbeddedTakes()
        for key, stamp in batch.items():
            try:
                value = self._embed(key, paths[key], found)
            except LibraryError:
                continue  # the take has gone since it was listed
            except FeatureError as error:
                found.left_out.append(str(error))
                continue
            if value and (row := decode_embedding(value)) is not None:
                found.embeddings[stamp] = row
        return found

    def _embed(self, key: TakeKey, path: Path, found: EmbeddedTakes) -> bytes:
        """Return the embedding as bytes, none if there is none. Raises FeatureError, LibraryError."""
        if self._cache is None:
            return self._compute(key, found)
        if value := self._cache.find(path):
            return value
        with self._cache.adding(path) as values:
            if value := self._compute(key, found):
                values.append(value)
        return value or b""

    def _compute(self, key: TakeKey, found: EmbeddedTakes) -> bytes:
        from metagui.learning.policy.features import check_finite

        for take in self._library.load_intact_takes(key.task, found.left_out.append, [key.take]):
            check_finite(take)
            value = encode_embedding(self._encoder.encoder, take)
            found.takes.append(take)
            return value
        return b""

    def save(self, paths: Iterable[Path]) -> None:
        """Store new embeddings, and forget those of files that are not among ``paths``, those of the library."""
        if self._cache is not None:
            self._cache.save(paths)
