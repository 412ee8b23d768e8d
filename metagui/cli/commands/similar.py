"""``metagui similar``: rank the tasks of a library by their similarity to one task."""

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metagui.cli.aliases import CommandWithAliases
from metagui.cli.app import app
from metagui.cli.library import load_intact_takes, load_prior, load_takes, load_takes_of_motion, open_library
from metagui.cli.options import AsJson, LibraryFolder, PriorFile
from metagui.cli.output import CommandError, make_progress_bar, print_result
from metagui.generators import run_to_end

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.adaptation.behaviour_distance import BehaviourStep
    from metagui.learning.prior import Prior


@app.command(cls=CommandWithAliases)
def similar(
    task: Annotated[str, typer.Argument(help="The task to compare with all others.")],
    behaviour: Annotated[
        bool,
        typer.Option("--behaviour", "--acts", help="Also compare the actions of the adapted policies, not only takes."),
    ] = False,
    prior: PriorFile = None,
    library: LibraryFolder = None,
    as_json: AsJson = False,
) -> None:
    """Rank the tasks of the library by the similarity of their takes to those of one task."""
    opened = open_library(library)
    if of_motion := load_takes_of_motion(opened, task):
        _print_by_motion(of_motion, task, as_json)
        return
    start = load_prior(prior, opened)
    if not start.siamese_encoder.is_trained:
        raise CommandError("This prior has no trained encoder, so distances mean nothing. Make one with metagui train.")
    takes = {task: load_takes(opened, task)}
    others = {name: load_intact_takes(opened, name) for name in opened.list_tasks() if name != task}
    takes |= {name: found for name, found in others.items() if found}
    neighbours, calibration = _rank(start, takes, task)
    if behaviour:
        distances = _compute_behaviour_distances(start, takes, task)
        for row in neighbours:  # "acts" is the key of version 0.1
            row["behaviour_distance"] = row["acts"] = distances[row["task"]]
    document = {"task": task, "neighbours": neighbours, "calibration": calibration}
    columns = ("task", "distance", "verdict", "nearest take", *(["behaviour distance"] if behaviour else []))
    rows = [
        (n["task"], f"{n['distance']:.3f}", n["verdict"], n["take"], *([f"{n['acts']:.3f}"] if behaviour else []))
        for n in neighbours
    ]
    print_result(document, columns, rows, as_json, f"Similar to {task}. {calibration}")


def _rank(prior: "Prior", takes: "dict[str, list[Demonstration]]", task: str) -> "tuple[list[dict[str, Any]], str]":
    """Return the other tasks as JSON objects, most similar first, and how distances were calibrated."""
    from metagui.learning.similarity import similarity
    from metagui.learning.similarity.siamese import embed

    embeddings = {name: embed(prior.siamese_encoder, found) for name, found in takes.items()}
    own = similarity.DistanceCalibration.from_dict(prior.metadata.get("calibration"))
    calibration, explanation = similarity.choose_calibration(embeddings, own)
    others = {name: vectors for name, vectors in embeddings.items() if name != task}
    names = {name: [take.name for take in found] for name, found in takes.items()}
    neighbours = [asdict(found) for found in similarity.rank(embeddings[task], others, calibration, names)]
    for neighbour in neighbours:
        neighbour["probability"] = None if math.isnan(neighbour["probability"]) else neighbour["probability"]
    return neighbours, explanation


def _print_by_motion(takes: "dict[str, list[Demonstration]]", task: str, as_json: bool) -> None:
    """Rank the tasks by their motion alone, because the takes of ``task`` have no objects."""
    from metagui.learning.similarity.motion import rank_by_motion

    found = rank_by_motion(takes, task)
    note = "Compared by motion alone, because its takes have no objects; the distance is not calibrated."
    neighbours = [asdict(each) for each in found]
    document = {"task": task, "neighbours": neighbours, "calibration": note}
    rows = [(each.task, f"{1000 * each.distance:.0f} mm", each.take) for each in found]
    print_result(document, ("task", "distance", "nearest take"), rows, as_json, f"Similar to {task}. {note}")


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
