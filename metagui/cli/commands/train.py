"""``metagui train``: meta-train a prior on takes generated from task programs."""

import json
import os
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metagui.checked_json import FileReasonError, read_json
from metagui.cli.aliases import CommandWithAliases
from metagui.cli.app import app
from metagui.cli.fine_tuning import fine_tune_on_library
from metagui.cli.options import AsJson, RandomStartFraction, Seed, TrainingLength, WorkerCount
from metagui.cli.output import CommandError, make_progress_bar, print_note, print_result
from metagui.cli.signals import until_interrupted
from metagui.generators import run_to_end
from metagui.paths import resources_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.progress import Progress

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.programs.program import TaskProgram
    from metagui.learning.prior import Prior
    from metagui.learning.training.pretraining import TrainingSettings, TrainingStep
    from metagui.learning.training.training_data import TrainingData

TrainingPrograms = Annotated[
    Path | None, typer.Option(help="File of task programs (JSON); the shipped training programs if not given.")
]
CheckpointFolder = Annotated[Path, typer.Option(help="Folder for checkpoints; the same command continues from there.")]
DataFolder = Annotated[
    Path | None,
    typer.Option(help="Train on the takes that another run prepared: the folder 'data' of its checkpoint."),
]


@dataclass(frozen=True)
class TrainingInputs:
    """What a prior is made from; stored in the checkpoint, so that no run continues with other inputs."""

    programs: str
    """Digest of the program file."""
    takes: int
    """Number of takes of each program."""
    prefixes: float
    """Fraction of takes that start after unrecorded random motion."""
    seed: int
    length: float
    """Training steps as a fraction of the default."""
    data: str = ""
    """Folder of the prepared takes of another run; empty if this run prepares its own."""
    people: int = 0
    """Number of takes of each program by simulated people."""
    start: str = ""
    """Identifier of the prior that this run starts from; empty for untrained weights."""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; like a checkpoint of an older version without people and start, if there are none."""
        return {name: value for name, value in asdict(self).items() if value or name not in ("people", "start")}


@app.command(cls=CommandWithAliases)
def train(
    programs: TrainingPrograms = None,
    takes: Annotated[int, typer.Option(min=2, help="Number of takes of each program by the script.")] = 6,
    people: Annotated[int, typer.Option(min=0, help="Number of takes of each program by a simulated person.")] = 4,
    random_starts: RandomStartFraction = 0.65,
    length: TrainingLength = 1.0,
    seed: Seed = 0,
    workers: WorkerCount = None,
    out: Annotated[Path, typer.Option(help="File to write the prior to.")] = Path("prior.safetensors"),
    checkpoint: CheckpointFolder = Path("runs/train"),
    data: DataFolder = None,
    start: Annotated[
        Path | None,
        typer.Option(help="Prior to continue from."),
    ] = None,
    library: Annotated[Path | None, typer.Option(hidden=True, help="Old form of metagui fine-tune.")] = None,
    as_json: AsJson = False,
) -> None:
    """Meta-train a prior: generate takes, then train on them. Ctrl+C stops early and saves what was reached.

    Under torchrun, all its processes work, on one machine or several.
    """
    if library is not None:
        fine_tune_on_library(library, length, seed, workers, as_json)
        return
    from metagui.learning.torch_utils.process_group import join_torchrun, open_group

    with join_torchrun() as leads:
        if not leads:
            return
        with open_group(workers or os.cpu_count() or 1):
            _train(programs, takes, people, random_starts, length, seed, workers, out, checkpoint, data, start, as_json)


def _train(
    programs: Path | None,
    takes: int,
    people: int,
    random_starts: float,
    length: float,
    seed: int,
    workers: int | None,
    out: Path,
    checkpoint: Path,
    data: Path | None,
    start: Path | None,
    as_json: bool,
) -> None:
    """Train on the leading process."""
    from metagui.demonstrations.programs.program import load_programs
    from metagui.learning.prior import load

    path = programs or resources_dir() / "programs" / "train.json"
    digest = sha256(path.read_bytes()).hexdigest()[:12]
    begin = load(start) if start else None
    folder = str(data.resolve()) if data else ""
    inputs = TrainingInputs(
        digest, takes, random_starts, seed, length, folder, people, "" if begin is None else begin.id
    )
    claim_checkpoint(checkpoint, inputs)
    started = time.perf_counter()
    prepared = prepare_data(path, inputs, checkpoint)
    provenance = _describe_run(path, inputs)
    prior = meta_train(prepared, inputs, checkpoint, provenance, load_programs(path), workers, data, begin)
    out.parent.mkdir(parents=True, exist_ok=True)
    prior.save(out)
    _print_prior(prior, out, round(time.perf_counter() - started, 1), as_json)


def _describe_run(path: Path, inputs: TrainingInputs) -> dict[str, Any]:
    """Return the provenance that is stored in the prior."""
    command = (
        f"metagui train --programs {path.name} --takes {inputs.takes} --prefixes {inputs.prefixes} "
        f"--people {inputs.people} --length {inputs.length} --seed {inputs.seed}"
    ) + (f" --start {inputs.start}" if inputs.start else "")
    return {
        "command": command + (" --data of another run" if inputs.data else ""),
        "programs": inputs.programs,
        "date": datetime.now(UTC).date().isoformat(),
    }


def _print_prior(prior: "Prior", out: Path, seconds: float, as_json: bool) -> None:
    """Print a new prior's held-out losses."""
    validation = [row for row in prior.metadata["validation"] if row["after"] == row["after"]]
    document = {"prior": str(out), "id": prior.id, "seconds": seconds, "validation": validation}
    rows = [(v["phase"], v["step"], *(f"{v[k]:.4f}" for k in ("before", "after", "other"))) for v in validation]
    columns = ("phase", "step", "held-out loss before", "after adapting", "to another task")
    print_result(document, columns, rows, as_json, f"{out} ({prior.id}), made in {seconds:.0f} s")


def claim_checkpoint(checkpoint: Path, inputs: TrainingInputs) -> None:
    """Create the checkpoint folder, or continue it. Raises CommandError if it was made from other inputs."""
    note = checkpoint / "lessons.json"
    if not note.is_file():
        checkpoint.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps(inputs.to_dict()), encoding="utf-8")
        return
    try:
        is_same = read_json(note) == inputs.to_dict()
    except FileReasonError as error:
        raise CommandError(f"{note} cannot be read: {error}. Nothing was changed; remove its folder.") from error
    if not is_same:
        raise CommandError(
            f"{checkpoint} holds a run with other programs, takes, random starts, length, seed or start. Nothing was "
            "changed; name another folder with --checkpoint, or remove that one."
        )


def prepare_data(path: Path, inputs: TrainingInputs, checkpoint: Path) -> "TrainingData":
    """Return the encoded takes: those of another run, those of the checkpoint, or newly generated ones."""
    from metagui.learning.policy.dataset import DatasetError
    from metagui.learning.training.training_data import TrainingData, encode_people, encode_takes

    if inputs.data:
        try:
            return TrainingData.load(Path(inputs.data))
        except DatasetError as error:
            raise CommandError(str(error)) from error
    folder = checkpoint / "data"
    if not folder.is_dir():
        with make_progress_bar() as bar:
            data = encode_takes(_generate_takes(path, inputs, bar))
            if inputs.people:
                people = encode_people(_generate_people_takes(path, inputs, bar), data.decisions.task_names)
                data = replace(data, people=people)
        unfinished = checkpoint / "data.unfinished"
        unfinished.mkdir(exist_ok=True)
        data.save(unfinished)
        unfinished.rename(folder)
    # Also read back what was just written: the cache is rounded, and a continued run must train on the same numbers.
    return TrainingData.load(folder)


def _generate_takes(path: Path, inputs: TrainingInputs, bar: "Progress") -> "Iterator[Demonstration]":
    """Yield the takes of all programs, program by program."""
    from metagui.demonstrations.programs.program import load_programs
    from metagui.demonstrations.programs.scripted import GenerationSettings, generate_library
    from metagui.learning.torch_utils.process_group import current_group
    from metagui.learning.torch_utils.work_queue import make_group_map

    programs = load_programs(path)
    job = bar.add_task("generating", total=len(programs), status="")
    print_note(f"Generating {inputs.takes} takes of each of {len(programs)} programs …")
    settings = GenerationSettings(inputs.takes, inputs.seed, inputs.prefixes)
    for _, demonstrations in generate_library(programs, settings, make_group_map(current_group())):
        yield from demonstrations
        bar.update(job, advance=1)


def _generate_people_takes(path: Path, inputs: TrainingInputs, bar: "Progress") -> "Iterator[Demonstration]":
    """Yield the takes of all programs by people, program by program."""
    from metagui.demonstrations.people.training_takes import PeopleSettings, generate_people_library
    from metagui.demonstrations.programs.program import load_programs
    from metagui.learning.torch_utils.process_group import current_group
    from metagui.learning.torch_utils.work_queue import make_group_map

    programs = load_programs(path)
    job = bar.add_task("people", total=len(programs), status="")
    settings = PeopleSettings(inputs.people, inputs.seed, inputs.prefixes)
    for _, demonstrations in generate_people_library(programs, settings, make_group_map(current_group())):
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
    start: "Prior | None" = None,
) -> "Prior":
    """Run or continue the meta-training; return the prior: on the script's takes, then also on those of people."""
    from metagui.learning.training.pretraining import train_prior

    settings, folder = make_settings(inputs), data_folder or checkpoint / "data"
    with until_interrupted() as should_stop, make_progress_bar() as bar:
        if start is None:
            scripted = replace(data, people=None)
            steps = train_prior(scripted, settings, checkpoint, should_stop, provenance, programs, workers, folder)
            start = run_to_end(steps, _make_step_display(bar, ""))
            if data.people is None or should_stop():
                return start
        checkpoint, settings = checkpoint / "people", settings.for_continuation()
        steps = train_prior(data, settings, checkpoint, should_stop, provenance, programs, workers, folder, start)
        return run_to_end(steps, _make_step_display(bar, "people, "))


def _make_step_display(bar: "Progress", prefix: str) -> "Callable[[TrainingStep], None]":
    """Return a function that shows a step in the progress bar of its phase, after ``prefix``."""
    jobs: dict[str, Any] = {}

    def show(step: "TrainingStep") -> None:
        if step.phase not in jobs:
            jobs[step.phase] = bar.add_task(prefix + step.phase, total=step.steps, status="")
        status = f"loss {step.loss:.3f}" if step.loss == step.loss else ""
        bar.update(jobs[step.phase], completed=step.step, status=status)
        if step.validation is not None:
            print_note(prefix + describe_step(step))

    return show


def make_settings(inputs: TrainingInputs) -> "TrainingSettings":
    """Return the default settings with the seed and the fraction of steps of ``inputs``."""
    from metagui.learning.training.pretraining import TrainingSettings

    default = TrainingSettings(seed=inputs.seed)
    shortened = {
        name: replace(phase, steps=max(1, round(phase.steps * inputs.length)))
        for name in ("encoder", "dagger", "inner", "baseline")
        if (phase := getattr(default, name))
    }
    return replace(default, **shortened)


def describe_step(step: "TrainingStep") -> str:
    """Return a line on the progress of a phase and on whether the policy ignores the demonstration."""
    from metagui.learning.training.auxiliary_models import BASELINE_PHASE

    text = f"{step.phase} {step.step} of {step.steps}, {step.elapsed_seconds:.0f} s: loss {step.loss:.3f}"
    found = step.validation
    if found is None or found.after != found.after:
        return text
    text += f", held-out tasks {found.before:.3f} before and {found.after:.3f} after adapting"
    ignores = found.is_memorizing and step.phase != BASELINE_PHASE  # the baseline sees no demonstration
    return text + ("; the policy ignores the demonstration" if ignores else "")
