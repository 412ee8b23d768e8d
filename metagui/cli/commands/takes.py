"""``metagui export``, ``metagui import`` and ``metagui recover``: takes as one robomimic file, and from journals."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metagui.cli.aliases import CommandWithAliases
from metagui.cli.app import app
from metagui.cli.library import is_usable, open_library
from metagui.cli.options import AsJson, LibraryFolder
from metagui.cli.output import print_note, print_result

if TYPE_CHECKING:
    from metagui.demonstrations.storage.hdf5 import TakeInfo
    from metagui.demonstrations.storage.library import Library


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
    damaged = [take for take in found if take.error]
    if failed := len(found) - len(takes) - len(damaged):
        print_note(f"Left out: {failed} takes that are marked as failed.")
    for take in damaged:
        print_note(f"Left out: {take.error}")
    left_out: list[TakeInfo] = []

    def leave_out(take: "TakeInfo", error: Exception) -> None:
        left_out.append(take)
        print_note(f"Left out: {error}")

    samples = export_robomimic(takes, out, validation_fraction, leave_out)
    counts = Counter(take.task for take in takes if take not in left_out)
    document = {"file": str(out), "samples": samples, "tasks": dict(counts)}
    title = f"{out}: {counts.total()} takes, {samples} samples"
    print_result(document, ("task", "takes"), counts.items(), as_json, title)


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
    from metagui.demonstrations.storage.validation import find_equal_take

    opened, added = open_library(library), []
    for found in import_robomimic(file):
        if stored := find_equal_take(opened, found, task or found.task):
            print_note(
                f"Left out: {file.name}, {found.name} is in the library already, as {stored.task} {stored.name}."
            )
        else:
            added.append(opened.add_take(replace(found, task=task or found.task)))
    document = {"takes": [{"task": info.task, "take": info.name, "samples": info.sample_count} for info in added]}
    print_result(document, ("task", "take", "samples"), [(i.task, i.name, i.sample_count) for i in added], as_json)


@app.command("recover", cls=CommandWithAliases)
def recover_takes(
    restore: Annotated[bool, typer.Option("--restore", help="Add the recordings to the library.")] = False,
    task: Annotated[str | None, typer.Option(help="Add all of them to this task.")] = None,
    library: LibraryFolder = None,
    as_json: AsJson = False,
) -> None:
    """List the recordings that a crash or a full disk cut off, or add them to the library."""
    from metagui.demonstrations.recording.recorder import find_recoverable_takes
    from metagui.demonstrations.recording.take_builder import RecordingError
    from metagui.demonstrations.storage.errors import LibraryError

    opened, rows = open_library(library), []
    failures = 0
    for found in find_recoverable_takes(opened.root):
        row = {"recording": found.path.name, "task": found.task, "samples": found.sample_count}
        row |= {"seconds": round(found.duration, 3), "take": None, "error": found.error}
        if restore and not found.error:
            try:
                row["take"] = _restore(opened, found.path, task)
            except (LibraryError, RecordingError) as error:
                row["error"] = str(error)
        failures += bool(restore and row["error"])
        rows.append(row)
    if rows and not restore:
        print_note("metagui recover --restore adds them to the library, marked as cut off.")
    columns = ("recording", "task", "samples", "seconds", "take", "error")
    title = "Recordings that were cut off" if rows else "No recording was cut off"
    print_result({"recordings": rows}, columns, [[row[key] or "" for key in columns] for row in rows], as_json, title)
    if failures:
        raise typer.Exit(1)


def _restore(library: "Library", path: Path, task: str | None) -> str:
    """Store the take of a journal, unless it is stored already, and delete the journal; return the take's name."""
    from dataclasses import replace

    from metagui.demonstrations.recording.recorder import delete_journal, recover_take
    from metagui.demonstrations.recording.segmentation import ensure_segmented
    from metagui.demonstrations.storage.validation import find_equal_take

    take = ensure_segmented(recover_take(path))
    info = find_equal_take(library, take)
    if info is None:
        info = library.add_take(replace(take, task=task or take.task, notes="Cut off: recovered after a crash."))
    delete_journal(path)
    return f"{info.task} {info.name}"
