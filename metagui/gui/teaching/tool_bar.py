"""Tools under the 3-D view for the click mode: the action of the next click, and immediate motions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QWidget

from metagui.gui.teaching.click_teacher import CLICK_TOOLS, ClickTool
from metagui.gui.theme.colours import disabled_colour
from metagui.gui.theme.icons import make_icon
from metagui.gui.widgets.action_button import make_button, make_separator

if TYPE_CHECKING:
    from metagui.gui.core.actions import Actions
    from metagui.gui.theme.theme import Theme

IMMEDIATE_ACTIONS = ("release", "up", "down", "home")


class TeachingToolBar(QWidget):
    """Exclusive tools on the left, buttons for immediate motions to their right."""

    tool_chosen = Signal(str)
    """Action of the chosen ``ClickTool``."""

    def __init__(self, theme: Theme, actions: Actions) -> None:
        super().__init__()
        self._theme = theme
        self.setAccessibleName("Teaching tools")
        self._group = QButtonGroup(self)
        self.tool_buttons = {tool.action: self._make_tool_button(tool) for tool in CLICK_TOOLS}
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        for button in self.tool_buttons.values():
            row.addWidget(button)
        row.addSpacing(4)
        row.addWidget(make_separator())
        row.addSpacing(4)
        for key in IMMEDIATE_ACTIONS:
            row.addWidget(make_button(actions[key], "tool", show_text=False))
        row.addWidget(make_button(actions["steps"], "tool", show_text=False))
        row.addStretch(1)
        self._group.idToggled.connect(self._on_toggled)
        theme.changed.connect(self._update_icons)
        self._update_icons()

    def _make_tool_button(self, tool: ClickTool) -> QPushButton:
        out = QPushButton()
        out.setObjectName("tool")
        out.setText(tool.text)
        out.setCheckable(True)
        out.setIconSize(QSize(18, 18))
        out.setShortcut(QKeySequence(tool.shortcut))
        out.setAccessibleName(tool.text)
        out.setToolTip(f"{tool.tooltip}  ({tool.shortcut})")
        out.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._group.addButton(out, [t.action for t in CLICK_TOOLS].index(tool.action))
        return out

    def set_compact(self, compact: bool) -> None:
        """Show the tools without their names, which stay in the tooltips, where there is little room."""
        for tool in CLICK_TOOLS:
            button = self.tool_buttons[tool.action]
            button.setText("" if compact else tool.text)
            button.setShortcut(QKeySequence(tool.shortcut))  # Qt removes it with the text

    def show_tool(self, action: str) -> None:
        """Show a tool as the current one."""
        self.tool_buttons[action].setChecked(True)

    def refresh(self, problem: str | None) -> None:
        """Enable the tools, or disable them with the problem in their tooltips."""
        for tool in CLICK_TOOLS:
            self.tool_buttons[tool.action].setEnabled(problem is None)
            self.tool_buttons[tool.action].setToolTip(f"{problem or tool.tooltip}  ({tool.shortcut})")

    def _on_toggled(self, index: int, checked: bool) -> None:
        if checked:
            self.tool_chosen.emit(CLICK_TOOLS[index].action)

    def _update_icons(self) -> None:
        colours = self._theme.colours
        for tool in CLICK_TOOLS:
            self.tool_buttons[tool.action].setIcon(make_icon(tool.icon, colours.text, disabled_colour(colours).name()))
