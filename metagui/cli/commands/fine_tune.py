"""``metagui train --library``: train the prior on, on a person's own tasks, and use it if it got better."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from metagui.cli.output import follow, progress, remark, show
from metagui.cli.signals import until_interrupted
from metagui.paths import resources_dir

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.storage.library import Library
    from metagui.learning.prior import Prior
    from metagui.learning.training.fine_tuning import LibraryResult, LibrarySettings, LibraryStep
    from metagui.learning.training.fine_tuning_data import Lesson

GENERATED, GENERATED_TAKES = 150, 4
"""Programs of the shipped training set that are learnt beside the library, and the takes of each."""
JUDGED, JUDGED_TAKES = 48, 3
"""Programs of the shipped validation set that tell what is forgotten."""


def train_library(folder: Path, length: float, seed: int, workers: int | None, as_json: bool) -> None:
    """Train on a library's tasks, say what that brought, and keep the prior in the library if it is better."""
    from metagui.demonstrations.storage.library import Library
    from metagui.learning import prior as priors
    from metagui.learning.training.fine_tuning import require_enough
    from metagui.learning.training.fine_tuning_data import lesson_from

    start, in_use = priors.shipped(), priors.of_library(folder)
    began = time.perf_counter()
    own = lesson_from(_own_takes(Library(folder)), start, seed)
    for note in own.notes:
        remark(note)
    require_enough(own)
    checkpoint = _claimed(folder / priors.OWN_FOLDER / "training", own, start, seed, length)
    generated = _generated(start, seed, workers)
    result = _train(start, in_use, own, generated, _settings(length, seed), checkpoint)
    out = priors.own_path(folder)
    if result.better:
        result.prior.save(out)
    if result.finished:
        shutil.rmtree(checkpoint)
    else:
        remark("Stopped early; the same command goes on from here.")
    seconds = round(time.perf_counter() - began, 1)
    document: dict[str, Any] = {
        "tasks": own.tasks, "judged_tasks": own.judged, "before": asdict(result.before), "after": asdict(result.after),
        "better": result.better, "finished": result.finished, "reason": result.reason,
        "prior": str(out) if result.better else None, "seconds": seconds, "notes": own.notes,
    }  # fmt: skip
    rows = [
        (words, *(f"{getattr(judged, name):.4f}" for judged in (result.before, result.after)))
        for words, name in (
            ("your tasks, five steps", "own"), ("your tasks, zero steps", "own_zero"),
            ("shipped programs, five steps", "shipped"), ("shipped programs, zero steps", "shipped_zero"),
        )
    ]  # fmt: skip
    title = f"{folder}: {own.tasks} tasks, {seconds:.0f} s. {result.reason}"
    show(document, ("loss on held-out takes", "before", "after"), rows, as_json, title)


def _own_takes(shelf: Library) -> Iterator[list[Demonstration]]:
    """Yield every task's takes that are whole and not marked as failed."""
    for task in shelf.tasks():
        usable = [info.name for info in shelf.takes(task) if not info.error and info.success is not False]
        if usable:
            yield [shelf.load(task, name) for name in usable]


def _claimed(checkpoint: Path, own: Lesson, start: Prior, seed: int, length: float) -> Path:
    """Return the folder in which the very same run continues; that of another run is cleared."""
    about = json.dumps([[data.fingerprint() for data in own.training], start.id, seed, length])
    note, digest = checkpoint / "lessons.txt", sha256(about.encode()).hexdigest()
    if not note.is_file() or note.read_text(encoding="utf-8") != digest:
        shutil.rmtree(checkpoint, ignore_errors=True)
        checkpoint.mkdir(parents=True)
        note.write_text(digest, encoding="utf-8")
    return checkpoint


def _generated(start: Prior, seed: int, workers: int | None) -> Lesson:
    """Show some shipped programs: to learn from beside the library, and to see what is forgotten."""
    from metagui.demonstrations.programs.program import load_programs
    from metagui.demonstrations.programs.scripted import GenerateSettings, generate
    from metagui.learning.training.fine_tuning_data import lesson_from

    folder = resources_dir() / "programs"
    taught = _spread(load_programs(folder / "train.json"), GENERATED)
    judged = _spread(load_programs(folder / "validation.json"), JUDGED)
    remark(f"Showing {len(taught) + len(judged)} shipped programs, so that nothing is forgotten …")
    with progress() as bar:
        job = bar.add_task("generating", total=len(taught) + len(judged), says="")

        def shown(programs: Any, takes: int) -> Iterator[list[Demonstration]]:
            for _, found in generate(programs, GenerateSettings(takes, seed, 0.65, workers)):
                yield found
                bar.update(job, advance=1)

        training = lesson_from(shown(taught, GENERATED_TAKES), start, seed).training
        return replace(lesson_from(shown(judged, JUDGED_TAKES), start, seed), training=training)


def _spread(programs: Any, count: int) -> list[Any]:
    """Return so many of the programs, from the first to the last."""
    if len(programs) <= count:
        return list(programs)
    return [programs[round(i * (len(programs) - 1) / (count - 1))] for i in range(count)]


def _settings(length: float, seed: int) -> LibrarySettings:
    from metagui.learning.training.fine_tuning import LibrarySettings

    usual = LibrarySettings(seed=seed)
    encoder, inner = (replace(p, steps=max(1, round(p.steps * length))) for p in (usual.encoder, usual.inner))
    return replace(usual, encoder=encoder, inner=inner)


def _train(
    start: Prior, in_use: Prior, own: Lesson, generated: Lesson, settings: LibrarySettings, checkpoint: Path
) -> LibraryResult:
    from metagui.learning.training.fine_tuning import train_on_library

    with until_interrupted() as should_stop, progress() as bar:
        jobs: dict[str, Any] = {}

        def tell(step: LibraryStep) -> None:
            if step.phase not in jobs:
                jobs[step.phase] = bar.add_task(step.phase, total=step.steps, says="")
            bar.update(jobs[step.phase], completed=step.step, says=f"loss {step.loss:.3f}")
            if step.judgement is not None:
                found = step.judgement
                remark(
                    f"{step.phase} {step.step} of {step.steps}, {step.seconds:.0f} s: at best, held-out takes of your "
                    f"tasks {found.own:.3f}, of the shipped programs {found.shipped:.3f}"
                )

        return follow(train_on_library(start, in_use, own, generated, settings, checkpoint, should_stop), tell)
