"""Opens another library: one that is chosen in a dialog, or one of those that were open before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QMenu

from metagui.demonstrations.storage.folder_scan import TAKE_SUFFIX
from metagui.gui.core.stored_choices import RECENT_SETTING, read_texts

if TYPE_CHECKING:
    from PySide6.QtCore import QSettings
    from PySide6.QtGui import QAction
    from PySide6.QtWidgets import QWidget

    from metagui.gui.core.messages import Messages


class LibraryPicker(QObject):
    """The dialog and the menu of recent libraries."""

    chosen = Signal(object)
    """Folder of the library to open, a Path."""

    def __init__(
        self, window: QWidget, action: QAction, menu: QMenu, folder: Path, settings: QSettings, messages: Messages
    ) -> None:
        """Connect the action that opens the dialog, and fill ``menu``; ``folder`` is the library that is open."""
        super().__init__(window)
        self._action, self._menu, self._folder = action, menu, folder
        self._settings, self._messages = settings, messages
        self.dialog = QFileDialog(window, "Open a library", str(folder.parent))
        self.dialog.setFileMode(QFileDialog.FileMode.Directory)
        self.dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        self.dialog.setModal(False)  # the arm can be stopped at any time
        self.dialog.fileSelected.connect(self._open_text)
        action.triggered.connect(self.dialog.show)
        menu.aboutToShow.connect(self._fill_menu)
        menu.triggered.connect(self._open_entry)

    def close(self) -> None:
        """Close the dialog."""
        self.dialog.close()

    def open(self, folder: Path) -> None:
        """Open a library, unless it is open already, is not there, or the program is busy."""
        root = find_library_root(folder)
        if not self._action.isEnabled():
            self._messages.post(f"{self._action.toolTip()} No other library was opened.", "warning")
        elif not root.is_dir():
            text = f"{root} is not there any more. This library stays open; connect its disk, then try again."
            self._messages.post(text, "warning")
        elif root.resolve() == self._folder.resolve():
            self._messages.post(f"{root} is open already.")
        else:
            self.chosen.emit(root)

    def _open_text(self, folder: str) -> None:
        self.open(Path(folder))

    def _open_entry(self, entry: QAction) -> None:
        self.open(Path(str(entry.data())))

    def _fill_menu(self) -> None:
        """List the libraries that were open before."""
        self._menu.clear()
        others = [each for each in read_texts(self._settings, RECENT_SETTING) if Path(each) != self._folder]
        for each in others:
            self._menu.addAction(_shorten(each)).setData(each)
        if not others:
            self._menu.addAction("No other library was open yet").setEnabled(False)


def find_library_root(folder: Path) -> Path:
    """Return the library that a folder is or belongs to: takes lie in folders of tasks."""
    has_takes = folder.is_dir() and any(path.suffix == TAKE_SUFFIX for path in folder.iterdir())
    return folder.parent if has_takes else folder


def _shorten(folder: str) -> str:
    """Return a folder as a text of a menu, whose ampersands mark keys."""
    home = str(Path.home())
    text = f"~{folder.removeprefix(home)}" if folder.startswith(f"{home}/") else folder
    return text.replace("&", "&&")
