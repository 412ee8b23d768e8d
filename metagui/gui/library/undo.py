"""Undo history for changes of the library, in which doing and undoing may fail."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack

from metagui.demonstrations.curation.history import MAX_STEPS
from metagui.demonstrations.storage.errors import LibraryError

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.demonstrations.curation.changes import Change
    from metagui.demonstrations.curation.history import ChangeHistory


class LibraryCommand(QUndoCommand):
    """One change of the library as a pair of functions; a command that fails is removed from the undo stack."""

    def __init__(
        self,
        text: str,
        do: Callable[[], Any],
        undo: Callable[[], Any],
        on_failure: Callable[[Exception], None],
        on_finished: Callable[[bool], None],
        already_done: bool = False,
        is_stored: bool = False,
    ) -> None:
        """Create a command; ``already_done`` skips ``do`` and ``on_finished`` when the command is pushed.

        ``is_stored`` is True for a change in the history on the disk.

        ``do`` and ``undo`` may raise LibraryError, which is passed to ``on_failure``; ``on_finished`` follows always,
        with True after ``do``.
        """
        super().__init__(text)
        self._do, self._undo, self._on_failure, self._on_finished = do, undo, on_failure, on_finished
        self._already_done, self.is_stored = already_done, is_stored
        self.is_undone_before = False
        """True while the command is put into the stack as one that an earlier session undid."""

    def redo(self) -> None:
        """Apply the change; called by the undo stack when the command is pushed and at each redo."""
        if self._already_done:
            self._already_done = False
        else:
            self._run(self._do, True)

    def undo(self) -> None:
        """Revert the change."""
        if not self.is_undone_before:
            self._run(self._undo, False)

    def _run(self, function: Callable[[], Any], is_done: bool) -> None:
        try:
            function()
        except LibraryError as error:
            self.setObsolete(True)
            self._on_failure(error)
        self._on_finished(is_done)


class LibraryHistory(QUndoStack):
    """All changes of one library, newest last."""

    undone = Signal(str, str)
    """Text of a change that was undone, and the present name of the task that it concerns."""
    redone = Signal(str, str)
    """Text of a change that was done again, and the present name of the task that it concerns."""

    def __init__(
        self, on_failure: Callable[[Exception], None], on_finished: Callable[[], None], parent: QObject
    ) -> None:
        """Create an empty history; ``on_failure`` gets errors, and ``on_finished`` follows every change."""
        super().__init__(parent)
        self._on_failure, self._on_finished = on_failure, on_finished
        self._has_failed = False
        self._task = ""
        """Present name of the task that the last change concerned; empty for a change outside the library."""
        self._stored: ChangeHistory | None = None
        self._version: object = None
        """Version of the history on the disk that was compared last."""

    def apply(
        self,
        text: str,
        tasks: tuple[str, str],
        do: Callable[[], Any],
        undo: Callable[[], Any],
        already_done: bool = False,
    ) -> bool:
        """Apply a change of this session and add it to the history; return False if it failed.

        ``tasks`` are the names before and after the change of the task that it concerns.
        """
        return self._push(text, tasks, do, undo, already_done)

    def _push(
        self,
        text: str,
        tasks: tuple[str, str],
        do: Callable[[], Any],
        undo: Callable[[], Any],
        already_done: bool = False,
        is_stored: bool = False,
    ) -> bool:
        finish = partial(self._finish, tasks)
        self._has_failed = False
        self.push(LibraryCommand(text, do, undo, self._report_failure, finish, already_done, is_stored))
        return not self._has_failed

    # Changes that are kept on the disk

    def load(self, history: ChangeHistory) -> None:
        """Add the changes of earlier sessions, also undone ones, and keep those of this one in the same file."""
        self._stored = history
        self._version = history.get_version()
        undone = history.list_redo_texts()
        for text in [*reversed(history.list_undo_texts()), *undone]:
            self._push(
                text,
                ("", ""),
                partial(history.redo, text),
                partial(history.undo, text),
                already_done=True,
                is_stored=True,
            )
        for _ in undone:
            command = self.command(self.index() - 1)
            assert isinstance(command, LibraryCommand)
            command.is_undone_before = True
            super().undo()
            command.is_undone_before = False

    def follow(self) -> None:
        """Show the changes that other programs have made, undone or redone since the last call.

        What concerns this session alone, such as a marked object, can then not be undone any more.
        """
        stored = self._stored
        if stored is None or stored.get_version() == self._version:
            return
        self._version = stored.get_version()
        done, undone = self._list_stored(0, self.index()), self._list_stored(self.index(), self.count())
        steps = stored.list_undo_texts()[::-1], stored.list_redo_texts()
        is_cut = bool(self.index()) and not undone and not self._is_stored(self.index() - 1)
        if done[-MAX_STEPS:] != steps[0] or (undone != steps[1] and not is_cut):
            was_blocked = self.blockSignals(True)
            self.clear()
            self.load(stored)
            self.blockSignals(was_blocked)
            self.indexChanged.emit(self.index())

    def _is_stored(self, index: int) -> bool:
        command = self.command(index)
        return isinstance(command, LibraryCommand) and command.is_stored

    def _list_stored(self, start: int, stop: int) -> list[str]:
        """Return the texts of the stored changes among the commands [start, stop)."""
        return [self.text(index) for index in range(start, stop) if self._is_stored(index)]

    def apply_change(self, text: str, tasks: tuple[str, str], change: Change) -> bool:
        """Apply a change that can still be undone after a restart; return False if it failed."""
        stored = self._stored
        assert stored is not None
        first = [partial(stored.apply, text, change)]

        def do() -> None:
            first.pop()() if first else stored.redo(text)

        return self._push(text, tasks, do, partial(stored.undo, text), is_stored=True)

    def add_change(self, text: str, tasks: tuple[str, str], undoing: Change) -> None:
        """Add a change that was made already and is undone by ``undoing``."""
        stored = self._stored
        assert stored is not None
        try:
            stored.add(text, undoing)
        except LibraryError as error:
            self._report_failure(error)
            return
        self._push(
            text, tasks, partial(stored.redo, text), partial(stored.undo, text), already_done=True, is_stored=True
        )

    def undo(self) -> None:
        """Undo the newest change; ``undone`` follows if that was possible."""
        text = self.undoText()
        self._has_failed, self._task = False, ""
        super().undo()
        if text and not self._has_failed:
            self.undone.emit(text, self._task)

    def redo(self) -> None:
        """Do the change again that was undone last; ``redone`` follows if that was possible."""
        text = self.redoText()
        self._has_failed, self._task = False, ""
        super().redo()
        if text and not self._has_failed:
            self.redone.emit(text, self._task)

    def close(self) -> None:
        """Delete all commands, silently; stored changes stay on the disk.

        Commands and library refer to each other: left to the garbage collector, which may delete a command before its
        stack, Qt would delete it twice.
        """
        self.blockSignals(True)
        self.clear()

    def _finish(self, tasks: tuple[str, str], is_done: bool) -> None:
        self._task = tasks[is_done]
        self._on_finished()

    def _report_failure(self, error: Exception) -> None:
        self._has_failed = True
        self._on_failure(error)


def describe_selection(task: str, take: str | None) -> str:
    """Return words for a task or one of its takes, as they follow a verb."""
    return f"take {take} of “{task}”" if take else f"“{task}”"


def describe_saving(task: str, take: str) -> str:
    """Return the text of the change that saved a take."""
    return f"recording {describe_selection(task, take)}"
