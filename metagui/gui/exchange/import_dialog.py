"""The dialog that imports takes: files or data sets, and the questions that they do not answer."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtWidgets import QFileDialog, QLabel, QLineEdit, QPushButton, QWidget

from metagui.arms.so101.calibration import CalibrationError
from metagui.arms.tables.table import SCENE_OBJECTS
from metagui.demonstrations.formats.exchange import ImportReport, MissingAnswerError
from metagui.demonstrations.formats.registry import describe_import, import_takes
from metagui.gui.exchange.answer_form import AnswerForm
from metagui.gui.exchange.exchange_dialog import ExchangeDialog, make_row

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from PySide6.QtGui import QAction

    from metagui.demonstrations.curation.changes import Change
    from metagui.demonstrations.formats.exchange import ExchangeProgress, ImportOptions
    from metagui.demonstrations.storage.library import Library

FILE_FILTER = "Takes (*.hdf5 *.h5);;All files (*)"


class ImportDialog(ExchangeDialog):
    """Imports one file or data set after the other."""

    def __init__(self, library: Library, stop_action: QAction, parent: QWidget) -> None:
        super().__init__("Import takes", "Import", stop_action, parent)
        self._library = library
        self._waiting: list[Path] = []
        self._source, self._added = "", ImportReport()
        self.path_field, self.task_field = QLineEdit(), QLineEdit()
        self.path_field.setPlaceholderText("A file of metagui, robomimic or Isaac Lab, or a LeRobot folder")
        self.task_field.setPlaceholderText("As the file says")
        self.answers = AnswerForm(SCENE_OBJECTS)
        self._add_rows()
        self.path_field.textEdited.connect(self._forget_answers)
        self.finished_job.connect(self._show_result)

    def _add_rows(self) -> None:
        file_button, folder_button = QPushButton("File …"), QPushButton("Folder …")
        file_button.clicked.connect(self._browse_file)
        folder_button.clicked.connect(self._browse_folder)
        for text, field, widget in (
            ("Read from", self.path_field, make_row(self.path_field, file_button, folder_button)),
            ("Task", self.task_field, self.task_field),
        ):
            label = QLabel(text)
            label.setBuddy(field)
            field.setAccessibleName(text)
            self.form.addRow(label, widget)
        self.form.addRow(self.answers)

    def open_for(self, paths: Sequence[Path] = ()) -> None:
        """Show the dialog; with ``paths``, import these, one after the other."""
        self.show()
        self.activateWindow()
        if self.is_running:
            self._waiting += paths
        elif paths:
            self._set_path(paths[0])
            self._waiting = list(paths[1:])
            self.start()

    def start(self) -> None:
        """Import what the form describes."""
        text = self.path_field.text().strip()
        if not text:
            self._show_text("There is no file to read. Nothing was imported; choose one.")
            return
        try:
            options = self.answers.make_options(self.task_field.text().strip() or None)
        except CalibrationError as error:
            self._show_text(str(error))
            return
        self.run_job(partial(self._make_steps, Path(text).expanduser(), options))

    def _make_steps(self, path: Path, options: ImportOptions) -> Generator[ExchangeProgress, None, ImportReport]:
        """Import in the job's thread. Raises LibraryError."""
        self._source, self._added = path.name, ImportReport()
        return (yield from import_takes(path, self._library, options, self._added))

    def take_change(self) -> tuple[str, Change] | None:
        """Return the last import, also one that was cancelled or failed, as a step to undo; once, None if empty."""
        report, self._added = self._added, ImportReport()
        return describe_import(self._source, report) if report.added else None

    def handle_failure(self, error: Exception) -> None:
        """Ask what the file does not say, or show why it cannot be imported."""
        if isinstance(error, MissingAnswerError):
            self.answers.ask(error.question)
            self.start_button.setText("Import with these answers")
            self._show_text(_without_options(str(error)))
            return
        super().handle_failure(error)
        self.finished_job.emit(None)  # some takes may have been added before
        self._continue()

    def describe_cancelled(self) -> str:
        """Return what a cancelled import left behind."""
        self._waiting.clear()
        return "Cancelled. The takes that were imported before remain; importing again continues."

    def _show_result(self, report: Any) -> None:
        if isinstance(report, ImportReport):
            tasks = sorted({info.task for info in report.added})
            summary = f"Imported: {len(report.added)} takes from {Path(self.path_field.text()).name}"
            summary += f", as {', '.join(tasks)}." if tasks else "."
            self.show_report(summary, report.notes, report.left_out)
            self._continue()

    def _continue(self) -> None:
        """Import the next one of several files, whose questions may be others."""
        if self._waiting:
            shown = self.report.toPlainText()
            self._set_path(self._waiting.pop(0))
            self.start()
            self._show_text(shown)

    def _set_path(self, path: Path) -> None:
        self.path_field.setText(str(path))
        self._forget_answers()

    def _forget_answers(self) -> None:
        self.answers.forget()
        self.start_button.setText("Import")

    def _browse_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Read from", "", FILE_FILTER)
        if path:
            self._set_path(Path(path))

    def _browse_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Folder of a LeRobot data set")
        if path:
            self._set_path(Path(path))


def _without_options(text: str) -> str:
    """Return a message without the options of the command line, which do not help here."""
    import re

    return re.sub(r" \(--[^)]*\)", "", text)
