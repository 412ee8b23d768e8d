"""The strip on top: which arm, the three things to do with it, and the red Stop that is always within reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QMenu, QToolButton

from metagui.gui.arm.arm_picker import ArmPicker
from metagui.gui.theme.icons import icon
from metagui.gui.widgets.action_button import button, separator
from metagui.gui.widgets.panel import GAP

if TYPE_CHECKING:
    from metagui.gui.core.actions import Actions
    from metagui.gui.theme.theme import Theme

MENU = (
    "undo", "redo", "", "new_task", "rename", "delete", "folder", "", "train", "compare", "",
    "calibrate", "name_arm", "countdown", "replay_arm", "", "view",
)  # fmt: skip
LOOKS = ("system", "light", "dark")


class TopBar(QFrame):
    """Arm picker, Record, Adapt, Run, menu, Stop."""

    def __init__(self, theme: Theme, actions: Actions) -> None:
        super().__init__()
        self._theme, self._actions = theme, actions
        self.setObjectName("topBar")
        self.setAccessibleName("Main commands")
        self.arms = ArmPicker(theme)
        self.record = button(actions["record"], "record", icon=20)
        self.adapt = button(actions["adapt"], "primary", icon=20)
        self.run = button(actions["run"], "big", icon=20)
        self.stop = button(actions["stop"], "stop", icon=20)
        self.stop.setMinimumWidth(96)
        self._menu_button = self._made_menu()
        self._lay_out()
        theme.changed.connect(self._tint)
        self._tint()

    def _lay_out(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 8, 12, 8)
        row.setSpacing(GAP)
        label = QLabel("Arm")
        label.setObjectName("muted")
        label.setBuddy(self.arms.list)
        for widget in (label, self.arms, button(self._actions["connect"], "big"), separator()):
            row.addWidget(widget)
        for widget in (self.record, self.adapt, self.run):
            row.addWidget(widget)
        row.addStretch(1)
        row.addWidget(button(self._actions["keys"], "flat", words=False, icon=20))
        row.addWidget(self._menu_button)
        row.addWidget(separator())
        row.addWidget(self.stop)

    def _made_menu(self) -> QToolButton:
        menu = QMenu(self)
        for key in MENU:
            menu.addAction(self._actions[key]) if key else menu.addSeparator()
        looks = menu.addMenu("Colours")
        for key in LOOKS:
            looks.addAction(self._actions[key])
        menu.addSeparator()
        menu.addAction(self._actions["quit"])
        out = QToolButton()
        out.setObjectName("flat")
        out.setAccessibleName("Menu")
        out.setToolTip("Menu")
        out.setIconSize(QSize(20, 20))
        out.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        out.setMenu(menu)
        return out

    def _tint(self) -> None:
        self._menu_button.setIcon(icon("menu", self._theme.colours.text))
