"""Bar under the 3-D view: a menu of teaching modes and the controls of the current mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QMenu, QPushButton, QStackedWidget, QToolButton, QWidget

from metagui.gui.teaching.keyboard_teleop import KEYBOARD_HINT
from metagui.gui.teaching.modes import (
    CLICK_MODE,
    GAMEPAD_MODE,
    HAND_MODE,
    KEYBOARD_MODE,
    LEADER_MODE,
    STIFFNESS_CHOICES,
    TEACHING_MODES,
    ModeAvailability,
    TeachingMode,
    explain_unavailable,
    find_mode,
)
from metagui.gui.theme.colours import disabled_colour
from metagui.gui.theme.icons import make_icon
from metagui.gui.widgets.action_button import make_button, make_separator
from metagui.gui.widgets.eliding_label import ElidingLabel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.guiding import GuidingStiffness
    from metagui.gui.arm.arm_choices import ArmChoice
    from metagui.gui.core.actions import Actions
    from metagui.gui.teaching.tool_bar import TeachingToolBar
    from metagui.gui.theme.theme import Theme

HAND_HINT = "Pause half a second after each step; grasps and releases are detected."
GAMEPAD_HINT = "Left stick moves · right stick lifts and turns · A opens and closes"


class ModeBar(QWidget):
    """A menu of modes on the left, the controls of the current mode to its right."""

    mode_chosen = Signal(str)
    """Key of the chosen ``TeachingMode``."""
    leader_chosen = Signal(str)
    """Key of the leader arm to follow; empty to stop following."""
    stiffness_chosen = Signal(str)
    """Value of the chosen ``GuidingStiffness``."""
    menu_opened = Signal()
    """Emitted before the menu is shown."""

    def __init__(self, theme: Theme, actions: Actions, tools: TeachingToolBar) -> None:
        super().__init__()
        self._theme = theme
        self._mode = CLICK_MODE
        self._leaders: tuple[ArmChoice, ...] = ()
        self._menu = QMenu(self)
        self._group = QActionGroup(self)
        self._entries = {mode.key: self._add_entry(mode) for mode in TEACHING_MODES}
        self.mode_button = self._make_mode_button()
        self._tools = tools
        self.leader_box = QComboBox()
        self.follow_button = QPushButton("Follow")
        self.stiffness_box = self._make_stiffness_box()
        self._pages = QStackedWidget()
        self._rows = {
            CLICK_MODE: tools,
            HAND_MODE: _make_row(
                make_button(actions["limp"], "big", icon_size=18), self.stiffness_box, _make_hint_label(HAND_HINT)
            ),
            LEADER_MODE: self._make_leader_row(),
            KEYBOARD_MODE: _make_row(_make_hint_label(KEYBOARD_HINT)),
            GAMEPAD_MODE: _make_row(_make_hint_label(GAMEPAD_HINT)),
        }
        for page in self._rows.values():
            self._pages.addWidget(page)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        for widget in (self.mode_button, make_separator()):
            row.addWidget(widget)
        row.addWidget(self._pages, 1)
        theme.changed.connect(self._update_icons)
        self._update_icons()

    def _add_entry(self, mode: TeachingMode) -> QAction:
        out = QAction(mode.text, self)
        out.setCheckable(True)
        out.setData(mode.key)
        self._group.addAction(out)
        self._menu.addAction(out)
        return out

    def _make_mode_button(self) -> QToolButton:
        out = QToolButton()
        out.setObjectName("mode")
        out.setAccessibleName("Teaching mode")
        out.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        out.setIconSize(QSize(18, 18))
        out.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        out.setMenu(self._menu)
        self._menu.setToolTipsVisible(True)
        self._menu.aboutToShow.connect(self.menu_opened)
        self._group.triggered.connect(self._on_mode_triggered)
        return out

    def _make_stiffness_box(self) -> QComboBox:
        out = QComboBox()
        out.setAccessibleName("Stiffness of hand guiding")
        for index, choice in enumerate(STIFFNESS_CHOICES):
            out.addItem(choice.text, choice.stiffness.value)
            out.setItemData(index, choice.tooltip, Qt.ItemDataRole.ToolTipRole)
        out.activated.connect(self._on_stiffness_activated)
        return out

    def _on_stiffness_activated(self, index: int) -> None:
        self.stiffness_chosen.emit(self.stiffness_box.itemData(index))

    def show_stiffness(self, stiffness: GuidingStiffness, guiding: bool) -> None:
        """Show the stiffness of hand guiding, which cannot be changed while the arm is guided."""
        index = next(i for i, choice in enumerate(STIFFNESS_CHOICES) if choice.stiffness is stiffness)
        self.stiffness_box.setCurrentIndex(index)
        self.stiffness_box.setEnabled(not guiding)
        tooltip = "Press Hold first to change the stiffness." if guiding else STIFFNESS_CHOICES[index].tooltip
        self.stiffness_box.setToolTip(tooltip)

    def _make_leader_row(self) -> QWidget:
        self.leader_box.setAccessibleName("Leader arm")
        self.leader_box.setMinimumWidth(140)
        self.follow_button.setObjectName("big")
        self.follow_button.setCheckable(True)
        self.follow_button.setAccessibleName("Follow the leader")
        self.follow_button.setToolTip("Switch the leader's torque off; the arm follows it.")
        self.follow_button.clicked.connect(self._on_follow)
        return _make_row(
            self.leader_box,
            self.follow_button,
            _make_hint_label("Move the leader by hand; the arm follows, slowly at first."),
        )

    def _on_mode_triggered(self, action: QAction) -> None:
        self._entries[self._mode].setChecked(True)  # the mode changes only through show_mode
        self.mode_chosen.emit(action.data())

    def _on_follow(self, checked: bool) -> None:
        index = self.leader_box.currentIndex()
        follows = checked and 0 <= index < len(self._leaders)
        self.leader_chosen.emit(self._leaders[index].key if follows else "")

    def show_mode(
        self, key: str, availability: ModeAvailability, leaders: Sequence[ArmChoice], following: bool
    ) -> None:
        """Show the current mode and, in the menu, why other modes are not available."""
        self._mode = key
        self._entries[key].setChecked(True)
        for mode in TEACHING_MODES:
            entry, problem = self._entries[mode.key], explain_unavailable(mode.key, availability)
            entry.setEnabled(problem is None)
            entry.setToolTip(problem or mode.tooltip)
            entry.setText(f"{mode.text}   ({problem.rstrip('.')})" if problem else mode.text)
        self._pages.setCurrentWidget(self._rows[key])
        self.mode_button.setText(find_mode(key).text)
        self.mode_button.setToolTip(f"Teaching mode: {find_mode(key).tooltip}")
        if tuple(leaders) != self._leaders:
            self._leaders = tuple(leaders)
            self.leader_box.clear()
            self.leader_box.addItems([choice.label for choice in leaders])
        self.leader_box.setEnabled(not following)
        self.follow_button.setChecked(following)
        self.follow_button.setText("Stop following" if following else "Follow")
        self._update_icons()

    def _update_icons(self) -> None:
        colours = self._theme.colours
        self.mode_button.setIcon(make_icon(find_mode(self._mode).icon, colours.text))
        for mode in TEACHING_MODES:
            self._entries[mode.key].setIcon(make_icon(mode.icon, colours.text, disabled_colour(colours).name()))


def _make_row(*widgets: QWidget) -> QWidget:
    out = QWidget()
    row = QHBoxLayout(out)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(8)
    for widget in widgets:
        row.addWidget(widget, int(isinstance(widget, ElidingLabel)))
    if not any(isinstance(widget, ElidingLabel) for widget in widgets):
        row.addStretch(1)
    return out


def _make_hint_label(text: str) -> ElidingLabel:
    out = ElidingLabel()
    out.set_full_text(text)
    return out
