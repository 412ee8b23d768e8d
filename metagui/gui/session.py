"""What the person is doing, from first click to a running policy: between the widgets and the parts with threads."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from metagui.arms.arm import ArmError
from metagui.demonstrations.programs import describe
from metagui.gui.arm_desk import ArmDesk
from metagui.gui.comparison import TakeKey
from metagui.gui.errands import Errands
from metagui.gui.leftovers import Leftovers
from metagui.gui.running import Running
from metagui.gui.shelf import Shelf
from metagui.gui.state import Learning, Situation, State, step
from metagui.gui.steering import Steering
from metagui.gui.studies import Studies
from metagui.gui.taking import Taking

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from metagui.arms.simulated import SimulatedArm
    from metagui.arms.ticks import Tick
    from metagui.demonstrations.demonstration import Click, Demonstration
    from metagui.demonstrations.library import Library
    from metagui.gui.toast import Kind
    from metagui.learning.prior import Prior


class Session(QObject):
    """The flow: choose, record, adapt, run. Everything it does is told in words through ``said``."""

    situation_changed = Signal(object)
    said = Signal(str, str, str)
    """Text, kind, and the key of the action that belongs to it, or nothing."""
    ticked = Signal(object)
    chosen_changed = Signal()
    """Another task or take was chosen, or the chosen take has been read."""
    renamed = Signal(str)
    """A task has this name now."""

    def __init__(
        self,
        make_arm: Callable[[], SimulatedArm],
        library: Library,
        load_prior: Callable[[], Prior],
        seed: int | None = None,
    ) -> None:
        super().__init__()
        self.errands = Errands()
        self.desk = ArmDesk(make_arm, library.root)
        self.shelf = Shelf(library, self.errands)
        self.studies = Studies(self.shelf, self.errands, load_prior, self.desk.arm)
        self.running = Running(self.desk, self.shelf, self.errands)
        self.steering = Steering(self.desk, seed)
        self.situation = Situation()
        self.taking = Taking(self.desk, self.shelf, self.studies)
        self.leftovers = Leftovers(self.shelf, self.errands)
        self._adapt_next: str | None = None
        self._compare_next = False
        self._connect()

    def _connect(self) -> None:
        desk, shelf, studies, running = self.desk, self.shelf, self.studies, self.running
        desk.ticked.connect(self._on_tick)
        desk.failed.connect(self._on_arm_failure)
        self.steering.clicked.connect(self._on_click)
        self.steering.rested.connect(self.taking.on_rest)
        desk.alarmed.connect(self._on_alarm)
        shelf.changed.connect(self._on_shelf)
        shelf.undo_changed.connect(self.update)
        shelf.failed.connect(self._on_error)
        shelf.loaded.connect(self._on_loaded)
        studies.ready.connect(self._on_prior)
        studies.failed.connect(self._on_error)
        studies.adapted.connect(self._on_adapted)
        studies.learner.state_changed.connect(self._on_learner)
        self.errands.failed.connect(self._on_error)
        self.taking.began.connect(self._on_take_began)
        self.taking.ended.connect(self._on_take_ended)
        self.taking.saved.connect(self.update)
        self.taking.unsaved.connect(self.leftovers.look)
        self.leftovers.failed.connect(self._on_error)
        for part in (self.taking, self.leftovers, self.steering):
            part.said.connect(self.said)
        running.ended.connect(self._on_run_end)
        running.failed.connect(self._on_run_failure)

    # The situation

    def update(self, *_: object) -> None:
        """Work out anew what is enabled."""
        self._consider(self.situation.task, self.situation.take)

    def _consider(self, task: str | None, take: str | None) -> None:
        """Take up what is chosen, and work out what that enables."""
        s, shelf = self.situation, self.shelf
        row = shelf.task(task)
        found = replace(
            s,
            task=task,
            take=take,
            learning=self.studies.learner.state,
            takes=len(shelf.usable(task)),
            tasks=len(shelf.tasks),
            adapted=row is not None and row.adapted,
            prior_problem=self.studies.problem,
            encoder_problem=self.studies.encoder_problem,
            undo=shelf.undo_stack.undoText() or None,
            redo=shelf.undo_stack.redoText() or None,
            just_saved=self.taking.newest is not None,
            busy=self.desk.pending > 0,
        )
        if found != s:
            self.situation = found
            self.situation_changed.emit(found)

    def _become(self, state: State) -> None:
        self.situation = replace(self.situation, state=step(self.situation.state, state))
        self.situation_changed.emit(self.situation)
        self.update()

    def _say(self, text: str, kind: Kind = "info", action: str = "") -> None:
        self.said.emit(text, kind, action)

    def _on_error(self, error: Exception) -> None:
        self._say(str(error) or type(error).__name__, "error")
        self.update()

    # Beginning and end

    def open(self) -> None:
        """Read the library, look for what a crash left behind, load the prior; then connect the arm."""
        self.shelf.refresh()
        self.leftovers.look()
        self.studies.load_prior()

    def _on_prior(self) -> None:
        """The learner is warm: nothing will hold up the control thread for long any more."""
        if self.situation.state is State.NO_ARM:
            self.toggle_connection()
        self.update()
        self.compare()

    def close(self) -> None:
        """Hold the arm, keep the take being recorded, end every thread."""
        if self.taking.recording:
            self.taking.finish()
        self.desk.disconnect_arm()
        self.studies.close()
        self.errands.close()

    def folder(self) -> Path:
        """Return where the recordings lie."""
        return self.shelf.library.root

    # The arm

    def toggle_connection(self) -> None:
        """Connect the arm, or let it go."""
        if self.situation.state is State.READY:
            self.desk.disconnect_arm()
            self._become(State.NO_ARM)
            return
        try:
            self.desk.disconnect_arm()
            self.desk.connect_arm()
        except ArmError as error:
            self._become(State.ERROR)
            self._on_error(error)
            return
        self._become(State.READY)

    def _on_tick(self, tick: Tick) -> None:
        if self.situation.busy != (self.desk.pending > 0):
            self.update()
        self.ticked.emit(tick)

    def _on_arm_failure(self, message: str, fatal: bool) -> None:
        if self.taking.recording:
            self.taking.finish()
        if fatal and self.situation.state is not State.ERROR:
            self._become(State.ERROR)
        elif self.situation.state is State.RUNNING:
            self._become(State.READY)
        self._say(message, "error", "connect" if fatal else "")

    def _on_alarm(self, words: str) -> None:
        self._say(words, "warning")

    def _on_click(self, click: Click) -> None:
        self.taking.note(click)
        self.update()

    # Choosing

    def choose(self, task: str | None, take: str | None) -> None:
        """Take note of what is chosen in the list."""
        if (task, take) != (self.situation.task, self.situation.take):
            if task:
                self.taking.new_name = ""
            self._consider(task, take)
            self.chosen_changed.emit()

    def chosen_take(self) -> Demonstration | None:
        """Return the chosen take if it has been read."""
        s = self.situation
        return self.shelf.take(TakeKey(s.task, s.take)) if s.task and s.take else None

    def _on_loaded(self, key: TakeKey) -> None:
        if key == (self.situation.task, self.situation.take):
            self.chosen_changed.emit()

    def _on_shelf(self) -> None:
        names = {row.name for row in self.shelf.tasks}
        if self.situation.task and self.situation.task not in names:
            self.choose(None, None)
        self.taking.forget_missing()
        self.studies.drop_missing()
        self.update()
        if not len(self.studies.comparison):  # the prior may have been there before the list of takes
            self.compare()

    def rename(self, task: str, name: str) -> None:
        """Give a task another name."""
        if self.shelf.rename(task, name):
            self.renamed.emit(name)

    def delete_chosen(self) -> None:
        """Move the chosen take or task to the trash."""
        s = self.situation
        if s.task:
            self.shelf.remove(s.task, s.take)
            what = f"“{s.task}” take {s.take}" if s.take else f"“{s.task}”"
            self._say(f"Moved {what} to the trash", "info", "undo")

    def clicks_in_words(self, task: str | None) -> list[str]:
        """Return what a task's first take shows, click by click, if it has been read."""
        keys = self.shelf.usable(task)
        take = self.shelf.take(keys[0]) if keys else None
        if take is None:
            return []
        return [describe(s.click) if s.click else f"part {i + 1}" for i, s in enumerate(take.segments)]

    # Recording

    def toggle_recording(self) -> None:
        """Begin a take of the chosen task, or of a new one that its clicks name; or finish the take."""
        if self.taking.recording:
            self.taking.ask_to_finish()
        else:
            self.record()

    def record(self) -> None:
        """Begin a take, in a new scene unless this one is still untouched."""
        if self.steering.scene_used:
            self.steering.randomise()
        self.taking.begin(self.situation.task)

    def _on_take_began(self) -> None:
        self._become(State.RECORDING)

    def _on_take_ended(self) -> None:
        self.steering.scene_used = True
        self._become(State.READY)

    def discard_newest(self) -> None:
        """Throw away the take being recorded, or take the newest one out again."""
        self.taking.discard()
        self.update()

    def take_again(self) -> None:
        """Discard the newest take, or the one being recorded, and record anew in another scene."""
        self.steering.randomise()
        self.taking.again(self.situation.task)

    # Learning

    def adapt(self) -> None:
        """Adapt to the chosen task's takes."""
        task, learner = self.situation.task, self.studies.learner
        if task is None:
            return
        if learner.state is Learning.COMPARING:
            self._adapt_next, self._compare_next = task, True
            learner.cancel()
        elif not self.studies.adapt(task):
            self._say("Adapting did not begin: another job is still running.", "warning")

    def _on_learner(self) -> None:
        """Begin what waited for the learner."""
        self.update()
        if self.studies.learner.state is not Learning.IDLE:
            return
        if self._adapt_next:
            task, self._adapt_next = self._adapt_next, None
            self.studies.adapt(task)
        elif self._compare_next:
            self._compare_next = False
            self.compare()

    def _on_adapted(self, adapted: object) -> None:
        self.shelf.refresh()
        self._say(f"Adapted “{adapted.task}”. Press Run to see it.", "success", "run")  # type: ignore[attr-defined]

    def compare(self) -> None:
        """Embed every take and rank the tasks."""
        self.studies.compare()

    def train(self) -> None:
        """Train the encoder on the library's takes."""
        self.studies.train()

    # Running

    def run(self) -> None:
        """Let the arm do the chosen task in a new scene."""
        task = self.situation.task
        if task is None:
            return
        self.steering.randomise()
        self._become(State.RUNNING)
        self.running.start(task)

    def _on_run_end(self, words: str, kind: Kind) -> None:
        self.steering.scene_used = True
        if self.situation.state is State.RUNNING:
            self._become(State.READY)
        self._say(words, kind)

    def _on_run_failure(self, error: Exception) -> None:
        if self.situation.state is State.RUNNING:
            self._become(State.READY)
        self._on_error(error)

    def stop(self) -> None:
        """Halt whatever runs and hold the arm."""
        self.desk.halt()
        state = self.situation.state
        if state is State.RUNNING:
            self.running.stop()
        elif state is State.RECORDING:
            self.taking.finish()
        elif self.studies.learner.state is not Learning.IDLE:
            self.studies.learner.stop()
        elif state is State.READY:
            self._say("Stopped; the arm holds.")
        self.steering.teacher.first = None
        self.update()
