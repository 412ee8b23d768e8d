"""The picker of arms in the top bar: a list that follows the ports, and a field for a path that is in no list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QColor, QStandardItemModel
from PySide6.QtWidgets import QComboBox, QLineEdit, QStackedWidget

from metagui.gui.icons import icon
from metagui.gui.theme import faded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QFocusEvent, QWheelEvent

    from metagui.gui.arm_choices import ArmChoice
    from metagui.gui.theme import Theme

OTHER = "Another port…"


class ArmPicker(QStackedWidget):
    """Says which arm is chosen; a new choice connects nothing by itself."""

    chosen = Signal(str)
    """The key of an ArmChoice."""
    port_named = Signal(str)
    """A path that a person typed."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._choices: tuple[ArmChoice, ...] = ()
        self._key = ""
        self.list = _List()
        self.list.setAccessibleName("Arm")
        self.list.activated.connect(self._on_activated)
        self.path = _Path()
        self.path.entered.connect(self._on_path)
        self.addWidget(self.list)
        self.addWidget(self.path)
        self.setMinimumWidth(176)
        self.setMaximumWidth(240)
        self.setFixedHeight(self.list.sizeHint().height())
        theme.changed.connect(self._show)

    def show_choices(self, choices: Sequence[ArmChoice], chosen: str) -> None:
        """Replace the list."""
        if (tuple(choices), chosen) != (self._choices, self._key):
            self._choices, self._key = tuple(choices), chosen
            self._show()

    def _show(self) -> None:
        colours = self._theme.colours
        dull = faded(colours).name()
        with QSignalBlocker(self.list):
            self.list.clear()
            for choice in self._choices:
                tint = colours.text if choice.present else dull
                picture = icon("arm" if choice.present else "disconnect", tint)
                self.list.addItem(picture, choice.label if choice.present else f"{choice.label} (unplugged)")
                row = self.list.count() - 1
                self.list.setItemData(row, choice.detail, Qt.ItemDataRole.ToolTipRole)
                if not choice.present:
                    self.list.setItemData(row, QColor(dull), Qt.ItemDataRole.ForegroundRole)
            self.list.insertSeparator(self.list.count())
            self.list.addItem(icon("connect", colours.muted), OTHER)
            self._choose_row()

    def _choose_row(self) -> None:
        keys = [choice.key for choice in self._choices]
        row = keys.index(self._key) if self._key in keys else 0
        self.list.setCurrentIndex(row)
        words = self._choices[row].detail if self._choices else ""
        self.list.setToolTip(f"Which arm to connect. {words}".strip())

    def _on_activated(self, row: int) -> None:
        if row < len(self._choices):
            self._key = self._choices[row].key
            self._choose_row()
            self.chosen.emit(self._key)
            return
        self._choose_row()
        self.setCurrentWidget(self.path)
        self.path.setFocus()

    def _on_path(self, path: str) -> None:
        self.setCurrentWidget(self.list)
        if path:
            self.port_named.emit(path)


class _List(QComboBox):
    """A list that the wheel does not turn: an arm is no volume."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(16)
        model = self.model()
        assert isinstance(model, QStandardItemModel)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Leave the choice as it is."""
        event.ignore()

    def showPopup(self) -> None:
        """Open the list as wide as its longest entry."""
        view = self.view()
        view.setMinimumWidth(max(self.width(), view.sizeHintForColumn(0) + 36))
        super().showPopup()


class _Path(QLineEdit):
    """Where a path is typed; leaving it empty goes back."""

    entered = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setPlaceholderText("/dev/ttyACM0, COM3 …")
        self.setAccessibleName("Port of the arm")
        self.setToolTip(
            "The arm's port, as `metagui virtual-arm` prints it. Return takes it, an empty field goes back."
        )
        self.returnPressed.connect(self._enter)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Take what was typed, if anything."""
        super().focusOutEvent(event)
        if event.reason() != Qt.FocusReason.PopupFocusReason:
            self._enter()

    def _enter(self) -> None:
        path = self.text().strip()
        self.clear()
        self.entered.emit(path)
