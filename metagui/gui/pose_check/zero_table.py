"""Table of the check pose page: angle of every joint in the pose and on the arm, and the correction of its zero."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QDoubleSpinBox, QGridLayout, QLabel, QPushButton, QWidget

from metagui.arms.kinematics import JOINTS
from metagui.arms.so101.stops import MAX_TRIM_RAD
from metagui.gui.pose_check.zero_draft import EQUAL_RAD, SAVED_STEP_RAD
from metagui.gui.widgets.panel import GRID_PX, make_muted_label

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray

STEP_DEG = 0.5
"""Change of a correction by one key or one click, degrees."""
_HEADINGS = ("Joint", "Pose", "Arm", "Difference", "Correction", "")


class ZeroRow(QObject):
    """Widgets of one joint."""

    trim_changed = Signal(int, float)
    """Index of the joint and its new correction, rad."""
    match_requested = Signal(int)
    """Index of the joint, which stands exactly as in the pose."""

    def __init__(self, joint: int, parent: QWidget) -> None:
        super().__init__(parent)
        self._joint, self._name = joint, JOINTS[joint].name.replace("_", " ")
        self.pose_label, self.arm_label, self.difference_label = QLabel(), QLabel(), QLabel()
        self.trim_box, self.match_button = _make_trim_box(self._name), _make_match_button(self._name)
        self.trim_box.valueChanged.connect(self._on_value)
        self.match_button.clicked.connect(self._on_match)

    @property
    def widgets(self) -> tuple[QWidget, ...]:
        """The widgets in the order of the columns."""
        labels = (self.pose_label, self.arm_label, self.difference_label)
        return (QLabel(self._name), *labels, self.trim_box, self.match_button)

    def show_angles(self, pose: float, arm: float | None) -> None:
        """Show the angle of the pose and that of the arm, rad; None while it is not read."""
        self.pose_label.setText(_degrees_text(pose))
        self.arm_label.setText("–" if arm is None else _degrees_text(arm))
        difference = 0.0 if arm is None else arm - pose
        is_equal = abs(difference) <= EQUAL_RAD
        text = "–" if arm is None else "equal" if is_equal else f"{math.degrees(difference):+.1f}°"
        if text != self.difference_label.text():
            self.difference_label.setText(text)
            self.difference_label.setAccessibleName(f"{self._name}: {text}")
            _set_style(self.difference_label, "muted" if is_equal else "heading")
        self.match_button.setEnabled(arm is not None and abs(difference) >= SAVED_STEP_RAD)

    def _on_value(self, degrees: float) -> None:
        self.trim_changed.emit(self._joint, math.radians(degrees))

    def _on_match(self) -> None:
        self.match_requested.emit(self._joint)


class ZeroTable(QWidget):
    """One row per joint; corrections are changed by keys, by the wheel or by the button of the row."""

    trim_changed = Signal(int, float)
    """Index of a joint and its new correction, rad."""
    match_requested = Signal(int)
    """Index of a joint that stands exactly as in the pose."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Zeros of the joints")
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(GRID_PX)
        grid.setVerticalSpacing(4)
        self.rows = tuple(ZeroRow(joint, self) for joint in range(len(JOINTS)))
        headings = tuple(make_muted_label(text) for text in _HEADINGS)
        for index, widgets in enumerate((headings, *(row.widgets for row in self.rows))):
            for column, widget in enumerate(widgets):
                grid.addWidget(widget, index, column, _alignment(column))
        for row in self.rows:
            row.trim_changed.connect(self.trim_changed)
            row.match_requested.connect(self.match_requested)
        grid.setColumnStretch(len(_HEADINGS), 1)

    def show_trims(self, trims: FloatArray) -> None:
        """Show corrections (J,), rad."""
        for row, trim in zip(self.rows, trims, strict=True):
            with QSignalBlocker(row.trim_box):
                row.trim_box.setValue(math.degrees(trim))

    def show_angles(self, pose: FloatArray, arm: FloatArray | None) -> None:
        """Show the angles (J,), rad, of the pose and of the arm, whose are None while it is not read."""
        for joint, row in enumerate(self.rows):
            row.show_angles(float(pose[joint]), None if arm is None else float(arm[joint]))


def _make_trim_box(name: str) -> QDoubleSpinBox:
    out = QDoubleSpinBox()
    limit = math.degrees(MAX_TRIM_RAD)
    out.setRange(-limit, limit)
    out.setDecimals(1)
    out.setSingleStep(STEP_DEG)
    out.setSuffix("°")
    for widget in (out, out.lineEdit()):
        widget.setAccessibleName(f"Correction of {name}, degrees")
    out.setToolTip(f"Added to the angle of {name}. Arrow keys change it by {STEP_DEG}°, at most {limit:.0f}°.")
    out.setMinimumWidth(96)
    return out


def _make_match_button(name: str) -> QPushButton:
    out = QPushButton("As in the pose")
    out.setAccessibleName(f"{name} stands as in the pose")
    out.setToolTip(f"The arm's {name} stands exactly as in the left picture: correct its zero by the difference.")
    out.setAutoDefault(True)
    return out


def _alignment(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column in (1, 2, 3) else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter


def _degrees_text(angle: float) -> str:
    return f"{round(math.degrees(angle), 1) + 0.0:.1f}°"  # without the sign of zero


def _set_style(label: QLabel, name: str) -> None:
    """Draw a label in another style of the style sheet, if it has another one."""
    if label.objectName() != name:
        label.setObjectName(name)
        label.style().unpolish(label)
        label.style().polish(label)
