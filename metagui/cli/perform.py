"""``metagui run``: let the arm do what was learnt, in a scene it has not seen."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metagui.cli.options import AsJson, LibraryFolder, library_at
from metagui.cli.output import VerbError, remark, show
from metagui.cli.verbs import app

if TYPE_CHECKING:
    from metagui.learning.adapted import AdaptedTask

LONGEST = 120.0
"""Seconds after which a run is ended, whatever the policies say."""


@app.command()
def run(
    task: Annotated[str, typer.Argument(help="The task to do; adapt it first.")],
    seed: Annotated[int | None, typer.Option(help="Which scene; a new one each time if not given.")] = None,
    program: Annotated[
        Path | None, typer.Option(help="Click programs (JSON): the task's own judges whether it was achieved.")
    ] = None,
    fast: Annotated[bool, typer.Option("--fast", help="As fast as the machine, instead of in real time.")] = False,
    library: LibraryFolder = None,
    as_json: AsJson = False,
) -> None:
    """Let the arm do a task in a scene it has not seen; fails unless it was done."""
    from metagui.arms.control import ControlLoop
    from metagui.arms.simulated import SimulatedArm
    from metagui.cli.demonstrate import choose, set_up
    from metagui.cli.live import carry_out, new_seed
    from metagui.demonstrations.judge import Judge
    from metagui.demonstrations.programs import load_programs
    from metagui.learning.judged import JudgedChain
    from metagui.learning.rollout import PolicyChain

    adapted = adapted_at(library, task)
    scene = new_seed() if seed is None else seed
    arm = SimulatedArm(scene)
    arm.connect()
    loop = ControlLoop(arm, arm)
    chain = PolicyChain(adapted, arm.anchors)
    judged = None
    if program is not None:
        chosen = choose(load_programs(program), task, program)
        set_up(loop, chosen, arm)
        judged = JudgedChain(chain, Judge(chosen, arm.anchors))
    remark(f"Doing {task!r} in scene {scene} …")
    try:
        if fast:
            last = loop.run_inline(judged or chain, round(LONGEST / loop.period))
        else:
            last = carry_out(loop, judged or chain, LONGEST)
    finally:
        chain.stop()
        arm.disconnect()
    success = None if judged is None or last is None else judged.judge.success(last.observation)
    done = chain.outcome == "done" and success is not False
    document = {"task": task, "scene": scene, "outcome": chain.outcome, "achieved": success, "done": done}
    verdict = {None: "not judged: name its --program", True: "yes", False: "no"}[success]
    show(document, ("task", "scene", "outcome", "achieved"), [(task, scene, chain.outcome, verdict)], as_json)
    if not done:
        raise typer.Exit(1)


def adapted_at(library: Path | None, task: str) -> "AdaptedTask":
    """Load the adapted policies of a task. Raises LibraryError, AdaptedError, VerbError."""
    from metagui.learning.adapted import AdaptedTask

    shelf = library_at(library)
    takes = shelf.takes(task)
    path = shelf.path(task) / "adapted.safetensors"
    if not path.is_file():
        raise VerbError(f"{task!r} has {len(takes)} takes and was not adapted yet. Run: metagui adapt {task!r}")
    return AdaptedTask.load(path)
