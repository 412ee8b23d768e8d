"""Embeds takes of a library and stores their embeddings by the content of their files; for background threads."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metagui.demonstrations.demonstration import TakeKey
from metagui.demonstrations.storage.errors import LibraryError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.storage.library import Library
    from metagui.learning.similarity.embeddings import Embeddings
    from metagui.learning.similarity.encoder_file import CalibratedEncoder

FileStamp = tuple[int, int, int, int]
"""Device, inode, size and time of the last change of a file: equal for equal content, also after a rename."""


@dataclass(frozen=True)
class EmbeddedTakes:
    """Result of one batch."""

    embeddings: dict[FileStamp, Embeddings] = field(default_factory=dict)
    """Embeddings of one row each."""
    takes: list[Demonstration] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """Reasons why takes could not be embedded."""


def stamp_takes(library: Library, tasks: Iterable[str]) -> dict[TakeKey, FileStamp]:
    """Return the stamps of all takes of these tasks that can be read."""
    stamps: dict[TakeKey, FileStamp] = {}
    for task in tasks:
        with contextlib.suppress(LibraryError):  # the task has gone since it was listed
            for info in library.list_takes(task):
                with contextlib.suppress(OSError):
                    status = info.path.stat()
                    if info.sample_count and not info.error:
                        stamp = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
                        stamps[TakeKey(task, info.name)] = stamp
    return stamps


def embed_takes(
    encoder: CalibratedEncoder, library: Library, batch: Iterable[tuple[TakeKey, FileStamp]]
) -> EmbeddedTakes:
    """Read and embed takes; those that are damaged or gone are left out."""
    from metagui.learning.policy.features import FeatureError
    from metagui.learning.similarity.siamese import embed

    found = EmbeddedTakes()
    for key, stamp in batch:
        try:
            takes = library.load_intact_takes(key.task, found.left_out.append, [key.take])
            if takes:
                found.embeddings[stamp] = embed(encoder.encoder, takes)
                found.takes.append(takes[0])
        except LibraryError:
            continue  # the take has gone since it was listed
        except FeatureError as error:
            found.left_out.append(str(error))
    return found
