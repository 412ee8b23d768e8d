"""Takes that a crash cut short: offered back one at a time, kept or thrown away as the person says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from metagui.demonstrations.recording.recorder import delete_journal, find_recoverable_takes, recover_take

if TYPE_CHECKING:
    from metagui.demonstrations.recording.recorder import RecoverableTake
    from metagui.demonstrations.storage.hdf5 import TakeInfo
    from metagui.gui.core.task_queue import BackgroundQueue
    from metagui.gui.library.library_model import LibraryModel


class CrashRecovery(QObject):
    """What lies in the scratch folder and belongs to no running program."""

    recording_found = Signal(str)
    """The first of them in words; empty when there is nothing more."""
    message_posted = Signal(str, str, str)
    failed = Signal(object)

    def __init__(self, library_model: LibraryModel, background_queue: BackgroundQueue) -> None:
        super().__init__()
        self._library_model, self._background_queue = library_model, background_queue
        self._found: list[RecoverableTake] = []

    def find_recordings(self) -> None:
        """Look for what was left behind."""
        self._background_queue.submit(
            lambda: find_recoverable_takes(self._library_model.library.root), self._offer, self.failed.emit
        )

    def _offer(self, found: list[RecoverableTake]) -> None:
        self._found = found
        self.recording_found.emit(_describe(found) if found else "")

    def keep_recording(self) -> None:
        """Put the first of them into the library."""
        if not self._found:
            return
        path, library = self._found[0].path, self._library_model.library

        def work() -> TakeInfo:
            info = library.add_take(recover_take(path))
            delete_journal(path)
            return info

        self._background_queue.submit(work, self._on_kept, self.failed.emit)

    def _on_kept(self, info: TakeInfo) -> None:
        self.message_posted.emit(f"Kept “{info.task}” take {info.name} ({info.duration:.1f} s)", "success", "")
        self._library_model.refresh()
        self._offer(self._found[1:])

    def delete_recording(self) -> None:
        """Delete the first of them."""
        if self._found:
            path = self._found[0].path
            self._background_queue.submit(lambda: delete_journal(path), self._on_deleted, self.failed.emit)

    def _on_deleted(self, _result: None) -> None:
        self._offer(self._found[1:])


def _describe(found: list[RecoverableTake]) -> str:
    first = found[0]
    if first.error:
        return f"A recording that was cut short cannot be read: {first.error}"
    more = f" ({len(found) - 1} more after this)" if len(found) > 1 else ""
    return f"A recording of “{first.task}” was cut short; {first.duration:.1f} s of it are safe. Keep it?{more}"
