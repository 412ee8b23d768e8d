"""``metagui train``: make the prior that everything starts from, on takes generated from click programs."""

import json
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metagui.cli.app import app
from metagui.cli.commands.fine_tune import fine_tune
from metagui.cli.options import AsJson, Seed
from metagui.cli.output import CommandError, make_progress_bar, print_note, print_result, run_to_end
from metagui.cli.signals import until_interrupted
from metagui.paths import resources_dir

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.progress import Progress

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.programs.program import TaskProgram
    from metagui.learning.prior import Prior
    from metagui.learning.training.pretraining import TrainingSettings, TrainingStep
    from metagui.learning.training.training_data import TrainingData


@dataclass(frozen=True)
class TrainingInputs:
    """What a prior is made from; kept in the checkpoint, so that no run continues on other lessons."""

    programs: str
    """Digest of the program file."""
    takes: int
    prefixes: float
    seed: int
    length: float
    data: str = ""
    """Where the takes were prepared, if not here."""


@app.command()
def train(
    programs: Annotated[
        Path | None, typer.Option(help="Click programs (JSON) to learn from; the shipped ones if not given.")
    ] = None,
    takes: Annotated[int, typer.Option(min=2, help="Takes of each program.")] = 6,
    prefixes: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of takes that start after unrecorded random motion.")
    ] = 0.65,
    length: Annotated[float, typer.Option(help="Share of the usual number of steps; 0.01 to try it out.")] = 1.0,
    seed: Seed = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; one a core if not given.")] = None,
    out: Annotated[Path, typer.Option(help="Where to write the prior.")] = Path("prior.safetensors"),
    checkpoint: Annotated[
        Path, typer.Option(help="Folder that keeps what was reached: the same command continues from there.")
    ] = Path("runs/train"),
    data: Annotated[
        Path | None,
        typer.Option(help="Learn from the takes that another run prepared: the folder 'data' of its checkpoint."),
    ] = None,
    library: Annotated[
        Path | None,
        typer.Option(
            help="Train the shipped prior on, on the tasks of this library, and use it there if it is better."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Meta-train a prior: generate takes, then learn from them. Ctrl+C stops early and keeps what there is.

    With --library the shipped prior is trained on, on your own tasks among generated ones, in minutes.
    """
    if library is not None:
        fine_tune(library, length, seed, workers, as_json)
        return
    from metagui.demonstrations.programs.program import load_programs

    path = programs or resources_dir() / "programs" / "train.json"
    lessons = TrainingInputs(
        sha256(path.read_bytes()).hexdigest()[:12], takes, prefixes, seed, length, str(data.resolve()) if data else ""
    )
    claim_checkpoint(checkpoint, lessons)
    began = time.perf_counter()
    learnt_from = prepare_data(path, lessons, checkpoint, workers)
    about = {
        "command": f"metagui train --programs {path.name} --takes {takes} --prefixes {prefixes} --length {length} "
        f"--seed {seed}" + (" --data of another run" if data else ""),
        "programs": lessons.programs,
        "date": datetime.now(UTC).date().isoformat(),
    }
    prior = meta_train(learnt_from, lessons, checkpoint, about, load_programs(path), workers, data)
    seconds = round(time.perf_counter() - began, 1)
    out.parent.mkdir(parents=True, exist_ok=True)
    prior.save(out)
    validation = [row for row in prior.metadata["validation"] if row["after"] == row["after"]]
    document = {"prior": str(out), "id": prior.id, "seconds": seconds, "validation": validation}
    rows = [(v["phase"], v["step"], *(f"{v[k]:.4f}" for k in ("before", "after", "other"))) for v in validation]
    columns = ("phase", "step", "held-out loss before", "after adapting", "to another task")
    print_result(document, columns, rows, as_json, f"{out} ({prior.id}), made in {seconds:.0f} s")


def claim_checkpoint(checkpoint: Path, inputs: TrainingInputs) -> None:
    """Make the checkpoint folder, or continue it. Raises VerbError if it was made from other lessons."""
    note = checkpoint / "lessons.json"
    if not note.is_file():
        checkpoint.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps(asdict(inputs)), encoding="utf-8")
    elif TrainingInputs(**json.loads(note.read_text(encoding="utf-8"))) != inputs:
        raise CommandError(
            f"{checkpoint} holds a run on other programs, takes, prefixes, length or seed. Nothing was changed; "
            "name another folder with --checkpoint, or remove that one."
        )


def prepare_data(path: Path, inputs: TrainingInputs, checkpoint: Path, workers: int | None) -> "TrainingData":
    """Return the takes in the form that is learnt from: the checkpoint's, or generated now."""
    from metagui.learning.policy.dataset import DatasetError
    from metagui.learning.training.training_data import TrainingData, encode_takes

    if inputs.data:
        try:
            return TrainingData.load(Path(inputs.data))
        except DatasetError as error:
            raise CommandError(str(error)) from error
    folder = checkpoint / "data"
    if not folder.is_dir():
        with make_progress_bar() as bar:
            data = encode_takes(_generate_takes(path, inputs, workers, bar))
        unfinished = checkpoint / "data.unfinished"
        unfinished.mkdir(exist_ok=True)
        data.save(unfinished)
        unfinished.rename(folder)
    # Read back even what was just written: the cache is coarser, and a continued run must learn from the same.
    return TrainingData.load(folder)


def _generate_takes(
    path: Path, inputs: TrainingInputs, workers: int | None, bar: "Progress"
) -> "Iterator[Demonstration]":
    from metagui.demonstrations.programs.program import load_programs
    from metagui.demonstrations.programs.scripted import GenerationSettings, generate_library

    programs = load_programs(path)
    job = bar.add_task("generating", total=len(programs), says="")
    print_note(f"Generating {inputs.takes} takes of each of {len(programs)} programs …")
    for _, demonstrations in generate_library(
        programs, GenerationSettings(inputs.takes, inputs.seed, inputs.prefixes, workers)
    ):
        yield from demonstrations
        bar.update(job, advance=1)


def meta_train(
    data: "TrainingData",
    inputs: TrainingInputs,
    checkpoint: Path,
    provenance: dict[str, Any],
    programs: "Sequence[TaskProgram]",
    workers: int | None,
    data_folder: Path | None,
) -> "Prior":
    """Run or continue the meta-training, with a bar a phase; return the prior."""
    from metagui.learning.training.pretraining import train_prior

    with until_interrupted() as should_stop, make_progress_bar() as bar:
        jobs: dict[str, Any] = {}

        def tell(step: "TrainingStep") -> None:
            if step.phase not in jobs:
                jobs[step.phase] = bar.add_task(step.phase, total=step.steps, says="")
            says = f"loss {step.loss:.3f}" if step.loss == step.loss else ""
            bar.update(jobs[step.phase], completed=step.step, says=says)
            if step.validation is not None:
                print_note(describe_step(step))

        folder = data_folder or checkpoint / "data"
        steps = train_prior(data, make_settings(inputs), checkpoint, should_stop, provenance, programs, workers, folder)
        return run_to_end(steps, tell)


def make_settings(inputs: TrainingInputs) -> "TrainingSettings":
    """Return the usual settings, with the asked seed and share of the steps."""
    from metagui.learning.training.pretraining import TrainingSettings

    usual = TrainingSettings(seed=inputs.seed)
    shorter = {
        name: replace(phase, steps=max(1, round(phase.steps * inputs.length)))
        for name in ("encoder", "dagger", "inner", "baseline", "siamese")
        if (phase := getattr(usual, name))
    }
    return replace(usual, **shorter)


def describe_step(step: "TrainingStep") -> str:
    """Say how far a phase is, and whether the policy ignores its demonstration."""
    words = f"{step.phase} {step.step} of {step.steps}, {step.elapsed_seconds:.0f} s: loss {step.loss:.3f}"
    found = step.validation
    if found is None or found.after != found.after:
        return words
    words += f", held-out tasks {found.before:.3f} before and {found.after:.3f} after adapting"
    blind = step.phase == "multi-task rival"
    ignores = found.is_memorizing and not blind
    return words + ("; the policy ignores the demonstration" if ignores else "")
