"""What the person is doing, from first click to a running policy: between the widgets and the parts with threads."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal

from metagui.arms.arm import ArmError
from metagui.demonstrations.programs import describe
from metagui.demonstrations.recorder import RecordingError, discard, recover, recoverable
from metagui.demonstrations.timing import summarise
from metagui.gui.arm_desk import ArmDesk
from metagui.gui.comparison import TakeKey
from metagui.gui.errands import Errands
from metagui.gui.running import Running
from metagui.gui.shelf import Shelf
from metagui.gui.state import Learning, Situation, State, step
from metagui.gui.studies import Studies
from metagui.gui.teaching import Hand, Teacher, home, name_of, nudge, release

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from metagui.arms.simulated import SimulatedArm
    from metagui.arms.ticks import Tick
    from metagui.demonstrations.demonstration import Click, Demonstration
    from metagui.demonstrations.library import Library, TakeInfo
    from metagui.demonstrations.recorder import Recoverable
    from metagui.gui.teaching import Proposal
    from metagui.gui.toast import Kind
    from metagui.learning.prior import Prior

UNNAMED = "new task"
"""What a take is called in its scratch file until its clicks have named it."""


class Session(QObject):
    """The flow: choose, record, adapt, run. Everything it does is told in words through ``said``."""

    situation_changed = Signal(object)
    said = Signal(str, str, str)
    """Text, kind, and the key of the action that belongs to it, or nothing."""
    ticked = Signal(object)
    tool_changed = Signal(str)
    chosen_changed = Signal()
    """Another task or take was chosen, or the chosen take has been read."""
    saved = Signal(object)
    """A TakeInfo."""
    offered = Signal(str)
    """What a crash left behind, in words; empty when there is nothing more."""

    def __init__(
        self,
        make_arm: Callable[[], SimulatedArm],
        library: Library,
        load_prior: Callable[[], Prior],
        seed: int | None = None,
    ) -> None:
        super().__init__()
        self._rng = np.random.default_rng(seed)
        self.errands = Errands()
        self.desk = ArmDesk(make_arm, library.root)
        self.shelf = Shelf(library, self.errands)
        self.studies = Studies(self.shelf, self.errands, load_prior)
        self.running = Running(self.desk, self.shelf, self.errands)
        self.teacher = Teacher(self.desk.arm.anchors)
        self.situation = Situation()
        self.new_name = ""
        self._recorded_clicks: list[Click] = []
        self._newest: TakeKey | None = None
        self._scene_used = False
        self._saving_when_done = False
        self._saving = False
        self._record_when_saved = False
        self._adapt_next: str | None = None
        self._compare_next = False
        self._left: list[Recoverable] = []
        self._connect()

    def _connect(self) -> None:
        desk, shelf, studies, running = self.desk, self.shelf, self.studies, self.running
        desk.ticked.connect(self._on_tick)
        desk.failed.connect(self._on_arm_failure)
        desk.refused.connect(self._on_refusal)
        desk.recording_failed.connect(self._on_recording_failure)
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
        running.ended.connect(self._on_run_end)
        running.failed.connect(self._on_run_failure)

    # The situation

    def update(self, *chosen: str | None) -> None:
        """Work out anew what is enabled; ``chosen`` is another task and take, if given."""
        s, shelf = self.situation, self.shelf
        task, take = chosen or (s.task, s.take)
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
            just_saved=self._newest is not None,
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
        self.errands.run(lambda: recoverable(self.shelf.library.root), self._on_recoverable)
        self.studies.load_prior()

    def _on_prior(self) -> None:
        """The learner is warm: nothing will hold up the control thread for long any more."""
        if self.situation.state is State.NO_ARM:
            self.toggle_connection()
        self.update()
        self.compare()

    def close(self) -> None:
        """Hold the arm, keep the take being recorded, end every thread."""
        if self.situation.state is State.RECORDING:
            self._keep_on_exit()
        self.desk.disconnect_arm()
        self.studies.close()
        self.errands.close()

    def _keep_on_exit(self) -> None:
        """Save what is being recorded; if that fails its scratch file is offered at the next start."""
        try:
            take = self.desk.finish_recording()
        except RecordingError:
            return
        self.shelf.library.add(replace(take, task=self._task_name()))
        self.desk.recorder.forget()

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
        if self.desk.pending == 0:
            held = tick.observation.scene.held
            names = [a.name for a, h in zip(self.desk.arm.anchors, held, strict=True) if h]
            self.teacher.hand = Hand(names[0] if names else None)
            if self._saving_when_done:
                self.finish()
        if self.situation.busy != (self.desk.pending > 0):
            self.update()
        self.ticked.emit(tick)

    def _on_arm_failure(self, message: str, fatal: bool) -> None:
        if self.situation.state is State.RECORDING:
            self.finish()
        if fatal and self.situation.state is not State.ERROR:
            self._become(State.ERROR)
        elif self.situation.state is State.RUNNING:
            self._become(State.READY)
        self._say(message, "error", "connect" if fatal else "")

    def _on_alarm(self, words: str) -> None:
        self._say(words, "warning")

    def randomise(self) -> None:
        """Scatter the scene anew."""
        self.desk.randomise(int(self._rng.integers(2**31)))
        self._scene_used = False
        self.teacher.hand = Hand()
        self.choose_tool("grasp" if self.teacher.verb == "place" else self.teacher.verb)

    # Teaching

    def choose_tool(self, verb: str) -> None:
        """Take up another tool."""
        if verb != self.teacher.verb:
            self.teacher.choose(verb)
        self.tool_changed.emit(verb)

    def propose(self, proposal: Proposal) -> None:
        """Carry out what was clicked in the view, or say why not."""
        if proposal.refused:
            self._say(f"{proposal.hint}. The arm stays where it is.", "warning")
            return
        self.teacher.accept(proposal)
        if proposal.click is not None:
            self.click(proposal.click)
        self.tool_changed.emit(self.teacher.verb)

    def click(self, click: Click) -> None:
        """Queue one motion."""
        self._forget_newest()
        if self.situation.state is State.RECORDING:
            self._recorded_clicks.append(click)
        self._scene_used = True
        self.desk.click(click)
        self.update()

    def up(self) -> None:
        """Raise the gripper a little."""
        self.click(nudge(up=True))

    def down(self) -> None:
        """Lower it a little."""
        self.click(nudge(up=False))

    def home(self) -> None:
        """Bring the arm back over the table."""
        self.click(home())

    def release(self) -> None:
        """Let go here."""
        self.teacher.hand = Hand()
        self.click(release())
        self.choose_tool("grasp")

    def _on_refusal(self, words: str) -> None:
        self.teacher.hand = Hand()
        self._say(words, "warning")
        self.update()

    # Choosing

    def choose(self, task: str | None, take: str | None) -> None:
        """Take note of what is chosen in the list."""
        if (task, take) != (self.situation.task, self.situation.take):
            if task:
                self.new_name = ""
            self.update(task, take)
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
        if self._newest is not None and self._newest not in self.shelf.usable(self._newest.task):
            self._newest = None
        self.studies.drop_missing()
        self.update()

    def clicks_in_words(self, task: str | None) -> list[str]:
        """Return what a task's first take shows, click by click, if it has been read."""
        keys = self.shelf.usable(task)
        take = self.shelf.take(keys[0]) if keys else None
        if take is None:
            return []
        return [describe(s.click) if s.click else f"part {i + 1}" for i, s in enumerate(take.segments)]

    # Recording

    def toggle_recording(self) -> None:
        """Begin a take, or finish it: once the last click is done, or at once when asked twice."""
        if self.situation.state is not State.RECORDING:
            self.record()
        elif self.desk.pending and not self._saving_when_done:
            self._saving_when_done = True
            self._say("The take is saved when the last click is done. Press Finish again to save it at once.")
        else:
            self.finish()

    def record(self) -> None:
        """Begin a take of the chosen task, or of a new one that its clicks name."""
        if self._saving:
            self._record_when_saved = True
            return
        if self._scene_used:
            self.randomise()
        self._forget_newest()
        self._recorded_clicks = []
        try:
            self.desk.record(self._task_name())
        except (ArmError, RecordingError, OSError) as error:
            self._on_error(error)
            return
        self._become(State.RECORDING)

    def _task_name(self) -> str:
        if self.situation.task:
            return self.situation.task
        return self.new_name or (name_of(self._recorded_clicks) if self._recorded_clicks else UNNAMED)

    def finish(self) -> None:
        """End the take and save it."""
        self._saving_when_done = False
        self._scene_used = True
        try:
            take = self.desk.finish_recording()
        except RecordingError as error:
            self._become(State.READY)
            self._on_error(error)
            return
        self._become(State.READY)
        if not self._recorded_clicks:
            self.desk.recorder.forget()
            self._say("Nothing was clicked, so there was nothing to save. Press Record, then click in the view.")
            return
        self._save(replace(take, task=self._task_name()))

    def _save(self, take: Demonstration) -> None:
        def stored(info: TakeInfo) -> None:
            self._on_saved(replace(take, task=info.task, name=info.name), info)

        self._saving = True
        self.shelf.save(take, self.desk.recorder.forget, stored, self._on_unsaved)

    def _on_saved(self, take: Demonstration, info: TakeInfo) -> None:
        self._saving = False
        self._newest = TakeKey(info.task, info.name)
        self.new_name = ""
        self.shelf.keep(take)
        self.shelf.refresh()
        self.saved.emit(info)
        self.studies.embed(take, lambda: self._tell_saved(take))
        if self._record_when_saved:
            self._record_when_saved = False
            self.record()

    def _tell_saved(self, take: Demonstration) -> None:
        """Say how the take went, and how it compares with the others of its task."""
        timing = summarise(take)
        words = f"Saved “{take.task}” take {take.name} ({take.duration:.1f} s, {timing.rate_reached:.1f} Hz"
        words += f", {timing.missed} missed)" if timing.missed else ")"
        distance = self.studies.comparison.to_siblings(TakeKey(take.task, take.name))
        if distance is not None:
            words += f" · {distance:.2f} from your other takes"
        if timing.marked:
            words += f". Marked: {timing}"
        self._say(words, "warning" if timing.marked else "success", "undo")

    def _on_unsaved(self, error: Exception) -> None:
        self._saving = self._record_when_saved = False
        self._on_error(error)
        self._offer_left([])
        self.errands.run(lambda: recoverable(self.shelf.library.root), self._on_recoverable)

    def _on_recording_failure(self, words: str) -> None:
        if self.situation.state is State.RECORDING:
            self._say(words, "error")
            self.finish()

    def discard_newest(self) -> None:
        """Take the newest take out again."""
        if self.situation.state is State.RECORDING:
            self.desk.abort_recording()
            self._become(State.READY)
            self._say("The take was thrown away.")
        elif self._newest is not None:
            newest, self._newest = self._newest, None
            self.shelf.remove(*newest)
            self._say(f"Discarded “{newest.task}” take {newest.take}", "info", "undo")
        self.update()

    def take_again(self) -> None:
        """Discard the newest take, or the one being recorded, and record anew."""
        task = self._newest.task if self._newest else self.situation.task
        self.discard_newest()
        self.choose(task, None)
        self.record()

    def _forget_newest(self) -> None:
        self._newest = None

    # What a crash left behind

    def _on_recoverable(self, found: list[Recoverable]) -> None:
        self._offer_left(found)

    def _offer_left(self, found: list[Recoverable]) -> None:
        self._left = found
        if not found:
            self.offered.emit("")
            return
        first = found[0]
        if first.error:
            self.offered.emit(f"A recording that was cut short cannot be read: {first.error}")
            return
        more = f" ({len(found) - 1} more after this)" if len(found) > 1 else ""
        self.offered.emit(
            f"A recording of “{first.task}” was cut short; {first.duration:.1f} s of it are safe. Keep it?{more}"
        )

    def keep_left(self) -> None:
        """Put the first take that a crash left behind into the library."""
        first = self._left[0]

        def work() -> TakeInfo:
            info = self.shelf.library.add(recover(first.path))
            discard(first.path)
            return info

        def done(info: TakeInfo) -> None:
            self._say(f"Kept “{info.task}” take {info.name} ({info.duration:.1f} s)", "success")
            self.shelf.refresh()
            self._offer_left(self._left[1:])

        self.errands.run(work, done, self._on_error)

    def throw_left(self) -> None:
        """Delete the first take that a crash left behind."""
        first = self._left[0]
        self.errands.run(lambda: discard(first.path), lambda _: self._offer_left(self._left[1:]), self._on_error)

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

    # Running

    def run(self) -> None:
        """Let the arm do the chosen task in a new scene."""
        task = self.situation.task
        if task is None:
            return
        self.randomise()
        self._become(State.RUNNING)
        self.running.start(task)

    def _on_run_end(self, words: str, kind: Kind) -> None:
        self._scene_used = True
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
            self.finish()
        elif self.studies.learner.state is not Learning.IDLE:
            self.studies.learner.stop()
        elif state is State.READY:
            self._say("Stopped; the arm holds.")
        self.teacher.first = None
        self.update()
