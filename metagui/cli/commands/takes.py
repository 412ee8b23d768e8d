"""``metagui export`` and ``metagui import``: takes as one robomimic file, and back."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from metagui.cli.app import app
from metagui.cli.options import AsJson, LibraryFolder, open_library
from metagui.cli.output import print_note, print_result


@app.command("export")
def export(
    out: Annotated[Path, typer.Argument(help="The new file, such as takes.hdf5.")],
    task: Annotated[list[str] | None, typer.Option(help="A task to export; repeat for more. All, if none.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Export takes marked as failed, too.")] = False,
    valid: Annotated[float, typer.Option(min=0.0, max=0.9, help="Share of each task's takes for validation.")] = 0.1,
    library: LibraryFolder = None,
    as_json: AsJson = False,
) -> None:
    """Write takes into one file from which robomimic trains."""
    from metagui.demonstrations.storage.robomimic_export import export_robomimic

    shelf = open_library(library)
    found = [take for name in task or shelf.list_tasks() for take in shelf.list_takes(name)]
    takes = [take for take in found if not take.error and (failed or take.success is not False)]
    if len(takes) < len(found):
        print_note(f"Left out: {len(found) - len(takes)} takes that are marked as failed or cannot be read.")
    samples = export_robomimic(takes, out, valid)
    counted = Counter(take.task for take in takes)
    document = {"file": str(out), "samples": samples, "tasks": dict(counted)}
    print_result(document, ("task", "takes"), counted.items(), as_json, f"{out}: {len(takes)} takes, {samples} samples")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A file that metagui exported, or the file of one take.")],
    task: Annotated[str | None, typer.Option(help="Put all of it into this task.")] = None,
    library: LibraryFolder = None,
    as_json: AsJson = False,
) -> None:
    """Add the takes of an exported file to the library; nothing there is replaced."""
    from dataclasses import replace

    from metagui.demonstrations.storage.robomimic_export import import_robomimic

    shelf = open_library(library)
    added = [shelf.add_take(replace(found, task=task or found.task)) for found in import_robomimic(file)]
    document = {"takes": [{"task": info.task, "take": info.name, "samples": info.sample_count} for info in added]}
    print_result(document, ("task", "take", "samples"), [(i.task, i.name, i.sample_count) for i in added], as_json)
