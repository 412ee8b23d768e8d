"""Undo history of a library: a file in it, so that the history survives the program and is shared by processes."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from metagui.atomic_write import write_atomically
from metagui.checked_json import read_checked
from metagui.demonstrations.curation.changes import Change
from metagui.demonstrations.storage.errors import LibraryError
from metagui.demonstrations.storage.folder_scan import translate_disk_errors
from metagui.demonstrations.storage.index.file_version import get_version
from metagui.demonstrations.storage.library import DATA_FOLDER
from metagui.file_lock import hold_lock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metagui.demonstrations.storage.library import Library

HISTORY_FILE = "history.json"
MAX_STEPS = 200
"""Maximum number of changes that can be undone."""
_MAX_BYTES = 8 << 20
_PATIENCE_S = 20.0


class HistoryError(LibraryError):
    """There is nothing to undo or to redo."""


@dataclass
class _Steps:
    """Descriptions of changes with the change that undoes or redoes them, newest last."""

    undo: list[tuple[str, Change]] = field(default_factory=list)
    redo: list[tuple[str, Change]] = field(default_factory=list)


class ChangeHistory:
    """The changes of one library that can be undone and redone."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self._path = library.root / DATA_FOLDER / HISTORY_FILE

    def get_version(self) -> object:
        """Return what differs whenever the history on the disk has changed."""
        return get_version(str(self._path))

    def list_undo_texts(self) -> list[str]:
        """Return descriptions of the changes that can be undone, newest first."""
        return [text for text, _ in reversed(self._read().undo)]

    def list_redo_texts(self) -> list[str]:
        """Return descriptions of the changes that can be redone, in their order."""
        return [text for text, _ in reversed(self._read().redo)]

    def apply(self, text: str, change: Change) -> None:
        """Change the library, and remember how to undo that. Raises LibraryError; then nothing was changed."""
        with self._editing() as steps:
            steps.undo.append((text, change.apply(self.library)))
            steps.redo.clear()

    def add(self, text: str, undoing: Change) -> None:
        """Remember how to undo a change that was made already. Raises LibraryError."""
        with self._editing() as steps:
            steps.undo.append((text, undoing))
            steps.redo.clear()

    def undo(self, expected: str | None = None) -> str:
        """Undo the newest change and return its description. Raises HistoryError, LibraryError.

        If it is not the ``expected`` one, because another program has changed the library since, nothing is undone. A
        change that cannot be undone any more is dropped from the history.
        """
        return self._step("undo", expected)

    def redo(self, expected: str | None = None) -> str:
        """Do the change again that was undone last. Raises as ``undo``."""
        return self._step("redo", expected)

    def _step(self, direction: str, expected: str | None) -> str:
        failure: LibraryError | None = None
        with self._editing() as steps:
            source, target = (steps.undo, steps.redo) if direction == "undo" else (steps.redo, steps.undo)
            if not source:
                raise HistoryError(f"There is nothing to {direction}.")
            if expected not in (None, source[-1][0]):
                raise HistoryError(
                    f"Another program has changed the library since. Nothing was changed here; metagui {direction} "
                    f"continues with: {source[-1][0]}."
                )
            text, change = source.pop()
            try:
                target.append((text, change.apply(self.library)))
            except LibraryError as error:
                failure = error
        if failure is not None:
            raise failure
        return text

    @contextlib.contextmanager
    def _editing(self) -> Iterator[_Steps]:
        """Yield the steps and store them at the end, while no other process changes them. Raises LibraryError."""
        with translate_disk_errors(self.library.root), hold_lock(self._path.with_suffix(".lock"), _PATIENCE_S):
            steps = self._read()
            yield steps
            stored = {
                name: [{"text": text, "change": change.to_dict()} for text, change in found[-MAX_STEPS:]]
                for name, found in (("undo", steps.undo), ("redo", steps.redo))
            }
            write_atomically(self._path, json.dumps({"format": 1, **stored}).encode(), replace=True)

    def _read(self) -> _Steps:
        """Return the stored steps; none if the file is missing, damaged or of a newer version."""
        try:
            found: Any = json.loads(read_checked(self._path, _MAX_BYTES))
            if found["format"] != 1:
                return _Steps()
            return _Steps(*([_decode_step(step) for step in found[name]] for name in ("undo", "redo")))
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return _Steps()


def _decode_step(step: dict[str, Any]) -> tuple[str, Change]:
    return str(step["text"]), Change.from_dict(step["change"])
