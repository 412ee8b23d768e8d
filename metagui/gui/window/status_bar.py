"""The strip at the bottom: state as icon and word, rate, folder, progress with Stop and Cancel, the last word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QWidget

from metagui.gui.core.app_state import Learning, Situation, State
from metagui.gui.theme.icons import pixmap
from metagui.gui.widgets.action_button import button, separator
from metagui.gui.widgets.eliding_label import Elided
from metagui.gui.widgets.panel import muted

if TYPE_CHECKING:
    from metagui.gui.core.actions import Actions
    from metagui.gui.theme.theme import Theme

_LOOKS = {
    State.NO_ARM: ("disconnect", "muted"),
    State.CALIBRATING: ("arm", "accent"),
    State.CONNECTING: ("connect", "accent"),
    State.READY: ("success", "success"),
    State.COUNTDOWN: ("clock", "warning"),
    State.RECORDING: ("record", "danger"),
    State.RUNNING: ("run", "accent"),
    State.ERROR: ("error", "danger"),
}
SAYS = {
    State.NO_ARM: "Connect an arm, or use the simulated one",
    State.CALIBRATING: "Follow the steps; Stop cancels",
    State.CONNECTING: "Opening the port and asking the servos",
    State.ERROR: "Press Connect to try again",
}
LIMP = "limp: lead it by hand"


class StatusBar(QFrame):
    """What the program is doing, always in the same place."""

    def __init__(self, theme: Theme, actions: Actions) -> None:
        super().__init__()
        self._theme = theme
        self._situation = Situation()
        self.setObjectName("statusBar")
        self.setAccessibleName("Status")
        self._picture, self.state = QLabel(), QLabel()
        self.state.setMinimumWidth(72)
        self.rate, self.message, self.folder = muted(), Elided(), Elided(Qt.TextElideMode.ElideMiddle)
        self.progress = QProgressBar()
        self.progress.setAccessibleName("Progress")
        self.progress.setTextVisible(False)
        self.progress.setFixedWidth(140)
        self.estimate = muted()
        self._work = self._work_widget(actions)
        self._lay_out(actions)
        theme.changed.connect(self._tint)
        self.show_situation(self._situation)
        self.show_progress(None)

    def _work_widget(self, actions: Actions) -> QWidget:
        out = QWidget()
        row = QHBoxLayout(out)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        for widget in (self.estimate, self.progress):
            row.addWidget(widget)
        for key in ("stop_learning", "cancel_learning"):
            row.addWidget(button(actions[key], "flat", icon=14))
        row.addWidget(separator())
        return out

    def _lay_out(self, actions: Actions) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 4, 12, 4)
        row.setSpacing(8)
        for widget in (self._picture, self.state, separator(), self.rate, separator()):
            row.addWidget(widget)
        row.addWidget(self.message, 3)
        row.addWidget(self._work)
        row.addWidget(self.folder, 1)
        row.addWidget(button(actions["folder"], "flat", words=False, icon=16))

    def show_situation(self, situation: Situation) -> None:
        """Say what the arm and the learner are doing."""
        self._situation = situation
        words = f"{situation.state.value} · {LIMP}" if situation.limp else situation.state.value
        if situation.learning is not Learning.IDLE:
            words = f"{words} · {situation.learning.value.lower()}"
        self.state.setText(words)
        self.state.setAccessibleName(f"State: {words}")
        if situation.state in SAYS:
            self.rate.setText("Looking for the arm" if situation.looking else SAYS[situation.state])
        self._tint()

    def show_rate(self, words: str) -> None:
        """Say how fast the loop is."""
        if self._situation.state not in SAYS:
            self.rate.setText(words)

    def show_progress(self, share: float | None, words: str = "") -> None:
        """Show how much of the learning is done, from 0 to 1; None hides the bar."""
        self._work.setVisible(share is not None)
        self.progress.setRange(0, 1000 if share is None or share > 0 else 0)
        self.progress.setValue(round(1000 * (share or 0.0)))
        self.estimate.setText(words)
        self.estimate.setMinimumWidth(self.estimate.sizeHint().width())  # the message gives way, not the estimate

    def _tint(self) -> None:
        name, tint = ("hand", "warning") if self._situation.limp else _LOOKS[self._situation.state]
        colour = getattr(self._theme.colours, tint)
        self._picture.setPixmap(pixmap(name, colour, 18, self.devicePixelRatioF()))
