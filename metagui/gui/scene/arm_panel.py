"""The centre of the window: the 3-D view with its tools, and what the next take will be called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QProgressBar, QWidget

from metagui.gui.scene.placement_bar import MarkBar
from metagui.gui.scene.scene_view import ArmView
from metagui.gui.teaching.mode_bar import ModeBar
from metagui.gui.teaching.tool_bar import TeachBar
from metagui.gui.widgets.action_button import button
from metagui.gui.widgets.countdown_overlay import CountOverlay
from metagui.gui.widgets.notice_bar import Notice
from metagui.gui.widgets.panel import GAP, Panel, muted

if TYPE_CHECKING:
    from metagui.gui.core.actions import Actions
    from metagui.gui.teaching.click_teacher import Teacher
    from metagui.gui.theme.theme import Theme


class ArmPanel(Panel):
    """View, tools, the name of the task being shown, and while a policy runs how far it is from what was shown."""

    def __init__(self, theme: Theme, actions: Actions, teacher: Teacher) -> None:
        super().__init__("Arm")
        self.view = ArmView(theme, teacher)
        self.count = CountOverlay(theme, self.view)
        self.notice = Notice(theme, actions, ("mark",))
        self.tools = TeachBar(theme, actions)
        self.modes = ModeBar(theme, actions, self.tools)
        self.things = MarkBar(theme, actions)
        self.name = QLineEdit()
        self.name.setPlaceholderText("named by your clicks")
        self.name.setAccessibleName("Task that the next take belongs to")
        self.name.setToolTip("The task that the next take belongs to. Leave it empty and the clicks name it.")
        self.name.returnPressed.connect(self.view.setFocus)
        self.name.setMinimumWidth(110)
        self.name.setMaximumWidth(320)
        self._label = muted("Next take of")
        self._label.setBuddy(self.name)
        self.elapsed = QLabel()
        self.elapsed.setObjectName("alarm")
        self._again = button(actions["again"], "flat", icon=16)
        self._discard = button(actions["discard"], "flat", icon=16)
        self._distance = self._distance_widget()
        self.header.insertWidget(1, self.things)
        self.header.insertWidget(2, button(actions["view"], "flat", words=False, icon=16))
        for widget in (self._again, self._discard, self.elapsed, self._distance, self._label):
            self.header.addWidget(widget)
        self.header.addWidget(self.name, 2)
        self.body.addWidget(self.view, 1)
        self.body.addWidget(self.notice)
        self.body.addWidget(self.modes)
        self.show_distance(None)
        self.show_saved(False)

    def _distance_widget(self) -> QWidget:
        out = QWidget()
        self._bar = QProgressBar()
        self._bar.setRange(0, 200)
        self._bar.setTextVisible(False)
        self._bar.setFixedWidth(100)
        self._bar.setAccessibleName("Distance to the demonstrations")
        self._far = muted()
        self._far.setMinimumWidth(84)
        row = QHBoxLayout(out)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        row.addWidget(muted("Distance to demonstrations"))
        row.addWidget(self._bar)
        row.addWidget(self._far)
        return out

    def show_saved(self, saved: bool) -> None:
        """Offer to take again or to discard right after a take."""
        self._again.setVisible(saved)
        self._label.setVisible(not saved)
        self._discard.setVisible(saved)

    def show_recording(self, words: str) -> None:
        """Say how long the take is; empty when none is being recorded."""
        self.elapsed.setText(words)
        self.elapsed.setVisible(bool(words))
        self.name.setReadOnly(False)

    def show_distance(self, distance: float | None) -> None:
        """Say how far a run is from the demonstrations; 1 is as far as the farthest of those. None hides it."""
        self._distance.setVisible(distance is not None)
        self._label.setVisible(distance is None and self._again.isHidden())
        self.name.setVisible(distance is None)
        if distance is not None:
            self._bar.setValue(round(100 * min(distance, 2.0)))
            self._far.setText("as shown" if distance < 1.0 else "unlike shown" if distance > 1.6 else "a little off")

    def show_name(self, words: str) -> None:
        """Say which task the next take belongs to, from the beginning of its name."""
        self.name.setText(words)
        self.name.setCursorPosition(0)

    def show_title(self, words: str) -> None:
        """Say what the view shows."""
        self.title.setText(words)
        self.title.setTextFormat(Qt.TextFormat.PlainText)
