"""Push buttons that show a QAction: its words, icon, tooltip, and whether it can be done now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QFrame, QPushButton

if TYPE_CHECKING:
    from PySide6.QtGui import QAction


class ActionButton(QPushButton):
    """A button for an action, in one of the looks of the style sheet; without words it shows the icon alone."""

    def __init__(self, action: QAction, look: str = "", words: bool = True, icon: int = 18) -> None:
        super().__init__()
        self._action, self._words = action, words
        self.setObjectName(look)
        self.setIconSize(QSize(icon, icon))
        self.setCheckable(action.isCheckable())
        self.setAutoDefault(False)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.clicked.connect(action.trigger)
        action.changed.connect(self._follow)
        self._follow()

    def _follow(self) -> None:
        """Show the action as it is now."""
        action = self._action
        if self._words:
            self.setText(action.text())
        self.setAccessibleName(action.text())
        self.setToolTip(action.toolTip())
        self.setIcon(action.icon())
        self.setEnabled(action.isEnabled())
        self.setChecked(action.isChecked())


def button(action: QAction, look: str = "", words: bool = True, icon: int = 18) -> ActionButton:
    """Return a button for an action."""
    return ActionButton(action, look, words, icon)


def separator() -> QFrame:
    """Return a thin upright line."""
    out = QFrame()
    out.setObjectName("separator")
    out.setFixedWidth(1)
    return out
