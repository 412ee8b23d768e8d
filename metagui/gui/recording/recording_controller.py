"""Recording one take after the other: begin, finish, take again, discard; a take is on disk before the button is up."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from metagui.arms.arm import ArmError
from metagui.demonstrations.demonstration import TakeKey
from metagui.demonstrations.recording.segmentation import ensure_segmented
from metagui.demonstrations.recording.take_builder import RecordingError
from metagui.demonstrations.timing import summarise_timing
from metagui.gui.teaching.click_teacher import name_from_instructions
from metagui.gui.teaching.modes import CLICK_MODE, GAMEPAD_MODE, HAND_MODE, KEYBOARD_MODE, LEADER_MODE

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration, Instruction, TeachingMethod
    from metagui.demonstrations.storage.hdf5 import TakeInfo
    from metagui.gui.arm.arm_controller import ArmController
    from metagui.gui.library.library_model import LibraryModel
    from metagui.gui.teaching.mode_controller import ModeController
    from metagui.gui.window.studies import LearningController

TEACHING_METHODS: dict[str, TeachingMethod] = {
    CLICK_MODE: "clicks",
    HAND_MODE: "hand",
    LEADER_MODE: "leader",
    KEYBOARD_MODE: "velocity",
    GAMEPAD_MODE: "velocity",
}
"""How a take of every mode is marked."""
TEACHING_METHOD_LABELS: dict[TeachingMethod, str] = {"hand": "hand", "leader": "a leader", "velocity": "keys"}
"""Who led the arm, as it appears in the name of a task that nobody named."""
UNNAMED_TASK = "new task"
"""What a take is called in its scratch file until its clicks have named it."""


class RecordingController(QObject):
    """The take being recorded and the newest one, which can still be discarded with one press."""

    take_started = Signal()
    take_ended = Signal()
    take_saved = Signal(object)
    """A TakeInfo."""
    save_failed = Signal()
    """A take could not be stored; its scratch file is still there."""
    message_posted = Signal(str, str, str)
    """Text, kind, and the key of the action that belongs to it."""

    def __init__(
        self,
        controller: ArmController,
        library_model: LibraryModel,
        learning: LearningController,
        modes: ModeController,
    ) -> None:
        super().__init__()
        self._controller, self._library_model, self._learning, self._modes = controller, library_model, learning, modes
        self.is_recording = False
        self.new_task_name = ""
        """What a person typed as the name of a new task; its clicks name it otherwise."""
        self.newest_take: TakeKey | None = None
        self._task: str | None = None
        self._instructions: list[Instruction] = []
        self._teaching_method: TeachingMethod = "clicks"
        self._finishing = False
        self._saving = False
        self._record_when_saved = False
        controller.recording_failed.connect(self._on_recording_failed)

    def start_take(self, task: str | None) -> None:
        """Begin a take of a task, or of a new one; right after another one, once that is stored."""
        if self._saving:
            self._record_when_saved = True
            return
        self._task, self._instructions, self.newest_take = task, [], None
        self._teaching_method = TEACHING_METHODS[self._modes.mode]
        self._finishing = False
        try:
            self._controller.start_recording(self._task_name(), self._teaching_method)
        except (ArmError, RecordingError, OSError) as error:
            self.message_posted.emit(str(error), "error", "")
            return
        self.is_recording = True
        self.take_started.emit()

    def _task_name(self) -> str:
        if self._task or self.new_task_name:
            return self._task or self.new_task_name
        if self._instructions:
            return name_from_instructions(self._instructions)
        return (
            UNNAMED_TASK
            if self._teaching_method == "clicks"
            else self._unused_name(f"led by {TEACHING_METHOD_LABELS[self._teaching_method]}")
        )

    def _unused_name(self, name: str) -> str:
        """Return a name that no task has yet."""
        taken = {row.name for row in self._library_model.tasks}
        names = itertools.chain([name], (f"{name} {number}" for number in itertools.count(2)))
        return next(each for each in names if each not in taken)

    def add_instruction(self, instruction: Instruction) -> None:
        """Take note of what was clicked."""
        self.newest_take = None
        if self.is_recording:
            self._instructions.append(instruction)

    def request_finish(self) -> None:
        """Finish once the last click is done, or at once when asked twice."""
        if self._controller.pending_count and not self._finishing:
            self._finishing = True
            self.message_posted.emit(
                "The take is saved when the last click is done. Press Finish again to save it now.", "info", ""
            )
        else:
            self.finish_take()

    def on_queue_finished(self) -> None:
        """The arm has done all that was clicked."""
        if self.is_recording and self._finishing:
            self.finish_take()

    def finish_take(self) -> None:
        """End the take and save it."""
        take = self.end_take()
        if take is not None:
            self._save(take)

    def end_take(self) -> Demonstration | None:
        """End the take; return it, or None where there was nothing to keep."""
        self.is_recording = self._finishing = False
        take, problem = None, ""
        try:
            take = self._controller.finish_recording()
        except RecordingError as error:
            problem = str(error)
        self.take_ended.emit()
        if problem:
            self.message_posted.emit(problem, "error", "")
        elif not self._instructions and self._teaching_method == "clicks":
            self._controller.recorder.clear_journal()
            words = "Nothing was clicked, so there was nothing to save. Press Record, then click in the view."
            self.message_posted.emit(words, "info", "record")
            return None
        return None if take is None else ensure_segmented(replace(take, task=self._task_name()))

    def _save(self, take: Demonstration) -> None:
        def stored(info: TakeInfo) -> None:
            self._on_saved(replace(take, task=info.task, name=info.name), info)

        self._saving = True
        self._library_model.save_take(take, self._controller.recorder.clear_journal, stored, self._on_save_failed)

    def _on_saved(self, take: Demonstration, info: TakeInfo) -> None:
        self._saving = False
        self.newest_take = TakeKey(info.task, info.name)
        self.new_task_name = ""
        self._library_model.cache_take(take)
        self._library_model.refresh()
        self.take_saved.emit(info)
        self._learning.embed_take(take, lambda: self._report_saved(take))
        if self._record_when_saved:
            self._record_when_saved = False
            self.start_take(info.task)

    def _report_saved(self, take: Demonstration) -> None:
        """Say how the take went, and how it compares with the others of its task."""
        timing = summarise_timing(take)
        words = f"Saved “{take.task}” take {take.name} ({take.duration:.1f} s, {timing.rate_reached:.1f} Hz"
        words += f", {timing.missed} missed)" if timing.missed else ")"
        distance = self._learning.comparison.mean_distance_to_siblings(TakeKey(take.task, take.name))
        if distance is not None:
            words += f" · {distance:.2f} from your other takes"
        if timing.is_rate_missed:
            words += f". Marked: {timing}"
        self.message_posted.emit(words, "warning" if timing.is_rate_missed else "success", "undo")

    def _on_save_failed(self, error: Exception) -> None:
        self._saving = self._record_when_saved = False
        self.message_posted.emit(str(error), "error", "")
        self.save_failed.emit()

    def _on_recording_failed(self, reason: str) -> None:
        """The recorder had to stop: keep what there is."""
        if self.is_recording:
            self.message_posted.emit(reason, "error", "")
            self.finish_take()

    def discard_take(self) -> None:
        """Throw away the take being recorded, or take the newest one out again."""
        if self.is_recording:
            self.is_recording = self._finishing = False
            self._controller.discard_recording()
            self.take_ended.emit()
            self.message_posted.emit("The take was thrown away.", "info", "")
        elif self.newest_take is not None:
            newest, self.newest_take = self.newest_take, None
            self._library_model.move_to_trash(*newest)
            self.message_posted.emit(f"Discarded “{newest.task}” take {newest.take}", "info", "undo")

    def task_to_retake(self, task: str | None) -> str | None:
        """Return the task of which another take would be taken again, ``task`` if there is none yet."""
        return self._task if self.is_recording else self.newest_take.task if self.newest_take else task

    def forget_removed_take(self) -> None:
        """The newest take cannot be discarded any more once it is gone."""
        if (
            self.newest_take is not None
            and not self._saving
            and self.newest_take not in self._library_model.usable_takes(self.newest_take.task)
        ):
            self.newest_take = None
