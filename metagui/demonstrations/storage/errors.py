"""Errors of tasks and takes on disk; every message gives the cause, what is safe, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.demonstrations.suggestions import suggest_closest

if TYPE_CHECKING:
    from collections.abc import Iterable


class LibraryError(Exception):
    """Base class of all errors of the library."""


class UnknownTaskError(LibraryError):
    """There is no task with that name."""


class UnknownTakeError(LibraryError):
    """The task has no take with that name."""


class InvalidNameError(LibraryError):
    """The name cannot become the name of a folder."""


class NameCollisionError(LibraryError):
    """Another task or take has that name, or one that some file systems treat as equal."""


class InvalidTakeError(LibraryError):
    """The parts of the demonstration contradict each other; it is not stored."""


class CorruptFileError(LibraryError):
    """The file is not a take, or is incomplete."""


class NewerFormatError(LibraryError):
    """The file was written by a newer version of metagui."""


class ReadOnlyError(LibraryError):
    """The take is an example that ships with metagui and cannot be changed."""


class StorageError(LibraryError):
    """The folder cannot be read or written."""


class ContentError(Exception):
    """A file or a part of it is not what a take holds; the message is the reason, as a clause for another message."""


def suggest_names(name: str, valid_names: Iterable[str]) -> str:
    """Return a list of the valid names, and the most similar one, as the end of a message."""
    names = list(valid_names)
    return f"There are: {', '.join(names)}.{suggest_closest(name, names)}" if names else "There are none yet."
