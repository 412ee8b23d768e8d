"""Connections from actions and widgets of the window to the parts of the session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.demonstrations.demonstration import Segment
    from metagui.gui.window.main_window import MainWindow
    from metagui.gui.window.session import Session
    from metagui.gui.window.session_parts import ArmParts, ExecutionParts, LearningParts, RecordingParts, TeachingParts


class ActionSlots(QObject):
    """Connects actions and widgets to the parts of a session."""

    task_changed = Signal(str)
    """Present name of a task that was renamed, restored or otherwise changed, to be selected if it is listed."""

    def __init__(self, window: MainWindow, session: Session) -> None:
        super().__init__(window)
        self._window, self._session = window, session
        self._state, self._library = session.state, session.library
        self._connect_session(session)
        self._connect_arm(session.arm)
        self._connect_teaching(session.teaching)
        self._connect_recording(session.recording)
        self._connect_learning(session.learning)
        self._connect_execution(session.execution)

    def _connect_actions(self, slots: dict[str, Callable[..., object]]) -> None:
        for key, slot in slots.items():
            self._window.actions_[key].triggered.connect(slot)

    def _connect_session(self, session: Session) -> None:
        window, undo_stack, name_field = self._window, self._library.undo_stack, self._window.arm_panel.task_name_field
        self._connect_actions(
            {
                "stop": self._stop,
                "undo": undo_stack.undo,
                "redo": undo_stack.redo,
                "new_task": self._new_task,
            }
        )
        window.task_list.selection_changed.connect(session.state.select)
        window.task_list.model.rename_requested.connect(self._rename_task)
        name_field.editingFinished.connect(self._select_named_task)
        undo_stack.undone.connect(self._report_undone)
        undo_stack.redone.connect(self._report_redone)
        window.joint_plot.segments_edited.connect(self._edit_segments, Qt.ConnectionType.QueuedConnection)

    def _connect_arm(self, arm: ArmParts) -> None:
        self._connect_actions(
            {
                "connect": arm.flow.toggle_connection,
                "copy_command": arm.flow.copy_command,
                "calibrate": self._open_calibration,
                "clear_overload": arm.controller.clear_overload,
                "name_arm": self._edit_arm_name,
            }
        )
        picker, wizard_host = self._window.top_bar.arm_picker, self._window.wizard_host
        picker.arm_chosen.connect(arm.connection.choose)
        picker.name_entered.connect(arm.connection.name_chosen_arm)
        picker.port_entered.connect(arm.connection.add_port)
        wizard_host.finished.connect(arm.flow.connect_named)
        wizard_host.cancelled.connect(arm.flow.end_calibration)

    def _connect_teaching(self, teaching: TeachingParts) -> None:
        clicks, modes, placement, panel = teaching.clicks, teaching.modes, teaching.placement, self._window.arm_panel
        self._connect_actions(
            {
                "randomise": clicks.randomise_scene,
                "home": clicks.go_home,
                "up": clicks.jog_up,
                "down": clicks.jog_down,
                "release": clicks.release_object,
                "limp": modes.toggle_torque,
            }
        )
        self._window.actions_["steps"].toggled.connect(panel.show_steps)
        panel.steps_panel.form.step_chosen.connect(clicks.dispatch)
        panel.steps_panel.form.tool_chosen.connect(clicks.choose_tool)
        panel.view.clicked.connect(clicks.dispatch)
        panel.tool_bar.tool_chosen.connect(clicks.choose_tool)
        panel.view.object_placed.connect(placement.place_object)
        panel.placement_bar.tip_object_chosen.connect(placement.place_object_at_tool)
        panel.mode_bar.mode_chosen.connect(modes.choose)
        panel.mode_bar.menu_opened.connect(modes.find_gamepad)
        panel.mode_bar.leader_chosen.connect(self._follow)
        panel.mode_bar.stiffness_chosen.connect(modes.choose_stiffness)

    def _connect_recording(self, recording: RecordingParts) -> None:
        self._connect_actions(
            {
                "record": recording.controller.toggle_recording,
                "again": recording.controller.retake,
                "again_here": recording.repeater.repeat_here,
                "again_elsewhere": recording.repeater.repeat_elsewhere,
                "discard": recording.controller.discard_newest_take,
                "countdown": self._set_countdown,
            }
        )
        self._window.arm_panel.task_name_field.textEdited.connect(self._name_next_task)
        self._window.recovery_bar.accepted.connect(recording.recovery.keep_recording)
        self._window.recovery_bar.declined.connect(recording.recovery.delete_recording)

    def _connect_learning(self, learning: LearningParts) -> None:
        self._connect_actions(
            {
                "adapt": learning.adaptation.adapt_selected_task,
                "compare": learning.similarity.compare_takes,
                "train": learning.encoder_training.train,
                "shipped_encoder": learning.encoder_training.use_shipped_encoder,
                "stop_learning": learning.queue.stop,
                "cancel_learning": learning.queue.cancel,
            }
        )
        self._window.outlier_bar.accepted.connect(learning.adaptation.exclude_outlier)
        self._window.outlier_bar.declined.connect(learning.adaptation.keep_outlier)

    def _connect_execution(self, execution: ExecutionParts) -> None:
        self._connect_actions({"run": execution.controller.run_selected_task, "replay_arm": self._replay_on_arm})

    # Arm

    def _open_calibration(self) -> None:
        """Disconnect the arm and open the calibration wizard for its port."""
        arm = self._session.arm
        choice, registry = arm.connection.chosen, arm.connection.registry
        arm.flow.release_for_calibration()
        self._window.wizard_host.open_wizard(choice.device, registry)

    def _edit_arm_name(self) -> None:
        arm = self._session.arm
        self._window.top_bar.arm_picker.edit_name(arm.connection.chosen.name)

    def _stop(self) -> None:
        """Stop everything, also a replay in the view, and cancel a calibration."""
        self._window.arm_panel.player.show_take(None)
        self._session.stop()
        self._window.wizard_host.cancel_wizard()

    def _follow(self, key: str) -> None:
        teaching = self._session.teaching
        leader = next((choice for choice in teaching.modes.available_leaders() if choice.key == key), None)
        if leader is None:
            teaching.modes.stop_following()
        else:
            teaching.modes.follow(leader)

    def _set_countdown(self) -> None:
        recording = self._session.recording
        recording.controller.set_countdown_enabled(self._window.actions_["countdown"].isChecked())

    def _replay_on_arm(self) -> None:
        take, execution = self._session.selected_take(), self._session.execution
        if take is not None:
            execution.controller.replay_take(take)

    # Task names

    def _new_task(self) -> None:
        """Select nothing, and focus the field for the name of a new task."""
        self._window.task_list.select(None)
        self._state.select(None, None)
        self._window.arm_panel.task_name_field.clear()
        self._window.arm_panel.task_name_field.setFocus()

    def _name_next_task(self, text: str) -> None:
        """Give the take being recorded, or the next one, to a task of this name; no existing task is changed."""
        recording = self._session.recording
        if not recording.controller.is_recording:
            self._window.task_list.select(None)
            self._state.select(None, None)
        recording.controller.new_task_name = text.strip()

    def _select_named_task(self) -> None:
        """Select the task whose name was typed, if it exists."""
        recording = self._session.recording
        name = self._library.find_similar_name(recording.controller.new_task_name)
        if not recording.controller.is_recording and self._library.find_task(name) is not None:
            self._window.task_list.select(name)

    def _rename_task(self, task: str, new_name: str) -> None:
        """Rename a task; ``task_changed`` follows if that was possible."""
        if self._library.rename_task(task, new_name):
            self.task_changed.emit(new_name)

    # Undo

    def _report_undone(self, text: str, task: str) -> None:
        self._report_change(f"Undone: {text}.", task, "redo")

    def _report_redone(self, text: str, task: str) -> None:
        self._report_change(f"Done again: {text}.", task, "undo")

    def _report_change(self, text: str, task: str, action: str) -> None:
        """Post what was undone or done again, and select its task once that is listed."""
        self._session.messages.post(text, "info", action)
        self.task_changed.emit(task)

    # Selected takes

    def _edit_segments(self, segments: tuple[Segment, ...]) -> None:
        key = self._state.snapshot.take_key
        if key is not None:
            self._library.set_segments(key, segments)
