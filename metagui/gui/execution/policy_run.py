"""One run of a learnt task: reads its policies, hands them to the arm, and says in words how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from metagui.arms.arm import ArmError
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.programs.program import TaskProgram
from metagui.demonstrations.programs.success import SuccessMonitor
from metagui.demonstrations.recording.replay import ReplayController, ReplayError

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.gui.arm.arm_controller import ArmController
    from metagui.gui.core.task_queue import BackgroundQueue
    from metagui.gui.library.library_model import LibraryModel


class PolicyRunner(QObject):
    """Runs policies in the scene as it is; ``ended`` says how it went and how good that is."""

    run_ended = Signal(str, str)
    failed = Signal(object)
    distance_changed = Signal(object)
    """How far the state is from the demonstrations, 1 as far as the farthest of those; None when nothing runs."""

    progress_changed = Signal(float)
    """How much of a take that is being repeated is done, from 0 to 1."""

    def __init__(
        self, controller: ArmController, library_model: LibraryModel, background_queue: BackgroundQueue
    ) -> None:
        super().__init__()
        self._controller, self._library_model, self._background_queue = controller, library_model, background_queue
        self._policy_controller: Any = None
        self._success_monitor: SuccessMonitor | None = None
        self._replay_controller: ReplayController | None = None
        controller.run_ended.connect(self._on_end)
        controller.ticked.connect(self._on_tick)

    def run_task(self, task: str) -> None:
        """Read a task's policies and let them drive."""
        path, keys, library = (
            self._library_model.adapted_path(task),
            self._library_model.usable_takes(task),
            self._library_model.library,
        )
        anchors = self._controller.arm.objects

        def prepare() -> tuple[Any, Any]:
            from metagui.learning.adaptation.rollout import PolicyController
            from metagui.learning.adaptation.task_policy import TaskPolicy
            from metagui.learning.evaluation.episodes import EvaluatedPolicyController

            chain = PolicyController(TaskPolicy.load(path), anchors)
            program = program_from_take(library.load_take(*keys[0])) if keys else None
            if program is None or len(program.instructions) != len(chain.task_policy.skills):
                return chain, None
            return chain, EvaluatedPolicyController(chain, SuccessMonitor(program, anchors))

        self._background_queue.submit(prepare, self._start_run, self.failed.emit)

    def _start_run(self, prepared: tuple[Any, Any]) -> None:
        self._policy_controller, judged = prepared
        self._success_monitor = judged.success_monitor if judged is not None else None
        driver = judged or self._policy_controller
        self._controller.start_run(driver, driver)

    def replay_take(self, take: Demonstration) -> None:
        """Let the arm repeat a take; a simulated one in the scene it was shown in."""
        try:
            replay = ReplayController(take)
            if take.states is not None:
                self._controller.restore_state(take.states[0])
        except (ArmError, ReplayError) as error:
            self.failed.emit(error)
            return
        self._replay_controller = replay
        self._controller.start_run(replay, replay)

    def abandon(self) -> None:
        """The arm broke off: the run is over, and others say why."""
        if self._policy_controller is not None:
            self._policy_controller.stop()
        self._policy_controller = self._replay_controller = None
        self.distance_changed.emit(None)

    def stop(self) -> None:
        """The arm was halted: the run is over."""
        if self._policy_controller is not None:
            self._policy_controller.stop()
        self._on_end()

    def _on_tick(self, _tick: object) -> None:
        if self._policy_controller is not None:
            self.distance_changed.emit(self._policy_controller.distance)
        elif self._replay_controller is not None:
            self.progress_changed.emit(self._replay_controller.progress)

    def _on_end(self) -> None:
        (chain, self._policy_controller), (replay, self._replay_controller) = (
            (self._policy_controller, None),
            (self._replay_controller, None),
        )
        self.distance_changed.emit(None)
        if replay is not None and replay.blocked_reason:
            words = f"The arm cannot follow: {replay.blocked_reason}. It holds; see what is in its way, then repeat the take."
            self.run_ended.emit(words, "warning")
        elif replay is not None and replay.finished:
            take = replay.demonstration
            self.run_ended.emit(f"Repeated take {take.name} of “{take.task}”; the arm holds.", "success")
        elif chain is None:
            self.run_ended.emit("Stopped; the arm holds.", "info")
        else:
            now = self._controller.latest_tick
            achieved = (
                now is not None
                and self._success_monitor is not None
                and self._success_monitor.is_successful(now.observation)
            )
            self.run_ended.emit(*describe_outcome(chain.adapted.task, chain.outcome, self._success_monitor, achieved))


def describe_outcome(
    task: str, outcome: str, success_monitor: SuccessMonitor | None, is_success: bool
) -> tuple[str, str]:
    """Return what to say about a run, and what kind of message that is."""
    if outcome == "stopped":
        return f"Stopped “{task}”; the arm holds.", "info"
    if outcome != "done":
        return f"“{task}” {outcome}; the arm holds. More takes, or takes from other scenes, usually help.", "warning"
    if success_monitor is None:
        return f"“{task}” says it is done. Look at the scene: nobody can judge this task automatically.", "info"
    if is_success:
        return f"Done: “{task}” succeeded in a scene it had not seen.", "success"
    done = sum(success_monitor.achieved)
    return (
        f"“{task}” says it is done, but {done} of {len(success_monitor.program.instructions)} clicks were achieved.",
        "warning",
    )


def program_from_take(take: Demonstration) -> TaskProgram | None:
    """Return the click program that a take shows, if all of its segments were clicked."""
    clicks = tuple(s.instruction for s in take.segments if isinstance(s.instruction, Instruction))
    if not clicks or len(clicks) != len(take.segments):
        return None
    return TaskProgram(take.task, clicks)
