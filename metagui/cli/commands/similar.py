"""``metagui similar``: rank the tasks of a library by similarity; ``metagui train-encoder``: make its encoder."""

import math
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from metagui.cli.aliases import CommandWithAliases
from metagui.cli.app import app
from metagui.cli.library import (
    describe_takes_without_objects,
    load_encoder,
    load_intact_takes,
    load_prior,
    open_library,
)
from metagui.cli.options import (
    AsJson,
    EncoderFile,
    LibraryFolder,
    PriorFile,
    RandomStartFraction,
    Seed,
    TrainingLength,
    WorkerCount,
)
from metagui.cli.output import CommandError, make_progress_bar, print_note, print_result
from metagui.cli.signals import until_interrupted
from metagui.demonstrations.demonstration import TakeKey
from metagui.generators import run_to_end
from metagui.paths import resources_dir

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.storage.hdf5 import TakeInfo
    from metagui.demonstrations.storage.library import Library
    from metagui.learning.adaptation.behaviour_distance import BehaviourStep
    from metagui.learning.prior import Prior
    from metagui.learning.similarity.cache.library_values import ComputedTakes, LibraryEmbeddings
    from metagui.learning.similarity.embeddings import Embeddings
    from metagui.learning.similarity.encoder_file import CalibratedEncoder
    from metagui.learning.similarity.encoder_training import LabelledTakes, TakeSettings
    from metagui.learning.similarity.siamese import SiameseStep
    from metagui.learning.similarity.similarity import Neighbour
    from metagui.learning.similarity.verdicts import VerdictCalibration

ResultT = TypeVar("ResultT")
TrainingPrograms = Annotated[
    Path | None, typer.Option(help="File of task programs (JSON); the shipped training programs if not given.")
]


@app.command(cls=CommandWithAliases)
def similar(
    task: Annotated[str, typer.Argument(help="The task to compare with all others.")],
    behaviour: Annotated[
        bool,
        typer.Option("--behaviour", "--acts", help="Also compare the actions of the adapted policies, not only takes."),
    ] = False,
    encoder: EncoderFile = None,
    prior: PriorFile = None,
    library: LibraryFolder = None,
    as_json: AsJson = False,
) -> None:
    """Rank the tasks of the library by the similarity of their takes to those of one task."""
    opened = open_library(library)
    own = opened.list_takes(task)
    listed = {name: listing.takes for name, listing in opened.list_all().items()}
    found = _load_embeddings(opened, listed, encoder)
    query = [info for info in own if info.success is not False]
    rows = {name: _select(found, infos) for name, infos in (listed | {task: query}).items()}
    if not any(_select(found, own).values()) and _select(found, own):
        _print_by_motion(opened, listed, task, as_json)
        return
    _note_without_objects(rows)
    embeddings = {name: {take: row for take, row in each.items() if row} for name, each in rows.items()}
    if not embeddings[task]:
        raise CommandError(f"{task!r} has no take that can be used. Record one, or name a take with --take.")
    neighbours = _rank(found.encoder.calibration, embeddings, task)
    if behaviour:
        takes = {name: load_intact_takes(opened, name, list(each)) for name, each in embeddings.items() if each}
        distances = _compute_behaviour_distances(load_prior(prior, opened), takes, task)
        for row in neighbours:  # "acts" is the key of version 0.1
            row["behaviour_distance"] = row["acts"] = distances[row["task"]]
    basis = found.encoder.describe_calibration()
    document = {"task": task, "neighbours": neighbours, "calibration": basis}
    columns = ("task", "similarity", "verdict", "nearest take", *(["behaviour distance"] if behaviour else []))
    lines = [
        (n["task"], f"{n['similarity']:.0%}", n["words"], n["take"], *([f"{n['acts']:.3f}"] if behaviour else []))
        for n in neighbours
    ]
    print_result(document, columns, lines, as_json, f"Similar to {task}. {basis}")


@app.command()
def train_encoder(
    programs: TrainingPrograms = None,
    takes: Annotated[int, typer.Option(min=2, help="Number of takes of each program by the script.")] = 4,
    people: Annotated[int, typer.Option(min=0, help="Number of takes of each program by a simulated person.")] = 3,
    random_starts: RandomStartFraction = 0.5,
    length: TrainingLength = 1.0,
    seed: Seed = 0,
    workers: WorkerCount = None,
    out: Annotated[Path, typer.Option(help="File to write the encoder to.")] = Path("encoder.safetensors"),
    as_json: AsJson = False,
) -> None:
    """Train the encoder of similar tasks: generate takes, train on most tasks, calibrate on the others."""
    from metagui.learning.similarity.encoder_training import TakeSettings

    path = programs or resources_dir() / "programs" / "train.json"
    settings = TakeSettings(takes, people, random_starts, seed, workers)
    started, used = time.perf_counter(), time.process_time()
    generated = _generate_takes(path, settings)
    generation_s, used = time.perf_counter() - started, time.process_time()
    found = _train_on_takes(generated, length, seed)
    training_cpu_s = time.process_time() - used
    command = (
        f"metagui train-encoder --programs {path.name} --takes {takes} --people {people} --random-starts "
        f"{random_starts} --length {length} --seed {seed}"
    )
    count = len({each.labels.task for each in generated})
    about = {"command": command, "date": datetime.now(UTC).date().isoformat(), "tasks": count, "seed": seed}
    out.parent.mkdir(parents=True, exist_ok=True)
    replace(found, about=about).save(out)
    document = {"encoder": str(out), "tasks": count, "takes": sum(len(each.takes) for each in generated)}
    document |= {"generation_seconds": round(generation_s, 1), "training_cpu_seconds": round(training_cpu_s, 1)}
    document |= {"calibration": found.calibration.as_dict() if found.calibration else None}
    rows = [(name.replace("_", " "), str(value)) for name, value in document.items() if name != "calibration"]
    print_result(document, ("", "value"), rows, as_json, f"{out}. {found.describe_calibration()}")


def _generate_takes(path: Path, settings: "TakeSettings") -> "list[LabelledTakes]":
    """Return the takes of all programs, generated with a progress bar."""
    from metagui.demonstrations.programs.program import load_programs
    from metagui.learning.similarity.encoder_training import generate_labelled_takes

    programs = load_programs(path)
    found: list[LabelledTakes] = []
    with make_progress_bar() as bar:
        job = bar.add_task("takes", total=len(programs), status="")
        for each in generate_labelled_takes(programs, settings):
            found += each
            bar.update(job, advance=1)
    return found


def _train_on_takes(takes: "list[LabelledTakes]", length: float, seed: int) -> "CalibratedEncoder":
    """Train and calibrate with a progress bar; Ctrl+C stops early and keeps what was reached."""
    from metagui.learning.similarity.encoder_training import train_calibrated_encoder
    from metagui.learning.similarity.siamese import SiameseSettings

    default = SiameseSettings()
    settings = replace(default, steps=max(1, round(default.steps * length)), seed=seed)
    with make_progress_bar() as bar, until_interrupted() as should_stop:
        job = bar.add_task("encoder", total=settings.steps, status="")

        def show(step: "SiameseStep") -> None:
            bar.update(job, completed=step.step, status=f"loss {step.loss:.3f}")

        return run_to_end(train_calibrated_encoder(takes, settings, should_stop), show)


def _load_embeddings(
    library: "Library", listed: "dict[str, tuple[TakeInfo, ...]]", encoder: Path | None
) -> "LibraryEmbeddings":
    """Return the embeddings of all takes, from the cache where they are in it; print which takes are left out."""
    from metagui.learning.similarity.cache.library_values import LibraryValues

    infos = [info for takes in listed.values() for info in takes]
    values = LibraryValues(library, infos, lambda reason: print_note(f"Left out: {reason}"))
    return _run_with_bar(values.load_embeddings(encoder, lambda: load_encoder(encoder, library)), "takes")


def _select(found: "LibraryEmbeddings", infos: "Iterable[TakeInfo]") -> "dict[str, Embeddings | None]":
    """Return the embeddings of the takes of one task that can be read, by the names of the takes."""
    keys = [TakeKey(info.task, info.name) for info in infos]
    return {key.take: found.rows[key] for key in keys if key in found.rows}


def _note_without_objects(rows: "dict[str, dict[str, Embeddings | None]]") -> None:
    """Print the takes that are not compared, because they have no objects."""
    for name, takes in rows.items():
        if without := [take for take, row in takes.items() if row is None]:
            print_note(describe_takes_without_objects(name, without))


def _rank(
    calibration: "VerdictCalibration | None", embeddings: "dict[str, dict[str, Embeddings]]", task: str
) -> list[dict[str, Any]]:
    """Return the other tasks as JSON objects, most similar first."""
    from metagui.learning.similarity.embeddings import concatenate_embeddings
    from metagui.learning.similarity.similarity import rank

    joined = {name: concatenate_embeddings(list(rows.values())) for name, rows in embeddings.items() if rows}
    query = joined.pop(task)
    names = {name: list(rows) for name, rows in embeddings.items()}
    return [_describe(each) for each in rank(query, joined, calibration, names)]


def _describe(neighbour: "Neighbour") -> dict[str, Any]:
    """Return a neighbour as a JSON object; ``probability``, that of the same task, is the key of version 0.1."""
    from metagui.learning.similarity.similarity import describe_verdict

    verdict = neighbour.verdict
    probabilities = {"same": verdict.same, "kind": verdict.kind, "different": verdict.different}
    is_known = not math.isnan(verdict.same)
    return {
        "task": neighbour.task,
        "take": neighbour.take,
        "similarity": neighbour.similarity,
        "distance": neighbour.distance,
        "motion_distance": neighbour.motion_distance,
        "objects_distance": neighbour.objects_distance,
        "verdict": verdict.grade,
        "differs": verdict.differs or None,
        "words": describe_verdict(verdict),
        "probability": verdict.same if is_known else None,
        "probabilities": probabilities if is_known else None,
    }


def _print_by_motion(library: "Library", listed: "dict[str, tuple[TakeInfo, ...]]", task: str, as_json: bool) -> None:
    """Rank the tasks by their motion alone, because the takes of ``task`` have no objects."""
    from metagui.learning.similarity.cache.library_values import LibraryValues
    from metagui.learning.similarity.motion import rank_paths

    infos = [info for takes in listed.values() for info in takes]
    values = LibraryValues(library, infos, lambda _reason: None)  # they were printed already
    paths: dict[str, dict[str, Any]] = {task: {}}
    for key, path in _run_with_bar(values.load_paths(), "paths").items():
        paths.setdefault(key.task, {})[key.take] = path
    found = rank_paths(paths, task)
    note = "Compared by motion alone, because its takes have no objects; the distance is not calibrated."
    neighbours = [asdict(each) for each in found]
    document = {"task": task, "neighbours": neighbours, "calibration": note}
    rows = [(each.task, f"{1000 * each.distance:.0f} mm", each.take) for each in found]
    print_result(document, ("task", "distance", "nearest take"), rows, as_json, f"Similar to {task}. {note}")


def _run_with_bar(steps: "Generator[ComputedTakes, None, ResultT]", name: str) -> ResultT:
    """Run a computation to its end with a progress bar; return its result."""
    with make_progress_bar() as bar:
        job = bar.add_task(name, total=None, status="")
        return run_to_end(steps, lambda step: bar.update(job, total=step.total, completed=step.done))


def _compute_behaviour_distances(
    prior: "Prior", takes: "dict[str, list[Demonstration]]", task: str
) -> dict[str, float]:
    """Return, per task, how much its adapted policies' actions differ from those of ``task``."""
    from metagui.learning.adaptation.behaviour_distance import compare_behaviours

    with make_progress_bar() as bar:
        job = bar.add_task("comparing", total=None, status="")

        def show(step: "BehaviourStep") -> None:
            bar.update(job, total=step.steps, completed=step.step)

        names, matrix = run_to_end(compare_behaviours(prior, takes), show)
    row = matrix[names.index(task)]
    return {name: float(value) for name, value in zip(names, row, strict=True)}
