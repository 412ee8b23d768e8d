"""``metagui run``: let the arm do what was learnt, in a scene it has not seen."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metagui.cli.app import app
from metagui.cli.arm_option import ArmAddress, ObjectPlacements, connect_arm
from metagui.cli.options import AsJson, LibraryFolder, open_library
from metagui.cli.output import CommandError, print_note, print_result

if TYPE_CHECKING:
    from metagui.learning.adaptation.adapted_task import TaskPolicy

MAX_RUN_S = 120.0
"""Seconds after which a run is ended, whatever the policies say."""


@app.command()
def run(
    task: Annotated[str, typer.Argument(help="The task to do; adapt it first.")],
    seed: Annotated[int | None, typer.Option(help="Which scene; a new one each time if not given.")] = None,
    program: Annotated[
        Path | None, typer.Option(help="Click programs (JSON): the task's own judges whether it was achieved.")
    ] = None,
    arm: ArmAddress = None,
    put: ObjectPlacements = None,
    fast: Annotated[bool, typer.Option("--fast", help="As fast as the machine, instead of in real time.")] = False,
    library: LibraryFolder = None,
    as_json: AsJson = False,
) -> None:
    """Let the arm do a task in a scene it has not seen; fails unless it was done."""
    from metagui.arms.control.loop import ControlLoop
    from metagui.cli.commands.record import choose_program, execute_setup
    from metagui.cli.realtime import draw_seed, run_controller
    from metagui.demonstrations.programs.program import load_programs
    from metagui.demonstrations.programs.success import SuccessMonitor
    from metagui.learning.adaptation.rollout import PolicyController
    from metagui.learning.evaluation.episodes import EvaluatedPolicyController

    adapted = load_adapted_task(library, task)
    if fast and arm is not None:
        raise CommandError("An arm on a cable moves in real time: leave --fast out. Nothing moved.")
    scene = draw_seed() if seed is None else seed
    with connect_arm(arm, put, scene) as body:
        loop = ControlLoop(body, body)
        chain = PolicyController(adapted, body.objects)
        judged = None
        if program is not None:
            chosen = choose_program(load_programs(program), task, program)
            execute_setup(loop, chosen)
            judged = EvaluatedPolicyController(chain, SuccessMonitor(chosen, body.objects))
        print_note(f"Doing {task!r} {f'in scene {scene}' if arm is None else f'on {body.name}'} …")
        try:
            if fast:
                last = loop.run_inline(judged or chain, round(MAX_RUN_S / loop.period))
            else:
                last = run_controller(loop, judged or chain, MAX_RUN_S)
        finally:
            chain.stop()
    success = None if judged is None or last is None else judged.success_monitor.is_successful(last.observation)
    done = chain.outcome == "done" and success is not False
    where = scene if arm is None else arm
    document = {"task": task, "scene": where, "outcome": chain.outcome, "achieved": success, "done": done}
    verdict = {None: "not judged: name its --program", True: "yes", False: "no"}[success]
    print_result(document, ("task", "scene", "outcome", "achieved"), [(task, where, chain.outcome, verdict)], as_json)
    if not done:
        raise typer.Exit(1)


@app.command()
def replay(
    task: Annotated[str, typer.Argument(help="The task that the take belongs to.")],
    take: Annotated[str, typer.Argument(help="The take to do again, by name.")],
    arm: ArmAddress = None,
    put: ObjectPlacements = None,
    speed: Annotated[float, typer.Option(min=0.1, max=1.0, help="Share of the take's own speed.")] = 1.0,
    library: LibraryFolder = None,
    as_json: AsJson = False,
) -> None:
    """Let the arm do a stored take again: gently to where it began, then as it was shown."""
    from metagui.arms.control.loop import ControlLoop
    from metagui.arms.simulation.simulated_arm import SimulatedArm
    from metagui.cli.realtime import run_controller
    from metagui.demonstrations.recording.replay import ReplayController

    shown = open_library(library).load_take(task, take)
    controller = ReplayController(shown, speed)
    with connect_arm(arm, put, 0) as body:
        if isinstance(body, SimulatedArm) and shown.states is not None:
            body.set_state(shown.states[0])
        print_note(f"Doing take {take!r} of {task!r} again on {body.name} …")
        run_controller(ControlLoop(body, body), controller, MAX_RUN_S + shown.duration / speed)
    done, why = round(controller.progress, 3), controller.blocked_reason
    document = {"task": task, "take": take, "arm": body.name, "progress": done, "blocked": why}
    print_result(document, ("task", "take", "arm", "done"), [(task, take, body.name, f"{done:.0%}")], as_json)
    if why:
        raise CommandError(f"The arm could not follow: {why}. It holds; see what is in its way.")
    if not controller.finished:
        raise typer.Exit(1)


def load_adapted_task(library: Path | None, task: str) -> "TaskPolicy":
    """Load the adapted policies of a task. Raises LibraryError, AdaptedError, VerbError."""
    from metagui.learning.adaptation.adapted_task import TaskPolicy

    shelf = open_library(library)
    takes = shelf.list_takes(task)
    path = shelf.get_task_folder(task) / "adapted.safetensors"
    if not path.is_file():
        raise CommandError(f"{task!r} has {len(takes)} takes and was not adapted yet. Run: metagui adapt {task!r}")
    return TaskPolicy.load(path)
