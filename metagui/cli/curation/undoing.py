"""``metagui undo`` and ``metagui redo``: the changes of a library, also those of earlier days and of the window."""

from typing import Annotated

import typer

from metagui.cli.aliases import CommandWithAliases
from metagui.cli.app import app
from metagui.cli.library import open_library
from metagui.cli.options import AsJson, LibraryFolder
from metagui.cli.output import print_result

ListOnly = Annotated[bool, typer.Option("--list", help="Only list what can be undone or redone, the next first.")]


@app.command(cls=CommandWithAliases)
def undo(list_only: ListOnly = False, library: LibraryFolder = None, as_json: AsJson = False) -> None:
    """Undo the newest change of a library."""
    from metagui.demonstrations.curation.history import ChangeHistory

    history = ChangeHistory(open_library(library))
    _print_changes(history.list_undo_texts() if list_only else [history.undo()], "undone", as_json)


@app.command(cls=CommandWithAliases)
def redo(list_only: ListOnly = False, library: LibraryFolder = None, as_json: AsJson = False) -> None:
    """Do the change again that was undone last."""
    from metagui.demonstrations.curation.history import ChangeHistory

    history = ChangeHistory(open_library(library))
    _print_changes(history.list_redo_texts() if list_only else [history.redo()], "done again", as_json)


def _print_changes(texts: list[str], verb: str, as_json: bool) -> None:
    print_result({"changes": texts}, (verb,), [(text,) for text in texts], as_json)
