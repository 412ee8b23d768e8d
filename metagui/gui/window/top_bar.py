"""Top bar: arm picker, Record, Adapt, Run, menu, and Stop, which is always visible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QMenu, QToolButton

from metagui.gui.arm.arm_picker import ArmPicker
from metagui.gui.theme.icons import make_icon
from metagui.gui.widgets.action_button import make_button, make_separator
from metagui.gui.widgets.panel import GRID_PX

if TYPE_CHECKING:
    from metagui.gui.core.actions import Actions
    from metagui.gui.theme.theme import Theme

MENU_ACTIONS = (
    "undo", "redo", "", "new_task", "tasks ▸", "library ▸", "",
    "measure", "train", "shipped_encoder", "compare", "",
    "calibrate", "check_pose", "camera", "picture", "name_arm", "countdown", "replay_arm", "", "view", "colours ▸", "",
    "preferences", "keys", "about", "quit",
)  # fmt: skip
"""Keys of the actions in the menu and, with ▸, of menus inside it."""
INNER_MENUS = {
    "tasks ▸": ("Tasks and takes", ("rename", "merge", "", "details", "move", "split", "duplicate", "", "delete")),
    "library ▸": ("Library", ("open_library", "recent ▸", "folder", "", "import", "export")),
    "recent ▸": ("Recent libraries", ()),
    "colours ▸": ("Colours", ("system", "light", "dark")),
}
"""Titles and actions of the menus inside the menu."""
THEME_CHOICES = ("system", "light", "dark")


class TopBar(QFrame):
    """The main commands in one row."""

    def __init__(self, theme: Theme, actions: Actions) -> None:
        super().__init__()
        self._theme, self._actions = theme, actions
        self.setObjectName("topBar")
        self.setAccessibleName("Main commands")
        self.arm_picker = ArmPicker(theme)
        self.record_button = make_button(actions["record"], "record", icon_size=20)
        self.adapt_button = make_button(actions["adapt"], "primary", icon_size=20)
        self.run_button = make_button(actions["run"], "big", icon_size=20)
        self._has_policy = False
        self.stop_button = make_button(actions["stop"], "stop", icon_size=20)
        self.stop_button.setMinimumWidth(96)
        self.inner_menus: dict[str, QMenu] = {}
        self._menu_button = self._make_menu_button()
        self._lay_out()
        theme.changed.connect(self._update_icon)
        self._update_icon()

    def _lay_out(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 8, 12, 8)
        row.setSpacing(GRID_PX)
        label = QLabel("Arm")
        label.setObjectName("muted")
        label.setBuddy(self.arm_picker.choice_box)
        for widget in (label, self.arm_picker, make_button(self._actions["connect"], "big"), make_separator()):
            row.addWidget(widget)
        for widget in (self.record_button, self.adapt_button, self.run_button):
            row.addWidget(widget)
        row.addStretch(1)
        row.addWidget(make_button(self._actions["keys"], "flat", show_text=False, icon_size=20))
        row.addWidget(self._menu_button)
        row.addWidget(make_separator())
        row.addWidget(self.stop_button)

    def show_next_step(self, has_policy: bool) -> None:
        """Colour Adapt, or Run once the selected task has a policy, as the step that follows."""
        if has_policy is self._has_policy:
            return
        self._has_policy = has_policy
        self.adapt_button.set_style("big" if has_policy else "primary")
        self.run_button.set_style("primary" if has_policy else "big")
        self._actions.set_icon_colour("adapt", "text" if has_policy else "on_accent")
        self._actions.set_icon_colour("run", "on_accent" if has_policy else "text")

    def set_compact(self, compact: bool) -> None:
        """Shorten the longest text where there is little room."""
        self.adapt_button.set_short_text("Adapt" if compact else "")

    def _fill_menu(self, menu: QMenu, keys: tuple[str, ...]) -> None:
        """Add actions, separators and menus."""
        for key in keys:
            if key in INNER_MENUS:
                title, inside = INNER_MENUS[key]
                self.inner_menus[key] = menu.addMenu(title)
                self._fill_menu(self.inner_menus[key], inside)
            elif key:
                menu.addAction(self._actions[key])
            else:
                menu.addSeparator()

    def _make_menu_button(self) -> QToolButton:
        menu = QMenu(self)
        self._fill_menu(menu, MENU_ACTIONS)
        out = QToolButton()
        out.setObjectName("flat")
        out.setAccessibleName("Menu")
        out.setToolTip("Menu")
        out.setIconSize(QSize(20, 20))
        out.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        out.setMenu(menu)
        return out

    def _update_icon(self) -> None:
        self._menu_button.setIcon(make_icon("menu", self._theme.colours.text))
