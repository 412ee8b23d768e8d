"""``metagui evaluate``: measure success rates in unseen scenes after adapting to a few takes."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metagui.cli.aliases import CommandWithAliases
from metagui.cli.app import app
from metagui.cli.library import load_prior
from metagui.cli.options import AsJson, Seed, WorkerCount
from metagui.cli.output import CommandError, make_progress_bar, print_result
from metagui.generators import run_to_end

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metagui.demonstrations.programs.program import TaskProgram
    from metagui.learning.evaluation.episode_log import EpisodeLog
    from metagui.learning.evaluation.evaluation import EvaluationSettings
    from metagui.learning.evaluation.success_rates import Episode, SuccessRate
    from metagui.learning.prior import Prior

TestPrograms = Annotated[
    Path | None, typer.Option(help="File of task programs (JSON); the shipped test programs if not given.")
]
Shots = Annotated[str, typer.Option(help="Numbers of takes to adapt to, separated by commas.")]
Families = Annotated[str, typer.Option(help="Only these families of programs, separated by commas.")]
CandidateNames = Annotated[str, typer.Option(help="Only these candidates, separated by commas.")]
PriorFiles = Annotated[
    list[Path] | None,
    typer.Option(
        help="Prior to adapt; repeat for several, which are reported together and, with --detail, separately."
    ),
]
LogFile = Annotated[
    Path | None,
    typer.Option("--log", "--keep", help="Write episodes to this file as they finish; continue it if it exists."),
]


@app.command(cls=CommandWithAliases)
def evaluate(
    programs: TestPrograms = None,
    shots: Shots = "1,3",
    scenes: Annotated[int, typer.Option(min=1, help="Number of unseen scenes of each program.")] = 5,
    families: Families = "",
    candidates: CandidateNames = "",
    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="Choose candidates by rehearsal, as metagui adapt does; slower.")
    ] = False,
    workers: WorkerCount = None,
    seed: Seed = 0,
    prior: PriorFiles = None,
    log: LogFile = None,
    detail: Annotated[bool, typer.Option("--detail", help="Also show every family, and every prior alone.")] = False,
    episodes: Annotated[bool, typer.Option("--episodes", help="With --json, also list every episode.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure success rates in unseen scenes: demonstrate each program, adapt, run; with all baselines."""
    from metagui.demonstrations.programs.program import load_programs
    from metagui.learning.evaluation.evaluation import EVALUATED_CANDIDATES, EvaluationSettings
    from metagui.paths import resources_dir

    path = programs or resources_dir() / "programs" / "test.json"
    chosen = parse_choices(EVALUATED_CANDIDATES, candidates, "candidate") or EVALUATED_CANDIDATES
    settings = EvaluationSettings(parse_counts(shots), scenes, seed, chosen, workers=workers, rehearse=rehearse)
    tasks = filter_families(load_programs(path), families)
    priors = [load_prior(file) for file in prior] if prior else [load_prior(None)]
    document: dict[str, Any] = {"programs": path.name, "priors": [each.id for each in priors]}
    document["settings"] = asdict(settings)
    finished, success = _run_evaluation(priors, tasks, settings, _open_log(log, document, tasks))
    document["success"] = [asdict(row) for row in success]
    if episodes:
        document["episodes"] = [asdict(episode) for episode in finished]
    columns, rows = make_table(success, detail)
    title = f"Success in unseen scenes (95 % interval): {path.name}, prior {', '.join(document['priors'])}"
    print_result(document, columns, rows, as_json, title)


def _open_log(path: Path | None, document: dict[str, Any], programs: "tuple[TaskProgram, ...]") -> "EpisodeLog | None":
    """Open the episode log of these settings, except the number of processes. Raises CommandError.

    Without rehearsal, which version 0.1 did not have, the settings are those of its logs.
    """
    from metagui.demonstrations.json_codec import instruction_to_flat_dict
    from metagui.learning.evaluation.episode_log import EpisodeLog, EpisodeLogError

    if path is None:
        return None
    settings = {k: v for k, v in document["settings"].items() if k != "workers" and (k != "rehearse" or v)}
    instructions = {p.name: [instruction_to_flat_dict(each) for each in (*p.setup, *p.instructions)] for p in programs}
    try:
        return EpisodeLog(path, document | {"settings": settings, "clicks": instructions})
    except (EpisodeLogError, OSError) as error:
        raise CommandError(str(error)) from error


def filter_families(programs: "tuple[TaskProgram, ...]", text: str) -> "tuple[TaskProgram, ...]":
    """Return the programs of the families named in ``text``, all if it is empty. Raises CommandError."""
    wanted = parse_choices([program.family for program in programs], text, "family")
    return tuple(program for program in programs if not wanted or program.family in wanted)


def parse_choices(known: "Sequence[str]", text: str, what: str) -> tuple[str, ...]:
    """Return the names in ``text``, separated by commas. Raises CommandError if one is not known."""
    wanted = tuple(part.strip() for part in text.split(",") if part.strip())
    for name in wanted:
        if name not in known:
            raise CommandError(
                f"There is no {what} {name!r}; there is {', '.join(dict.fromkeys(known))}. Nothing was run."
            )
    return wanted


def make_table(success: "Iterable[SuccessRate]", detail: bool = False) -> tuple[list[str], list[list[str]]]:
    """Return columns and rows: a line per evaluation split and number of takes, a column per candidate.

    With ``detail``, also a line for each family and for each of several priors.
    """
    from metagui.demonstrations.programs.splits import EVALUATION_SPLITS, get_evaluation_split
    from metagui.learning.evaluation.success_rates import ALL_FAMILIES

    rates = {(s.family, s.prior, s.shots, s.candidate): s for s in success if detail or not s.prior}
    candidates = list(dict.fromkeys(candidate for *_, candidate in rates))
    splits = {family: get_evaluation_split(family) for family, *_ in rates}
    order = {name: place for place, name in enumerate((*EVALUATION_SPLITS, *splits, ALL_FAMILIES))}

    def sort_key(line: tuple[str, str, int]) -> tuple[Any, ...]:
        family, prior, shots = line
        is_total, is_family = family == ALL_FAMILIES, family not in EVALUATION_SPLITS
        return is_total, order[splits[family]], is_family, order[family], prior, shots

    shown = [family for family in splits if detail or family == ALL_FAMILIES or family in splits.values()]
    rows = []
    for family, prior, shots in sorted(dict.fromkeys(key[:3] for key in rates if key[2]), key=sort_key):
        if family not in shown:
            continue
        keys = [((family, prior, shots, c), (family, "", shots, c), (family, "", 0, c)) for c in candidates]
        cells = [next((rates[key] for key in choices if key in rates), None) for choices in keys]
        percent = [f"{c.rate:.0%} ({c.low * 100:.0f}-{c.high * 100:.0f})" if c else "" for c in cells]
        count = max(cell.episodes for cell in cells if cell and cell.shots)
        rows.append([f"{family} {prior}".strip(), str(shots), str(count), *percent])
    return ["family", "takes", "episodes", *candidates], rows


def _run_evaluation(
    priors: "Sequence[Prior]",
    programs: "tuple[TaskProgram, ...]",
    settings: "EvaluationSettings",
    log: "EpisodeLog | None",
) -> "tuple[list[Episode], tuple[SuccessRate, ...]]":
    """Run the evaluation with a progress bar; return all episodes and the success rates."""
    from metagui.learning.evaluation.evaluation import BUILDERS_WITHOUT_PRIOR, evaluate

    finished: list[Episode] = []
    without_prior = len(BUILDERS_WITHOUT_PRIOR.keys() & set(settings.candidates))
    policies = len(settings.shots) * (len(priors) * (len(settings.candidates) - without_prior) + without_prior)
    with make_progress_bar() as bar:
        job = bar.add_task("episodes", total=len(programs) * settings.scenes * (1 + policies), status="")

        def show(episode: "Episode") -> None:
            finished.append(episode)
            bar.update(job, advance=1, status=f"{episode.program}: {episode.candidate}")

        return finished, run_to_end(evaluate(priors, programs, settings, log=log), show)


def parse_counts(text: str) -> tuple[int, ...]:
    """Return the positive integers in ``text``, separated by commas. Raises CommandError."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise CommandError(f"--shots {text!r} must be numbers of takes such as 1,3. Nothing was run.")
    return tuple(int(part) for part in parts)
