"""Status bar: state, control rate, last message, progress of learning with Stop and Cancel, library folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QWidget

from metagui.gui.core.app_state import AppSnapshot, ArmActivity, LearningActivity
from metagui.gui.theme.icons import make_pixmap
from metagui.gui.widgets.action_button import make_button, make_separator
from metagui.gui.widgets.eliding_label import ElidingLabel
from metagui.gui.widgets.panel import make_muted_label

if TYPE_CHECKING:
    from metagui.gui.core.actions import Actions
    from metagui.gui.theme.theme import Theme

_STATE_ICONS = {
    ArmActivity.NO_ARM: ("disconnect", "muted"),
    ArmActivity.CALIBRATING: ("arm", "accent"),
    ArmActivity.CONNECTING: ("connect", "accent"),
    ArmActivity.CHECKING_POSE: ("view", "accent"),
    ArmActivity.SETTING_UP_CAMERA: ("camera", "accent"),
    ArmActivity.READY: ("success", "success"),
    ArmActivity.COUNTDOWN: ("clock", "warning"),
    ArmActivity.RECORDING: ("record", "danger"),
    ArmActivity.RUNNING: ("run", "accent"),
    ArmActivity.ERROR: ("error", "danger"),
}
STATE_HINTS = {
    ArmActivity.NO_ARM: "Connect an arm, or use the simulated one",
    ArmActivity.CALIBRATING: "Follow the steps; Stop cancels",
    ArmActivity.CHECKING_POSE: "Compare the arm with its model; Stop makes it hold",
    ArmActivity.SETTING_UP_CAMERA: "Follow the three steps; Stop makes the arm hold",
    ArmActivity.CONNECTING: "Opening the port and reading the servos",
    ArmActivity.ERROR: "Press Connect to try again",
}
STARTING_TEXT, STARTING_HINT = "Starting", "The simulated arm connects in a moment"
TORQUE_OFF_TEXT = "torque off: guide it by hand"
FOLLOWING_TEXT = "follows your hand"
RATE_TOOLTIP = (
    "How often the arm is read and commanded in a second, and how often that was skipped because it was late."
)


class StatusBar(QFrame):
    """Shows what the arm and the learner are doing."""

    def __init__(self, theme: Theme, actions: Actions) -> None:
        super().__init__()
        self._theme = theme
        self._snapshot = AppSnapshot()
        self.setObjectName("statusBar")
        self.setAccessibleName("Status")
        self._picture, self.state_label = QLabel(), QLabel()
        self.state_label.setMinimumWidth(72)
        self.rate_label, self.message_label, self.folder_label = (
            make_muted_label(),
            ElidingLabel(),
            ElidingLabel(Qt.TextElideMode.ElideMiddle),
        )
        self.camera_label = make_muted_label()
        self.camera_label.hide()
        self.alarm_label = ElidingLabel()
        self.alarm_label.setObjectName("alarm")
        self.progress_bar = QProgressBar()
        self.progress_bar.setAccessibleName("Progress")
        self.progress_bar.setTextVisible(False)
        self.progress_bar.setFixedWidth(140)
        self.estimate_label = make_muted_label()
        self._progress_widget = self._make_progress_widget(actions)
        self._lay_out(actions)
        theme.changed.connect(self._tint)
        self.show_snapshot(self._snapshot)
        self.show_progress(None)

    def _make_progress_widget(self, actions: Actions) -> QWidget:
        out = QWidget()
        row = QHBoxLayout(out)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        for widget in (self.estimate_label, self.progress_bar):
            row.addWidget(widget)
        for key in ("stop_learning", "cancel_learning"):
            row.addWidget(make_button(actions[key], "flat", icon_size=14))
        row.addWidget(make_separator())
        return out

    def _lay_out(self, actions: Actions) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 4, 12, 4)
        row.setSpacing(8)
        for widget in (self._picture, self.state_label, make_separator(), self.rate_label, make_separator()):
            row.addWidget(widget)
        row.addWidget(self.camera_label)
        row.addWidget(self.alarm_label, 3)
        row.addWidget(self.message_label, 3)
        row.addWidget(self._progress_widget)
        row.addWidget(self.folder_label, 1)
        row.addWidget(make_button(actions["folder"], "flat", show_text=False, icon_size=16))

    def show_snapshot(self, snapshot: AppSnapshot) -> None:
        """Show what the arm and the learner are doing."""
        self._snapshot = snapshot
        guiding = f" · {TORQUE_OFF_TEXT if snapshot.limp else FOLLOWING_TEXT}" if snapshot.torque_off else ""
        text = f"{STARTING_TEXT if snapshot.is_starting else snapshot.state.value}{guiding}"
        if snapshot.learning is not LearningActivity.IDLE:
            text = f"{text} · {snapshot.learning.value.lower()}"
        self.state_label.setText(text)
        self.state_label.setAccessibleName(f"State: {text}")
        if snapshot.state in STATE_HINTS:
            hint = STARTING_HINT if snapshot.is_starting else STATE_HINTS[snapshot.state]
            self.rate_label.setText("Looking for the arm" if snapshot.reconnecting else hint)
        self.alarm_label.set_full_text(snapshot.alarm)
        self.alarm_label.setAccessibleName(f"Alarm: {snapshot.alarm}" if snapshot.alarm else "")
        self.alarm_label.setVisible(bool(snapshot.alarm))
        self.message_label.setVisible(not snapshot.alarm)
        self._tint()

    def show_rate(self, text: str, priority_refusal: str = "") -> None:
        """Show the control rate, unless the state has a hint of its own; explain a refused real-time priority."""
        if self._snapshot.state not in STATE_HINTS:
            self.rate_label.setText(text)
        note = RATE_TOOLTIP
        if priority_refusal:
            note += f"\nIt has no real-time priority, because {priority_refusal}: a busy computer can delay the arm."
        self.rate_label.setToolTip(note)

    def show_camera(self, text: str, problem: str = "") -> None:
        """Show the condition of the camera, and what to do as a tooltip; an empty text hides it."""
        self.camera_label.setObjectName("alarm" if problem else "muted")
        self.camera_label.style().unpolish(self.camera_label)
        self.camera_label.style().polish(self.camera_label)
        self.camera_label.setText(f"Camera: {text}" if text else "")
        self.camera_label.setAccessibleName(f"Camera: {text}" if text else "")
        self.camera_label.setToolTip(problem)
        self.camera_label.setVisible(bool(text))

    def show_progress(self, fraction: float | None, estimate: str = "") -> None:
        """Show the fraction of the learning that is done, from 0 to 1; None hides the bar."""
        self._progress_widget.setVisible(fraction is not None)
        self.progress_bar.setRange(0, 1000 if fraction is None or fraction > 0 else 0)
        self.progress_bar.setValue(round(1000 * (fraction or 0.0)))
        self.estimate_label.setText(estimate)
        # The message is elided where space is short, not the estimate.
        self.estimate_label.setMinimumWidth(self.estimate_label.sizeHint().width())

    def _tint(self) -> None:
        name, tint = ("hand", "warning") if self._snapshot.torque_off else _STATE_ICONS[self._snapshot.state]
        if self._snapshot.alarm:
            name, tint = "warning", "danger"
        colour = getattr(self._theme.colours, tint)
        self._picture.setPixmap(make_pixmap(name, colour, 18, self.devicePixelRatioF()))
