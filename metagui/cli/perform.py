"""``metagui run`` and ``metagui evaluate``: let the arm do what was learnt, once or until the numbers are sure."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metagui.cli.options import AsJson, LibraryFolder, PriorFile, Seed, library_at, prior_at
from metagui.cli.output import VerbError, follow, progress, remark, show
from metagui.cli.verbs import app

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metagui.demonstrations.programs import ClickProgram
    from metagui.learning.adapted import AdaptedTask
    from metagui.learning.evaluation import Episode, EvaluateSettings, Success
    from metagui.learning.prior import Prior

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
    from metagui.learning.evaluation import JudgedChain
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


@app.command()
def evaluate(
    programs: Annotated[
        Path | None, typer.Option(help="Click programs (JSON); the shipped test programs if not given.")
    ] = None,
    shots: Annotated[str, typer.Option(help="Numbers of takes to adapt to, separated by commas.")] = "1,3",
    scenes: Annotated[int, typer.Option(min=1, help="Unseen scenes of each program.")] = 5,
    families: Annotated[str, typer.Option(help="Only these families of the file, separated by commas.")] = "",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; one a core if not given.")] = None,
    seed: Seed = 0,
    prior: PriorFile = None,
    episodes: Annotated[bool, typer.Option("--episodes", help="With --json, also list every episode.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure success in unseen scenes: show each program, adapt, run; beside from-scratch and fine-tuning."""
    from metagui.demonstrations.programs import load_programs
    from metagui.learning.evaluation import EvaluateSettings
    from metagui.paths import resources_dir

    path = programs or resources_dir() / "programs" / "test.json"
    settings = EvaluateSettings(numbers(shots), scenes, seed, workers=workers)
    tasks, start = of_families(load_programs(path), families), prior_at(prior)
    total = len(tasks) * scenes * (1 + len(settings.shots) * len(settings.candidates))
    seen, success = _evaluated(start, tasks, settings, total)
    document: dict[str, Any] = {"programs": path.name, "prior": start.id, "settings": asdict(settings)}
    document["success"] = [asdict(row) for row in success]
    if episodes:
        document["episodes"] = [asdict(episode) for episode in seen]
    columns, rows = table_of(success)
    title = f"Success in unseen scenes (95 % interval): {path.name}, prior {start.id}"
    show(document, columns, rows, as_json, title)


def of_families(programs: "tuple[ClickProgram, ...]", text: str) -> "tuple[ClickProgram, ...]":
    """Return the programs of the families named in ``text``, all if it is empty. Raises VerbError."""
    wanted = [part.strip() for part in text.split(",") if part.strip()]
    known = dict.fromkeys(program.family for program in programs)
    for name in wanted:
        if name not in known:
            raise VerbError(f"There is no family {name!r}; the file has {', '.join(known)}. Nothing was run.")
    return tuple(program for program in programs if not wanted or program.family in wanted)


def table_of(success: "Iterable[Success]") -> tuple[list[str], list[list[str]]]:
    """Return columns and rows: a row for each family and number of takes, a column for each policy."""
    found = {(s.family, s.shots, s.candidate): s for s in success}
    policies = list(dict.fromkeys(candidate for _, _, candidate in found))
    lines = dict.fromkeys((family, shots) for family, shots, _ in found if shots)
    rows = []
    for family, shots in sorted(lines, key=lambda line: (line[0] == "all", *line)):
        cells = [found.get((family, shots, policy)) or found.get((family, 0, policy)) for policy in policies]
        episodes = max(cell.episodes for cell in cells if cell)
        percent = [f"{c.rate:.0%} ({c.low * 100:.0f}-{c.high * 100:.0f})" if c else "" for c in cells]
        rows.append([family, str(shots), str(episodes), *percent])
    return ["family", "takes", "episodes", *policies], rows


def _evaluated(
    prior: "Prior", programs: "tuple[ClickProgram, ...]", settings: "EvaluateSettings", total: int
) -> "tuple[list[Episode], tuple[Success, ...]]":
    from metagui.learning.evaluation import evaluate

    seen: list[Episode] = []
    with progress() as bar:
        job = bar.add_task("episodes", total=total, says="")

        def tell(episode: "Episode") -> None:
            seen.append(episode)
            bar.update(job, advance=1, says=f"{episode.program}: {episode.candidate}")

        return seen, follow(evaluate(prior, programs, settings), tell)


def numbers(text: str) -> tuple[int, ...]:
    """Read positive whole numbers separated by commas. Raises VerbError."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise VerbError(f"--shots {text!r} must be numbers of takes such as 1,3. Nothing was run.")
    return tuple(int(part) for part in parts)
