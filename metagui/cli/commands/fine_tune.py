"""``metagui fine-tune``: fine-tune the shipped prior on the tasks of a library."""

from metagui.cli.aliases import CommandWithAliases
from metagui.cli.app import app
from metagui.cli.fine_tuning import fine_tune_on_library
from metagui.cli.options import AsJson, LibraryFolder, Seed, TrainingLength, WorkerCount
from metagui.paths import recordings_dir


@app.command("fine-tune", cls=CommandWithAliases)
def fine_tune(
    library: LibraryFolder = None,
    length: TrainingLength = 1.0,
    seed: Seed = 0,
    workers: WorkerCount = None,
    as_json: AsJson = False,
) -> None:
    """Fine-tune the shipped prior on your own and generated tasks; use it in the library if it is better."""
    fine_tune_on_library(library or recordings_dir(), length, seed, workers, as_json)
