"""The strip under the 3-D view: how the arm is taught, and the tools of that way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QMenu, QPushButton, QStackedWidget, QToolButton, QWidget

from metagui.gui.teaching.keyboard_teleop import KEYS_IN_WORDS
from metagui.gui.teaching.modes import CLICK, GAMEPAD, HAND, KEYS, LEADER, MODES, Mode, Offer, mode, why_no_mode
from metagui.gui.theme.icons import icon
from metagui.gui.theme.theme import faded
from metagui.gui.widgets.action_button import button, separator
from metagui.gui.widgets.eliding_label import Elided

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.gui.arm.arm_choices import ArmChoice
    from metagui.gui.core.actions import Actions
    from metagui.gui.teaching.tool_bar import TeachBar
    from metagui.gui.theme.theme import Theme

HAND_IN_WORDS = "Pause half a second after each step; gripping and letting go are seen."
GAMEPAD_IN_WORDS = "Left stick moves · right stick lifts and turns · A opens and closes"


class ModeBar(QWidget):
    """A menu of modes on the left, the chosen mode's tools beside it."""

    chosen = Signal(str)
    """The key of a Mode."""
    followed = Signal(str)
    """The key of the arm that is to lead; empty to stop following."""
    opened = Signal()
    """The menu is about to be shown."""

    def __init__(self, theme: Theme, actions: Actions, tools: TeachBar) -> None:
        super().__init__()
        self._theme = theme
        self._mode = CLICK
        self._leaders: tuple[ArmChoice, ...] = ()
        self._menu = QMenu(self)
        self._group = QActionGroup(self)
        self._entries = {m.key: self._entry(m) for m in MODES}
        self.button = self._made_button()
        self._tools = tools
        self.leader = QComboBox()
        self.follow = QPushButton("Follow")
        self._pages = QStackedWidget()
        self._rows = {
            CLICK: tools,
            HAND: _row(button(actions["limp"], "big", icon=18), _words(HAND_IN_WORDS)),
            LEADER: self._leader_row(),
            KEYS: _row(_words(KEYS_IN_WORDS)),
            GAMEPAD: _row(_words(GAMEPAD_IN_WORDS)),
        }
        for page in self._rows.values():
            self._pages.addWidget(page)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        for widget in (self.button, separator()):
            row.addWidget(widget)
        row.addWidget(self._pages, 1)
        theme.changed.connect(self._tint)
        self._tint()

    def _entry(self, m: Mode) -> QAction:
        out = QAction(m.text, self)
        out.setCheckable(True)
        out.setData(m.key)
        self._group.addAction(out)
        self._menu.addAction(out)
        return out

    def _made_button(self) -> QToolButton:
        out = QToolButton()
        out.setObjectName("mode")
        out.setAccessibleName("How the arm is taught")
        out.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        out.setIconSize(QSize(18, 18))
        out.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        out.setMenu(self._menu)
        self._menu.setToolTipsVisible(True)
        self._menu.aboutToShow.connect(self.opened)
        self._group.triggered.connect(self._on_chosen)
        return out

    def _leader_row(self) -> QWidget:
        self.leader.setAccessibleName("Arm that leads")
        self.leader.setMinimumWidth(140)
        self.follow.setObjectName("big")
        self.follow.setCheckable(True)
        self.follow.setAccessibleName("Follow the leader")
        self.follow.setToolTip("The leader goes limp, and the arm follows it.")
        self.follow.clicked.connect(self._on_follow)
        return _row(self.leader, self.follow, _words("Move the leader by hand; the arm follows, slowly at first."))

    def _on_chosen(self, action: QAction) -> None:
        self._entries[self._mode].setChecked(True)  # whoever listens decides
        self.chosen.emit(action.data())

    def _on_follow(self, wanted: bool) -> None:
        index = self.leader.currentIndex()
        known = wanted and 0 <= index < len(self._leaders)
        self.followed.emit(self._leaders[index].key if known else "")

    def show_mode(self, key: str, offer: Offer, leaders: Sequence[ArmChoice], following: bool) -> None:
        """Show the mode in force, and of the others why they cannot be had."""
        self._mode = key
        self._entries[key].setChecked(True)
        for m in MODES:
            missing = why_no_mode(m.key, offer)
            self._entries[m.key].setEnabled(missing is None)
            self._entries[m.key].setToolTip(missing or m.tooltip)
            self._entries[m.key].setText(f"{m.text}   ({missing.rstrip('.')})" if missing else m.text)
        self._pages.setCurrentWidget(self._rows[key])
        self.button.setText(mode(key).text)
        self.button.setToolTip(f"How the arm is taught: {mode(key).tooltip}")
        if tuple(leaders) != self._leaders:
            self._leaders = tuple(leaders)
            self.leader.clear()
            self.leader.addItems([choice.label for choice in leaders])
        self.leader.setEnabled(not following)
        self.follow.setChecked(following)
        self.follow.setText("Stop following" if following else "Follow")
        self._tint()

    def _tint(self) -> None:
        colours = self._theme.colours
        self.button.setIcon(icon(mode(self._mode).icon, colours.text))
        for m in MODES:
            self._entries[m.key].setIcon(icon(m.icon, colours.text, faded(colours).name()))


def _row(*widgets: QWidget) -> QWidget:
    out = QWidget()
    row = QHBoxLayout(out)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(8)
    for widget in widgets:
        row.addWidget(widget, int(isinstance(widget, Elided)))
    if not any(isinstance(widget, Elided) for widget in widgets):
        row.addStretch(1)
    return out


def _words(text: str) -> Elided:
    out = Elided()
    out.say(text)
    return out
