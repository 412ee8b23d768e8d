"""Presenter for the arm: arm picker, teaching modes, countdown, and a notice about what the arm needs now."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication

from metagui.gui.core.app_state import ArmActivity
from metagui.gui.teaching.keyboard_teleop import KeyboardTeleop
from metagui.gui.teaching.modes import CLICK_MODE, HAND_MODE, KEYBOARD_MODE

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from metagui.arms.control.tick import Tick
    from metagui.arms.teleoperation.velocity import VelocityController
    from metagui.gui.core.app_state import AppSnapshot
    from metagui.gui.window.main_window import MainWindow
    from metagui.gui.window.session import Session
    from metagui.gui.window.session_parts import ArmParts, ExecutionParts, TeachingParts


class NoticeContent(NamedTuple):
    """Content of the notice bar: text, icon, colour name, and the key of an action."""

    text: str
    icon: str = "info"
    colour_name: str = "accent"
    action_key: str = ""


OBJECTS_PERIOD_TICKS = 25
"""Ticks between two updates of the places of the objects."""
ARM_ERROR_ACTIONS = ("connect", "calibrate", "copy_command")
"""Keys of the actions that errors of the connection offer."""
NO_NOTICE = NoticeContent("")
UNPLACED_NOTICE = NoticeContent(
    "This arm has no camera. Mark the positions of the cubes and zones: drag them in the view, or touch one with the "
    "gripper and press “Here is …”. Or set a camera up, from the menu.",
    "place",
    "accent",
    "mark",
)
DRAGGING_NOTICE = NoticeContent(
    "Drag cubes and zones to their positions on your table; the wheel turns a dragged one. Undo reverts it.",
    "place",
)
TORQUE_OFF_NOTICE = NoticeContent(
    "Torque off: guide the arm by hand. Stop, Esc or Hold makes it hold its position.", "hand", "warning"
)
FOLLOWING_NOTICE = NoticeContent(
    "The arm follows your hand and stays where you let it go. Stop, Esc or Hold makes it hold its position.", "hand"
)
STILL_HOLDING_NOTICE = NoticeContent(
    "The take is being recorded, but the arm still holds: press Guide by hand, and hold it.", "hand", "warning"
)
MOVED_NOTICE = NoticeContent("If you have moved objects by hand, mark their new positions.", "place", "accent", "mark")
UNFOCUSED_NOTICE = NoticeContent("Click the view, so that your keys move the gripper.", "keys")


class ArmPresenter(QObject):
    """Shows the state of the arm and of teaching, and enables the keyboard in its mode."""

    def __init__(self, window: MainWindow, session: Session) -> None:
        super().__init__(window)
        self._window, self._state = window, session.state
        self._arm, self._teaching = session.arm, session.teaching
        self._activity = session.state.activity
        self._keyboard_target: VelocityController | None = None
        self._objects_shown_at = -OBJECTS_PERIOD_TICKS
        view = window.arm_panel.view
        self.keyboard = KeyboardTeleop(lambda: view.camera, self)
        view.keyboard = self.keyboard
        session.state.changed.connect(self.show_snapshot)
        self._connect_arm(session.arm, session.teaching)
        self._connect_execution(session.execution)
        window.actions_["mark"].toggled.connect(self._on_placement_toggled)
        QApplication.instance().focusChanged.connect(self._on_focus_changed)  # type: ignore[union-attr]
        self._show_choices()
        self.show_snapshot(session.state.snapshot)

    def _connect_arm(self, arm: ArmParts, teaching: TeachingParts) -> None:
        arm.connection.choices_changed.connect(self._show_choices)
        arm.controller.ticked.connect(self._show_objects)
        self._window.arm_panel.steps_panel.follow(teaching.steps)
        teaching.modes.changed.connect(self._show_modes)
        teaching.placement.objects_moved.connect(self._on_objects_moved)
        arm.camera.report_changed.connect(self._show_notice)

    def _connect_execution(self, execution: ExecutionParts) -> None:
        panel = self._window.arm_panel
        execution.countdown.count_changed.connect(panel.countdown_overlay.show_countdown)
        execution.runner.progress_changed.connect(self._show_progress)
        execution.runner.distance_changed.connect(panel.show_distance)

    def show_snapshot(self, snapshot: AppSnapshot) -> None:
        """Show the state of the arm."""
        window, arm = self._window, self._arm.controller.arm
        window.arm_panel.placement_bar.show_objects(snapshot.needs_placement, arm.objects)
        window.arm_panel.view.show_table(arm.objects)
        if not snapshot.needs_placement or snapshot.state is not ArmActivity.READY:
            window.actions_["mark"].setChecked(False)
        if snapshot.state is ArmActivity.READY and self._activity in (ArmActivity.CONNECTING, ArmActivity.ERROR):
            window.toast_area.dismiss_resolved([window.actions_[key] for key in ARM_ERROR_ACTIONS])
        if not snapshot.overloaded:
            window.toast_area.dismiss_resolved([window.actions_["clear_overload"]])
        self._activity = snapshot.state
        has_page = snapshot.state in (
            ArmActivity.CALIBRATING,
            ArmActivity.CHECKING_POSE,
            ArmActivity.SETTING_UP_CAMERA,
        )
        window.top_bar.arm_picker.setEnabled(not has_page)
        busy = snapshot.state in (
            ArmActivity.COUNTDOWN,
            ArmActivity.RECORDING,
            ArmActivity.RUNNING,
        )
        window.arm_panel.mode_bar.mode_button.setEnabled(not busy and not has_page)
        window.arm_panel.task_name_field.setPlaceholderText(
            "named by your clicks" if snapshot.mode == CLICK_MODE else "named for you"
        )
        self._show_modes()
        self._show_notice()

    def _show_objects(self, tick: Tick) -> None:
        """Show in the list of steps where the objects are, twice per second."""
        if tick.index - self._objects_shown_at >= OBJECTS_PERIOD_TICKS or tick.index < self._objects_shown_at:
            self._objects_shown_at = tick.index
            self._window.arm_panel.steps_panel.form.show_observation(tick.observation)

    def _show_choices(self) -> None:
        connection = self._arm.connection
        self._window.top_bar.arm_picker.show_choices(connection.choices, connection.chosen.key)
        self._show_modes()

    def _show_modes(self) -> None:
        """Show the teaching mode, and let keys command the arm in the keyboard mode."""
        modes = self._teaching.modes
        self._window.arm_panel.mode_bar.show_mode(
            modes.mode, modes.availability(), modes.available_leaders(), modes.following
        )
        self._window.arm_panel.mode_bar.show_stiffness(modes.stiffness, self._arm.controller.torque_off)
        target = modes.velocity_controller if modes.mode == KEYBOARD_MODE else None
        if target is not self._keyboard_target:
            self._keyboard_target = target
            self.keyboard.set_target(target, modes.is_gripper_open())
            if target is not None:
                self._window.arm_panel.view.setFocus()
        self._show_notice()

    def _on_objects_moved(self) -> None:
        """Note that the marked positions are up to date."""
        self._teaching.clicks.scene_used = False
        self._show_notice()

    def _on_placement_toggled(self, enabled: bool) -> None:
        self._window.arm_panel.view.placement_enabled = enabled
        self._window.arm_panel.view.refresh_hint()
        self._show_notice()

    def _on_focus_changed(self, _old: QWidget | None, _new: QWidget | None) -> None:
        if self._keyboard_target is not None:
            self._show_notice()

    def _show_notice(self, _report: object = None) -> None:
        self._window.arm_panel.notice_bar.show_notice(*self._choose_notice())

    def _choose_notice(self) -> NoticeContent:
        """Return the most important notice."""
        snapshot, connection, teaching = self._state.snapshot, self._arm.connection, self._teaching
        if connection.reconnecting:
            text = f"Looking for {connection.chosen.display_name}. {connection.reconnect_problem}".strip()
            return NoticeContent(text, "disconnect", "danger")
        if snapshot.alarm:
            return NoticeContent(snapshot.alarm, "warning", "danger", "clear_overload" if snapshot.overloaded else "")
        if snapshot.torque_off:
            return TORQUE_OFF_NOTICE if snapshot.limp else FOLLOWING_NOTICE
        if snapshot.state is ArmActivity.RECORDING and snapshot.mode == HAND_MODE:
            return STILL_HOLDING_NOTICE
        if self._window.actions_["mark"].isChecked():
            return DRAGGING_NOTICE
        report = self._arm.camera.report
        if snapshot.has_camera and report.message:
            return NoticeContent(f"Camera: {report.message}", "camera", "warning", "camera")
        if snapshot.state is ArmActivity.READY and teaching.placement.is_missing and not snapshot.has_camera:
            return UNPLACED_NOTICE
        if snapshot.state is ArmActivity.READY and self._must_mark(snapshot):
            return MOVED_NOTICE
        if self._keyboard_target is not None and not self._window.arm_panel.view.hasFocus():
            return UNFOCUSED_NOTICE
        return NO_NOTICE

    def _must_mark(self, snapshot: AppSnapshot) -> bool:
        """Return whether objects may have moved, and no camera sees where."""
        return snapshot.needs_placement and not snapshot.has_camera and self._teaching.clicks.scene_used

    def _show_progress(self, fraction: float) -> None:
        take = self._state.snapshot.take or ""
        self._window.arm_panel.show_title(f"Repeating take {take} · {100 * fraction:.0f} %")

    def close(self) -> None:
        """Disconnect from the application, which lives longer than the window."""
        QApplication.instance().focusChanged.disconnect(self._on_focus_changed)  # type: ignore[union-attr]
