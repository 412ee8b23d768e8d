"""What can go wrong with tasks and takes on disk; every message says what happened, what is safe, what to do."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class LibraryError(Exception):
    """Something about the library went wrong."""


class UnknownTaskError(LibraryError):
    """There is no task of that name."""


class UnknownTakeError(LibraryError):
    """The task has no take of that name."""


class InvalidNameError(LibraryError):
    """No folder can carry that name."""


class NameCollisionError(LibraryError):
    """Another task or take has that name, or one that some file systems cannot tell from it."""


class InvalidTakeError(LibraryError):
    """The demonstration contradicts itself and is not stored."""


class CorruptFileError(LibraryError):
    """The file is not a take, or not a whole one."""


class NewerFormatError(LibraryError):
    """The file was written by a newer metagui."""


class ReadOnlyError(LibraryError):
    """The take is a shipped example and stays as it is."""


class StorageError(LibraryError):
    """The folder cannot be read or written."""


def suggest_names(name: str, valid_names: Iterable[str]) -> str:
    """Return the valid names, the closest first, as the end of a message."""
    names = list(valid_names)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"There are: {', '.join(names)}.{hint}" if names else "There are none yet."
