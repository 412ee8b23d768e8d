"""The commands that change a library, from ``rename`` to ``delete``; ``metagui undo`` reverts them."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metagui.cli.aliases import CommandWithAliases
from metagui.cli.app import app
from metagui.cli.library import open_library
from metagui.cli.options import AsJson, LibraryFolder
from metagui.cli.output import CommandError, print_result

if TYPE_CHECKING:
    from metagui.demonstrations.curation.changes import Change
    from metagui.demonstrations.storage.library import Library

Task = Annotated[str, typer.Argument(help="Name of the task.")]
Take = Annotated[str, typer.Argument(help="Name of the take, such as 001.")]


class Mark(StrEnum):
    """Mark of a take."""

    YES = "yes"
    NO = "no"
    NONE = "none"


@app.command("rename", cls=CommandWithAliases)
def rename_task(
    task: Task,
    new_name: Annotated[str, typer.Argument(help="The task's new name.")],
    library: LibraryFolder = None,
    as_json: AsJson = False,
) -> None:
    """Rename a task."""
    from metagui.demonstrations.curation import changes

    _apply(open_library(library), f"renaming “{task}” to “{new_name}”", changes.rename_task(task, new_name), as_json)


@app.command("merge", cls=CommandWithAliases)
def merge_tasks(
    task: Task,
    into: Annotated[str, typer.Argument(help="The task that gets the takes.")],
    library: LibraryFolder = None,
    as_json: AsJson = False,
) -> None:
    """Move all takes of a task to another one, and the empty task to the trash."""
    from metagui.demonstrations.curation import changes

    opened = open_library(library)
    _apply(opened, f"merging “{task}” into “{into}”", changes.merge_tasks(opened, task, into), as_json)


@app.command("move", cls=CommandWithAliases)
def move_takes(
    task: Task,
    takes: Annotated[list[str], typer.Argument(help="Names of the takes.")],
    to: Annotated[str, typer.Option("--to", help="The other task; a new one splits the task.")],
    library: LibraryFolder = None,
    as_json: AsJson = False,
) -> None:
    """Move takes to another task, which may be new."""
    from metagui.demonstrations.curation import changes

    text = f"moving {len(takes)} take{'s' if len(takes) != 1 else ''} of “{task}” to “{to}”"
    _apply(open_library(library), text, changes.move_takes(task, takes, to), as_json)


@app.command("copy", cls=CommandWithAliases)
def copy_take(
    task: Task,
    take: Take,
    to: Annotated[str | None, typer.Option("--to", help="Another task; the same one if not given.")] = None,
    library: LibraryFolder = None,
    as_json: AsJson = False,
) -> None:
    """Copy a take; examples can be copied to be changed."""
    from metagui.demonstrations.curation import changes
    from metagui.demonstrations.curation.history import ChangeHistory

    opened = open_library(library)
    name, undoing = changes.copy_take(opened, task, take, to)
    ChangeHistory(opened).add(f"copying take {take} of “{task}”", undoing)
    print_result({"task": to or task, "take": name}, ("task", "take"), [(to or task, name)], as_json)


@app.command("edit", cls=CommandWithAliases)
def edit_take(
    task: Task,
    take: Take,
    notes: Annotated[str | None, typer.Option(help="Replace the notes.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Add a tag; repeat for more.")] = None,
    untag: Annotated[list[str] | None, typer.Option(help="Remove a tag; repeat for more.")] = None,
    success: Annotated[Mark | None, typer.Option(help="Mark as success or failure, or remove the mark.")] = None,
    library: LibraryFolder = None,
    as_json: AsJson = False,
) -> None:
    """Change notes, tags and success of a take."""
    from metagui.demonstrations.curation import changes

    opened = open_library(library)
    info = opened.get_take_info(task, take)
    fields: dict[str, Any] = {} if notes is None else {"notes": notes}
    if tag or untag:
        fields["tags"] = sorted({*info.tags, *(tag or [])} - set(untag or []))
    if success is not None:
        fields["success"] = {Mark.YES: True, Mark.NO: False, Mark.NONE: None}[success]
    if not fields:
        raise CommandError("Nothing was changed: name what to change, with --notes, --tag, --untag or --success.")
    _apply(opened, f"editing take {take} of “{task}”", changes.set_fields(task, take, **fields), as_json)


@app.command("trim", cls=CommandWithAliases)
def trim_take(
    task: Task,
    take: Take,
    start: Annotated[float | None, typer.Option("--from", min=0.0, help="Start of what is used, s.")] = None,
    stop: Annotated[float | None, typer.Option("--until", min=0.0, help="End of what is used, s.")] = None,
    library: LibraryFolder = None,
    as_json: AsJson = False,
) -> None:
    """Set which part of a take is used; without options, all of it. The other samples stay stored."""
    import numpy as np

    from metagui.demonstrations.curation import changes

    opened = open_library(library)
    trim = None
    if start is not None or stop is not None:
        loaded = opened.load_take(task, take)
        times = loaded.time - loaded.time[0]
        first = int(np.searchsorted(times, start or 0.0))
        last = len(times) if stop is None else int(np.searchsorted(times, stop, side="right"))
        if first >= last:
            raise CommandError(f"Nothing is left between these times; the take lasts {times[-1]:.2f} s.")
        trim = [first, last]
    _apply(opened, f"trimming take {take} of “{task}”", changes.set_fields(task, take, trim=trim), as_json)


@app.command("delete", cls=CommandWithAliases)
def delete_takes(
    task: Task,
    takes: Annotated[list[str] | None, typer.Argument(help="Names of takes; the whole task if none is given.")] = None,
    library: LibraryFolder = None,
    as_json: AsJson = False,
) -> None:
    """Move takes, or a whole task, to the trash; metagui undo restores them."""
    from metagui.demonstrations.curation import changes

    chosen: list[str | None] = [*takes] if takes else [None]
    change = changes.several([changes.trash(task, take) for take in chosen])
    text = f"deleting take {', '.join(takes)} of “{task}”" if takes else f"deleting “{task}”"
    _apply(open_library(library), text, change, as_json)


def _apply(library: "Library", text: str, change: "Change", as_json: bool) -> None:
    """Change the library, so that it can be undone, and print what was done."""
    from metagui.demonstrations.curation.history import ChangeHistory

    ChangeHistory(library).apply(text, change)
    print_result({"change": text}, ("done",), [(text,)], as_json)
