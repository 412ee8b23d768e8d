"""``metagui evaluate``: let the arm do what it learnt from a few takes, until the numbers are sure."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metagui.cli.app import app
from metagui.cli.options import AsJson, Seed, load_prior
from metagui.cli.output import CommandError, make_progress_bar, print_result, run_to_end

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metagui.demonstrations.programs.program import TaskProgram
    from metagui.learning.evaluation.episode_log import EpisodeLog
    from metagui.learning.evaluation.evaluation import EvaluationSettings
    from metagui.learning.evaluation.success_rates import Episode, SuccessRate
    from metagui.learning.prior import Prior


@app.command()
def evaluate(
    programs: Annotated[
        Path | None, typer.Option(help="Click programs (JSON); the shipped test programs if not given.")
    ] = None,
    shots: Annotated[str, typer.Option(help="Numbers of takes to adapt to, separated by commas.")] = "1,3",
    scenes: Annotated[int, typer.Option(min=1, help="Unseen scenes of each program.")] = 5,
    families: Annotated[str, typer.Option(help="Only these families of the file, separated by commas.")] = "",
    candidates: Annotated[str, typer.Option(help="Only these candidates, separated by commas.")] = "",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; one a core if not given.")] = None,
    seed: Seed = 0,
    prior: Annotated[
        list[Path] | None, typer.Option(help="What to adapt from; repeat it to measure several, together and apart.")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(help="Write episodes to this file as they happen; go on from it if it is there.")
    ] = None,
    detail: Annotated[bool, typer.Option("--detail", help="Also show every family, and every prior alone.")] = False,
    episodes: Annotated[bool, typer.Option("--episodes", help="With --json, also list every episode.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure success in unseen scenes: show each program, adapt, run; beside all rivals and the script itself."""
    from metagui.demonstrations.programs.program import load_programs
    from metagui.learning.evaluation.evaluation import EVALUATED_CANDIDATES, EvaluationSettings
    from metagui.paths import resources_dir

    path = programs or resources_dir() / "programs" / "test.json"
    wanted = parse_choices(EVALUATED_CANDIDATES, candidates, "candidate") or EVALUATED_CANDIDATES
    settings = EvaluationSettings(parse_counts(shots), scenes, seed, wanted, workers=workers)
    tasks = filter_families(load_programs(path), families)
    starts = [load_prior(file) for file in prior] if prior else [load_prior(None)]
    document: dict[str, Any] = {"programs": path.name, "priors": [start.id for start in starts]}
    document["settings"] = asdict(settings)
    seen, success = _run_evaluation(starts, tasks, settings, _open_log(keep, document, tasks))
    document["success"] = [asdict(row) for row in success]
    if episodes:
        document["episodes"] = [asdict(episode) for episode in seen]
    columns, rows = make_table(success, detail)
    title = f"Success in unseen scenes (95 % interval): {path.name}, prior {', '.join(document['priors'])}"
    print_result(document, columns, rows, as_json, title)


def _open_log(path: Path | None, document: dict[str, Any], programs: "tuple[TaskProgram, ...]") -> "EpisodeLog | None":
    """Open the log of episodes; how many processes ran does not matter to it. Raises VerbError."""
    from metagui.demonstrations.json_codec import instruction_to_flat_dict
    from metagui.learning.evaluation.episode_log import EpisodeLog, EpisodeLogError

    if path is None:
        return None
    settings = {k: v for k, v in document["settings"].items() if k != "workers"}
    clicks = {p.name: [instruction_to_flat_dict(click) for click in (*p.setup, *p.instructions)] for p in programs}
    try:
        return EpisodeLog(path, document | {"settings": settings, "clicks": clicks})
    except (EpisodeLogError, OSError) as error:
        raise CommandError(str(error)) from error


def filter_families(programs: "tuple[TaskProgram, ...]", text: str) -> "tuple[TaskProgram, ...]":
    """Return the programs of the families named in ``text``, all if it is empty. Raises VerbError."""
    wanted = parse_choices([program.family for program in programs], text, "family")
    return tuple(program for program in programs if not wanted or program.family in wanted)


def parse_choices(known: "Sequence[str]", text: str, what: str) -> tuple[str, ...]:
    """Return the names in ``text``, separated by commas. Raises VerbError if one is not known."""
    wanted = tuple(part.strip() for part in text.split(",") if part.strip())
    for name in wanted:
        if name not in known:
            raise CommandError(
                f"There is no {what} {name!r}; there is {', '.join(dict.fromkeys(known))}. Nothing was run."
            )
    return wanted


def make_table(success: "Iterable[SuccessRate]", detail: bool = False) -> tuple[list[str], list[list[str]]]:
    """Return columns and rows: a line for each row of families and number of takes, a column for each policy.

    In ``detail``, also for each family and for each of several priors.
    """
    from metagui.demonstrations.programs.splits import EVALUATION_SPLITS, get_evaluation_split
    from metagui.learning.evaluation.success_rates import ALL_FAMILIES

    found = {(s.family, s.prior, s.shots, s.candidate): s for s in success if detail or not s.prior}
    policies = list(dict.fromkeys(candidate for *_, candidate in found))
    groups = {family: get_evaluation_split(family) for family, *_ in found}
    order = {name: place for place, name in enumerate((*EVALUATION_SPLITS, *groups, ALL_FAMILIES))}

    def place(line: tuple[str, str, int]) -> tuple[Any, ...]:
        family, prior, shots = line
        return (
            family == ALL_FAMILIES,
            order[groups[family]],
            family not in EVALUATION_SPLITS,
            order[family],
            prior,
            shots,
        )

    kept = [family for family in groups if detail or family == ALL_FAMILIES or family in groups.values()]
    rows = []
    for family, prior, shots in sorted(dict.fromkeys(key[:3] for key in found if key[2]), key=place):
        if family not in kept:
            continue
        places = [((family, prior, shots, p), (family, "", shots, p), (family, "", 0, p)) for p in policies]
        cells = [next((found[key] for key in keys if key in found), None) for keys in places]
        percent = [f"{c.rate:.0%} ({c.low * 100:.0f}-{c.high * 100:.0f})" if c else "" for c in cells]
        count = max(cell.episodes for cell in cells if cell and cell.shots)
        rows.append([f"{family} {prior}".strip(), str(shots), str(count), *percent])
    return ["family", "takes", "episodes", *policies], rows


def _run_evaluation(
    priors: "Sequence[Prior]",
    programs: "tuple[TaskProgram, ...]",
    settings: "EvaluationSettings",
    log: "EpisodeLog | None",
) -> "tuple[list[Episode], tuple[SuccessRate, ...]]":
    from metagui.learning.evaluation.evaluation import evaluate
    from metagui.learning.evaluation.nearest_neighbour import NEAREST_NEIGHBOUR

    seen: list[Episode] = []
    once = NEAREST_NEIGHBOUR in settings.candidates
    policies = len(settings.shots) * (len(priors) * (len(settings.candidates) - once) + once)
    with make_progress_bar() as bar:
        job = bar.add_task("episodes", total=len(programs) * settings.scenes * (1 + policies), says="")

        def tell(episode: "Episode") -> None:
            seen.append(episode)
            bar.update(job, advance=1, says=f"{episode.program}: {episode.candidate}")

        return seen, run_to_end(evaluate(priors, programs, settings, log=log), tell)


def parse_counts(text: str) -> tuple[int, ...]:
    """Read positive whole numbers separated by commas. Raises VerbError."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise CommandError(f"--shots {text!r} must be numbers of takes such as 1,3. Nothing was run.")
    return tuple(int(part) for part in parts)
