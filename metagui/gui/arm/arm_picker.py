"""Combo box for selecting an arm, with a field for a port that is not listed and one for naming an arm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QColor, QStandardItemModel
from PySide6.QtWidgets import QComboBox, QLineEdit, QStackedWidget

from metagui.gui.theme.colours import disabled_colour
from metagui.gui.theme.icons import make_icon

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QFocusEvent, QWheelEvent

    from metagui.gui.arm.arm_choices import ArmChoice
    from metagui.gui.theme.theme import Theme

OTHER_PORT_LABEL = "Another port…"
PORT_TOOLTIP = "Path of the port, as `metagui emulate-arm` prints it. Return accepts it, an empty field cancels."
NAME_TOOLTIP = "Name that identifies the arm on any port. Return accepts it, an empty field cancels."


class ArmPicker(QStackedWidget):
    """Shows and changes the selected arm; a new selection does not connect it."""

    arm_chosen = Signal(str)
    """Key of the selected ArmChoice."""
    port_entered = Signal(str)
    """Path of a port that the user typed."""
    name_entered = Signal(str)
    """Name that the user typed for the selected arm."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._choices: tuple[ArmChoice, ...] = ()
        self._key = ""
        self.choice_box = _ChoiceBox()
        self.choice_box.setAccessibleName("Arm")
        self.choice_box.activated.connect(self._on_activated)
        self.path_field = _EntryField("/dev/ttyACM0, COM3 …", "Port of the arm", PORT_TOOLTIP)
        self.path_field.entered.connect(self._on_path)
        self.name_field = _EntryField("a name for this arm", "Name of the arm", NAME_TOOLTIP)
        self.name_field.entered.connect(self._on_name)
        for page in (self.choice_box, self.path_field, self.name_field):
            self.addWidget(page)
        self.setMinimumWidth(208)
        self.setMaximumWidth(240)
        self.setFixedHeight(self.choice_box.sizeHint().height())
        theme.changed.connect(self._rebuild_list)

    def show_choices(self, choices: Sequence[ArmChoice], chosen: str) -> None:
        """Replace the list."""
        if (tuple(choices), chosen) != (self._choices, self._key):
            self._choices, self._key = tuple(choices), chosen
            self._rebuild_list()

    def _rebuild_list(self) -> None:
        colours = self._theme.colours
        dull = disabled_colour(colours).name()
        with QSignalBlocker(self.choice_box):
            self.choice_box.clear()
            for choice in self._choices:
                tint = colours.text if choice.present else dull
                picture = make_icon("arm" if choice.present else "disconnect", tint)
                self.choice_box.addItem(picture, choice.label if choice.present else f"{choice.label} (unplugged)")
                row = self.choice_box.count() - 1
                self.choice_box.setItemData(row, choice.detail, Qt.ItemDataRole.ToolTipRole)
                if not choice.present:
                    self.choice_box.setItemData(row, QColor(dull), Qt.ItemDataRole.ForegroundRole)
            self.choice_box.insertSeparator(self.choice_box.count())
            self.choice_box.addItem(make_icon("connect", colours.muted), OTHER_PORT_LABEL)
            self._select_row()

    def _select_row(self) -> None:
        keys = [choice.key for choice in self._choices]
        row = keys.index(self._key) if self._key in keys else 0
        self.choice_box.setCurrentIndex(row)
        detail = self._choices[row].detail if self._choices else ""
        self.choice_box.setToolTip(f"Which arm to connect. {detail}".strip())

    def _on_activated(self, row: int) -> None:
        if row < len(self._choices):
            self._key = self._choices[row].key
            self._select_row()
            self.arm_chosen.emit(self._key)
            return
        self._select_row()
        self.setCurrentWidget(self.path_field)
        self.path_field.setFocus()

    def edit_name(self, name: str) -> None:
        """Show a field for the name of the selected arm in place of the list."""
        self.setCurrentWidget(self.name_field)
        self.name_field.setText(name)
        self.name_field.selectAll()
        self.name_field.setFocus()

    def _on_name(self, name: str) -> None:
        self.setCurrentWidget(self.choice_box)
        if name:
            self.name_entered.emit(name)

    def _on_path(self, path: str) -> None:
        self.setCurrentWidget(self.choice_box)
        if path:
            self.port_entered.emit(path)


class _ChoiceBox(QComboBox):
    """A combo box that ignores the mouse wheel, so that scrolling does not select another arm."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(16)
        model = self.model()
        assert isinstance(model, QStandardItemModel)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Ignore the wheel."""
        event.ignore()

    def showPopup(self) -> None:
        """Open the list in the width of its longest entry."""
        view = self.view()
        view.setMinimumWidth(max(self.width(), view.sizeHintForColumn(0) + 36))
        super().showPopup()


class _EntryField(QLineEdit):
    """Text field in place of the list; leaving it empty returns to the list."""

    entered = Signal(str)

    def __init__(self, placeholder: str, name: str, tooltip: str) -> None:
        super().__init__()
        self.setPlaceholderText(placeholder)
        self.setAccessibleName(name)
        self.setToolTip(tooltip)
        self.returnPressed.connect(self._submit)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Emit the typed text, unless it is empty."""
        super().focusOutEvent(event)
        if event.reason() != Qt.FocusReason.PopupFocusReason and self.isVisible():
            self._submit()

    def _submit(self) -> None:
        path = self.text().strip()
        self.clear()
        self.entered.emit(path)
