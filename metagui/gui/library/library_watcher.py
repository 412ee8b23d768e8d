"""Notices that other programs have changed a library, so that every window on it shows the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QFileSystemWatcher, QObject, QTimer

from metagui.demonstrations.storage.library import DATA_FOLDER

if TYPE_CHECKING:
    from metagui.gui.library.library_model import LibraryModel

SETTLING_MS = 150
"""Time after a change in which further ones are awaited, ms."""
LOOK_PERIOD_MS = 4000
"""Time between two looks at folders whose system reports no changes, such as those on the network, ms."""
MAX_WATCHED_FOLDERS = 4000
"""Number of folders of tasks that are watched; systems limit it, and all are looked at periodically in any case."""


class LibraryWatcher(QObject):
    """Looks for changes of a library when its folders change, and periodically."""

    def __init__(self, library: LibraryModel) -> None:
        super().__init__(library)
        self._library = library
        self._watched: set[str] = set()
        self._watcher = QFileSystemWatcher(self)
        self._watcher.directoryChanged.connect(self._on_change)
        self._settling_timer = QTimer(self, singleShot=True, interval=SETTLING_MS)
        self._settling_timer.timeout.connect(library.look_for_changes)
        self._period_timer = QTimer(self, interval=LOOK_PERIOD_MS)
        self._period_timer.timeout.connect(library.look_for_changes)
        self._library.tasks_changed.connect(self._watch_tasks)

    def start(self) -> None:
        """Begin to watch."""
        self._period_timer.start()
        self._watch_tasks()

    def close(self) -> None:
        """Stop watching."""
        self._period_timer.stop()
        self._settling_timer.stop()
        self._library.tasks_changed.disconnect(self._watch_tasks)
        if self._watched:
            self._watcher.removePaths(sorted(self._watched))

    def _watch_tasks(self) -> None:
        """Watch the folders of the tasks that are listed now."""
        root = self._library.folder
        infos = [row.takes[0].info for row in self._library.tasks[:MAX_WATCHED_FOLDERS] if row.takes]
        wanted = {str(info.path.parent) for info in infos if info is not None}
        wanted |= {str(path) for path in (root, root / DATA_FOLDER) if path.is_dir()}
        if gone := self._watched - wanted:
            self._watcher.removePaths(sorted(gone))
        if added := wanted - self._watched:
            wanted -= set(self._watcher.addPaths(sorted(added)))
        self._watched = wanted

    def _on_change(self, _path: str) -> None:
        if not self._settling_timer.isActive():  # changes that never end are looked at, too
            self._settling_timer.start()
