"""Undo command for changes of the library, in which doing and undoing may fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtGui import QUndoCommand

from metagui.demonstrations.storage.errors import LibraryError

if TYPE_CHECKING:
    from collections.abc import Callable


class LibraryCommand(QUndoCommand):
    """One change of the library as a pair of functions; a command that fails is removed from the undo stack."""

    def __init__(
        self,
        text: str,
        do: Callable[[], Any],
        undo: Callable[[], Any],
        on_failure: Callable[[Exception], None],
        on_finished: Callable[[], None],
        already_done: bool = False,
    ) -> None:
        """Create a command; ``already_done`` skips ``do`` and ``on_finished`` when the command is pushed.

        ``do`` and ``undo`` may raise LibraryError, which is passed to ``on_failure``; ``on_finished`` follows always.
        """
        super().__init__(text)
        self._do, self._undo, self._on_failure, self._on_finished = do, undo, on_failure, on_finished
        self._already_done = already_done

    def redo(self) -> None:
        """Apply the change; called by the undo stack when the command is pushed and at each redo."""
        if self._already_done:
            self._already_done = False
        else:
            self._run(self._do)

    def undo(self) -> None:
        """Revert the change."""
        self._run(self._undo)

    def _run(self, function: Callable[[], Any]) -> None:
        try:
            function()
        except LibraryError as error:
            self.setObsolete(True)
            self._on_failure(error)
        self._on_finished()
