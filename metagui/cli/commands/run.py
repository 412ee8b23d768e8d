"""``metagui run``: run a task's adapted policies in a new scene."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metagui.cli.aliases import CommandWithAliases
from metagui.cli.app import app
from metagui.cli.arm_option import ArmAddress, ObjectPlacements, connect_arm
from metagui.cli.library import adapted_policy_path, open_library
from metagui.cli.options import AsJson, LibraryFolder, SceneSeed
from metagui.cli.output import CommandError, print_note, print_result
from metagui.cli.programs import choose_program, execute_setup

if TYPE_CHECKING:
    from metagui.arms.control.loop import ControlLoop
    from metagui.learning.adaptation.task_policy import TaskPolicy

MAX_RUN_S = 120.0
"""Longest run, s."""


@app.command(cls=CommandWithAliases)
def run(
    task: Annotated[str, typer.Argument(help="The task to run; adapt it first.")],
    seed: SceneSeed = None,
    program: Annotated[
        Path | None, typer.Option(help="File of task programs (JSON): the task's program judges the success.")
    ] = None,
    arm: ArmAddress = None,
    objects: ObjectPlacements = None,
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
    with connect_arm(arm, objects, scene) as connected:
        print_note(f"Running {task!r} {f'in scene {scene}' if arm is None else f'on {connected.name}'} …")
        outcome, success = _run_policies(ControlLoop(connected, connected), adapted, task, program, fast)
    done = outcome == "done" and success is not False
    where = scene if arm is None else arm
    document = {"task": task, "scene": where, "outcome": outcome, "achieved": success, "done": done}
    verdict = {None: "not judged: name its --program", True: "yes", False: "no"}[success]
    print_result(document, ("task", "scene", "outcome", "achieved"), [(task, where, outcome, verdict)], as_json)
    if not done:
        why = f"it {outcome}" if outcome != "done" else "its program was not achieved"
        print_note(f"{task!r} was not done: {why}. The arm holds.")
        raise typer.Exit(1)


def _run_policies(
    loop: "ControlLoop", adapted: "TaskPolicy", task: str, program: Path | None, fast: bool
) -> tuple[str, bool | None]:
    """Run the policies; return their outcome and whether the task succeeded, None if it was not judged."""
    from metagui.cli.realtime import run_controller
    from metagui.demonstrations.programs.program import load_programs
    from metagui.demonstrations.programs.success import SuccessMonitor
    from metagui.learning.adaptation.replay_rollout import make_rollout_controller
    from metagui.learning.evaluation.episodes import EvaluatedPolicyController

    policy = make_rollout_controller(adapted, loop.scene.objects)
    judged = None
    if program is not None:
        chosen = choose_program(load_programs(program), task, program)
        execute_setup(loop, chosen)
        judged = EvaluatedPolicyController(policy, SuccessMonitor(chosen, loop.scene.objects))
    try:
        if fast:
            last = loop.run_inline(judged or policy, round(MAX_RUN_S / loop.period))
        else:
            last = run_controller(loop, judged or policy, MAX_RUN_S)
    finally:
        policy.stop()
    success = None if judged is None or last is None else judged.success_monitor.is_successful(last.observation)
    return policy.outcome, success


def _load_adapted_task(library: Path | None, task: str) -> "TaskPolicy":
    """Load the adapted policies of a task. Raises LibraryError, TaskPolicyError, CommandError."""
    from metagui.learning.adaptation.task_policy import TaskPolicy

    opened = open_library(library)
    takes = opened.list_takes(task)
    path = adapted_policy_path(opened, task)
    if not path.is_file():
        raise CommandError(f"{task!r} has {len(takes)} takes and is not adapted yet. Run: metagui adapt {task!r}")
    return TaskPolicy.load(path)
