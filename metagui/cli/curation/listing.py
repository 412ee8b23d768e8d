"""``metagui list``: the tasks and takes of a library, and search."""

from typing import Annotated, Any

import typer

from metagui.cli.aliases import CommandWithAliases
from metagui.cli.app import app
from metagui.cli.library import ADAPTED_POLICY_FILE, open_library
from metagui.cli.options import AsJson, LibraryFolder
from metagui.cli.output import print_result


@app.command("list", cls=CommandWithAliases)
def list_library(
    query: Annotated[
        list[str] | None,
        typer.Argument(help="Words in names, notes and tags, or terms: tag:WORD, note:WORD, is:failure, not:WORD."),
    ] = None,
    library: LibraryFolder = None,
    as_json: AsJson = False,
) -> None:
    """List the takes of a library, or those that fit a query."""
    from metagui.demonstrations.curation.search import matches

    opened = open_library(library)
    text = " ".join(f'"{word}"' if " " in word else word for word in query or [])
    listed = [
        info
        for listing in opened.list_all().values()
        for info in listing.takes
        if matches(info, text, ADAPTED_POLICY_FILE in listing.other_files)
    ]
    rows: list[dict[str, Any]] = [
        {
            "task": info.task, "take": info.name, "samples": info.sample_count, "seconds": round(info.duration, 3),
            "success": info.success, "tags": list(info.tags), "notes": info.notes, "trim": info.trim,
            "problem": info.problem, "file": str(info.path),
        }
        for info in listed
    ]  # fmt: skip
    shown = [
        (row["task"], row["take"], f"{row['seconds']:.1f} s", {True: "yes", False: "no", None: ""}[row["success"]],
         ", ".join(row["tags"]), row["notes"], row["problem"])
        for row in rows
    ]  # fmt: skip
    columns = ("task", "take", "duration", "success", "tags", "notes", "problem")
    title = f"{len(rows)} takes of {len({row['task'] for row in rows})} tasks"
    print_result({"takes": rows}, columns, shown, as_json, title)
