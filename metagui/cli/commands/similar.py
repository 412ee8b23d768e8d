"""``metagui similar``: rank the tasks of a library by their similarity to one task, with verdicts."""

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metagui.cli.aliases import CommandWithAliases
from metagui.cli.app import app
from metagui.cli.library import load_encoder, load_intact_takes, load_prior, load_takes, open_library
from metagui.cli.options import AsJson, EncoderFile, LibraryFolder, PriorFile
from metagui.cli.output import make_progress_bar, print_result
from metagui.generators import run_to_end

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.adaptation.behaviour_distance import BehaviourStep
    from metagui.learning.prior import Prior
    from metagui.learning.similarity.encoder_file import CalibratedEncoder
    from metagui.learning.similarity.similarity import Neighbour


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
    found = load_encoder(encoder, opened)
    takes = {task: load_takes(opened, task)}
    others = {name: load_intact_takes(opened, name) for name in opened.list_tasks() if name != task}
    takes |= {name: each for name, each in others.items() if each}
    neighbours = _rank(found, takes, task)
    if behaviour:
        distances = _compute_behaviour_distances(load_prior(prior, opened), takes, task)
        for row in neighbours:  # "acts" is the key of version 0.1
            row["behaviour_distance"] = row["acts"] = distances[row["task"]]
    basis = found.describe_calibration()
    document = {"task": task, "neighbours": neighbours, "calibration": basis}
    columns = ("task", "similarity", "verdict", "nearest take", *(["behaviour distance"] if behaviour else []))
    rows = [
        (n["task"], f"{n['similarity']:.0%}", n["words"], n["take"], *([f"{n['acts']:.3f}"] if behaviour else []))
        for n in neighbours
    ]
    print_result(document, columns, rows, as_json, f"Similar to {task}. {basis}")


def _rank(encoder: "CalibratedEncoder", takes: "dict[str, list[Demonstration]]", task: str) -> list[dict[str, Any]]:
    """Return the other tasks as JSON objects, most similar first."""
    from metagui.learning.similarity.siamese import embed
    from metagui.learning.similarity.similarity import rank

    embeddings = {name: embed(encoder.encoder, found) for name, found in takes.items()}
    query = embeddings.pop(task)
    names = {name: [take.name for take in found] for name, found in takes.items()}
    return [_describe(each) for each in rank(query, embeddings, encoder.calibration, names)]


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
