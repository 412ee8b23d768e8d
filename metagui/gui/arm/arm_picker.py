"""The picker of arms in the top bar: a list that follows the ports, and a field for a path that is in no list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QColor, QStandardItemModel
from PySide6.QtWidgets import QComboBox, QLineEdit, QStackedWidget

from metagui.gui.theme.icons import icon
from metagui.gui.theme.theme import faded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QFocusEvent, QWheelEvent

    from metagui.gui.arm.arm_choices import ArmChoice
    from metagui.gui.theme.theme import Theme

OTHER = "Another port…"
PORT = "The arm's port, as `metagui virtual-arm` prints it. Return takes it, an empty field goes back."
NAME = "By this name the arm is found again, whatever port it is on. Return takes it, an empty field goes back."


class ArmPicker(QStackedWidget):
    """Says which arm is chosen; a new choice connects nothing by itself."""

    chosen = Signal(str)
    """The key of an ArmChoice."""
    port_named = Signal(str)
    """A path that a person typed."""
    named = Signal(str)
    """A name that a person typed for the chosen arm."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._choices: tuple[ArmChoice, ...] = ()
        self._key = ""
        self.list = _List()
        self.list.setAccessibleName("Arm")
        self.list.activated.connect(self._on_activated)
        self.path = _Field("/dev/ttyACM0, COM3 …", "Port of the arm", PORT)
        self.path.entered.connect(self._on_path)
        self.name = _Field("a name for this arm", "Name of the arm", NAME)
        self.name.entered.connect(self._on_name)
        for page in (self.list, self.path, self.name):
            self.addWidget(page)
        self.setMinimumWidth(208)
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

    def ask_name(self, name: str) -> None:
        """Let a person type a name for the chosen arm, in place of the list."""
        self.setCurrentWidget(self.name)
        self.name.setText(name)
        self.name.selectAll()
        self.name.setFocus()

    def _on_name(self, name: str) -> None:
        self.setCurrentWidget(self.list)
        if name:
            self.named.emit(name)

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


class _Field(QLineEdit):
    """Where something is typed in place of the list; leaving it empty goes back."""

    entered = Signal(str)

    def __init__(self, placeholder: str, name: str, tooltip: str) -> None:
        super().__init__()
        self.setPlaceholderText(placeholder)
        self.setAccessibleName(name)
        self.setToolTip(tooltip)
        self.returnPressed.connect(self._enter)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Take what was typed, if anything."""
        super().focusOutEvent(event)
        if event.reason() != Qt.FocusReason.PopupFocusReason and self.isVisible():
            self._enter()

    def _enter(self) -> None:
        path = self.text().strip()
        self.clear()
        self.entered.emit(path)
