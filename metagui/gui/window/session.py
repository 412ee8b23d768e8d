"""What the person is doing, from first click to a running policy: between the widgets and the parts with threads."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from metagui.arms.feetech.serial_port import list_usb_ports
from metagui.arms.so101.arm_registry import ArmRegistry
from metagui.demonstrations.demonstration import TakeKey
from metagui.gui.arm.arm_connection import ArmConnection
from metagui.gui.arm.arm_controller import ArmController
from metagui.gui.arm.connection_messages import ConnectionFlow
from metagui.gui.core.app_state import AppSnapshot, ArmActivity, LearningActivity, transition
from metagui.gui.core.task_queue import BackgroundQueue
from metagui.gui.execution.execution_controller import ExecutionController
from metagui.gui.execution.policy_run import PolicyRunner
from metagui.gui.learning.adaptation_controller import AdaptationController
from metagui.gui.library.library_model import LibraryModel
from metagui.gui.recording.crash_recovery import CrashRecovery
from metagui.gui.recording.recording_controller import RecordingController
from metagui.gui.scene.object_placement import ObjectPlacement
from metagui.gui.similarity.behaviour_comparison import BehaviourComparisonController
from metagui.gui.teaching.click_dispatcher import ClickDispatcher
from metagui.gui.teaching.mode_controller import ModeController
from metagui.gui.teaching.modes import HAND_MODE
from metagui.gui.window.app_snapshot import take_snapshot
from metagui.gui.window.studies import LearningController

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from metagui.arms.control.tick import Tick
    from metagui.arms.feetech.serial_port import UsbPort
    from metagui.demonstrations.demonstration import Demonstration, Instruction
    from metagui.demonstrations.storage.library import Library
    from metagui.gui.arm.capabilities import SceneArm
    from metagui.gui.widgets.toast import MessageKind
    from metagui.learning.prior import Prior

OBJECTS_UNPLACED_TEXT = (
    "Nothing is marked on this table, so the policy does not know where things stand. Stop, and mark them."
)


class Session(QObject):
    """The flow: choose, record, adapt, run. Everything it does is told in words through ``said``."""

    snapshot_changed = Signal(object)
    message_posted = Signal(str, str, str)
    """Text, kind, and the key of the action that belongs to it, or nothing."""
    ticked = Signal(object)
    selection_changed = Signal()
    """Another task or take was chosen, or the chosen take has been read."""
    task_renamed = Signal(str)
    """A task has this name now."""

    def __init__(
        self,
        make_arm: Callable[[], SceneArm],
        library: Library,
        load_prior: Callable[[], Prior],
        seed: int | None = None,
        registry: ArmRegistry | None = None,
        list_ports: Callable[[], tuple[UsbPort, ...]] = list_usb_ports,
    ) -> None:
        """``make_arm`` makes the simulated arm; ``book`` knows the named ones, ``ports`` lists what is plugged in."""
        super().__init__()
        simulated = make_arm()
        self.background_queue = BackgroundQueue()
        self.arm_controller = ArmController(simulated, library.root)
        self.arm_connection = ArmConnection(
            self.arm_controller, simulated, registry or ArmRegistry(ports=list_ports), list_ports
        )
        self.connection_flow = ConnectionFlow(self.arm_connection, self.arm_controller)
        self.mode_controller = ModeController(self.arm_controller, self.arm_connection)
        self.library_model = LibraryModel(library, self.background_queue)
        self.learning = LearningController(self.library_model, self.background_queue, load_prior, simulated)
        self.adaptation = AdaptationController(self.learning, self.library_model)
        self.behaviour_comparison = BehaviourComparisonController(self.learning, self.library_model)
        self.policy_runner = PolicyRunner(self.arm_controller, self.library_model, self.background_queue)
        self.click_dispatcher = ClickDispatcher(self.arm_controller, seed)
        self.object_placement = ObjectPlacement(self.arm_controller, self.library_model.undo_stack)
        self.snapshot = AppSnapshot()
        self.recording = RecordingController(
            self.arm_controller, self.library_model, self.learning, self.mode_controller
        )
        self.crash_recovery = CrashRecovery(self.library_model, self.background_queue)
        self.execution = ExecutionController(self.policy_runner, self.click_dispatcher, self.mode_controller)
        self.countdown_before_recording = {True: False, False: True}
        """Whether it is counted down before a recording, with the simulated arm and with others."""
        self._connect()

    def _connect(self) -> None:
        desk, shelf, studies = self.arm_controller, self.library_model, self.learning
        desk.ticked.connect(self._on_tick)
        desk.alarm_raised.connect(self._on_alarm)
        self.connection_flow.state_changed.connect(self._on_arm_changed)
        self.connection_flow.interrupted.connect(self._on_interruption)
        self.arm_connection.choices_changed.connect(self.refresh_snapshot)
        self.mode_controller.changed.connect(self.refresh_snapshot)
        self.click_dispatcher.instruction_added.connect(self._on_instruction)
        self.click_dispatcher.queue_finished.connect(self.recording.on_queue_finished)
        shelf.tasks_changed.connect(self._on_tasks_changed)
        shelf.undo_changed.connect(self.refresh_snapshot)
        shelf.take_loaded.connect(self._on_take_loaded)
        studies.prior_loaded.connect(self._on_prior)
        studies.prior_warning_posted.connect(self._post_message)
        self.adaptation.changed.connect(self.refresh_snapshot)
        self.recording.take_started.connect(self._on_take_began)
        self.recording.take_ended.connect(self._on_take_ended)
        self.recording.take_saved.connect(self.refresh_snapshot)
        self.recording.save_failed.connect(self.crash_recovery.find_recordings)
        self.execution.state_changed.connect(self._set_state)
        for failing in (shelf, studies, self.background_queue, self.crash_recovery, self.execution):
            failing.failed.connect(self._on_error)
        speaking = (
            self.recording,
            self.crash_recovery,
            self.click_dispatcher,
            self.connection_flow,
            self.mode_controller,
            self.adaptation,
            self.object_placement,
        )
        for speaker in (*speaking, self.execution):
            speaker.message_posted.connect(self.message_posted)

    # The situation

    def refresh_snapshot(self, *_: object) -> None:
        """Work out anew what is enabled."""
        self._apply_selection(self.snapshot.task, self.snapshot.take)

    def _apply_selection(self, task: str | None, take: str | None) -> None:
        """Take up what is chosen, and work out what that enables."""
        found = take_snapshot(self, task, take)
        if found != self.snapshot:
            self.snapshot = found
            self.snapshot_changed.emit(found)

    def _set_state(self, state: ArmActivity) -> None:
        self.snapshot = replace(self.snapshot, state=transition(self.snapshot.state, state))
        self.snapshot_changed.emit(self.snapshot)
        self.refresh_snapshot()

    def _post_message(self, text: str, kind: MessageKind = "info", action: str = "") -> None:
        self.message_posted.emit(text, kind, action)

    def _on_error(self, error: Exception) -> None:
        from metagui.learning.adaptation.task_policy import TaskPolicyError

        self._post_message(
            str(error) or type(error).__name__, "error", "adapt" if isinstance(error, TaskPolicyError) else ""
        )
        self.refresh_snapshot()

    # Beginning and end

    def open(self) -> None:
        """Read the library, look for what a crash left behind, load the prior; then connect the arm."""
        self.arm_connection.start_scanning()
        self.library_model.refresh()
        self.crash_recovery.find_recordings()
        self.learning.load_prior()

    def _on_prior(self) -> None:
        """The learner is warm: nothing will hold up the control thread for long any more."""
        if self.snapshot.state is ArmActivity.NO_ARM and self.arm_connection.chosen.is_simulated:
            self.toggle_connection()
        self.refresh_snapshot()
        self.learning.compare_takes()

    def close(self) -> None:
        """Hold the arm, keep the take being recorded, end every thread."""
        self.execution.countdown.cancel()
        if self.recording.is_recording:
            self.recording.finish_take()
        self.mode_controller.close()
        self.arm_connection.close()
        self.learning.close()
        self.background_queue.close()

    def library_folder(self) -> Path:
        """Return where the recordings lie."""
        return self.library_model.library.root

    # The arm

    def toggle_connection(self) -> None:
        """Connect the chosen arm, or let it go."""
        self.connection_flow.toggle_connection(self.snapshot.state)

    def _on_arm_changed(self, state: ArmActivity) -> None:
        """Another arm is connected, or none."""
        if state is not self.snapshot.state:
            self.mode_controller.reset()
        self.click_dispatcher.set_arm(self.arm_controller.arm)
        self._set_state(state)

    def _on_tick(self, tick: Tick) -> None:
        if (self.snapshot.arm_busy, self.snapshot.torque_off) != (
            self.arm_controller.pending_count > 0,
            self.arm_controller.torque_off,
        ):
            self.refresh_snapshot()
        self.ticked.emit(tick)

    def _on_interruption(self, lost: bool) -> None:
        """What the arm did is over; a take is kept."""
        if self.recording.is_recording:
            self.recording.finish_take()
        self.execution.interrupt()
        if lost:
            self.mode_controller.reset()

    def _on_alarm(self, text: str) -> None:
        self._post_message(text, "warning")

    def _on_instruction(self, instruction: Instruction) -> None:
        self.recording.add_instruction(instruction)
        self.refresh_snapshot()

    # Choosing

    def select(self, task: str | None, take: str | None) -> None:
        """Take note of what is chosen in the list."""
        if (task, take) != (self.snapshot.task, self.snapshot.take):
            if task:
                self.recording.new_task_name = ""
            self._apply_selection(task, take)
            self.selection_changed.emit()

    def selected_take(self) -> Demonstration | None:
        """Return the chosen take if it has been read."""
        s = self.snapshot
        return self.library_model.request_take(TakeKey(s.task, s.take)) if s.task and s.take else None

    def _on_take_loaded(self, key: TakeKey) -> None:
        if key == (self.snapshot.task, self.snapshot.take):
            self.selection_changed.emit()

    def _on_tasks_changed(self) -> None:
        names = {row.name for row in self.library_model.tasks}
        if self.snapshot.task and self.snapshot.task not in names:
            self.select(None, None)
        self.recording.forget_removed_take()
        self.learning.remove_missing_takes()
        self.refresh_snapshot()
        if not len(self.learning.comparison):  # the prior may have been there before the list of takes
            self.learning.compare_takes()

    def rename_task(self, task: str, new_name: str) -> None:
        """Give a task another name."""
        if self.library_model.rename_task(task, new_name):
            self.task_renamed.emit(new_name)

    # Leading by hand

    def toggle_torque(self) -> None:
        """Hold a limp arm; let one that holds go limp, once the person had time to take hold of it."""
        if self.arm_controller.torque_off or self.snapshot.state is not ArmActivity.READY:
            self.mode_controller.toggle_torque()
        else:
            self.mode_controller.choose(HAND_MODE)
            self.execution.start_countdown("The arm goes limp: hold it", self._switch_torque_off)

    def _switch_torque_off(self) -> None:
        self._set_state(ArmActivity.READY)
        self.mode_controller.toggle_torque()

    # Recording

    def toggle_recording(self) -> None:
        """Begin a take of the chosen task, or of a new one that its clicks name; or finish the take."""
        if self.recording.is_recording:
            self.recording.request_finish()
        else:
            self.start_recording()

    def start_recording(self, task: str | None = None) -> None:
        """Begin a take of a task, by default the chosen one, in a new scene; counted in if that is wanted."""
        begin = partial(self._record_now, task or self.snapshot.task)
        if self.snapshot.counts_down and self.snapshot.state is ArmActivity.READY:
            self.execution.start_countdown("Recording begins", begin)
        else:
            begin()

    def set_countdown_before_recording(self, enabled: bool) -> None:
        """Say whether it is counted down before a recording with an arm like this."""
        self.countdown_before_recording[self.snapshot.simulated] = enabled
        self.refresh_snapshot()

    def _record_now(self, task: str | None) -> None:
        if self.click_dispatcher.scene_used:
            self.click_dispatcher.randomise_scene()
        self.recording.start_take(task)
        if not self.recording.is_recording and self.snapshot.state is ArmActivity.COUNTDOWN:
            self._set_state(ArmActivity.READY)

    def _on_take_began(self) -> None:
        self._set_state(ArmActivity.RECORDING)

    def _on_take_ended(self) -> None:
        self.click_dispatcher.scene_used = True
        self._set_state(ArmActivity.READY)

    def discard_newest_take(self) -> None:
        """Throw away the take being recorded, or take the newest one out again."""
        self.recording.discard_take()
        self.refresh_snapshot()

    def retake(self) -> None:
        """Discard the newest take, or the one being recorded, and record anew in another scene."""
        task = self.recording.task_to_retake(self.snapshot.task)
        self.recording.discard_take()
        self.click_dispatcher.scene_used = True
        self.start_recording(task)

    # Learning

    def adapt(self) -> None:
        """Adapt to the chosen task's takes."""
        self.adaptation.adapt(self.snapshot.task)

    # Running

    def run_policy(self) -> None:
        """Let the arm do the chosen task in a new scene, or on a real table as it is, after a countdown."""
        if self.snapshot.task is not None:
            if self.object_placement.is_missing:
                self._post_message(OBJECTS_UNPLACED_TEXT, "warning", "mark")
            self.execution.run_task(self.snapshot.task, not self.snapshot.simulated)

    def replay_on_arm(self) -> None:
        """Let the arm repeat the chosen take."""
        take = self.selected_take()
        if take is not None:
            self.execution.replay_take(take, not self.snapshot.simulated)

    def stop(self) -> None:
        """Halt whatever runs and hold the arm."""
        was_limp = self.arm_controller.torque_off
        self.arm_controller.halt()
        self.mode_controller.halt()
        self._end_running_activity(was_limp)
        self.click_dispatcher.click_teacher.pushed_object = None
        self.refresh_snapshot()

    def _end_running_activity(self, was_torque_off: bool) -> None:
        learner = self.learning.learning_queue
        if self.execution.stop():
            return
        if self.recording.is_recording:
            self.recording.finish_take()
        elif learner.state is not LearningActivity.IDLE and not was_torque_off:
            learner.stop()
        elif self.snapshot.state is ArmActivity.READY:
            self._post_message("Stopped; the arm holds.")
