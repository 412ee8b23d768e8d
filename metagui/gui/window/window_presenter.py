"""Presenter of the window: shows state, ticks, messages and tasks of a session, and stores its choices."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QObject, QTimer, QUrl
from PySide6.QtGui import QDesktopServices

from metagui.arms.arm import CONTROL_RATE_HZ
from metagui.gui.arm.rate_meter import RateMeter
from metagui.gui.cameras.camera_presenter import CameraPresenter
from metagui.gui.cameras.setup_flow import CameraSetupFlow
from metagui.gui.core.action_conditions import explain_disabled
from metagui.gui.core.app_state import AppSnapshot, ArmActivity, LearningActivity
from metagui.gui.core.unexpected_errors import UnexpectedErrors
from metagui.gui.curation.curation_controller import CurationController
from metagui.gui.exchange.exchange_controller import ExchangeController
from metagui.gui.execution.success_presenter import SuccessPresenter
from metagui.gui.library.library_watcher import LibraryWatcher
from metagui.gui.pose_check.pose_check import PoseCheck
from metagui.gui.recording.replay_presenter import ReplayPresenter
from metagui.gui.widgets.plot import Plot
from metagui.gui.widgets.toast import ToastMessage
from metagui.gui.window.action_slots import ActionSlots
from metagui.gui.window.arm_presenter import ArmPresenter
from metagui.gui.window.learning_presenter import LearningPresenter
from metagui.gui.window.window_choices import WindowChoices

if TYPE_CHECKING:
    from metagui.arms.control.tick import Tick
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.gui.core.messages import MessageKind
    from metagui.gui.window.main_window import MainWindow
    from metagui.gui.window.session import Session
    from metagui.gui.window.session_parts import ArmParts, LearningParts, RecordingParts, TeachingParts

JOINT_PLOT_PERIOD_MS = 100
"""Time between two updates of the live joint plot, ms."""


class WindowPresenter(QObject):
    """Connects a session to a window, for as long as the window exists."""

    def __init__(self, window: MainWindow, session: Session) -> None:
        super().__init__(window)
        self.session = session
        self._window = window
        self._snapshot = AppSnapshot()
        self._is_open = False
        self._rate_meter, self._unexpected_errors = RateMeter(), UnexpectedErrors(session.messages)
        self._task_to_select: str | None = None
        self._action_slots = ActionSlots(window, session)
        self._replay_presenter = self._make_replay_presenter(session.arm)
        self._arm_presenter = ArmPresenter(window, session)
        self._learning_presenter = LearningPresenter(session, window.loss_panel, window.similarity_panel)
        self._exchange = ExchangeController(
            window, window.actions_, window.task_list, session.library, session.state, session.messages, window.settings
        )
        self._curation = CurationController(
            window, window.actions_, window.task_list, session.library, session.state, session.messages
        )
        self._watcher = LibraryWatcher(session.library)
        self._choices = WindowChoices(window, session)
        self.pose_check = self._make_pose_check(session.arm)
        self.camera_setup = self._make_camera_setup(session.arm, session.teaching)
        self._success = SuccessPresenter(window.success_view, session.execution.success, session.state)
        window.actions_["measure"].triggered.connect(self._measure)
        self._joint_plot_timer = QTimer(self, interval=JOINT_PLOT_PERIOD_MS)
        self._joint_plot_timer.timeout.connect(window.joint_plot.refresh)
        self._connect_window(window, session)
        self._connect_parts(session.arm, session.teaching, session.recording)
        self._connect_learning(session.learning)
        self._show_snapshot(session.state.snapshot)
        self._select_when_listed(self._choices.restore())

    def _measure(self) -> None:
        self._window.loss_panel.show_view(1)
        self._success.measure()

    def _make_pose_check(self, arm: ArmParts) -> PoseCheck:
        window, session = self._window, self.session
        out = PoseCheck(
            window.wizard_host,
            window.theme,
            window.arm_panel.view,
            arm.controller,
            arm.connection,
            arm.flow,
            session.state,
            session.messages,
        )
        window.actions_["check_pose"].triggered.connect(out.open)
        return out

    def _make_camera_setup(self, arm: ArmParts, teaching: TeachingParts) -> CameraSetupFlow:
        """Show the camera in the window, and return what sets it up."""
        window, session = self._window, self.session
        CameraPresenter(
            arm.camera,
            arm.controller,
            window.camera_picture,
            window.actions_["picture"],
            window.status_bar,
            teaching.clicks,
        )
        out = CameraSetupFlow(
            window.wizard_host,
            window.theme,
            arm.camera,
            arm.controller,
            arm.connection,
            arm.flow,
            session.state,
            session.messages,
        )
        window.actions_["camera"].triggered.connect(out.open)
        return out

    def _make_replay_presenter(self, arm: ArmParts) -> ReplayPresenter:
        window, session, actions = self._window, self.session, self._window.actions_
        window.task_list.tree.doubleClicked.connect(actions["replay"].trigger)
        return ReplayPresenter(
            window.arm_panel, window.joint_plot, actions, arm.controller, session.library, session.state,
            session.messages,
        )  # fmt: skip

    def _connect_window(self, window: MainWindow, session: Session) -> None:
        window.shown.connect(self._open)
        for plot in window.findChildren(Plot):
            plot.tools.reported.connect(session.messages.post)
        window.closing.connect(self._close)
        window.actions_["folder"].triggered.connect(self._open_folder)
        session.state.changed.connect(self._show_snapshot)
        session.state.selection_changed.connect(self._show_selection)
        session.messages.posted.connect(self._show_message)
        window.similarity_panel.pair_shown.connect(self._replay_presenter.show_pair)
        session.library.tasks_changed.connect(self._show_tasks)
        session.library.take_loaded.connect(self._repaint_tasks)
        self._action_slots.task_changed.connect(self._select_when_listed)
        self._curation.task_changed.connect(self._select_when_listed)

    def _connect_parts(self, arm: ArmParts, teaching: TeachingParts, recording: RecordingParts) -> None:
        window = self._window
        arm.controller.ticked.connect(self._show_tick)
        teaching.clicks.tool_changed.connect(self._show_tool)
        self._show_tool(teaching.clicks.click_teacher.action)
        recording.controller.take_saved.connect(self._on_take_saved)
        recording.recovery.recording_found.connect(window.recovery_bar.show_offer)

    def _connect_learning(self, learning: LearningParts) -> None:
        learning.adaptation.outlier_found.connect(self._window.outlier_bar.show_offer)
        learning.adaptation.policy_adapted.connect(self._dismiss_adaptation_errors)
        learning.adaptation.policy_adapted.connect(self._success.follow_adaptation)
        learning.queue.progressed.connect(self._window.status_bar.show_progress)

    # Start and end

    def _open(self) -> None:
        """Start what needs a visible window, once."""
        if self._is_open:
            return
        self._is_open = True
        self._unexpected_errors.install()
        view, arm = self._window.arm_panel.view, self.session.arm
        view.open_renderer()
        view.setFocus()
        view.show_state(arm.controller.get_arm_state(), None)
        self._window.status_bar.folder_label.set_full_text(str(self.session.library.folder))
        self._joint_plot_timer.start()
        self.session.open()
        self._watcher.start()

    def _close(self) -> None:
        """Store the choices, and end all threads."""
        self._choices.close()
        self._arm_presenter.close()
        self._exchange.close()
        self._curation.close()
        self._watcher.close()
        self.pose_check.close()
        self.camera_setup.close()
        self.session.close()
        self._unexpected_errors.remove()

    def _open_folder(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.session.library.folder)))

    # State

    def _show_snapshot(self, snapshot: AppSnapshot) -> None:
        window, before = self._window, self._snapshot
        self._snapshot = snapshot
        is_recording, is_ready = snapshot.state is ArmActivity.RECORDING, snapshot.state is ArmActivity.READY
        window.actions_.refresh(snapshot)
        window.status_bar.show_snapshot(snapshot)
        window.hint_bar.show_snapshot(snapshot)
        window.top_bar.show_next_step(snapshot.has_policy)
        window.task_list.show_recording(is_recording)
        problem = explain_disabled("motion", snapshot)
        window.arm_panel.tool_bar.refresh(problem)
        window.arm_panel.steps_panel.form.refresh(problem)
        can_teach = problem is None and window.arm_panel.player.take is None
        window.arm_panel.view.teaching_enabled = window.camera_picture.teaching_enabled = can_teach
        window.arm_panel.view.fine_rendering_allowed = snapshot.learning is LearningActivity.IDLE
        window.arm_panel.show_take_buttons(snapshot.just_saved and is_ready)
        if not is_recording:
            window.arm_panel.show_recording("")
        if is_ready and before.state in (ArmActivity.NO_ARM, ArmActivity.CONNECTING, ArmActivity.ERROR):
            window.joint_plot.clear_live()
        if snapshot.state is not before.state or (snapshot.arm_busy and not before.arm_busy):
            self._replay_presenter.show_arm()
        window.toast_area.dismiss_outdated({"undo": snapshot.undo_text, "redo": snapshot.redo_text})
        if (snapshot.task, snapshot.state) != (before.task, before.state):
            self._show_next_task(self.session.recording)

    def _show_next_task(self, recording: RecordingParts) -> None:
        """Show the task of the take being recorded or of the next one; do not overwrite a name being typed."""
        panel, controller = self._window.arm_panel, recording.controller
        panel.show_recording_task(controller.is_recording, controller.records_existing_task)
        if not panel.task_name_field.hasFocus() or panel.task_name_field.isReadOnly():
            panel.show_task_name(controller.next_task)

    def _show_tick(self, tick: Tick) -> None:
        window, recording, arm = self._window, self.session.recording, self.session.arm
        if window.arm_panel.player.take is None:
            window.arm_panel.view.show_state(tick.state, tick.observation)
        window.joint_plot.append_tick(
            tick.time, tick.observation.joints.positions, tick.instruction, tick.instruction_index
        )
        duration = recording.controller.duration
        if duration is not None:
            window.arm_panel.show_recording(f"● {duration:.1f} s")
        rate = self._rate_meter.update(tick.index, tick.time)
        if tick.index % 25 < 2:
            limits = " · limits in force" if self._snapshot.state is ArmActivity.RUNNING else ""
            window.status_bar.show_rate(
                f"{rate:.1f} / {CONTROL_RATE_HZ:.0f} Hz, {tick.missed_deadlines} missed{limits}",
                arm.controller.priority_refusal,
            )

    def _show_tool(self, action: str) -> None:
        self._window.arm_panel.tool_bar.show_tool(action)
        self._window.arm_panel.steps_panel.form.show_tool(action)
        self._window.arm_panel.view.refresh_hint()

    # Tasks and takes

    def _show_tasks(self) -> None:
        self._window.task_list.show_tasks(self.session.library.tasks)
        if self.session.library.find_task(self._task_to_select) is not None:
            if self._window.task_list.current_selection()[0] != self._task_to_select:  # else a take may be selected
                self._window.task_list.select(self._task_to_select)
            self._task_to_select = None

    def _repaint_tasks(self, _key: object) -> None:
        self._window.task_list.tree.viewport().update()

    def _select_when_listed(self, task: str) -> None:
        """Select a task as soon as it is in the list."""
        self._task_to_select = task

    def _on_take_saved(self, take: Demonstration) -> None:
        self._select_when_listed(take.task)

    def _show_selection(self) -> None:
        """Show the selected take, or the live arm if none is selected."""
        s, window = self.session.state.snapshot, self._window
        self._replay_presenter.show_selection()
        tasks = window.task_list
        if s.task and tasks.current_selection() != (s.task, s.take) and tasks.is_listed(s.task, s.take):
            window.task_list.select(s.task, s.take)

    # Messages

    def _show_message(self, text: str, kind: str, action_key: str) -> None:
        action = self._window.actions_[action_key] if action_key else None
        message = ToastMessage(text, cast("MessageKind", kind), action, action_key, self._next_change(action_key))
        self._window.toast_area.show_message(message)
        self._window.status_bar.message_label.set_full_text(text)

    def _next_change(self, action_key: str) -> str | None:
        """Return the text of the change that Undo or Redo would revert; None for other actions."""
        undo_stack = self.session.library.undo_stack
        texts = {"undo": undo_stack.undoText, "redo": undo_stack.redoText}
        return texts[action_key]() or None if action_key in texts else None

    def _dismiss_adaptation_errors(self, _adapted: object) -> None:
        self._window.toast_area.dismiss_resolved([self._window.actions_["adapt"]])
