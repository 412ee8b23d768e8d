"""Session: the parts of the program while its window is open, their wiring, and their start and end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from metagui.gui.core.app_state import AppSnapshot, ArmActivity, LearningActivity
from metagui.gui.window.app_snapshot import take_snapshot

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.gui.core.app_state import AppState
    from metagui.gui.core.messages import Messages
    from metagui.gui.library.library_model import LibraryModel
    from metagui.gui.window.session_parts import ArmParts, ExecutionParts, LearningParts, RecordingParts, TeachingParts


class Session(QObject):
    """Connects the parts with each other; widgets call the parts directly."""

    def __init__(
        self,
        state: AppState,
        messages: Messages,
        library: LibraryModel,
        arm: ArmParts,
        teaching: TeachingParts,
        recording: RecordingParts,
        learning: LearningParts,
        execution: ExecutionParts,
    ) -> None:
        super().__init__()
        self.state, self.messages, self.library = state, messages, library
        self.arm, self.teaching, self.recording = arm, teaching, recording
        self.learning, self.execution = learning, execution
        state.observe(self._take_snapshot)
        self._connect_arm(arm)
        self._connect_library(library, recording, learning)

    def _take_snapshot(self, before: AppSnapshot) -> AppSnapshot:
        return take_snapshot(before, self.library, self.arm, self.teaching, self.recording, self.learning)

    def _connect_arm(self, arm: ArmParts) -> None:
        arm.controller.ticked.connect(self._on_tick)
        arm.flow.activity_changed.connect(self._on_arm_activity_changed)
        arm.flow.interrupted.connect(self._on_interruption)
        arm.connection.choices_changed.connect(self.state.refresh)
        arm.camera.report_changed.connect(self.state.refresh)
        self._connect_modes(self.teaching)

    def _connect_modes(self, teaching: TeachingParts) -> None:
        teaching.modes.changed.connect(self.state.refresh)
        teaching.steps.changed.connect(self.state.refresh)

    def _connect_library(self, library: LibraryModel, recording: RecordingParts, learning: LearningParts) -> None:
        library.tasks_changed.connect(self._on_tasks_changed)
        library.undo_changed.connect(self.state.refresh)
        library.access_changed.connect(self.state.refresh)
        library.take_loaded.connect(self.state.report_take_loaded)
        learning.queue.state_changed.connect(self.state.refresh)
        learning.prior.loaded.connect(self._on_prior_loaded)
        learning.encoder_training.encoder_changed.connect(self._on_encoder_changed)
        recording.controller.take_saved.connect(self._on_take_saved)
        recording.controller.save_failed.connect(recording.recovery.find_recordings)

    # Start and end

    def open(self) -> None:
        """Read the library, look for unsaved takes, and load the prior, after which the arm is connected."""
        arm, recording, learning = self.arm, self.recording, self.learning
        arm.connection.start_scanning()
        self.library.check_access()
        self.library.refresh()
        recording.recovery.find_recordings()
        learning.prior.load()

    def close(self) -> None:
        """Hold the arm, save the take being recorded, and end all threads."""
        arm, teaching, learning, execution = self.arm, self.teaching, self.learning, self.execution
        execution.countdown.cancel()
        self._finish_take(self.recording)
        teaching.modes.close()
        arm.camera.close()
        arm.connection.close()
        learning.prior.close()
        learning.queue.close()
        self.library.close()

    def stop(self) -> None:
        """Stop everything and hold the arm."""
        arm, teaching = self.arm, self.teaching
        torque_was_off = arm.controller.torque_off
        arm.controller.halt()
        teaching.modes.halt()
        self._end_activity(self.execution, self.learning, torque_was_off)
        teaching.clicks.click_teacher.pushed_object = None
        self.state.refresh()

    def _end_activity(self, execution: ExecutionParts, learning: LearningParts, torque_was_off: bool) -> None:
        """End the one activity that Stop is about: a run, else a take, else learning."""
        if self.state.activity in (ArmActivity.CHECKING_POSE, ArmActivity.SETTING_UP_CAMERA):
            self.messages.post("Stopped; the arm holds.")
            return
        if execution.controller.stop() or self._finish_take(self.recording):
            return
        if learning.queue.state is not LearningActivity.IDLE and not torque_was_off:
            learning.queue.stop()
        elif self.state.activity is ArmActivity.READY:
            self.messages.post("Stopped; the arm holds.")

    def _finish_take(self, recording: RecordingParts, interrupted: bool = False) -> bool:
        """Save the take being recorded; return False if there is none."""
        was_recording = recording.controller.is_recording
        if was_recording:
            recording.controller.finish_take(interrupted)
        return was_recording

    def selected_take(self) -> Demonstration | None:
        """Return the selected take, or None if it has not been read yet or none is selected."""
        key = self.state.snapshot.take_key
        return None if key is None else self.library.request_take(key)

    # Arm

    def _on_prior_loaded(self) -> None:
        """Connect the simulated arm: the learning code is loaded and cannot delay the control thread."""
        arm, learning = self.arm, self.learning
        if self.state.activity is ArmActivity.NO_ARM and arm.connection.chosen.is_simulated:
            arm.flow.toggle_connection()
        self.state.refresh()
        learning.similarity.compare_takes()

    def _on_encoder_changed(self) -> None:
        self.state.refresh()
        self.learning.similarity.compare_takes()

    def _on_arm_activity_changed(self, activity: ArmActivity) -> None:
        arm, teaching = self.arm, self.teaching
        if activity is not self.state.activity:
            teaching.modes.reset()
        teaching.clicks.set_arm(arm.controller.arm)
        self.state.request(activity)

    def _on_tick(self, _tick: object) -> None:
        snapshot, arm = self.state.snapshot, self.arm
        controller = arm.controller
        shown = (snapshot.arm_busy, snapshot.torque_off, snapshot.alarm)
        if shown != (controller.pending_count > 0, controller.torque_off, controller.alarm):
            self.state.refresh()

    def _on_interruption(self, lost: bool) -> None:
        """End what the arm was doing after an error; a take is saved."""
        execution, teaching = self.execution, self.teaching
        self._finish_take(self.recording, interrupted=True)
        execution.controller.interrupt()
        if lost:
            teaching.modes.reset()

    # Library

    def _on_tasks_changed(self) -> None:
        recording, snapshot = self.recording, self.state.snapshot
        if snapshot.task and self.library.find_task(snapshot.task) is None:
            self.state.select(None, None)
        recording.controller.forget_removed_take()
        self.state.refresh()

    def _on_take_saved(self, take: Demonstration) -> None:
        """Embed a saved take, then report how it compares with the others of its task."""
        recording, learning = self.recording, self.learning
        learning.similarity.embed_take(take, recording.controller.report_saved)
