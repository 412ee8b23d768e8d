"""Values that were computed from takes, stored by the content of the takes' files; computed again where they are lost.

A value is found by path and version of the file, or, after the file was moved, copied or touched, by its SHA-256. What
it was computed with, such as an encoder, is a part of the store's name, so that another encoder has another store.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import zlib
from typing import TYPE_CHECKING

from metagui.checked_json import FileReasonError, check_regular
from metagui.demonstrations.storage.index.file_version import get_version
from metagui.demonstrations.storage.index.record_store import RecordStore
from metagui.paths import cache_dir

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_SCHEMA = "take_values_1"
"""Name of the form of the records: digest of the file, checksum, value."""
_FOLDER = "similarity"
_DIGEST_BYTES, _CHECKSUM_BYTES = 32, 4
_MAX_BYTES = 4 << 30
"""Maximum size of a take's file whose content is hashed."""
_MAX_STORES = 8
"""Number of kinds of values, such as those of one encoder, that are kept; the least recently used is deleted."""


class TakeCache:
    """Values of one ``kind`` for the takes of a library; processes may share it. No method raises for a damaged one."""

    def __init__(self, library: Path, kind: str) -> None:
        """Use the store of ``kind``, which names what the values are and what they were computed with."""
        self._store = RecordStore.for_folder(library, f"{_FOLDER}/{kind}", _SCHEMA)
        stored = self._store.read()
        self._records = {key: (version, *found) for key, (version, raw) in stored.items() if (found := _unpack(raw))}
        self._by_digest = {digest: value for _, digest, value in self._records.values()}
        self._unsaved: dict[str, tuple[str, bytes, bytes]] = {}

    def find(self, path: Path) -> bytes | None:
        """Return the value of a take's file as it is now; None if it must be computed."""
        value = self.find_unchanged(path)
        version = get_version(key := str(path))
        if value is not None or version is None or not self._by_digest:
            return value
        digest = _compute_digest(path)
        value = None if digest is None else self._by_digest.get(digest)
        if value is not None and digest is not None and version.is_settled and get_version(key) == version:
            self._unsaved[key] = (version.to_text(), digest, value)
        return value

    def find_unchanged(self, path: Path) -> bytes | None:
        """Return the value of a file that is as it was when the value was stored; no file is read for that."""
        version = get_version(key := str(path))
        record = self._records.get(key)
        return record[2] if record is not None and version is not None and record[0] == version.to_text() else None

    @contextlib.contextmanager
    def adding(self, path: Path) -> Iterator[list[bytes]]:
        """Yield a list for the value, which the block computes from the file and appends.

        The value is stored only if the file did not change meanwhile.
        """
        version, digest, values = get_version(key := str(path)), _compute_digest(path), list[bytes]()
        yield values
        is_same = version is not None and version.is_settled and get_version(key) == version
        if values and digest is not None:
            self._by_digest[digest] = values[0]
            if is_same and version is not None:
                self._unsaved[key] = (version.to_text(), digest, values[0])

    def save(self, present: Iterable[Path]) -> None:
        """Write new values, and delete those of files that are not ``present``."""
        keys = set(map(str, present))
        removed = [key for key in self._records if key not in keys]
        if self._unsaved or removed:
            records = {key: (version, _pack(*values)) for key, (version, *values) in self._unsaved.items()}
            self._store.write(records, removed)
            self._records |= self._unsaved
            self._unsaved = {}
        with contextlib.suppress(OSError):
            os.utime(self._store.path.parent)
            _delete_unused()


def _pack(digest: bytes, value: bytes) -> bytes:
    """Return a record: the digest of the file, a checksum, the value."""
    return digest + zlib.crc32(digest + value).to_bytes(_CHECKSUM_BYTES, "little") + value


def _unpack(record: bytes) -> tuple[bytes, bytes] | None:
    """Return digest and value of a record; None for a damaged one."""
    digest, rest = record[:_DIGEST_BYTES], record[_DIGEST_BYTES:]
    value = rest[_CHECKSUM_BYTES:]
    return (digest, value) if _pack(digest, value) == record else None


def _compute_digest(path: Path) -> bytes | None:
    """Return the SHA-256 of a file; None if it cannot be read. A pipe is not opened, which would wait for ever."""
    try:
        check_regular(path, _MAX_BYTES)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except (OSError, FileReasonError):
        return None


def _delete_unused() -> None:
    """Delete the stores that were not used for longest. Raises OSError."""
    folders = [entry for entry in os.scandir(cache_dir() / _FOLDER) if entry.is_dir(follow_symlinks=False)]
    folders.sort(key=lambda entry: entry.stat().st_mtime_ns, reverse=True)
    for entry in folders[_MAX_STORES:]:
        shutil.rmtree(entry.path, ignore_errors=True)
