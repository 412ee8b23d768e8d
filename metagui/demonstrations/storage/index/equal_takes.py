"""Takes that a library has already, found by a digest of their samples, which the index holds for every take."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from metagui.demonstrations.storage.errors import LibraryError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.storage.hdf5 import TakeInfo
    from metagui.demonstrations.storage.index.library_reader import LibraryReader

_COMPARED_FIELDS = ("time", "command_requested", "command_sent")
"""Fields that are stored exactly; takes are equal if they are."""


def compute_digest(demonstration: Demonstration) -> str:
    """Return a digest of the samples, hexadecimal, that is equal for equal takes; names, notes and segments may differ.

    It is the BLAKE2b, 16 bytes long, of the little-endian float64 numbers of times, requested and sent commands, with
    one form for NaN and for zero.
    """
    digest = hashlib.blake2b(digest_size=16)
    for field in _COMPARED_FIELDS:
        values = np.asarray(getattr(demonstration, field), dtype="<f8") + 0.0  # turns -0.0 into 0.0
        digest.update(np.where(np.isnan(values), np.nan, values).tobytes())
    return digest.hexdigest()


class EqualTakeFinder:
    """Finds the stored take with the same samples; made once for many takes."""

    def __init__(self, library: LibraryReader, tasks: Iterable[str] | None = None) -> None:
        """Look in ``tasks``, by default in all, and in the takes that are added. Raises StorageError."""
        self._library = library
        self._digests: dict[TakeInfo, str] = {}
        """Digests of takes whose files hold none: those of version 0.1."""
        self._by_size: dict[tuple[int, float], list[TakeInfo]] = {}
        every = [listing.takes for listing in library.list_all().values()] if tasks is None else []
        for takes in every if tasks is None else map(library.list_takes, tasks):
            for info in takes:
                self.add(info)

    def add(self, info: TakeInfo) -> None:
        """Also find a take that was added to the library."""
        self._by_size.setdefault((info.sample_count, info.duration), []).append(info)

    def find(self, demonstration: Demonstration) -> TakeInfo | None:
        """Return the stored take with the same samples; None if there is none."""
        candidates = self._by_size.get((len(demonstration), demonstration.duration), [])
        digest = compute_digest(demonstration) if candidates else ""
        for info in candidates:
            if self._get_digest(info) == digest and self._is_equal(info, demonstration):
                return info
        return None

    def _get_digest(self, info: TakeInfo) -> str:
        """Return the digest of a stored take; empty if it cannot be read."""
        if info.digest:
            return info.digest
        if info not in self._digests:
            stored = self._load(info)
            self._digests[info] = "" if stored is None else compute_digest(stored)
        return self._digests[info]

    def _is_equal(self, info: TakeInfo, demonstration: Demonstration) -> bool:
        """Whether a stored take has the same samples: another program may have changed them after the digest."""
        stored = self._load(info)
        return stored is not None and all(
            np.array_equal(getattr(stored, field), getattr(demonstration, field), equal_nan=True)
            for field in _COMPARED_FIELDS
        )

    def _load(self, info: TakeInfo) -> Demonstration | None:
        try:
            return self._library.load_take(info.task, info.name)
        except LibraryError:
            return None


def find_equal_take(library: LibraryReader, demonstration: Demonstration) -> TakeInfo | None:
    """Return the stored take with the same samples, in any task; None if there is none."""
    return EqualTakeFinder(library).find(demonstration)
