"""What the window shows of the arms: the picker, the way of teaching, what the arm needs now, and the countdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication

from metagui.gui.core.app_state import State
from metagui.gui.teaching.keyboard_teleop import KeyPilot
from metagui.gui.teaching.modes import CLICK, HAND, KEYS

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from metagui.arms.teleoperation.velocity import VelocityController
    from metagui.gui.core.app_state import Situation
    from metagui.gui.window.main_window import MainWindow
    from metagui.gui.window.session import Session


class Said(NamedTuple):
    """What the notice says: words, icon, tint, and the key of an action."""

    words: str
    icon: str = "info"
    tint: str = "accent"
    action: str = ""


MENDING = ("connect", "calibrate", "copy_command")
"""Actions that errors about an arm offer."""
NOTHING = Said("")
UNMARKED = Said(
    "This arm has no camera. Mark where the cubes and zones stand: drag them in the view, or touch one with the "
    "gripper and press “Here is …”.",
    "place",
    "accent",
    "mark",
)
DRAGGING = Said(
    "Drag cubes and zones to where they stand on your table; the wheel turns what you hold. Undo takes it back.",
    "place",
)
LIMP = Said("Limp: lead it by hand. Stop, Esc or Hold makes it hold where it is.", "hand", "warning")
STILL_HOLDING = Said("It records, but the arm still holds: press Lead by hand, and hold it.", "hand", "warning")
MOVED = Said("If you have moved things by hand, mark where they stand now.", "place", "accent", "mark")
UNFOCUSED = Said("Click the view, so that your keys steer the gripper.", "keys")


class ArmViews(QObject):
    """Keeps everything about arms in step with the session."""

    def __init__(self, window: MainWindow, session: Session) -> None:
        super().__init__(window)
        self._window, self._session = window, session
        self._state = session.situation.state
        self._steered: VelocityController | None = None
        view = window.arm.view
        self.pilot = KeyPilot(lambda: view.camera, self)
        view.pilot = self.pilot
        session.situation_changed.connect(self.show_situation)
        session.station.listed.connect(self._show_choices)
        session.station.looked.connect(self._show_notice)
        session.modes.changed.connect(self._show_modes)
        session.marking.changed.connect(self._on_marked)
        session.performing.countdown.shown.connect(window.arm.count.show_count)
        session.running.progress_changed.connect(self._show_progress)
        window.actions_["mark"].toggled.connect(self._on_marking)
        QApplication.instance().focusChanged.connect(self._on_focus)  # type: ignore[union-attr]
        self._show_choices()
        self.show_situation(session.situation)

    def show_situation(self, situation: Situation) -> None:
        """Another arm is connected, or it does something else."""
        window, arm = self._window, self._session.desk.arm
        window.arm.things.show_kind(situation.markable, arm.anchors)
        if not situation.markable or situation.state is not State.READY:
            window.actions_["mark"].setChecked(False)
        if situation.state is State.READY and self._state in (State.CONNECTING, State.ERROR):
            window.toasts.settle([window.actions_[key] for key in MENDING])
        self._state = situation.state
        window.top.arms.setEnabled(situation.state is not State.CALIBRATING)
        busy = situation.state in (State.COUNTDOWN, State.RECORDING, State.RUNNING, State.CALIBRATING)
        window.arm.modes.button.setEnabled(not busy)
        window.arm.name.setPlaceholderText("named by your clicks" if situation.mode == CLICK else "named for you")
        self._show_modes()
        self._show_notice()

    def _show_choices(self) -> None:
        station = self._session.station
        self._window.top.arms.show_choices(station.choices, station.chosen.key)
        self._show_modes()

    def _show_modes(self) -> None:
        """Show how the arm is taught, and let keys steer while that is the way."""
        modes = self._session.modes
        self._window.arm.modes.show_mode(modes.mode, modes.offer(), modes.leaders(), modes.following)
        steered = modes.velocity if modes.mode == KEYS else None
        if steered is not self._steered:
            self._steered = steered
            self.pilot.steer(steered, modes.gripper_open())
            if steered is not None:
                self._window.arm.view.setFocus()
        self._show_notice()

    def _on_marked(self) -> None:
        """Where things stand is known anew."""
        self._session.steering.scene_used = False
        self._show_notice()

    def _on_marking(self, marking: bool) -> None:
        self._window.arm.view.marking = marking
        self._window.arm.view.refresh_hint()
        self._show_notice()

    def _on_focus(self, _old: QWidget | None, _new: QWidget | None) -> None:
        if self._steered is not None:
            self._show_notice()

    def _show_notice(self) -> None:
        self._window.arm.notice.say(*self._notice())

    def _notice(self) -> Said:
        """Return the one thing that matters most."""
        session, situation = self._session, self._session.situation
        station = session.station
        if station.looking:
            return Said(f"Looking for {station.chosen.called}. {station.reason}".strip(), "disconnect", "danger")
        if situation.limp:
            return LIMP
        if situation.state is State.RECORDING and situation.mode == HAND:
            return STILL_HOLDING
        if self._window.actions_["mark"].isChecked():
            return DRAGGING
        if situation.state is State.READY and session.marking.missing:
            return UNMARKED
        if situation.state is State.READY and situation.markable and session.steering.scene_used:
            return MOVED
        if self._steered is not None and not self._window.arm.view.hasFocus():
            return UNFOCUSED
        return NOTHING

    def _show_progress(self, share: float) -> None:
        take = self._session.situation.take or ""
        self._window.arm.show_title(f"Repeating take {take} · {100 * share:.0f} %")

    def close(self) -> None:
        """Listen to the focus no more: the application outlives the window."""
        QApplication.instance().focusChanged.disconnect(self._on_focus)  # type: ignore[union-attr]
