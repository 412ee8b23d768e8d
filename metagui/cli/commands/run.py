"""``metagui run``: run a task's adapted policies in a new scene."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metagui.cli.aliases import CommandWithAliases
from metagui.cli.app import app
from metagui.cli.arm_option import ArmAddress, ObjectPlacements, connect_arm
from metagui.cli.cameras.watching import CameraAddress, require_seen, watch_table
from metagui.cli.library import adapted_policy_path, is_usable, load_intact_takes, open_library
from metagui.cli.options import AsJson, LibraryFolder, SceneSeed
from metagui.cli.output import CommandError, print_note, print_result
from metagui.cli.programs import choose_program, execute_setup

if TYPE_CHECKING:
    from metagui.arms.control.loop import ControlLoop
    from metagui.arms.control.tick import Controller, Tick
    from metagui.demonstrations.storage.library import Library
    from metagui.learning.adaptation.rollout import RolloutController
    from metagui.learning.adaptation.task_policy import TaskPolicy
    from metagui.vision.table_watch import TableWatch

MAX_RUN_S = 120.0
"""Longest run, s."""


@app.command(cls=CommandWithAliases)
def run(
    task: Annotated[str, typer.Argument(help="The task to run; adapt it first.")],
    seed: SceneSeed = None,
    program: Annotated[
        Path | None,
        typer.Option(help="File of task programs (JSON): the task's program judges the success, instead of its takes."),
    ] = None,
    arm: ArmAddress = None,
    objects: ObjectPlacements = None,
    camera: CameraAddress = None,
    fast: Annotated[bool, typer.Option("--fast", help="Run faster than real time (simulated arm only).")] = False,
    library: LibraryFolder = None,
    as_json: AsJson = False,
) -> None:
    """Run a task in a new scene; the exit status is 0 only if it was done."""
    from metagui.arms.control.loop import ControlLoop
    from metagui.cli.realtime import draw_seed

    adapted = _load_adapted_task(library, task)
    if fast and arm is not None:
        raise CommandError("A real arm moves in real time: leave out --fast. Nothing moved.")
    scene = draw_seed() if seed is None else seed
    with connect_arm(arm, objects, scene) as connected, watch_table(connected, camera) as watch:
        print_note(f"Running {task!r} {f'in scene {scene}' if arm is None else f'on {connected.name}'} …")
        loop = ControlLoop(connected, connected)
        if program is None:
            outcome, failure = _run_judged_by_takes(loop, adapted, open_library(library), task, fast, watch)
        else:
            outcome, failure = _run_judged_by_program(loop, adapted, program, task, fast, watch)
    success = None if failure is None else outcome == "done" and not failure
    done, where = outcome == "done" and success is not False, scene if arm is None else arm
    document = {
        "task": task, "scene": where, "outcome": outcome, "achieved": success, "failure": failure or "", "done": done
    }  # fmt: skip
    verdict = {None: "not judged", True: "yes", False: "no"}[success]
    print_result(document, ("task", "scene", "outcome", "achieved"), [(task, where, outcome, verdict)], as_json)
    if not done:
        why = [f"it {outcome}"] if outcome != "done" else []
        print_note(f"{task!r} was not done: {'; '.join(why + ([failure] if failure else []))}. The arm holds.")
        raise typer.Exit(1)


def _run_judged_by_takes(
    loop: "ControlLoop", adapted: "TaskPolicy", library: "Library", task: str, fast: bool, watch: "TableWatch | None"
) -> tuple[str, str | None]:
    """Run the policies; return their outcome and what the takes show but was not achieved, None if not judged.

    Raises CommandError if ``watch`` does not see what is needed; then nothing moved.
    """
    from metagui.learning.adaptation.replay_rollout import make_rollout_controller
    from metagui.learning.rehearsal.judged_run import make_judged_run

    policy = make_rollout_controller(adapted, loop.scene.objects)
    names = [take.name for take in library.list_takes(task) if is_usable(take)]
    judged = make_judged_run(policy, load_intact_takes(library, task, names), loop.scene.objects)
    require_seen(watch, adapted.object_names[:-1] if judged is None else judged.needed_objects)
    _run_to_end(loop, judged or policy, policy, fast)
    return policy.outcome, None if judged is None else "; ".join(judged.failures)


def _run_judged_by_program(
    loop: "ControlLoop", adapted: "TaskPolicy", program: Path, task: str, fast: bool, watch: "TableWatch | None"
) -> tuple[str, str | None]:
    """Run the policies after a program's setup; return their outcome and what of the program was not achieved."""
    require_seen(watch, adapted.object_names[:-1])
    from metagui.demonstrations.programs.program import load_programs
    from metagui.demonstrations.programs.success import SuccessMonitor
    from metagui.learning.adaptation.replay_rollout import make_rollout_controller
    from metagui.learning.evaluation.episodes import EvaluatedPolicyController

    policy = make_rollout_controller(adapted, loop.scene.objects)
    chosen = choose_program(load_programs(program), task, program)
    execute_setup(loop, chosen)
    judged = EvaluatedPolicyController(policy, SuccessMonitor(chosen, loop.scene.objects))
    last = _run_to_end(loop, judged, policy, fast)
    achieved = last is not None and judged.success_monitor.is_successful(last.observation)
    return policy.outcome, "" if achieved else "its program was not achieved"


def _run_to_end(
    loop: "ControlLoop", controller: "Controller", policy: "RolloutController", fast: bool
) -> "Tick | None":
    """Run a controller until it ends or the time is over, then stop the policy; return the last tick."""
    from metagui.cli.realtime import run_controller

    try:
        if fast:
            return loop.run_inline(controller, round(MAX_RUN_S / loop.period))
        return run_controller(loop, controller, MAX_RUN_S)
    finally:
        policy.stop()


def _load_adapted_task(library: Path | None, task: str) -> "TaskPolicy":
    """Load the adapted policies of a task. Raises LibraryError, TaskPolicyError, CommandError."""
    from metagui.learning.adaptation.task_policy import TaskPolicy

    opened = open_library(library)
    takes = opened.list_takes(task)
    path = adapted_policy_path(opened, task)
    if not path.is_file():
        raise CommandError(f"{task!r} has {len(takes)} takes and is not adapted yet. Run: metagui adapt {task!r}")
    return TaskPolicy.load(path)
