"""``metagui train --library``: train the prior on, on a person's own tasks, and use it if it got better."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from metagui.cli.output import make_progress_bar, print_note, print_result, run_to_end
from metagui.cli.signals import until_interrupted
from metagui.paths import resources_dir

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.storage.library import Library
    from metagui.learning.prior import Prior
    from metagui.learning.training.fine_tuning import FineTuningResult, FineTuningSettings, FineTuningStep
    from metagui.learning.training.fine_tuning_data import FineTuningData

GENERATED_PROGRAMS, GENERATED_TAKES = 150, 4
"""Programs of the shipped training set that are learnt beside the library, and the takes of each."""
VALIDATION_PROGRAMS, VALIDATION_TAKES = 48, 3
"""Programs of the shipped validation set that tell what is forgotten."""


def fine_tune(folder: Path, length: float, seed: int, workers: int | None, as_json: bool) -> None:
    """Train on a library's tasks, say what that brought, and keep the prior in the library if it is better."""
    from metagui.demonstrations.storage.library import Library
    from metagui.learning import prior as priors
    from metagui.learning.training.fine_tuning import check_enough_data
    from metagui.learning.training.fine_tuning_data import build_fine_tuning_data

    start, in_use = priors.load_shipped(), priors.load_for_library(folder)
    began = time.perf_counter()
    own = build_fine_tuning_data(_load_usable_takes(Library(folder)), start, seed)
    for note in own.notes:
        print_note(note)
    check_enough_data(own)
    checkpoint = _claim_checkpoint(folder / priors.LIBRARY_MODELS_FOLDER / "training", own, start, seed, length)
    generated = _generate_shipped_data(start, seed, workers)
    result = _run_fine_tuning(start, in_use, own, generated, _make_settings(length, seed), checkpoint)
    out = priors.library_prior_path(folder)
    if result.is_better:
        result.prior.save(out)
    if result.finished:
        shutil.rmtree(checkpoint)
    else:
        print_note("Stopped early; the same command goes on from here.")
    seconds = round(time.perf_counter() - began, 1)
    document: dict[str, Any] = {
        "tasks": own.task_count, "judged_tasks": own.held_out_task_count, "before": asdict(result.before), "after": asdict(result.after),
        "better": result.is_better, "finished": result.finished, "reason": result.reason,
        "prior": str(out) if result.is_better else None, "seconds": seconds, "notes": own.notes,
    }  # fmt: skip
    rows = [
        (words, *(f"{getattr(judged, name):.4f}" for judged in (result.before, result.after)))
        for words, name in (
            ("your tasks, five steps", "own"), ("your tasks, zero steps", "own_zero"),
            ("shipped programs, five steps", "shipped"), ("shipped programs, zero steps", "shipped_zero"),
        )
    ]  # fmt: skip
    title = f"{folder}: {own.task_count} tasks, {seconds:.0f} s. {result.reason}"
    print_result(document, ("loss on held-out takes", "before", "after"), rows, as_json, title)


def _load_usable_takes(library: Library) -> Iterator[list[Demonstration]]:
    """Yield every task's takes that are whole and not marked as failed."""
    for task in library.list_tasks():
        usable = [info.name for info in library.list_takes(task) if not info.error and info.success is not False]
        if usable:
            yield [library.load_take(task, name) for name in usable]


def _claim_checkpoint(checkpoint: Path, own: FineTuningData, start: Prior, seed: int, length: float) -> Path:
    """Return the folder in which the very same run continues; that of another run is cleared."""
    about = json.dumps([[data.fingerprint() for data in own.training], start.id, seed, length])
    note, digest = checkpoint / "lessons.txt", sha256(about.encode()).hexdigest()
    if not note.is_file() or note.read_text(encoding="utf-8") != digest:
        shutil.rmtree(checkpoint, ignore_errors=True)
        checkpoint.mkdir(parents=True)
        note.write_text(digest, encoding="utf-8")
    return checkpoint


def _generate_shipped_data(start: Prior, seed: int, workers: int | None) -> FineTuningData:
    """Show some shipped programs: to learn from beside the library, and to see what is forgotten."""
    from metagui.demonstrations.programs.program import load_programs
    from metagui.demonstrations.programs.scripted import GenerationSettings, generate_library
    from metagui.learning.training.fine_tuning_data import build_fine_tuning_data

    folder = resources_dir() / "programs"
    taught = _pick_evenly(load_programs(folder / "train.json"), GENERATED_PROGRAMS)
    judged = _pick_evenly(load_programs(folder / "validation.json"), VALIDATION_PROGRAMS)
    print_note(f"Showing {len(taught) + len(judged)} shipped programs, so that nothing is forgotten …")
    with make_progress_bar() as bar:
        job = bar.add_task("generating", total=len(taught) + len(judged), says="")

        def shown(programs: Any, takes: int) -> Iterator[list[Demonstration]]:
            for _, found in generate_library(programs, GenerationSettings(takes, seed, 0.65, workers)):
                yield found
                bar.update(job, advance=1)

        training = build_fine_tuning_data(shown(taught, GENERATED_TAKES), start, seed).training
        return replace(build_fine_tuning_data(shown(judged, VALIDATION_TAKES), start, seed), training=training)


def _pick_evenly(programs: Any, count: int) -> list[Any]:
    """Return so many of the programs, from the first to the last."""
    if len(programs) <= count:
        return list(programs)
    return [programs[round(i * (len(programs) - 1) / (count - 1))] for i in range(count)]


def _make_settings(length: float, seed: int) -> FineTuningSettings:
    from metagui.learning.training.fine_tuning import FineTuningSettings

    usual = FineTuningSettings(seed=seed)
    encoder, inner = (replace(p, steps=max(1, round(p.steps * length))) for p in (usual.encoder, usual.inner))
    return replace(usual, encoder=encoder, inner=inner)


def _run_fine_tuning(
    start: Prior,
    in_use: Prior,
    own: FineTuningData,
    generated: FineTuningData,
    settings: FineTuningSettings,
    checkpoint: Path,
) -> FineTuningResult:
    from metagui.learning.training.fine_tuning import fine_tune

    with until_interrupted() as should_stop, make_progress_bar() as bar:
        jobs: dict[str, Any] = {}

        def tell(step: FineTuningStep) -> None:
            if step.phase not in jobs:
                jobs[step.phase] = bar.add_task(step.phase, total=step.steps, says="")
            bar.update(jobs[step.phase], completed=step.step, says=f"loss {step.loss:.3f}")
            if step.losses is not None:
                found = step.losses
                print_note(
                    f"{step.phase} {step.step} of {step.steps}, {step.elapsed_seconds:.0f} s: at best, held-out takes of your "
                    f"tasks {found.own:.3f}, of the shipped programs {found.shipped:.3f}"
                )

        return run_to_end(fine_tune(start, in_use, own, generated, settings, checkpoint, should_stop), tell)
