"""A change of the library that can be undone, either way of which may fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtGui import QUndoCommand

from metagui.demonstrations.storage.errors import LibraryError

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.gui.library.library_model import Shelf


class Change(QUndoCommand):
    """One change of the library: what does it and what takes it back, either of which may fail."""

    def __init__(self, shelf: Shelf, words: str, do: Callable[[], Any], undo: Callable[[], Any]) -> None:
        super().__init__(words)
        self._shelf, self._do, self._undo = shelf, do, undo
        self.ok = True

    def redo(self) -> None:
        """Do it, or do it again."""
        self._try(self._do)

    def undo(self) -> None:
        """Take it back."""
        self._try(self._undo)

    def _try(self, function: Callable[[], Any]) -> None:
        try:
            function()
        except LibraryError as error:
            self.ok = False
            self.setObsolete(True)
            self._shelf.failed.emit(error)
        self._shelf.refresh()
