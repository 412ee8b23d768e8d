"""``metagui export`` and ``metagui import``: write takes to one robomimic file, and read them back."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from metagui.cli.aliases import CommandWithAliases
from metagui.cli.app import app
from metagui.cli.library import is_usable, open_library
from metagui.cli.options import AsJson, LibraryFolder
from metagui.cli.output import print_note, print_result


@app.command("export", cls=CommandWithAliases)
def export_takes(
    out: Annotated[Path, typer.Argument(help="The new file, such as takes.hdf5.")],
    task: Annotated[list[str] | None, typer.Option(help="A task to export; repeat for more. Default: all.")] = None,
    include_failed: Annotated[
        bool, typer.Option("--include-failed", "--failed", help="Also export takes that are marked as failed.")
    ] = False,
    validation_fraction: Annotated[
        float,
        typer.Option(
            "--validation-fraction", "--valid", min=0.0, max=0.9, help="Fraction of each task's takes for validation."
        ),
    ] = 0.1,
    library: LibraryFolder = None,
    as_json: AsJson = False,
) -> None:
    """Write takes to one file with which robomimic can train."""
    from metagui.demonstrations.storage.robomimic_export import export_robomimic

    opened = open_library(library)
    found = [take for name in task or opened.list_tasks() for take in opened.list_takes(name)]
    takes = [take for take in found if is_usable(take) or (include_failed and not take.error)]
    if len(takes) < len(found):
        print_note(f"Left out: {len(found) - len(takes)} takes that are marked as failed or cannot be read.")
    samples = export_robomimic(takes, out, validation_fraction)
    counts = Counter(take.task for take in takes)
    document = {"file": str(out), "samples": samples, "tasks": dict(counts)}
    print_result(document, ("task", "takes"), counts.items(), as_json, f"{out}: {len(takes)} takes, {samples} samples")


@app.command("import", cls=CommandWithAliases)
def import_takes(
    file: Annotated[Path, typer.Argument(help="A file that metagui exported, or the file of one take.")],
    task: Annotated[str | None, typer.Option(help="Add all takes to this task.")] = None,
    library: LibraryFolder = None,
    as_json: AsJson = False,
) -> None:
    """Add the takes of an exported file to the library; existing takes are not replaced."""
    from dataclasses import replace

    from metagui.demonstrations.storage.robomimic_export import import_robomimic

    opened = open_library(library)
    added = [opened.add_take(replace(found, task=task or found.task)) for found in import_robomimic(file)]
    document = {"takes": [{"task": info.task, "take": info.name, "samples": info.sample_count} for info in added]}
    print_result(document, ("task", "take", "samples"), [(i.task, i.name, i.sample_count) for i in added], as_json)
