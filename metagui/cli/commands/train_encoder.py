"""``metagui train-encoder``: train the encoder of similar tasks on takes generated from task programs."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metagui.cli.app import app
from metagui.cli.options import AsJson, RandomStartFraction, Seed, TrainingLength, WorkerCount
from metagui.cli.output import make_progress_bar, print_result
from metagui.cli.signals import until_interrupted
from metagui.generators import run_to_end
from metagui.paths import resources_dir

if TYPE_CHECKING:
    from metagui.learning.similarity.encoder_file import CalibratedEncoder
    from metagui.learning.similarity.labelled_takes import LabelledTakes, TakeSettings
    from metagui.learning.similarity.siamese import SiameseStep

TrainingPrograms = Annotated[
    Path | None, typer.Option(help="File of task programs (JSON); the shipped training programs if not given.")
]


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
    from metagui.learning.similarity.labelled_takes import TakeSettings

    path = programs or resources_dir() / "programs" / "train.json"
    settings = TakeSettings(takes, people, random_starts, seed, workers)
    started, used = time.perf_counter(), time.process_time()
    generated = _generate(path, settings)
    generation_s, used = time.perf_counter() - started, time.process_time()
    found = _train(generated, length, seed)
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


def _generate(path: Path, settings: "TakeSettings") -> "list[LabelledTakes]":
    """Return the takes of all programs, generated with a progress bar."""
    from metagui.demonstrations.programs.program import load_programs
    from metagui.learning.similarity.labelled_takes import generate_labelled_takes

    programs = load_programs(path)
    found: list[LabelledTakes] = []
    with make_progress_bar() as bar:
        job = bar.add_task("takes", total=len(programs), status="")
        for each in generate_labelled_takes(programs, settings):
            found += each
            bar.update(job, advance=1)
    return found


def _train(takes: "list[LabelledTakes]", length: float, seed: int) -> "CalibratedEncoder":
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
