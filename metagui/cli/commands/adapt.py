"""``metagui adapt``: adapt a policy to the takes of a task."""

import contextlib
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metagui.cli.aliases import CommandWithAliases
from metagui.cli.app import app
from metagui.cli.library import (
    adapted_policy_path,
    load_encoder,
    load_intact_takes,
    load_prior,
    load_takes,
    open_library,
)
from metagui.cli.options import AsJson, LibraryFolder, PriorFile
from metagui.cli.output import make_progress_bar, print_note, print_result
from metagui.generators import run_to_end

if TYPE_CHECKING:
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.storage.library import Library
    from metagui.learning.adaptation.adaptation import AdaptationStep
    from metagui.learning.adaptation.task_policy import TaskPolicy
    from metagui.learning.prior import Prior


@app.command(cls=CommandWithAliases)
def adapt(
    task: Annotated[str, typer.Argument(help="The task to adapt to.")],
    take: Annotated[list[str] | None, typer.Option(help="Name of a take to adapt to; repeat for more.")] = None,
    prior: PriorFile = None,
    rehearsal: Annotated[
        bool, typer.Option("--rehearsal/--no-rehearsal", help="Choose among the candidates by runs in simulation.")
    ] = True,
    library: LibraryFolder = None,
    as_json: AsJson = False,
) -> None:
    """Adapt a policy to the takes of a task and save it with them for metagui run.

    The policy is saved before the rehearsal begins: Ctrl+C then keeps it.
    """
    from metagui.learning.evaluation.adaptation_history import record_adaptation

    opened = open_library(library)
    takes = load_takes(opened, task, take)
    started = time.perf_counter()
    start = load_prior(prior, opened)
    warm_start = _find_warm_start(opened, takes)
    path = adapted_policy_path(opened, task)
    path.parent.mkdir(parents=True, exist_ok=True)
    adapted = _adapt(start, takes, warm_start, path, rehearsal)
    adapted.save(path)
    record_adaptation(path, adapted)
    document: dict[str, Any] = {"task": task, "file": str(path), "takes": [each.name for each in takes]}
    document |= _describe_policy(adapted)
    document |= {"seconds": round(time.perf_counter() - started, 3), "nearest": next(iter(warm_start), None)}
    _print_notes(document)
    rows = [(i + 1, *row) for i, row in enumerate(zip(adapted.choices, adapted.reasons, strict=True))]
    print_result(document, ("segment", "policy", "why"), rows, as_json, f"{task}, adapted to {len(takes)} takes")


def _describe_policy(adapted: "TaskPolicy") -> dict[str, Any]:
    """Return adapted policies as JSON; ``clicks`` and ``odd_takes`` are the keys of version 0.1."""
    segments = [
        {"choice": choice, "reason": reason, "held_out_losses": dict(skill.held_out)}
        for choice, reason, skill in zip(adapted.choices, adapted.reasons, adapted.skills, strict=True)
    ]
    rehearsal = adapted.provenance.rehearsal
    notes = list(adapted.provenance.notes)
    outliers = [outlier.to_dict() for outlier in adapted.provenance.outlier_takes]
    return {
        "segments": segments, "clicks": segments, "notes": notes, "outlier_takes": outliers, "odd_takes": outliers,
        "rehearsal": None if rehearsal is None else rehearsal.to_dict(),
    }  # fmt: skip


def _print_notes(document: dict[str, Any]) -> None:
    """Print the notes of an adaptation, and the command that adapts without outlier takes."""
    for note in document["notes"]:
        print_note(note)
    if outliers := {found["take"] for found in document["outlier_takes"]}:
        others = " ".join(f"--take {name}" for name in document["takes"] if name not in outliers)
        print_note(f"To adapt without them: metagui adapt '{document['task']}' {others}")


def _find_warm_start(library: "Library", takes: "list[Demonstration]") -> "dict[str, Path]":
    """Return name and policy file of the most similar adapted task, if it is similar enough."""
    from metagui.learning.policy.features import FeatureError
    from metagui.learning.similarity.encoder_file import EncoderFileError
    from metagui.learning.similarity.siamese import embed
    from metagui.learning.similarity.similarity import find_warm_start, rank

    learnt = [
        name
        for name in library.list_tasks()
        if name != takes[0].task and adapted_policy_path(library, name).is_file() and library.list_takes(name)
    ]
    if not learnt:
        return {}
    try:
        encoder = load_encoder(None, library).encoder
    except EncoderFileError:
        return {}  # without an encoder no task is known to be near, which is no reason not to adapt
    embeddings = {}
    for name in learnt:
        with contextlib.suppress(FeatureError):  # a broken take of another task is no reason not to adapt
            if found := load_intact_takes(library, name):
                embeddings[name] = embed(encoder, found)
    neighbours = rank(embed(encoder, takes), embeddings, None)
    return find_warm_start(neighbours, lambda name: adapted_policy_path(library, name))


def _adapt(
    prior: "Prior", takes: "list[Demonstration]", neighbours: "dict[str, Path]", path: "Path", rehearse: bool
) -> "TaskPolicy":
    """Run adaptation and rehearsal with a progress bar; save the policy at ``path`` before the rehearsal."""
    from metagui.learning.adaptation.adaptation import adapt_task
    from metagui.learning.adaptation.task_policy import load_readable_policies
    from metagui.learning.rehearsal.rehearsal import RehearsalStep
    from metagui.learning.rehearsal.rehearsed_adaptation import PolicyReady, adapt_and_rehearse

    with make_progress_bar() as bar:
        job = bar.add_task("adapting", total=None, status="")

        def show(step: "AdaptationStep | PolicyReady | RehearsalStep") -> None:
            if isinstance(step, PolicyReady):
                step.policy.save(path)
            elif isinstance(step, RehearsalStep):
                status = f"{step.candidate}: {step.successes} of {step.runs}"
                bar.update(job, description="rehearsing", total=step.scenes, completed=step.scene, status=status)
            else:
                status = f"{step.candidate}: held-out loss {step.query_loss:.3f}, {step.zero_step_loss:.3f} before"
                bar.update(job, total=step.segment_count, completed=step.segment_index, status=status)

        adapt = adapt_and_rehearse if rehearse else adapt_task
        return run_to_end(adapt(prior, takes, neighbours=load_readable_policies(neighbours)), show)
