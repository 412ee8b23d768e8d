"""The tools under the 3-D view: what the next click means, and what needs no click."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QWidget

from metagui.gui.teaching.click_teacher import TOOLS, Tool
from metagui.gui.theme.icons import icon
from metagui.gui.theme.theme import faded
from metagui.gui.widgets.action_button import button, separator

if TYPE_CHECKING:
    from metagui.gui.core.actions import Actions
    from metagui.gui.theme.theme import Theme

NOW = ("release", "up", "down", "home")


class TeachBar(QWidget):
    """Exclusive tools on the left, immediate motions beside them."""

    chosen = Signal(str)

    def __init__(self, theme: Theme, actions: Actions) -> None:
        super().__init__()
        self._theme = theme
        self.setAccessibleName("Teaching tools")
        self._group = QButtonGroup(self)
        self.tools = {tool.verb: self._made(tool) for tool in TOOLS}
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        for made in self.tools.values():
            row.addWidget(made)
        row.addSpacing(4)
        row.addWidget(separator())
        row.addSpacing(4)
        for key in NOW:
            row.addWidget(button(actions[key], "tool", words=False))
        row.addStretch(1)
        self._group.idToggled.connect(self._on_toggled)
        theme.changed.connect(self._tint)
        self._tint()

    def _made(self, tool: Tool) -> QPushButton:
        out = QPushButton()
        out.setObjectName("tool")
        out.setText(tool.text)
        out.setCheckable(True)
        out.setIconSize(QSize(18, 18))
        out.setShortcut(QKeySequence(tool.shortcut))
        out.setAccessibleName(tool.text)
        out.setToolTip(f"{tool.tooltip}  ({tool.shortcut})")
        out.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._group.addButton(out, [t.verb for t in TOOLS].index(tool.verb))
        return out

    def show_tool(self, verb: str) -> None:
        """Mark a tool as the one in hand."""
        self.tools[verb].setChecked(True)

    def refresh(self, missing: str | None) -> None:
        """Enable the tools, or say in their tooltips what is missing."""
        for tool in TOOLS:
            self.tools[tool.verb].setEnabled(missing is None)
            self.tools[tool.verb].setToolTip(f"{missing or tool.tooltip}  ({tool.shortcut})")

    def _on_toggled(self, number: int, checked: bool) -> None:
        if checked:
            self.chosen.emit(TOOLS[number].verb)

    def _tint(self) -> None:
        colours = self._theme.colours
        for tool in TOOLS:
            self.tools[tool.verb].setIcon(icon(tool.icon, colours.text, faded(colours).name()))
