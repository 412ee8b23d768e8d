"""What the window shows of the arms: the picker, the way of teaching, what the arm needs now, and the countdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication

from metagui.gui.core.app_state import ArmActivity
from metagui.gui.teaching.keyboard_teleop import KeyboardTeleop
from metagui.gui.teaching.modes import CLICK_MODE, HAND_MODE, KEYBOARD_MODE

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from metagui.arms.teleoperation.velocity import VelocityController
    from metagui.gui.core.app_state import AppSnapshot
    from metagui.gui.window.main_window import MainWindow
    from metagui.gui.window.session import Session


class NoticeContent(NamedTuple):
    """What the notice says: words, icon, tint, and the key of an action."""

    text: str
    icon: str = "info"
    colour_name: str = "accent"
    action_key: str = ""


ARM_ERROR_ACTIONS = ("connect", "calibrate", "copy_command")
"""Actions that errors about an arm offer."""
NO_NOTICE = NoticeContent("")
UNPLACED_NOTICE = NoticeContent(
    "This arm has no camera. Mark where the cubes and zones stand: drag them in the view, or touch one with the "
    "gripper and press “Here is …”.",
    "place",
    "accent",
    "mark",
)
DRAGGING_NOTICE = NoticeContent(
    "Drag cubes and zones to where they stand on your table; the wheel turns what you hold. Undo takes it back.",
    "place",
)
TORQUE_OFF_NOTICE = NoticeContent(
    "Limp: lead it by hand. Stop, Esc or Hold makes it hold where it is.", "hand", "warning"
)
STILL_HOLDING_NOTICE = NoticeContent(
    "It records, but the arm still holds: press Lead by hand, and hold it.", "hand", "warning"
)
MOVED_NOTICE = NoticeContent("If you have moved things by hand, mark where they stand now.", "place", "accent", "mark")
UNFOCUSED_NOTICE = NoticeContent("Click the view, so that your keys steer the gripper.", "keys")


class ArmPresenter(QObject):
    """Keeps everything about arms in step with the session."""

    def __init__(self, window: MainWindow, session: Session) -> None:
        super().__init__(window)
        self._window, self._session = window, session
        self._state = session.snapshot.state
        self._keyboard_target: VelocityController | None = None
        view = window.arm_panel.view
        self.keyboard = KeyboardTeleop(lambda: view.camera, self)
        view.keyboard = self.keyboard
        session.snapshot_changed.connect(self.show_snapshot)
        session.arm_connection.choices_changed.connect(self._show_choices)
        session.arm_connection.reconnect_failed.connect(self._show_notice)
        session.mode_controller.changed.connect(self._show_modes)
        session.object_placement.objects_moved.connect(self._on_objects_moved)
        session.execution.countdown.count_changed.connect(window.arm_panel.countdown_overlay.show_countdown)
        session.policy_runner.progress_changed.connect(self._show_progress)
        window.actions_["mark"].toggled.connect(self._on_placement_toggled)
        QApplication.instance().focusChanged.connect(self._on_focus_changed)  # type: ignore[union-attr]
        self._show_choices()
        self.show_snapshot(session.snapshot)

    def show_snapshot(self, snapshot: AppSnapshot) -> None:
        """Another arm is connected, or it does something else."""
        window, arm = self._window, self._session.arm_controller.arm
        window.arm_panel.placement_bar.show_objects(snapshot.needs_placement, arm.objects)
        if not snapshot.needs_placement or snapshot.state is not ArmActivity.READY:
            window.actions_["mark"].setChecked(False)
        if snapshot.state is ArmActivity.READY and self._state in (ArmActivity.CONNECTING, ArmActivity.ERROR):
            window.toast_area.dismiss_resolved([window.actions_[key] for key in ARM_ERROR_ACTIONS])
        self._state = snapshot.state
        window.top_bar.arm_picker.setEnabled(snapshot.state is not ArmActivity.CALIBRATING)
        busy = snapshot.state in (
            ArmActivity.COUNTDOWN,
            ArmActivity.RECORDING,
            ArmActivity.RUNNING,
            ArmActivity.CALIBRATING,
        )
        window.arm_panel.mode_bar.mode_button.setEnabled(not busy)
        window.arm_panel.task_name_field.setPlaceholderText(
            "named by your clicks" if snapshot.mode == CLICK_MODE else "named for you"
        )
        self._show_modes()
        self._show_notice()

    def _show_choices(self) -> None:
        station = self._session.arm_connection
        self._window.top_bar.arm_picker.show_choices(station.choices, station.chosen.key)
        self._show_modes()

    def _show_modes(self) -> None:
        """Show how the arm is taught, and let keys steer while that is the way."""
        modes = self._session.mode_controller
        self._window.arm_panel.mode_bar.show_mode(
            modes.mode, modes.availability(), modes.available_leaders(), modes.following
        )
        steered = modes.velocity_controller if modes.mode == KEYBOARD_MODE else None
        if steered is not self._keyboard_target:
            self._keyboard_target = steered
            self.keyboard.set_target(steered, modes.is_gripper_open())
            if steered is not None:
                self._window.arm_panel.view.setFocus()
        self._show_notice()

    def _on_objects_moved(self) -> None:
        """Where things stand is known anew."""
        self._session.click_dispatcher.scene_used = False
        self._show_notice()

    def _on_placement_toggled(self, enabled: bool) -> None:
        self._window.arm_panel.view.placement_enabled = enabled
        self._window.arm_panel.view.refresh_hint()
        self._show_notice()

    def _on_focus_changed(self, _old: QWidget | None, _new: QWidget | None) -> None:
        if self._keyboard_target is not None:
            self._show_notice()

    def _show_notice(self) -> None:
        self._window.arm_panel.notice_bar.show_notice(*self._choose_notice())

    def _choose_notice(self) -> NoticeContent:
        """Return the one thing that matters most."""
        session, situation = self._session, self._session.snapshot
        station = session.arm_connection
        if station.reconnecting:
            return NoticeContent(
                f"Looking for {station.chosen.display_name}. {station.reconnect_problem}".strip(),
                "disconnect",
                "danger",
            )
        if situation.torque_off:
            return TORQUE_OFF_NOTICE
        if situation.state is ArmActivity.RECORDING and situation.mode == HAND_MODE:
            return STILL_HOLDING_NOTICE
        if self._window.actions_["mark"].isChecked():
            return DRAGGING_NOTICE
        if situation.state is ArmActivity.READY and session.object_placement.is_missing:
            return UNPLACED_NOTICE
        if situation.state is ArmActivity.READY and situation.needs_placement and session.click_dispatcher.scene_used:
            return MOVED_NOTICE
        if self._keyboard_target is not None and not self._window.arm_panel.view.hasFocus():
            return UNFOCUSED_NOTICE
        return NO_NOTICE

    def _show_progress(self, fraction: float) -> None:
        take = self._session.snapshot.take or ""
        self._window.arm_panel.show_title(f"Repeating take {take} · {100 * fraction:.0f} %")

    def close(self) -> None:
        """Listen to the focus no more: the application outlives the window."""
        QApplication.instance().focusChanged.disconnect(self._on_focus_changed)  # type: ignore[union-attr]
