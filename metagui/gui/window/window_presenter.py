"""What the window shows of the session: its situation, the newest tick, its words, its tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from metagui.arms.arm import CONTROL_RATE_HZ
from metagui.gui.arm.rate_meter import RateMeter
from metagui.gui.core.app_state import AppSnapshot, ArmActivity, LearningActivity, explain_disabled
from metagui.gui.scene.overlays import make_path_markers
from metagui.gui.theme.colours import unit_rgb
from metagui.gui.widgets.toast import ToastMessage
from metagui.gui.window.action_slots import ActionSlots
from metagui.gui.window.arm_presenter import ArmPresenter
from metagui.gui.window.learning_presenter import LearningPresenter

if TYPE_CHECKING:
    from metagui.arms.control.tick import Tick
    from metagui.demonstrations.storage.hdf5 import TakeInfo
    from metagui.gui.window.main_window import MainWindow
    from metagui.gui.window.session import Session

JOINT_PLOT_PERIOD_MS = 100
"""How often the live joint traces are drawn, ms."""


class WindowPresenter(QObject):
    """Connects the session's signals to the widgets."""

    def __init__(self, window: MainWindow, session: Session) -> None:
        super().__init__(window)
        self._window, self._session = window, session
        self._snapshot = AppSnapshot()
        self._is_open = False
        self._rate_meter = RateMeter()
        self._task_to_select: str | None = None
        self._action_slots = ActionSlots(window, session)
        self._arm_presenter = ArmPresenter(window, session)
        self._learning_presenter = LearningPresenter(session, window.loss_panel, window.similarity_panel)
        self._joint_plot_timer = QTimer(self, interval=JOINT_PLOT_PERIOD_MS)
        self._joint_plot_timer.timeout.connect(window.joint_plot.refresh)
        self._connect()
        self._show_snapshot(session.snapshot)
        window.arm_panel.tool_bar.show_tool(session.click_dispatcher.click_teacher.action)

    def _connect(self) -> None:
        session, window = self._session, self._window
        session.snapshot_changed.connect(self._show_snapshot)
        session.message_posted.connect(self._show_message)
        session.ticked.connect(self._show_tick)
        session.selection_changed.connect(self._show_selection)
        session.task_renamed.connect(self._select_when_listed)
        session.click_dispatcher.tool_changed.connect(self._show_tool)
        session.recording.take_saved.connect(self._show_saved)
        session.crash_recovery.recording_found.connect(window.recovery_bar.show_offer)
        session.adaptation.outlier_found.connect(window.outlier_bar.show_offer)
        session.library_model.tasks_changed.connect(self._show_tasks)
        session.library_model.take_loaded.connect(self._repaint_tasks)
        session.learning.learning_queue.progressed.connect(window.status_bar.show_progress)
        session.learning.policy_adapted.connect(
            lambda _adapted: window.toast_area.dismiss_resolved([window.actions_["adapt"]])
        )
        session.policy_runner.distance_changed.connect(window.arm_panel.show_distance)

    def open(self) -> None:
        """Start what wants a visible window, once."""
        if self._is_open:
            return
        self._is_open = True
        view, arm = self._window.arm_panel.view, self._session.arm_controller.arm
        view.open_renderer()
        view.setFocus()
        view.show_state(arm.get_state(), None)
        self._window.status_bar.folder_label.set_full_text(str(self._session.library_folder()))
        self._joint_plot_timer.start()
        self._session.open()

    def close(self) -> None:
        """The window is closed."""
        self._arm_presenter.close()

    def _show_snapshot(self, snapshot: AppSnapshot) -> None:
        window, before = self._window, self._snapshot
        self._snapshot = snapshot
        window.actions_.refresh(snapshot)
        window.status_bar.show_snapshot(snapshot)
        window.task_list.show_recording(snapshot.state is ArmActivity.RECORDING)
        missing = explain_disabled("motion", snapshot)
        window.arm_panel.tool_bar.refresh(missing)
        window.arm_panel.view.teaching_enabled = missing is None
        window.arm_panel.view.fine_rendering_allowed = snapshot.learning is LearningActivity.IDLE
        window.arm_panel.show_take_buttons(snapshot.just_saved and snapshot.state is ArmActivity.READY)
        if snapshot.state is not ArmActivity.RECORDING:
            window.arm_panel.show_recording("")
        if snapshot.state is ArmActivity.READY and before.state in (
            ArmActivity.NO_ARM,
            ArmActivity.CONNECTING,
            ArmActivity.ERROR,
        ):
            window.joint_plot.clear_live()
        if snapshot.state is not before.state:
            self._action_slots.player.stop()
            window.arm_panel.show_title("Arm")
        if (snapshot.task, snapshot.state) != (
            before.task,
            before.state,
        ) and not window.arm_panel.task_name_field.hasFocus():
            window.arm_panel.show_task_name(snapshot.task or self._session.recording.new_task_name)

    def _show_tick(self, tick: Tick) -> None:
        window, recorder = self._window, self._session.arm_controller.recorder
        if not self._action_slots.player.is_playing:
            window.arm_panel.view.show_state(tick.state, tick.observation)
        window.joint_plot.append_tick(
            tick.time, tick.observation.joints.positions, tick.instruction, tick.instruction_index
        )
        if recorder.is_recording:
            window.arm_panel.show_recording(f"● {recorder.sample_count / CONTROL_RATE_HZ:.1f} s")
        rate = self._rate_meter.update(tick.index, tick.time)
        if tick.index % 25 < 2:
            limits = " · limits in force" if self._snapshot.state is ArmActivity.RUNNING else ""
            window.status_bar.show_rate(
                f"{rate:.1f} / {CONTROL_RATE_HZ:.0f} Hz, {tick.missed_deadlines} missed{limits}"
            )

    def _show_tool(self, verb: str) -> None:
        self._window.arm_panel.tool_bar.show_tool(verb)
        self._window.arm_panel.view.refresh_hint()

    def _show_tasks(self) -> None:
        self._window.task_list.show_tasks(self._session.library_model.tasks)
        if self._session.library_model.find_task(self._task_to_select) is not None:
            self._window.task_list.select(self._task_to_select)
            self._task_to_select = None

    def _repaint_tasks(self, _key: object) -> None:
        self._window.task_list.tree.viewport().update()

    def _select_when_listed(self, task: str) -> None:
        """Choose a task as soon as the list has it."""
        self._task_to_select = task

    def _show_saved(self, info: TakeInfo) -> None:
        self._select_when_listed(info.task)

    def _show_selection(self) -> None:
        """Show the chosen take, or the arm if none is chosen."""
        s, window = self._session.snapshot, self._window
        self._action_slots.player.stop()
        take = self._session.selected_take()
        if take is not None:
            window.joint_plot.show_take(take)
            window.arm_panel.view.show_path(
                make_path_markers(take.tool_positions, unit_rgb(window.theme.colours.accent))
            )
        else:
            window.joint_plot.show_live()
            window.arm_panel.view.show_path(())
        if s.task and window.task_list.current_selection()[0] != s.task:
            window.task_list.select(s.task, s.take)

    def _show_message(self, text: str, kind: str, action: str) -> None:
        found = self._window.actions_[action] if action else None
        self._window.toast_area.show_message(ToastMessage(text, kind, found))  # type: ignore[arg-type]
        self._window.status_bar.message_label.set_full_text(text)
