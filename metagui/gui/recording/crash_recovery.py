"""Takes that a crash cut short: offered back one at a time, kept or thrown away as the person says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from metagui.demonstrations.recording.recorder import discard, recover, recoverable

if TYPE_CHECKING:
    from metagui.demonstrations.recording.recorder import Recoverable
    from metagui.demonstrations.storage.library import TakeInfo
    from metagui.gui.core.task_queue import Errands
    from metagui.gui.library.library_model import Shelf


class Leftovers(QObject):
    """What lies in the scratch folder and belongs to no running program."""

    offered = Signal(str)
    """The first of them in words; empty when there is nothing more."""
    said = Signal(str, str, str)
    failed = Signal(object)

    def __init__(self, shelf: Shelf, errands: Errands) -> None:
        super().__init__()
        self._shelf, self._errands = shelf, errands
        self._found: list[Recoverable] = []

    def look(self) -> None:
        """Look for what was left behind."""
        self._errands.run(lambda: recoverable(self._shelf.library.root), self._offer, self.failed.emit)

    def _offer(self, found: list[Recoverable]) -> None:
        self._found = found
        self.offered.emit(_words(found) if found else "")

    def keep(self) -> None:
        """Put the first of them into the library."""
        if not self._found:
            return
        path, library = self._found[0].path, self._shelf.library

        def work() -> TakeInfo:
            info = library.add(recover(path))
            discard(path)
            return info

        self._errands.run(work, self._on_kept, self.failed.emit)

    def _on_kept(self, info: TakeInfo) -> None:
        self.said.emit(f"Kept “{info.task}” take {info.name} ({info.duration:.1f} s)", "success", "")
        self._shelf.refresh()
        self._offer(self._found[1:])

    def throw_away(self) -> None:
        """Delete the first of them."""
        if self._found:
            path = self._found[0].path
            self._errands.run(lambda: discard(path), self._on_thrown, self.failed.emit)

    def _on_thrown(self, _result: None) -> None:
        self._offer(self._found[1:])


def _words(found: list[Recoverable]) -> str:
    first = found[0]
    if first.error:
        return f"A recording that was cut short cannot be read: {first.error}"
    more = f" ({len(found) - 1} more after this)" if len(found) > 1 else ""
    return f"A recording of “{first.task}” was cut short; {first.duration:.1f} s of it are safe. Keep it?{more}"
