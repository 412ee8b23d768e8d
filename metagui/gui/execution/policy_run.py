"""One run of a learnt task: reads its policies, hands them to the arm, and says in words how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from metagui.arms.arm import ArmError
from metagui.demonstrations.demonstration import Click
from metagui.demonstrations.programs.program import ClickProgram
from metagui.demonstrations.programs.success import Judge
from metagui.demonstrations.recording.replay import ReplayController, ReplayError

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.gui.arm.arm_controller import ArmDesk
    from metagui.gui.core.task_queue import Errands
    from metagui.gui.library.library_model import Shelf


class Running(QObject):
    """Runs policies in the scene as it is; ``ended`` says how it went and how good that is."""

    ended = Signal(str, str)
    failed = Signal(object)
    distance_changed = Signal(object)
    """How far the state is from the demonstrations, 1 as far as the farthest of those; None when nothing runs."""

    progress_changed = Signal(float)
    """How much of a take that is being repeated is done, from 0 to 1."""

    def __init__(self, desk: ArmDesk, shelf: Shelf, errands: Errands) -> None:
        super().__init__()
        self._desk, self._shelf, self._errands = desk, shelf, errands
        self._chain: Any = None
        self._judge: Judge | None = None
        self._replay: ReplayController | None = None
        desk.run_ended.connect(self._on_end)
        desk.ticked.connect(self._on_tick)

    def start(self, task: str) -> None:
        """Read a task's policies and let them drive."""
        path, keys, library = self._shelf.adapted_path(task), self._shelf.usable(task), self._shelf.library
        anchors = self._desk.arm.anchors

        def prepare() -> tuple[Any, Any]:
            from metagui.learning.adaptation.adapted_task import AdaptedTask
            from metagui.learning.adaptation.rollout import PolicyChain
            from metagui.learning.evaluation.episodes import JudgedChain

            chain = PolicyChain(AdaptedTask.load(path), anchors)
            program = program_of(library.load(*keys[0])) if keys else None
            if program is None or len(program.clicks) != len(chain.adapted.clicks):
                return chain, None
            return chain, JudgedChain(chain, Judge(program, anchors))

        self._errands.run(prepare, self._drive, self.failed.emit)

    def _drive(self, prepared: tuple[Any, Any]) -> None:
        self._chain, judged = prepared
        self._judge = judged.judge if judged is not None else None
        driver = judged or self._chain
        self._desk.drive(driver, driver)

    def replay(self, take: Demonstration) -> None:
        """Let the arm repeat a take; a simulated one in the scene it was shown in."""
        try:
            replay = ReplayController(take)
            if take.states is not None:
                self._desk.restore(take.states[0])
        except (ArmError, ReplayError) as error:
            self.failed.emit(error)
            return
        self._replay = replay
        self._desk.drive(replay, replay)

    def drop(self) -> None:
        """The arm broke off: the run is over, and others say why."""
        if self._chain is not None:
            self._chain.stop()
        self._chain = self._replay = None
        self.distance_changed.emit(None)

    def stop(self) -> None:
        """The arm was halted: the run is over."""
        if self._chain is not None:
            self._chain.stop()
        self._on_end()

    def _on_tick(self, _tick: object) -> None:
        if self._chain is not None:
            self.distance_changed.emit(self._chain.distance)
        elif self._replay is not None:
            self.progress_changed.emit(self._replay.progress)

    def _on_end(self) -> None:
        (chain, self._chain), (replay, self._replay) = (self._chain, None), (self._replay, None)
        self.distance_changed.emit(None)
        if replay is not None and replay.blocked:
            words = f"The arm cannot follow: {replay.blocked}. It holds; see what is in its way, then repeat the take."
            self.ended.emit(words, "warning")
        elif replay is not None and replay.finished:
            take = replay.demonstration
            self.ended.emit(f"Repeated take {take.name} of “{take.task}”; the arm holds.", "success")
        elif chain is None:
            self.ended.emit("Stopped; the arm holds.", "info")
        else:
            now = self._desk.latest
            achieved = now is not None and self._judge is not None and self._judge.success(now.observation)
            self.ended.emit(*verdict(chain.adapted.task, chain.outcome, self._judge, achieved))


def verdict(task: str, outcome: str, judge: Judge | None, achieved: bool) -> tuple[str, str]:
    """Return what to say about a run, and what kind of message that is."""
    if outcome == "stopped":
        return f"Stopped “{task}”; the arm holds.", "info"
    if outcome != "done":
        return f"“{task}” {outcome}; the arm holds. More takes, or takes from other scenes, usually help.", "warning"
    if judge is None:
        return f"“{task}” says it is done. Look at the scene: nobody can judge this task automatically.", "info"
    if achieved:
        return f"Done: “{task}” succeeded in a scene it had not seen.", "success"
    done = sum(judge.achieved)
    return f"“{task}” says it is done, but {done} of {len(judge.program.clicks)} clicks were achieved.", "warning"


def program_of(take: Demonstration) -> ClickProgram | None:
    """Return the click program that a take shows, if all of its segments were clicked."""
    clicks = tuple(s.click for s in take.segments if isinstance(s.click, Click))
    if not clicks or len(clicks) != len(take.segments):
        return None
    return ClickProgram(take.task, clicks)
