"""Row of number fields, in mm, for the numbers of a step."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDoubleSpinBox, QGridLayout, QSizePolicy, QWidget

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metagui.gui.teaching.steps.step_numbers import StepNumber


COLUMNS = 2


class NumberRow(QWidget):
    """Shows one field for each of some numbers; the arrow keys change them."""

    changed = Signal(str)
    """Key of a number that a person has changed."""

    def __init__(self, purpose: str) -> None:
        """Create an empty row; ``purpose`` completes the names of its fields for screen readers."""
        super().__init__()
        self._purpose = purpose
        self._numbers: tuple[StepNumber, ...] = ()
        self.fields: dict[str, QDoubleSpinBox] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(4)
        self.hide()

    def show_numbers(self, numbers: tuple[StepNumber, ...], values: Mapping[str, float]) -> None:
        """Show these numbers; fields that are shown already keep what was entered."""
        if numbers == self._numbers:
            return
        for old in self.fields.values():
            self._grid.removeWidget(old)
            old.hide()
            old.deleteLater()
        before, self._numbers = self.values(), numbers
        self.fields = {}
        for row, number in enumerate(numbers):
            self._add_field(row, number, before.get(number.key, values[number.key]))
        self.setVisible(bool(numbers))

    def set_values(self, values: Mapping[str, float]) -> None:
        """Show these values without reporting a change."""
        for key, field in self.fields.items():
            if field.value() != values[key]:
                field.blockSignals(True)
                field.setValue(values[key])
                field.blockSignals(False)

    def values(self) -> dict[str, float]:
        """Return the numbers, mm."""
        return {key: field.value() for key, field in self.fields.items()}

    def _add_field(self, row: int, number: StepNumber, value: float) -> None:
        field = QDoubleSpinBox()
        field.setAccessibleName(f"{number.text} {self._purpose}, mm")
        field.setDecimals(0)
        field.setRange(number.low, number.high)
        field.setSingleStep(number.step)
        field.setPrefix(f"{number.text} ")
        field.setToolTip(f"{number.text} {self._purpose}, mm; Up and Down change it by {number.step:.0f}.")
        field.setValue(value)
        field.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)  # both columns share the width
        field.valueChanged.connect(partial(self._on_changed, number.key))
        self._grid.addWidget(field, row // COLUMNS, row % COLUMNS)
        self.fields[number.key] = field

    def _on_changed(self, key: str, _value: float) -> None:
        self.changed.emit(key)
