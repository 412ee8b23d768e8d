"""``metagui adapt`` and ``metagui similar``: what the takes of a library teach, without the window."""

import contextlib
import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metagui.cli.app import app
from metagui.cli.options import AsJson, LibraryFolder, PriorFile, load_prior, open_library
from metagui.cli.output import CommandError, make_progress_bar, print_note, print_result, run_to_end

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.storage.library import Library
    from metagui.learning.adaptation.adaptation import AdaptationStep
    from metagui.learning.adaptation.behaviour_distance import BehaviourStep
    from metagui.learning.adaptation.task_policy import TaskPolicy
    from metagui.learning.prior import Prior


@app.command()
def adapt(
    task: Annotated[str, typer.Argument(help="The task to adapt to.")],
    take: Annotated[list[str] | None, typer.Option(help="A take to adapt to, by name; repeat for more.")] = None,
    prior: PriorFile = None,
    library: LibraryFolder = None,
    as_json: AsJson = False,
) -> None:
    """Adapt a policy to the takes of a task, and keep it with them for metagui run."""
    shelf = open_library(library)
    takes = load_takes(shelf, task, take)
    started = time.perf_counter()
    start = load_prior(prior, shelf)
    near = _find_nearest_policies(start, shelf, takes)
    adapted = _adapt(start, takes, near)
    path = _adapted_path(shelf, task)
    path.parent.mkdir(parents=True, exist_ok=True)
    adapted.save(path)
    clicks = [
        {"choice": click.choice, "reason": click.reason, "held_out_losses": dict(click.held_out)}
        for click in adapted.skills
    ]
    document: dict[str, Any] = {"task": task, "file": str(path), "takes": [t.name for t in takes], "clicks": clicks}
    document |= {"seconds": round(time.perf_counter() - started, 3), "notes": list(adapted.provenance.notes)}
    document |= {
        "nearest": next(iter(near), None),
        "odd_takes": [found.to_dict() for found in adapted.provenance.outlier_takes],
    }
    for note in adapted.provenance.notes:
        print_note(note)
    if odd := {found.take for found in adapted.provenance.outlier_takes}:
        kept = " ".join(f"--take {name}" for name in document["takes"] if name not in odd)
        print_note(f"To adapt without: metagui adapt '{task}' {kept}")
    rows = [(index + 1, click.choice, click.reason) for index, click in enumerate(adapted.skills)]
    print_result(document, ("click", "policy", "why"), rows, as_json, f"{task}, adapted to {len(takes)} takes")


def _adapted_path(library: "Library", task: str) -> Path:
    return library.get_task_folder(task) / "adapted.safetensors"


def _find_nearest_policies(prior: "Prior", library: "Library", takes: "list[Demonstration]") -> "dict[str, Path]":
    """Return the policies' file of the task most like this one, if there is one to start from."""
    from metagui.learning.policy.features import FeatureError
    from metagui.learning.similarity.siamese import embed
    from metagui.learning.similarity.similarity import find_warm_start, rank

    learnt = [
        name
        for name in library.list_tasks()
        if name != takes[0].task and _adapted_path(library, name).is_file() and library.list_takes(name)
    ]
    if not learnt or not prior.siamese_encoder.is_trained:
        return {}
    vectors = {}
    for name in learnt:
        with contextlib.suppress(FeatureError):  # another task's broken take is no reason not to adapt
            if found := library.load_takes(name):
                vectors[name] = embed(prior.siamese_encoder, found)
    return find_warm_start(
        rank(embed(prior.siamese_encoder, takes), vectors, None), lambda name: _adapted_path(library, name)
    )


def _adapt(prior: "Prior", takes: "list[Demonstration]", neighbours: "dict[str, Path]") -> "TaskPolicy":
    from metagui.learning.adaptation.adaptation import adapt_task
    from metagui.learning.adaptation.task_policy import load_readable_policies

    with make_progress_bar() as bar:
        job = bar.add_task("adapting", total=None, says="")

        def tell(step: "AdaptationStep") -> None:
            words = f"{step.candidate}: held-out loss {step.query_loss:.3f}, {step.zero_step_loss:.3f} before"
            bar.update(job, total=step.segment_count, completed=step.segment_index, says=words)

        return run_to_end(adapt_task(prior, takes, neighbours=load_readable_policies(neighbours)), tell)


@app.command()
def similar(
    task: Annotated[str, typer.Argument(help="The task to compare with all others.")],
    acts: Annotated[
        bool, typer.Option("--acts", help="Also compare what the adapted policies do, not only how takes look.")
    ] = False,
    prior: PriorFile = None,
    library: LibraryFolder = None,
    as_json: AsJson = False,
) -> None:
    """Rank the tasks of the library by how similar they look to one of them."""
    from metagui.learning.similarity import similarity
    from metagui.learning.similarity.siamese import embed

    shelf = open_library(library)
    start = load_prior(prior, shelf)
    if not start.siamese_encoder.is_trained:
        raise CommandError("This prior has no trained encoder, so distances mean nothing. Make one with metagui train.")
    everything = {task: load_takes(shelf, task)}
    everything |= {name: shelf.load_takes(name) for name in shelf.list_tasks() if name != task}
    everything = {name: takes for name, takes in everything.items() if takes}
    embedded = {name: embed(start.siamese_encoder, takes) for name, takes in everything.items()}
    own = similarity.DistanceCalibration.from_dict(start.metadata.get("calibration"))
    calibration, why = similarity.choose_calibration(embedded, own)
    others = {name: vectors for name, vectors in embedded.items() if name != task}
    names = {name: [take.name for take in takes] for name, takes in everything.items()}
    neighbours = [asdict(found) for found in similarity.rank(embedded[task], others, calibration, names)]
    apart = _compute_behaviour_distances(start, everything, task) if acts else {}
    for found in neighbours:
        found["probability"] = None if math.isnan(found["probability"]) else found["probability"]
        if acts:
            found["acts"] = apart[found["task"]]
    document = {"task": task, "neighbours": neighbours, "calibration": why}
    columns = ("task", "distance", "verdict", "nearest take", *(["acts"] if acts else []))
    rows = [
        (n["task"], f"{n['distance']:.3f}", n["verdict"], n["take"], *([f"{n['acts']:.3f}"] if acts else []))
        for n in neighbours
    ]
    print_result(document, columns, rows, as_json, f"Similar to {task}. {why}")


def _compute_behaviour_distances(
    prior: "Prior", takes: "dict[str, list[Demonstration]]", task: str
) -> dict[str, float]:
    """Return how differently the policies adapted to every task act from those of ``task``."""
    from metagui.learning.adaptation.behaviour_distance import compare_behaviours

    with make_progress_bar() as bar:
        job = bar.add_task("comparing", total=None, says="")

        def tell(step: "BehaviourStep") -> None:
            bar.update(job, total=step.steps, completed=step.step)

        names, matrix = run_to_end(compare_behaviours(prior, takes), tell)
    row = matrix[names.index(task)]
    return {name: float(value) for name, value in zip(names, row, strict=True)}


def load_takes(library: "Library", task: str, names: list[str] | None = None) -> "list[Demonstration]":
    """Load the named takes of a task, or all but those marked as failed. Raises LibraryError, VerbError."""
    chosen = names or [take.name for take in library.list_takes(task) if take.success is not False and not take.error]
    if not chosen:
        raise CommandError(f"{task!r} has no take that can be used. Record one, or name a take with --take.")
    return [library.load_take(task, name) for name in chosen]
