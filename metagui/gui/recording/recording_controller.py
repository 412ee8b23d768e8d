"""Recording one take after the other: begin, finish, take again, discard; a take is on disk before the button is up."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from metagui.arms.arm import ArmError
from metagui.demonstrations.recording.recorder import RecordingError
from metagui.demonstrations.recording.segmentation import with_cuts
from metagui.demonstrations.timing import summarise
from metagui.gui.similarity.comparison import TakeKey
from metagui.gui.teaching.click_teacher import name_of
from metagui.gui.teaching.modes import CLICK, GAMEPAD, HAND, KEYS, LEADER

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Click, Demonstration, Leading
    from metagui.demonstrations.storage.library import TakeInfo
    from metagui.gui.arm.arm_controller import ArmDesk
    from metagui.gui.library.library_model import Shelf
    from metagui.gui.teaching.mode_controller import TeachModes
    from metagui.gui.window.studies import Studies

LED_BY: dict[str, Leading] = {CLICK: "clicks", HAND: "hand", LEADER: "leader", KEYS: "velocity", GAMEPAD: "velocity"}
"""How a take of every mode is marked."""
LEADERS: dict[Leading, str] = {"hand": "hand", "leader": "a leader", "velocity": "keys"}
"""Who led the arm, as it appears in the name of a task that nobody named."""
UNNAMED = "new task"
"""What a take is called in its scratch file until its clicks have named it."""


class Taking(QObject):
    """The take being recorded and the newest one, which can still be discarded with one press."""

    began = Signal()
    ended = Signal()
    saved = Signal(object)
    """A TakeInfo."""
    unsaved = Signal()
    """A take could not be stored; its scratch file is still there."""
    said = Signal(str, str, str)
    """Text, kind, and the key of the action that belongs to it."""

    def __init__(self, desk: ArmDesk, shelf: Shelf, studies: Studies, modes: TeachModes) -> None:
        super().__init__()
        self._desk, self._shelf, self._studies, self._modes = desk, shelf, studies, modes
        self.recording = False
        self.new_name = ""
        """What a person typed as the name of a new task; its clicks name it otherwise."""
        self.newest: TakeKey | None = None
        self._task: str | None = None
        self._clicks: list[Click] = []
        self._led_by: Leading = "clicks"
        self._finishing = False
        self._saving = False
        self._record_when_saved = False
        desk.recording_failed.connect(self._on_failure)

    def begin(self, task: str | None) -> None:
        """Begin a take of a task, or of a new one; right after another one, once that is stored."""
        if self._saving:
            self._record_when_saved = True
            return
        self._task, self._clicks, self.newest = task, [], None
        self._led_by = LED_BY[self._modes.mode]
        self._finishing = False
        try:
            self._desk.record(self._name(), self._led_by)
        except (ArmError, RecordingError, OSError) as error:
            self.said.emit(str(error), "error", "")
            return
        self.recording = True
        self.began.emit()

    def _name(self) -> str:
        if self._task or self.new_name:
            return self._task or self.new_name
        if self._clicks:
            return name_of(self._clicks)
        return UNNAMED if self._led_by == "clicks" else self._fresh(f"led by {LEADERS[self._led_by]}")

    def _fresh(self, name: str) -> str:
        """Return a name that no task has yet."""
        taken = {row.name for row in self._shelf.tasks}
        names = itertools.chain([name], (f"{name} {number}" for number in itertools.count(2)))
        return next(each for each in names if each not in taken)

    def note(self, click: Click) -> None:
        """Take note of what was clicked."""
        self.newest = None
        if self.recording:
            self._clicks.append(click)

    def ask_to_finish(self) -> None:
        """Finish once the last click is done, or at once when asked twice."""
        if self._desk.pending and not self._finishing:
            self._finishing = True
            self.said.emit(
                "The take is saved when the last click is done. Press Finish again to save it now.", "info", ""
            )
        else:
            self.finish()

    def on_rest(self) -> None:
        """The arm has done all that was clicked."""
        if self.recording and self._finishing:
            self.finish()

    def finish(self) -> None:
        """End the take and save it."""
        take = self.end()
        if take is not None:
            self._save(take)

    def end(self) -> Demonstration | None:
        """End the take; return it, or None where there was nothing to keep."""
        self.recording = self._finishing = False
        take, problem = None, ""
        try:
            take = self._desk.finish_recording()
        except RecordingError as error:
            problem = str(error)
        self.ended.emit()
        if problem:
            self.said.emit(problem, "error", "")
        elif not self._clicks and self._led_by == "clicks":
            self._desk.recorder.forget()
            words = "Nothing was clicked, so there was nothing to save. Press Record, then click in the view."
            self.said.emit(words, "info", "record")
            return None
        return None if take is None else with_cuts(replace(take, task=self._name()))

    def _save(self, take: Demonstration) -> None:
        def stored(info: TakeInfo) -> None:
            self._on_saved(replace(take, task=info.task, name=info.name), info)

        self._saving = True
        self._shelf.save(take, self._desk.recorder.forget, stored, self._on_unsaved)

    def _on_saved(self, take: Demonstration, info: TakeInfo) -> None:
        self._saving = False
        self.newest = TakeKey(info.task, info.name)
        self.new_name = ""
        self._shelf.keep(take)
        self._shelf.refresh()
        self.saved.emit(info)
        self._studies.embed(take, lambda: self._tell(take))
        if self._record_when_saved:
            self._record_when_saved = False
            self.begin(info.task)

    def _tell(self, take: Demonstration) -> None:
        """Say how the take went, and how it compares with the others of its task."""
        timing = summarise(take)
        words = f"Saved “{take.task}” take {take.name} ({take.duration:.1f} s, {timing.rate_reached:.1f} Hz"
        words += f", {timing.missed} missed)" if timing.missed else ")"
        distance = self._studies.comparison.to_siblings(TakeKey(take.task, take.name))
        if distance is not None:
            words += f" · {distance:.2f} from your other takes"
        if timing.marked:
            words += f". Marked: {timing}"
        self.said.emit(words, "warning" if timing.marked else "success", "undo")

    def _on_unsaved(self, error: Exception) -> None:
        self._saving = self._record_when_saved = False
        self.said.emit(str(error), "error", "")
        self.unsaved.emit()

    def _on_failure(self, words: str) -> None:
        """The recorder had to stop: keep what there is."""
        if self.recording:
            self.said.emit(words, "error", "")
            self.finish()

    def discard(self) -> None:
        """Throw away the take being recorded, or take the newest one out again."""
        if self.recording:
            self.recording = self._finishing = False
            self._desk.abort_recording()
            self.ended.emit()
            self.said.emit("The take was thrown away.", "info", "")
        elif self.newest is not None:
            newest, self.newest = self.newest, None
            self._shelf.remove(*newest)
            self.said.emit(f"Discarded “{newest.task}” take {newest.take}", "info", "undo")

    def repeated(self, task: str | None) -> str | None:
        """Return the task of which another take would be taken again, ``task`` if there is none yet."""
        return self._task if self.recording else self.newest.task if self.newest else task

    def forget_missing(self) -> None:
        """The newest take cannot be discarded any more once it is gone."""
        if self.newest is not None and not self._saving and self.newest not in self._shelf.usable(self.newest.task):
            self.newest = None
