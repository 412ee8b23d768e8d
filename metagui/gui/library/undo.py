"""A change of the library that can be undone, either way of which may fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtGui import QUndoCommand

from metagui.demonstrations.storage.errors import LibraryError

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.gui.library.library_model import LibraryModel


class LibraryCommand(QUndoCommand):
    """One change of the library: what does it and what takes it back, either of which may fail."""

    def __init__(self, library_model: LibraryModel, text: str, do: Callable[[], Any], undo: Callable[[], Any]) -> None:
        super().__init__(text)
        self._library_model, self._do, self._undo = library_model, do, undo
        self.succeeded = True

    def redo(self) -> None:
        """Do it, or do it again."""
        self._run(self._do)

    def undo(self) -> None:
        """Take it back."""
        self._run(self._undo)

    def _run(self, function: Callable[[], Any]) -> None:
        try:
            function()
        except LibraryError as error:
            self.succeeded = False
            self.setObsolete(True)
            self._library_model.failed.emit(error)
        self._library_model.refresh()
