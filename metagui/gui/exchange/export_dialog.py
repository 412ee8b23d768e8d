"""The dialog that exports takes: format, takes, options of the format, and the new file or folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtWidgets import QCheckBox, QComboBox, QFileDialog, QLabel, QLineEdit, QPushButton, QWidget

from metagui.arms.so101 import calibration
from metagui.demonstrations.formats.exchange import ExportOptions, ExportReport
from metagui.demonstrations.formats.registry import EXPORT_FORMATS, export_takes
from metagui.gui.exchange.exchange_dialog import ExchangeDialog, make_hint, make_row

if TYPE_CHECKING:
    from collections.abc import Generator

    from PySide6.QtGui import QAction

    from metagui.demonstrations.formats.exchange import EqualLength, ExchangeProgress, JointUnit
    from metagui.demonstrations.formats.registry import ExportFormat
    from metagui.demonstrations.storage.library import Library

UNIT_TEXTS: dict[JointUnit, str] = {
    "degrees": "Degrees (gripper 0 to 100)",
    "normalized": "-100 to 100 (gripper 0 to 100)",
    "radians": "Radians",
}
LENGTH_TEXTS: dict[EqualLength, str] = {
    "pad": "Repeat the last sample of shorter takes",
    "resample": "Stretch shorter takes in time",
}
ALL_TASKS = "All tasks"


class ExportDialog(ExchangeDialog):
    """Exports the takes of one task, or of all."""

    def __init__(self, library: Library, stop_action: QAction, parent: QWidget) -> None:
        super().__init__("Export takes", "Export", stop_action, parent)
        self._library, self._folder = library, Path.home()
        self.format_box = QComboBox()
        self.format_box.addItems([each.title for each in EXPORT_FORMATS])
        self.task_box = QComboBox()
        self.failed_box = QCheckBox("Also takes that are marked as failed")
        self.unit_box, self.length_box = QComboBox(), QComboBox()
        self.unit_box.addItems(list(UNIT_TEXTS.values()))
        self.length_box.addItems(list(LENGTH_TEXTS.values()))
        self.calibration_field, self.path_field = QLineEdit(), QLineEdit()
        self.calibration_field.setPlaceholderText("The range of motion of metagui's model")
        self.camera_box = QCheckBox("Render pictures of the scene")
        self._description = make_hint("")
        self._option_rows: dict[str, tuple[QLabel, QWidget]] = {}
        self._add_rows()
        self.format_box.currentIndexChanged.connect(self._show_format)
        self.finished_job.connect(self._show_result)
        self._show_format()

    def _add_rows(self) -> None:
        browse, browse_calibration = QPushButton("Browse …"), QPushButton("Browse …")
        browse.clicked.connect(self._browse)
        browse_calibration.clicked.connect(self._browse_calibration)
        self._add("Format", self.format_box)
        self.form.addRow("", self._description)
        self._add("Takes", self.task_box)
        self.form.addRow("", self.failed_box)
        rows = {
            "unit": ("Joint angles", self.unit_box),
            "calibration": ("Calibration", make_row(self.calibration_field, browse_calibration)),
            "equal_length": ("Equal length", self.length_box),
            "with_camera": ("", self.camera_box),
        }
        for key, (text, widget) in rows.items():
            self._option_rows[key] = (self._add(text, widget), widget)
        self._add("Write to", make_row(self.path_field, browse))
        self.calibration_field.setAccessibleName("Calibration file")
        self.path_field.setAccessibleName("Write to")

    def _add(self, text: str, widget: QWidget) -> QLabel:
        label = QLabel(text)
        label.setBuddy(widget)
        widget.setAccessibleName(text)
        self.form.addRow(label, widget)
        return label

    def open_for(self, tasks: list[str], selected: str | None, folder: Path) -> None:
        """Show the dialog with the tasks of the library, the selected one chosen, and a free name in ``folder``."""
        if not self.is_running:
            self.task_box.clear()
            self.task_box.addItem(ALL_TASKS)
            self.task_box.addItems(tasks)
            self.task_box.setCurrentText(selected or ALL_TASKS)
            self._folder = folder
            self.report.hide()
            self._propose_path()
        self.show()
        self.activateWindow()

    @property
    def chosen_format(self) -> ExportFormat:
        """Return the chosen format."""
        return EXPORT_FORMATS[self.format_box.currentIndex()]

    def start(self) -> None:
        """Export what the form describes."""
        path = Path(self.path_field.text().strip()).expanduser()
        if not self.path_field.text().strip():
            self._show_text("There is no file to write to. Nothing was written; enter a name.")
            return
        try:
            options = self._make_options()
        except calibration.CalibrationError as error:
            self._show_text(str(error))
            return
        task = None if self.task_box.currentIndex() == 0 else self.task_box.currentText()
        include_failed = self.failed_box.isChecked()
        self.run_job(partial(self._make_steps, path, self.chosen_format.key, options, task, include_failed))

    def _make_options(self) -> ExportOptions:
        """Return the options of the form. Raises CalibrationError."""
        text = self.calibration_field.text().strip()
        used = "calibration" in self.chosen_format.options
        return ExportOptions(
            unit=list(UNIT_TEXTS)[self.unit_box.currentIndex()],
            calibration=calibration.load(Path(text).expanduser()) if text and used else None,
            with_camera=self.camera_box.isChecked(),
            equal_length=list(LENGTH_TEXTS)[self.length_box.currentIndex()],
        )

    def _make_steps(
        self, path: Path, key: str, options: ExportOptions, task: str | None, include_failed: bool
    ) -> Generator[ExchangeProgress, None, ExportReport]:
        """Export in the job's thread. Raises LibraryError."""
        tasks = self._library.list_tasks() if task is None else [task]
        takes = [take for name in tasks for take in self._library.list_takes(name)]
        usable = [take for take in takes if take.error or include_failed or take.success is not False]
        report = yield from export_takes(usable, path, key, options)
        if failed := len(takes) - len(usable):
            report.notes.append(f"Left out as marked failed: {failed}.")
        return report

    def describe_cancelled(self) -> str:
        """Return what a cancelled export left behind."""
        return "Cancelled. The file that was being written was removed; your takes are as they were."

    def _show_result(self, report: Any) -> None:
        if isinstance(report, ExportReport):
            names = ", ".join(str(path) for path in report.files)
            summary = f"Written: {report.takes.total()} takes, {report.samples} samples, to {names}"
            self.show_report(summary, report.notes, report.left_out)
            self._propose_path()

    def _show_format(self) -> None:
        chosen = self.chosen_format
        self._description.setText(chosen.description)
        for key, (label, widget) in self._option_rows.items():
            label.setVisible(key in chosen.options)
            widget.setVisible(key in chosen.options)
        self._propose_path()

    def _propose_path(self) -> None:
        """Propose a name that is free."""
        chosen, number = self.chosen_format, 1
        while True:
            suffix = "" if number == 1 else f" {number}"
            path = self._folder / f"takes for {chosen.key}{suffix}{chosen.suffix}"
            if not path.exists():
                break
            number += 1
        self.path_field.setText(str(path))

    def _browse(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Write to", self.path_field.text())
        if path:
            self.path_field.setText(path)

    def _browse_calibration(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Calibration of the arm", "", "Calibrations (*.json)")
        if path:
            self.calibration_field.setText(path)
