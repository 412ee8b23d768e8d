"""Fine-tune the shipped prior on a library, for ``metagui fine-tune`` and its old form ``metagui train --library``."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from metagui.cli.library import load_intact_takes
from metagui.cli.output import make_progress_bar, print_note, print_result
from metagui.cli.signals import until_interrupted
from metagui.generators import run_to_end
from metagui.paths import LIBRARY_MODELS_FOLDER, resources_dir

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.storage.library import Library
    from metagui.learning.prior import Prior
    from metagui.learning.training.fine_tuning import FineTuningResult, FineTuningSettings, FineTuningStep
    from metagui.learning.training.fine_tuning_data import FineTuningData

GENERATED_PROGRAMS, GENERATED_TAKES = 150, 4
"""Programs of the shipped training set that are trained on together with the library, and takes of each."""
VALIDATION_PROGRAMS, VALIDATION_TAKES = 48, 3
"""Programs of the shipped validation set that measure forgetting, and takes of each."""
RANDOM_START_FRACTION = 0.65
"""Fraction of generated takes that start after unrecorded random motion."""
_ROWS = (
    ("your tasks, five steps", "own"),
    ("your tasks, zero steps", "own_zero"),
    ("shipped programs, five steps", "shipped"),
    ("shipped programs, zero steps", "shipped_zero"),
)
"""Text and attribute of the losses that are printed."""


def fine_tune_on_library(folder: Path, length: float, seed: int, workers: int | None, as_json: bool) -> None:
    """Fine-tune on a library's tasks, print the losses, and save the prior in the library if it is better."""
    from metagui.demonstrations.storage.library import Library
    from metagui.learning import prior as priors
    from metagui.learning.training.fine_tuning import check_enough_data
    from metagui.learning.training.fine_tuning_data import build_fine_tuning_data

    start, in_use = priors.load_shipped(), priors.load_for_library(folder)
    started = time.perf_counter()
    own = build_fine_tuning_data(_load_usable_takes(Library(folder)), start, seed)
    for note in own.notes:
        print_note(note)
    check_enough_data(own)
    checkpoint = _claim_checkpoint(folder / LIBRARY_MODELS_FOLDER / "training", own, start, seed, length)
    generated = _generate_shipped_data(start, seed, workers)
    result = _run_fine_tuning(start, in_use, own, generated, _make_settings(length, seed), checkpoint)
    out = priors.library_prior_path(folder) if result.is_better else None
    if out is not None:
        result.prior.save(out)
    if result.finished:
        shutil.rmtree(checkpoint)
    else:
        print_note("Stopped early; the same command continues from here.")
    _print_result(folder, own, result, out, round(time.perf_counter() - started, 1), as_json)


def _print_result(
    folder: Path, own: FineTuningData, result: FineTuningResult, out: Path | None, seconds: float, as_json: bool
) -> None:
    """Print the held-out losses before and after."""
    document: dict[str, Any] = {
        "tasks": own.task_count, "judged_tasks": own.held_out_task_count,
        "before": asdict(result.before), "after": asdict(result.after),
        "better": result.is_better, "finished": result.finished, "reason": result.reason,
        "prior": str(out) if out else None, "seconds": seconds, "notes": own.notes,
    }  # fmt: skip
    rows = [
        (text, *(f"{getattr(losses, name):.4f}" for losses in (result.before, result.after))) for text, name in _ROWS
    ]
    title = f"{folder}: {own.task_count} tasks, {seconds:.0f} s. {result.reason}"
    print_result(document, ("loss on held-out takes", "before", "after"), rows, as_json, title)


def _load_usable_takes(library: Library) -> Iterator[list[Demonstration]]:
    """Yield every task's takes that can be read and are not marked as failed."""
    for task in library.list_tasks():
        usable = [info.name for info in library.list_takes(task) if info.success is not False]
        if takes := load_intact_takes(library, task, usable):
            yield takes


def _claim_checkpoint(checkpoint: Path, own: FineTuningData, start: Prior, seed: int, length: float) -> Path:
    """Return the checkpoint folder of exactly this run; a checkpoint of another run is deleted."""
    inputs = json.dumps([[data.fingerprint() for data in own.training], start.id, seed, length])
    note, digest = checkpoint / "lessons.txt", sha256(inputs.encode()).hexdigest()
    if not note.is_file() or note.read_bytes()[: len(digest) + 1] != digest.encode():
        shutil.rmtree(checkpoint, ignore_errors=True)
        checkpoint.mkdir(parents=True)
        note.write_text(digest, encoding="utf-8")
    return checkpoint


def _generate_shipped_data(start: Prior, seed: int, workers: int | None) -> FineTuningData:
    """Generate takes of shipped programs, to train on and to measure forgetting."""
    from metagui.demonstrations.programs.program import load_programs
    from metagui.demonstrations.programs.scripted import GenerationSettings, generate_library
    from metagui.learning.training.fine_tuning_data import build_fine_tuning_data

    folder = resources_dir() / "programs"
    training_programs = _pick_evenly(load_programs(folder / "train.json"), GENERATED_PROGRAMS)
    validation_programs = _pick_evenly(load_programs(folder / "validation.json"), VALIDATION_PROGRAMS)
    count = len(training_programs) + len(validation_programs)
    print_note(f"Generating takes of {count} shipped programs, so that nothing is forgotten …")
    with make_progress_bar() as bar:
        job = bar.add_task("generating", total=count, status="")

        def generate(programs: Any, takes: int) -> Iterator[list[Demonstration]]:
            settings = GenerationSettings(takes, seed, RANDOM_START_FRACTION, workers)
            for _, found in generate_library(programs, settings):
                yield found
                bar.update(job, advance=1)

        training = build_fine_tuning_data(generate(training_programs, GENERATED_TAKES), start, seed).training
        validation = build_fine_tuning_data(generate(validation_programs, VALIDATION_TAKES), start, seed)
        return replace(validation, training=training)


def _pick_evenly(programs: Any, count: int) -> list[Any]:
    """Return ``count`` of the programs, evenly spaced from the first to the last."""
    if len(programs) <= count:
        return list(programs)
    return [programs[round(i * (len(programs) - 1) / (count - 1))] for i in range(count)]


def _make_settings(length: float, seed: int) -> FineTuningSettings:
    """Return the default settings with a fraction ``length`` of the steps."""
    from metagui.learning.training.fine_tuning import FineTuningSettings

    default = FineTuningSettings(seed=seed)
    encoder, inner = (replace(p, steps=max(1, round(p.steps * length))) for p in (default.encoder, default.inner))
    return replace(default, encoder=encoder, inner=inner)


def _run_fine_tuning(
    start: Prior,
    in_use: Prior,
    own: FineTuningData,
    generated: FineTuningData,
    settings: FineTuningSettings,
    checkpoint: Path,
) -> FineTuningResult:
    """Run or continue the fine-tuning with a progress bar per phase."""
    from metagui.learning.training.fine_tuning import fine_tune

    with until_interrupted() as should_stop, make_progress_bar() as bar:
        jobs: dict[str, Any] = {}

        def show(step: FineTuningStep) -> None:
            if step.phase not in jobs:
                jobs[step.phase] = bar.add_task(step.phase, total=step.steps, status="")
            bar.update(jobs[step.phase], completed=step.step, status=f"loss {step.loss:.3f}")
            if step.losses is not None:
                print_note(
                    f"{step.phase} {step.step} of {step.steps}, {step.elapsed_seconds:.0f} s: best loss on held-out "
                    f"takes of your tasks {step.losses.own:.3f}, of the shipped programs {step.losses.shipped:.3f}"
                )

        return run_to_end(fine_tune(start, in_use, own, generated, settings, checkpoint, should_stop), show)
