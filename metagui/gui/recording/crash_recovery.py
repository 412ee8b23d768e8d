"""Recovery of takes that a crash cut short: offers them one at a time, to be saved or deleted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from metagui.demonstrations.recording.recorder import delete_journal, find_recoverable_takes, recover_take
from metagui.demonstrations.storage.index.equal_takes import find_equal_take

if TYPE_CHECKING:
    from metagui.demonstrations.recording.recorder import RecoverableTake
    from metagui.demonstrations.storage.hdf5 import TakeInfo
    from metagui.gui.core.background_queue import BackgroundQueue
    from metagui.gui.core.messages import Messages
    from metagui.gui.library.library_model import LibraryModel


class CrashRecovery(QObject):
    """The journals in the scratch folder that belong to no running program."""

    recording_found = Signal(str)
    """Description of the first one; empty if there is none."""

    def __init__(self, library_model: LibraryModel, background_queue: BackgroundQueue, messages: Messages) -> None:
        super().__init__()
        self._library_model, self._background_queue, self._messages = library_model, background_queue, messages
        self._found: list[RecoverableTake] = []

    def find_recordings(self) -> None:
        """Look for journals of takes that were not saved."""
        find = partial(find_recoverable_takes, self._library_model.library.root)
        self._background_queue.submit(find, self._offer, only_for_window=True)

    def _offer(self, found: list[RecoverableTake]) -> None:
        self._found = found
        self.recording_found.emit(_describe(found) if found else "")

    def keep_recording(self) -> None:
        """Save the first one in the library, then delete its journal."""
        if not self._found:
            return
        path, library = self._found[0].path, self._library_model.library

        def work() -> TakeInfo:
            take = recover_take(path)
            info = find_equal_take(library, take) or library.add_take(take)
            delete_journal(path)
            return info

        self._background_queue.submit(work, self._on_kept)

    def _on_kept(self, info: TakeInfo) -> None:
        self._messages.post(f"Kept “{info.task}” take {info.name} ({info.duration:.1f} s)", "success")
        self._library_model.refresh()
        self._offer(self._found[1:])

    def delete_recording(self) -> None:
        """Delete the journal of the first one."""
        if self._found:
            path = self._found[0].path
            self._background_queue.submit(lambda: delete_journal(path), self._on_deleted)

    def _on_deleted(self, _result: None) -> None:
        self._offer(self._found[1:])


def _describe(found: list[RecoverableTake]) -> str:
    first = found[0]
    if first.error:
        return f"A recording that was cut short cannot be read: {first.error}"
    more = f" ({len(found) - 1} more after this)" if len(found) > 1 else ""
    return f"A recording of “{first.task}” was cut short; {first.duration:.1f} s of it are safe. Keep it?{more}"
