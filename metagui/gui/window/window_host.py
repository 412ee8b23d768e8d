"""Shows one window at a time, and replaces it by another one when another library is opened."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtGui import QGuiApplication

from metagui.gui.core.stored_choices import LIBRARY_SETTING, read_text, remember_library
from metagui.paths import recordings_dir

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtCore import QSettings

    from metagui.gui.window.main_window import MainWindow


class WindowHost(QObject):
    """Owner of the present window."""

    def __init__(self, make_window: Callable[[Path], MainWindow], settings: QSettings) -> None:
        """Create a host without a window; ``make_window`` makes that of a library."""
        super().__init__()
        self._make_window, self._settings = make_window, settings
        self.window: MainWindow | None = None

    def open_first(self) -> None:
        """Open the library of the last time, or the default one if there is none or it has gone."""
        wanted = read_text(self._settings, LIBRARY_SETTING)
        if not wanted or os.environ.get("METAGUI_RECORDINGS") or Path(wanted) == recordings_dir():
            self.open_library(recordings_dir())
        elif Path(wanted).is_dir():
            self.open_library(Path(wanted))
        else:
            window = self.open_library(recordings_dir())
            window.show_notice(
                f"The library {wanted} of the last time cannot be found; this is the default one. Nothing was changed: "
                "connect its disk, then open it from the menu."
            )

    def open_library(self, folder: Path) -> MainWindow:
        """Close the present window, and open one of another library in its place."""
        before = self.window
        quits = QGuiApplication.quitOnLastWindowClosed()
        QGuiApplication.setQuitOnLastWindowClosed(False)
        if before is not None:
            before.close()  # first: it holds the arm and the library
            before.deleteLater()
        self.window = self._make_window(folder)
        self.window.library_requested.connect(self._replace)
        self.window.show()
        QGuiApplication.setQuitOnLastWindowClosed(quits)
        remember_library(self._settings, str(folder))
        return self.window

    def _replace(self, folder: object) -> None:
        assert isinstance(folder, Path)
        self.open_library(folder)
