"""Push buttons that show the text, icon, tooltip and enabled state of a QAction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QFrame, QPushButton

if TYPE_CHECKING:
    from PySide6.QtGui import QAction


class ActionButton(QPushButton):
    """A button for an action, in a style of the style sheet; without ``show_text`` it shows the icon only."""

    def __init__(self, action: QAction, style_name: str = "", show_text: bool = True, icon_size: int = 18) -> None:
        super().__init__()
        self._action, self._show_text, self._short_text = action, show_text, ""
        self.setObjectName(style_name)
        self.setIconSize(QSize(icon_size, icon_size))
        self.setCheckable(action.isCheckable())
        self.setAutoDefault(False)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.clicked.connect(action.trigger)
        action.changed.connect(self._update_from_action)
        self._update_from_action()

    def set_style(self, style_name: str) -> None:
        """Draw the button in another style of the style sheet."""
        self.setObjectName(style_name)
        self.style().unpolish(self)
        self.style().polish(self)

    def set_short_text(self, text: str) -> None:
        """Show a shorter text than the action's; an empty one restores the action's."""
        self._short_text = text
        self._update_from_action()

    def set_text_shown(self, shown: bool) -> None:
        """Show the text, or the icon only."""
        if shown is not self._show_text:
            self._show_text = shown
            self.setText("")
            self._update_from_action()

    def _update_from_action(self) -> None:
        """Copy text, tooltip, icon and state from the action."""
        action = self._action
        if self._show_text:
            self.setText(self._short_text or action.text())
        self.setAccessibleName(action.text())
        self.setToolTip(action.toolTip())
        self.setIcon(action.icon())
        self.setEnabled(action.isEnabled())
        self.setChecked(action.isChecked())


def make_button(action: QAction, style_name: str = "", show_text: bool = True, icon_size: int = 18) -> ActionButton:
    """Return a button for an action."""
    return ActionButton(action, style_name, show_text, icon_size)


def make_separator() -> QFrame:
    """Return a thin vertical line that separates groups of buttons."""
    out = QFrame()
    out.setObjectName("separator")
    out.setFixedWidth(1)
    return out
