"""Opens the export and import dialogs, imports dropped files, and refreshes the library after an import.

The dialogs and the libraries of the formats are loaded when they are first used, so that the start is quick.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QSettings, QStandardPaths
from PySide6.QtWidgets import QWidget

from metagui.gui.core.stored_choices import read_text
from metagui.gui.exchange.drop_target import DropTarget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.gui.core.actions import Actions
    from metagui.gui.core.app_state import AppState
    from metagui.gui.core.messages import Messages
    from metagui.gui.exchange.export_dialog import ExportDialog
    from metagui.gui.exchange.import_dialog import ImportDialog
    from metagui.gui.library.library_model import LibraryModel
    from metagui.gui.library.task_list import TaskList

EXPORT_FOLDER_SETTING = "exchange/folder"


class ExchangeController(QObject):
    """Export and import of one window; close it before the library."""

    def __init__(
        self,
        window: QWidget,
        actions: Actions,
        task_list: TaskList,
        library: LibraryModel,
        state: AppState,
        messages: Messages,
        settings: QSettings,
    ) -> None:
        """Connect the actions ``export`` and ``import``."""
        super().__init__(window)
        self._window, self._stop_action = window, actions["stop"]
        self._library, self._state, self._messages, self._settings = library, state, messages, settings
        self._import_action = actions["import"]
        self._made: list[ExportDialog | ImportDialog] = []
        self._drop_target = DropTarget(window, *_find_drop_widgets(window, task_list))
        actions["export"].triggered.connect(self._open_export)
        actions["import"].triggered.connect(self._open_import)
        self._drop_target.dropped.connect(self._import_dropped)

    @cached_property
    def export_dialog(self) -> ExportDialog:
        """The dialog of exports."""
        from metagui.gui.exchange.export_dialog import ExportDialog

        out = ExportDialog(self._library.library, self._stop_action, self._window)
        out.finished_job.connect(self._store_folder)
        self._made.append(out)
        return out

    @cached_property
    def import_dialog(self) -> ImportDialog:
        """The dialog of imports."""
        from metagui.gui.exchange.import_dialog import ImportDialog

        out = ImportDialog(self._library.library, self._stop_action, self._window)
        out.finished_job.connect(self._refresh)
        self._made.append(out)
        return out

    def close(self) -> None:
        """Abandon what runs, and close the dialogs."""
        for dialog in self._made:
            dialog.end()
            dialog.close()

    def _open_export(self) -> None:
        documents = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)
        folder = Path(read_text(self._settings, EXPORT_FOLDER_SETTING, documents))
        if not folder.is_dir():
            folder = Path.home()
        self.export_dialog.open_for([row.name for row in self._library.tasks], self._state.snapshot.task, folder)

    def _open_import(self) -> None:
        self.import_dialog.open_for()

    def _import_dropped(self, paths: list[Path]) -> None:
        """Import files that were dropped, unless the arm is busy."""
        if self._import_action.isEnabled():
            self.import_dialog.open_for(find_takes(paths))
        else:
            self._messages.post(f"{self._import_action.toolTip()} Nothing was imported; drop it again then.", "warning")

    def _refresh(self, report: Any) -> None:
        """Show what an import has added, also after it was cancelled, and make it one step to undo."""
        if change := self.import_dialog.take_change():
            self._library.undo_stack.add_change(change[0], ("", ""), change[1])
        from metagui.demonstrations.formats.exchange import ImportReport

        if report is None or (isinstance(report, ImportReport) and report.added):
            self._library.refresh()

    def _store_folder(self, report: Any) -> None:
        if report is not None:
            self._settings.setValue(EXPORT_FOLDER_SETTING, str(report.files[0].parent))


def _find_drop_widgets(window: QWidget, task_list: TaskList) -> list[QWidget]:
    """Return the widgets inside the window that would take drops for themselves."""
    inside = [widget for widget in window.findChildren(QWidget) if widget.acceptDrops()]
    return [*inside, task_list, task_list.tree.viewport()]


def find_takes(paths: Sequence[Path]) -> list[Path]:
    """Return what is imported of dropped files and folders: of a folder of takes or of tasks, each file."""
    found: list[Path] = []
    for path in paths:
        is_data_set = (path / "meta" / "info.json").is_file()
        takes = [] if is_data_set or not path.is_dir() else sorted([*path.glob("*.hdf5"), *path.glob("[!.]*/*.hdf5")])
        found += takes or [path]
    return found
