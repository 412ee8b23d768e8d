"""Which part of the session a button, a key or a gesture calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt

from metagui.demonstrations.demonstration import TakeKey
from metagui.gui.scene.take_player import TakePlayer

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray
    from metagui.demonstrations.demonstration import Segment
    from metagui.gui.window.main_window import MainWindow
    from metagui.gui.window.session import Session


class ActionSlots(QObject):
    """Connects the window's actions and widgets to the session."""

    def __init__(self, window: MainWindow, session: Session) -> None:
        super().__init__(window)
        self._window, self._session = window, session
        self.player = TakePlayer(self)
        self._connect_actions()
        self._connect_widgets()

    def _connect_actions(self) -> None:
        session, actions = self._session, self._window.actions_
        steering, undo, learner = (
            session.click_dispatcher,
            session.library_model.undo_stack,
            session.learning.learning_queue,
        )
        slots = {
            "connect": session.toggle_connection,
            "record": session.toggle_recording,
            "again": session.retake,
            "discard": session.discard_newest_take,
            "adapt": session.adapt,
            "run": session.run_policy,
            "stop": self._stop,
            "calibrate": self._open_calibration,
            "name_arm": self._edit_arm_name,
            "copy_command": session.connection_flow.copy_command,
            "limp": session.toggle_torque,
            "countdown": self._set_countdown,
            "replay_arm": session.replay_on_arm,
            "undo": undo.undo,
            "redo": undo.redo,
            "randomise": steering.randomise_scene,
            "home": steering.go_home,
            "up": steering.jog_up,
            "down": steering.jog_down,
            "release": steering.release_object,
            "compare": session.learning.compare_takes,
            "train": session.learning.train_encoder,
            "stop_learning": learner.stop,
            "cancel_learning": learner.cancel,
            "new_task": self._new_task,
            "delete": self._delete,
            "success": self._mark_success,
            "failure": self._mark_failure,
            "replay": self._toggle_playback,
        }
        for key, slot in slots.items():
            actions[key].triggered.connect(slot)

    def _connect_widgets(self) -> None:
        window, session = self._window, self._session
        window.task_list.selection_changed.connect(session.select)
        window.joint_plot.segments_edited.connect(self._edit_segments, Qt.ConnectionType.QueuedConnection)
        window.task_list.model.rename_requested.connect(session.rename_task)
        window.task_list.tree.doubleClicked.connect(window.actions_["replay"].trigger)
        window.arm_panel.view.clicked.connect(session.click_dispatcher.dispatch)
        window.arm_panel.view.clicked.connect(self.player.stop)
        window.arm_panel.tool_bar.tool_chosen.connect(session.click_dispatcher.choose_tool)
        window.arm_panel.task_name_field.textEdited.connect(self._set_new_task_name)
        window.arm_panel.task_name_field.editingFinished.connect(self._rename_selected_task)
        window.arm_panel.view.object_placed.connect(session.object_placement.place_object)
        window.arm_panel.placement_bar.tip_object_chosen.connect(session.object_placement.place_object_at_tool)
        window.arm_panel.mode_bar.mode_chosen.connect(session.mode_controller.choose)
        window.arm_panel.mode_bar.menu_opened.connect(session.mode_controller.find_gamepad)
        window.arm_panel.mode_bar.leader_chosen.connect(self._follow)
        window.top_bar.arm_picker.arm_chosen.connect(session.arm_connection.choose)
        window.top_bar.arm_picker.name_entered.connect(session.arm_connection.name_chosen_arm)
        window.top_bar.arm_picker.port_entered.connect(session.arm_connection.add_port)
        window.wizard_host.finished.connect(session.connection_flow.connect_named)
        window.wizard_host.cancelled.connect(session.connection_flow.end_calibration)
        window.recovery_bar.accepted.connect(session.crash_recovery.keep_recording)
        window.outlier_bar.accepted.connect(session.adaptation.exclude_outlier)
        window.outlier_bar.declined.connect(session.adaptation.keep_outlier)
        window.recovery_bar.declined.connect(session.crash_recovery.delete_recording)
        self.player.state_changed.connect(self._show_playback)
        self.player.playback_ended.connect(self._end_playback)

    # The arm

    def _open_calibration(self) -> None:
        """Let go of the arm and open the page that calibrates it."""
        session, choice = self._session, self._session.arm_connection.chosen
        session.connection_flow.release_for_calibration()
        self._window.wizard_host.open_wizard(choice.device, session.arm_connection.registry)

    def _edit_arm_name(self) -> None:
        self._window.top_bar.arm_picker.edit_name(self._session.arm_connection.chosen.name)

    def _stop(self) -> None:
        """Halt everything; a calibration is cancelled."""
        self._session.stop()
        self._window.wizard_host.cancel_wizard()

    def _follow(self, key: str) -> None:
        found = next(
            (choice for choice in self._session.mode_controller.available_leaders() if choice.key == key), None
        )
        if found is None:
            self._session.mode_controller.stop_following()
        else:
            self._session.mode_controller.follow(found)

    def _set_countdown(self) -> None:
        self._session.set_countdown_before_recording(self._window.actions_["countdown"].isChecked())

    # Naming

    def _new_task(self) -> None:
        """Choose nothing, and wait for a name; none is needed."""
        self._window.task_list.select(None)
        self._session.select(None, None)
        self._window.arm_panel.task_name_field.clear()
        self._window.arm_panel.task_name_field.setFocus()

    def _set_new_task_name(self, text: str) -> None:
        if self._session.snapshot.task is None:
            self._session.recording.new_task_name = text.strip()

    def _rename_selected_task(self) -> None:
        text, task = self._window.arm_panel.task_name_field.text().strip(), self._session.snapshot.task
        if task and text and text != task:
            self._session.rename_task(task, text)

    # What is chosen

    def _delete(self) -> None:
        """Move the chosen take or task to the trash."""
        s = self._session.snapshot
        if s.task:
            self._session.library_model.move_to_trash(s.task, s.take)
            what = f"“{s.task}” take {s.take}" if s.take else f"“{s.task}”"
            self._session.message_posted.emit(f"Moved {what} to the trash", "info", "undo")

    def _mark_success(self) -> None:
        self._set_success(True)

    def _mark_failure(self) -> None:
        self._set_success(False)

    def _set_success(self, success: bool) -> None:
        s = self._session.snapshot
        if s.task and s.take:
            self._session.library_model.set_success(TakeKey(s.task, s.take), success)

    def _edit_segments(self, segments: tuple[Segment, ...]) -> None:
        s = self._session.snapshot
        if s.task and s.take:
            self._session.library_model.set_segments(TakeKey(s.task, s.take), segments)

    # Replay

    def _toggle_playback(self) -> None:
        """Play the chosen take in the view, or stop playing."""
        take = self._session.selected_take()
        if self.player.is_playing:
            self.player.stop()
        elif take is not None and not self.player.play(take):
            self._session.message_posted.emit(
                "This take has no simulator states, so it cannot be replayed.", "warning", ""
            )

    def _show_playback(self, state: FloatArray, fraction: float) -> None:
        self._window.arm_panel.view.show_state(state, None)
        self._window.arm_panel.show_title(
            f"Replaying take {self._session.snapshot.take or ''} · {100 * fraction:.0f} %"
        )
        self._window.joint_plot.show_progress(fraction)

    def _end_playback(self) -> None:
        self._window.arm_panel.show_title("Arm")
        self._window.joint_plot.show_progress(None)
