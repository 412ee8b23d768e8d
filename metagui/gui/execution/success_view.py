"""View of success rates: what to measure, the present count with its interval, and the history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import (
    QAbstractItemView,
    QBoxLayout,
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QSpinBox,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from metagui.gui.widgets.action_button import make_button
from metagui.gui.widgets.eliding_label import ElidingLabel
from metagui.gui.widgets.panel import GRID_PX, make_muted_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QAction, QResizeEvent

NO_OTHER_LABEL = "nothing else"
MEASURED_SCENES = 20
"""Number of scenes at first."""
NARROW_PX, VERY_NARROW_PX = 600, 270
"""Widths below which what to measure needs two and three rows, pixels."""
MIN_SCENES_PX = 104
"""Width that shows a number of scenes of three digits, pixels."""
MIN_NAME_LENGTH = 5
"""Number of characters of the second policy that are always seen."""
HISTORY_COLUMNS = ("When", "Policy", "Successes", "Rate and 95 % interval", "Most frequent failure")


class SuccessView(QWidget):
    """Shows success rates; ``SuccessPresenter`` fills it."""

    def __init__(self, measure: QAction) -> None:
        super().__init__()
        self.setAccessibleName("Success rate")
        self.scene_box, self.other_box = QSpinBox(), QComboBox()
        self.watch_box = QCheckBox("Watch")
        self.watch_box.setToolTip("Run in the view, one scene after the other, instead of as fast as possible.")
        self.scene_box.setRange(2, 1000)
        self.scene_box.setValue(MEASURED_SCENES)
        self.scene_box.setSuffix(" scenes")
        self.scene_box.setMinimumWidth(MIN_SCENES_PX)
        for widget in (self.scene_box, self.scene_box.lineEdit()):
            widget.setAccessibleName("Number of scenes")
        self.other_box.setAccessibleName("Compare with")
        self.other_box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.other_box.setMinimumContentsLength(MIN_NAME_LENGTH)
        self.other_box.setToolTip("A second policy that runs in the same scenes.")
        self.result_label = ElidingLabel(max_lines=2)
        self.table = _make_table()
        self.empty_label = make_muted_label()
        self.empty_label.setWordWrap(True)
        self.empty_label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._lay_out(measure)

    def _lay_out(self, measure: QAction) -> None:
        label = make_muted_label("against")
        label.setBuddy(self.other_box)
        start, amount = _make_row(make_button(measure, "big")), _make_row(self.scene_box)
        other = _make_row(label, self.other_box, self.watch_box)
        other.setStretch(1, 1)
        self._rows = (start, amount, other)
        self._first, self._choices = (QBoxLayout(QBoxLayout.Direction.TopToBottom) for _ in range(2))
        for layout in (self._first, self._choices):
            layout.setSpacing(GRID_PX)
        self._first.addLayout(start, 1)
        self._first.addLayout(amount)
        self._choices.addLayout(self._first)
        self._choices.addLayout(other, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID_PX)
        column.addLayout(self._choices)
        column.addWidget(self.result_label)
        column.addWidget(self.table, 1)
        column.addWidget(self.empty_label, 1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Use two rows where one is too narrow, and three where two are."""
        super().resizeEvent(event)
        for layout, narrow in ((self._choices, NARROW_PX), (self._first, VERY_NARROW_PX)):
            is_narrow = event.size().width() < narrow
            layout.setDirection(QBoxLayout.Direction.TopToBottom if is_narrow else QBoxLayout.Direction.LeftToRight)

    def minimumSizeHint(self) -> QSize:
        """Return the size that three rows need: one row must not keep the panel from becoming narrow."""
        width = max(row.minimumSize().width() for row in self._rows)
        return QSize(width, super().minimumSizeHint().height())

    @property
    def other(self) -> str:
        """Name of the second policy; empty for none."""
        return "" if self.other_box.currentIndex() <= 0 else self.other_box.currentText()

    def show_other_policies(self, names: Sequence[str]) -> None:
        """Offer these policies for the comparison; the chosen one stays if it is among them."""
        chosen = self.other_box.currentText()
        self.other_box.clear()
        self.other_box.addItems([NO_OTHER_LABEL, *names])
        self.other_box.setCurrentIndex(max(self.other_box.findText(chosen), 0))

    def show_result(self, text: str) -> None:
        """Show the present count or comparison; an empty text hides it."""
        self.result_label.set_full_text(text)
        self.result_label.setVisible(bool(text))

    def show_history(self, rows: Sequence[Sequence[str]], empty_text: str) -> None:
        """Show the rows of ``HISTORY_COLUMNS``, newest first, or a sentence if there are none."""
        self.table.clear()
        for texts in rows:
            item = QTreeWidgetItem(list(texts))
            for column, text in enumerate(texts):
                item.setToolTip(column, text)
            self.table.addTopLevelItem(item)
        self.table.setVisible(bool(rows))
        self.empty_label.setVisible(not rows)
        self.empty_label.setText(empty_text)


def _make_row(*widgets: QWidget) -> QHBoxLayout:
    out = QHBoxLayout()
    out.setSpacing(GRID_PX)
    for widget in widgets:
        out.addWidget(widget)
    return out


def _make_table() -> QTreeWidget:
    out = QTreeWidget()
    out.setAccessibleName("Earlier adaptations and success rates")
    out.setHeaderLabels(HISTORY_COLUMNS)
    out.setRootIsDecorated(False)
    out.setUniformRowHeights(True)
    out.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    out.setMinimumHeight(56)
    header = out.header()
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    header.setStretchLastSection(True)
    return out
