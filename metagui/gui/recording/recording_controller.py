"""Recording of takes: starts, finishes, saves, repeats and discards them.

A take is written to a journal while it is recorded, and the journal is deleted only after the HDF5 file is safe.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from metagui.arms.arm import ArmError
from metagui.demonstrations.demonstration import TakeKey
from metagui.demonstrations.recording.segmentation import ensure_segmented
from metagui.demonstrations.recording.take_builder import RecordingError
from metagui.gui.core.app_state import ArmActivity
from metagui.gui.library.undo import describe_saving
from metagui.gui.recording.saved_report import describe_saved
from metagui.gui.recording.take_marks import TakeWatch
from metagui.gui.teaching.click_teacher import name_from_instructions
from metagui.gui.teaching.modes import CLICK_MODE, GAMEPAD_MODE, HAND_MODE, KEYBOARD_MODE, LEADER_MODE

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration, Instruction, TeachingMethod
    from metagui.demonstrations.storage.hdf5 import TakeInfo
    from metagui.gui.arm.arm_controller import ArmController
    from metagui.gui.core.app_state import AppState
    from metagui.gui.core.countdown import Countdown
    from metagui.gui.core.messages import Messages
    from metagui.gui.library.library_model import LibraryModel
    from metagui.gui.teaching.click_dispatcher import ClickDispatcher
    from metagui.gui.teaching.mode_controller import ModeController

TEACHING_METHODS: dict[str, TeachingMethod] = {
    CLICK_MODE: "clicks",
    HAND_MODE: "hand",
    LEADER_MODE: "leader",
    KEYBOARD_MODE: "velocity",
    GAMEPAD_MODE: "velocity",
}
"""Teaching method that a take of each mode is stored with."""
TEACHING_METHOD_LABELS: dict[TeachingMethod, str] = {"hand": "hand", "leader": "a leader", "velocity": "keys"}
"""Text for each teaching method in the name of a task that the user did not name."""
UNNAMED_TASK = "new task"
"""Task name in the journal of a take until its instructions give it a name."""


class RecordingController(QObject):
    """The take being recorded, and the newest one, which can still be discarded with one press."""

    take_saved = Signal(object)
    """The Demonstration, with the name that it was stored under."""
    save_failed = Signal()
    """A take could not be stored; its journal still exists."""

    def __init__(
        self,
        controller: ArmController,
        library_model: LibraryModel,
        modes: ModeController,
        click_dispatcher: ClickDispatcher,
        countdown: Countdown,
        state: AppState,
        messages: Messages,
    ) -> None:
        super().__init__()
        self._controller, self._library_model, self._messages = controller, library_model, messages
        self._modes, self._click_dispatcher, self._countdown, self._state = modes, click_dispatcher, countdown, state
        self.is_recording = False
        self.new_task_name = ""
        """Name typed for a new task; if empty, its instructions name it."""
        self.newest_take: TakeKey | None = None
        self.countdown_enabled = {True: False, False: True}
        """True if a countdown precedes each recording, for the simulated arm (True) and real arms (False)."""
        self._task: str | None = None
        self._instructions: list[Instruction] = []
        self._teaching_method: TeachingMethod = "clicks"
        self._watch = TakeWatch(controller.program_controller)
        self._finishing = False
        self._saving = False
        self._record_when_saved = False
        controller.ticked.connect(self._on_tick)
        click_dispatcher.instruction_added.connect(self._add_instruction)
        click_dispatcher.queue_finished.connect(self._on_queue_finished)
        state.selection_changed.connect(self._on_selection_changed)

    @property
    def duration(self) -> float | None:
        """Length of the take being recorded, s, or None."""
        return self._controller.recorded_duration if self.is_recording else None

    @property
    def next_task(self) -> str:
        """Name of the task of the take being recorded, else of the next one; empty if its clicks will name it."""
        task = self._task if self.is_recording else self._state.snapshot.task
        return task or self.new_task_name

    @property
    def records_existing_task(self) -> bool:
        """True while a take of a task is recorded that was selected when the recording began."""
        return self.is_recording and self._task is not None

    # Commands

    def toggle_recording(self) -> None:
        """Start a take of the selected task, or of a new one if none is selected; or finish the take."""
        if self.is_recording:
            self.request_finish()
        else:
            self.start_recording()

    def start_recording(self, task: str | None = None) -> None:
        """Start a take of ``task``, by default the selected one, in a new scene, after a countdown if enabled."""
        snapshot = self._state.snapshot
        start = partial(self._start_in_new_scene, task or snapshot.task)
        if snapshot.counts_down and snapshot.state is ArmActivity.READY:
            self._countdown.start("Recording begins", start)
        else:
            start()

    def set_countdown_enabled(self, enabled: bool) -> None:
        """Enable or disable the countdown before a recording with the present kind of arm."""
        self.countdown_enabled[self._state.snapshot.simulated] = enabled
        self._state.refresh()

    def request_finish(self) -> None:
        """Finish the take after the last instruction, or at once if called twice."""
        if self._controller.pending_count and not self._finishing:
            self._finishing = True
            self._messages.post("The take is saved when the last click is done. Press Finish again to save it now.")
        else:
            self.finish_take()

    def discard_newest_take(self) -> None:
        """Discard the take being recorded, or the newest one."""
        self.discard_take()
        self._state.refresh()

    def retake(self) -> None:
        """Discard the take being recorded, or the newest one, and record another one in a new scene."""
        newest = self.newest_take
        task = self._task if self.is_recording else newest.task if newest else self._state.snapshot.task
        self.discard_take()
        self._click_dispatcher.scene_used = True
        self.start_recording(task)

    # One take

    def _start_in_new_scene(self, task: str | None) -> None:
        if self._click_dispatcher.scene_used:
            self._click_dispatcher.randomise_scene()
        self.start_take(task)
        if not self.is_recording and self._state.activity is ArmActivity.COUNTDOWN:
            self._state.request(ArmActivity.READY)

    def start_take(self, task: str | None) -> None:
        """Start a take of a task, or of a new one for None; if a take is being saved, start after that."""
        if self._saving:
            self._record_when_saved = True
            return
        self._task, self._instructions, self.newest_take = task, [], None
        self._teaching_method = TEACHING_METHODS[self._modes.mode]
        self._finishing = False
        try:
            self._controller.start_recording(self._task_name(), self._teaching_method)
        except (ArmError, RecordingError, OSError) as error:
            self._messages.post_error(error)
            return
        self._watch = TakeWatch(self._controller.program_controller)
        self.is_recording = True
        self._state.request(ArmActivity.RECORDING)

    def _task_name(self) -> str:
        if self._task or self.new_task_name:
            return self._task or self._library_model.find_similar_name(self.new_task_name)
        if self._instructions:
            return name_from_instructions(self._instructions)
        if self._teaching_method == "clicks":
            return UNNAMED_TASK
        return self._unused_name(f"led by {TEACHING_METHOD_LABELS[self._teaching_method]}")

    def _unused_name(self, name: str) -> str:
        """Return ``name``, with a number if a task has it already."""
        taken = {row.name for row in self._library_model.tasks}
        names = itertools.chain([name], (f"{name} {number}" for number in itertools.count(2)))
        return next(each for each in names if each not in taken)

    def _add_instruction(self, instruction: Instruction) -> None:
        self.newest_take = None
        if self.is_recording:
            self._instructions.append(instruction)
        self._state.refresh()

    def _on_queue_finished(self) -> None:
        if self.is_recording and self._finishing:
            self.finish_take()

    def _on_selection_changed(self) -> None:
        """Forget what concerns another task than the selected one, except the name of the take being recorded."""
        task = self._state.snapshot.task
        if task and not self.is_recording:
            self.new_task_name = ""
        if self.newest_take is not None and task not in (None, self.newest_take.task):
            self.newest_take = None
            self._state.refresh()

    def _on_tick(self, _tick: object) -> None:
        """Stop the instructions and save what was recorded if the recorder had to stop."""
        reason = self._controller.recording_problem
        if self.is_recording and reason:
            self._controller.program_controller.clear()
            self._messages.post(reason, "error")
            self.finish_take()

    def finish_take(self, interrupted: bool = False) -> None:
        """End the take and save it in the background; ``interrupted`` if an error of the arm ends it."""
        take = self._end_take(interrupted)
        if take is not None:
            self._saving = True
            self._library_model.save_take(
                take, self._controller.clear_journal, partial(self._on_saved, take), self._on_save_failed
            )

    def _end_take(self, interrupted: bool) -> Demonstration | None:
        """End the take; return it with its segments and marks, or None if there is nothing to save."""
        self.is_recording = self._finishing = False
        take, problem = None, None
        try:
            take = self._controller.finish_recording()
        except RecordingError as error:
            problem = error
        self._leave_recording()
        if problem is not None:
            self._messages.post_error(problem)
        elif take is not None and self._teaching_method == "clicks" and not take.segments:
            self._controller.clear_journal()
            nothing = "No click was carried out" if self._instructions else "Nothing was clicked"
            text = f"{nothing}, so there was nothing to save. Press Record, then click in the view."
            self._messages.post(text, "info", "record")
            return None
        if take is None:
            return None
        marked = self._watch.mark(replace(take, task=self._task_name()), interrupted)
        return ensure_segmented(marked)

    def _leave_recording(self) -> None:
        self._click_dispatcher.scene_used = True
        self._state.request(ArmActivity.READY)

    # Saving

    def _on_saved(self, take: Demonstration, info: TakeInfo) -> None:
        self._saving = False
        self.newest_take = TakeKey(info.task, info.name)
        self.new_task_name = ""
        stored = replace(take, task=info.task, name=info.name)
        self._library_model.cache_take(stored)
        self._state.refresh()
        self.take_saved.emit(stored)
        if self._record_when_saved:
            self._record_when_saved = False
            self.start_take(info.task)

    def report_saved(self, take: Demonstration, distance: float | None) -> None:
        """Post whether a saved take is good, and its mean distance to the other takes of its task, if known."""
        text, kind, action = describe_saved(take, distance)
        is_newest_change = self._library_model.undo_stack.undoText() == describe_saving(take.task, take.name)
        self._messages.post(text, kind, action if is_newest_change else "")

    def _on_save_failed(self, error: Exception) -> None:
        self._saving = self._record_when_saved = False
        self._messages.post_error(error)
        self.save_failed.emit()

    # Discarding

    def discard_take(self) -> None:
        """Delete the take being recorded, or move the newest one to the trash."""
        if self.is_recording:
            self.is_recording = self._finishing = False
            self._controller.discard_recording()
            self._leave_recording()
            self._messages.post("The take was thrown away.")
        elif self.newest_take is not None:
            newest, self.newest_take = self.newest_take, None
            self._library_model.move_to_trash(*newest)
            self._messages.post(f"Discarded “{newest.task}” take {newest.take}", "info", "undo")

    def forget_removed_take(self) -> None:
        """Forget the newest take if the library does not have it any more."""
        if (
            self.newest_take is not None
            and not self._saving
            and self.newest_take not in self._library_model.usable_takes(self.newest_take.task)
        ):
            self.newest_take = None
