"""The questions of an import that a file does not answer: unit, rate, and what stood on the table."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QWidget,
)

from metagui.arms.so101 import calibration
from metagui.demonstrations.formats.exchange import ImportOptions, PlacedObject
from metagui.gui.exchange.exchange_dialog import make_hint, make_row
from metagui.gui.exchange.export_dialog import UNIT_TEXTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import SceneObject

_TABLE_RANGE_CM = (-40.0, 50.0)
_DEFAULT_X_CM = 20.0
_COLUMNS = ("x, cm", "y, cm", "yaw, °")


class AnswerForm(QWidget):
    """Fields for the questions that were asked so far; none are visible at first."""

    def __init__(self, objects: Sequence[SceneObject]) -> None:
        super().__init__()
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.asked: set[str] = set()
        self.unit_box = QComboBox()
        self.unit_box.addItems(list(UNIT_TEXTS.values()))
        self.calibration_field = QLineEdit()
        self.calibration_field.setPlaceholderText("The range of motion of metagui's model")
        self.rate_box = QDoubleSpinBox()
        self.rate_box.setRange(1.0, 1000.0)
        self.rate_box.setValue(30.0)
        self.rate_box.setSuffix(" Hz")
        self.rate_box.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        self.empty_button = QRadioButton("Nothing: replay and compare the motion only")
        self.placed_button = QRadioButton("These objects, at the start of every take:")
        self.object_boxes: dict[str, tuple[QCheckBox, list[QDoubleSpinBox]]] = {}
        self._rows: dict[str, list[QWidget]] = {"unit": [], "rate": [], "placement": []}
        self._add_rows(objects)
        for widgets in self._rows.values():
            for widget in widgets:
                widget.hide()
        self.hide()

    def _add_rows(self, objects: Sequence[SceneObject]) -> None:
        browse = QPushButton("Browse …")
        browse.clicked.connect(self._browse)
        self._add("unit", "Joint angles", self.unit_box)
        self._add("unit", "Calibration", make_row(self.calibration_field, browse))
        self._add("rate", "Samples per second", self.rate_box)
        group = QButtonGroup(self)
        for button in (self.empty_button, self.placed_button):
            group.addButton(button)
        self._add("placement", "On the table", self.empty_button)
        self._add("placement", "", self.placed_button)
        self._table = self._make_table(objects)
        self._add("placement", "", self._table)
        self._add("placement", "", make_hint("A digital twin moves the objects as the gripper would."))
        self._table.setEnabled(False)
        self.placed_button.toggled.connect(self._table.setEnabled)
        self.calibration_field.setAccessibleName("Calibration file")

    def _add(self, question: str, text: str, widget: QWidget) -> None:
        label = QLabel(text)
        label.setBuddy(widget)
        widget.setAccessibleName(text or widget.accessibleName())
        self._form.addRow(label, widget)
        self._rows[question] += [label, widget]

    def _make_table(self, objects: Sequence[SceneObject]) -> QWidget:
        out = QWidget()
        grid = QGridLayout(out)
        grid.setContentsMargins(0, 0, 0, 0)
        for column, text in enumerate(_COLUMNS):
            grid.addWidget(QLabel(text), 0, column + 1)
        for row, each in enumerate(each for each in objects if each.kind != "table"):
            box, numbers = QCheckBox(each.name), [_make_number_box(*_TABLE_RANGE_CM) for _ in range(2)]
            numbers[0].setValue(_DEFAULT_X_CM)
            numbers.append(_make_number_box(-180.0, 180.0))
            grid.addWidget(box, row + 1, 0)
            for column, (number, text) in enumerate(zip(numbers, _COLUMNS, strict=True)):
                number.setAccessibleName(f"{each.name}: {text}")
                grid.addWidget(number, row + 1, column + 1)
            self.object_boxes[each.name] = (box, numbers)
        return out

    def ask(self, question: str) -> None:
        """Show the fields of a question, which is a field of ``ImportOptions``."""
        self.asked.add(question)
        for widget in self._rows[question]:
            widget.show()
        self.show()

    def forget(self) -> None:
        """Hide all questions: another file may answer them."""
        self.asked.clear()
        for widgets in self._rows.values():
            for widget in widgets:
                widget.hide()
        self.hide()

    def make_options(self, task: str | None) -> ImportOptions:
        """Return the answers given so far. Raises CalibrationError."""
        text = self.calibration_field.text().strip()
        return ImportOptions(
            task=task,
            unit=list(UNIT_TEXTS)[self.unit_box.currentIndex()] if "unit" in self.asked else None,
            calibration=calibration.load(Path(text).expanduser()) if text and "unit" in self.asked else None,
            placement=self._make_placement() if "placement" in self.asked else None,
            rate=self.rate_box.value() if "rate" in self.asked else None,
        )

    def _make_placement(self) -> tuple[PlacedObject, ...] | None:
        """Return what stands on the table; None while that was not answered."""
        if self.empty_button.isChecked():
            return ()
        placed = []
        for name, (box, numbers) in self.object_boxes.items():
            if box.isChecked():
                x, y, yaw = (number.value() for number in numbers)
                placed.append(PlacedObject(name, x / 100, y / 100, math.radians(yaw)))
        return tuple(placed) if self.placed_button.isChecked() and placed else None

    def _browse(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Calibration of the arm", "", "Calibrations (*.json)")
        if path:
            self.calibration_field.setText(path)


def _make_number_box(lowest: float, highest: float) -> QDoubleSpinBox:
    out = QDoubleSpinBox()
    out.setRange(lowest, highest)
    out.setDecimals(1)
    out.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
    return out
