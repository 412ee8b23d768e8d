"""``metagui tables``: list, show, add and remove tables of objects."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from metagui.cli.app import app
from metagui.cli.options import AsJson
from metagui.cli.output import CommandError, print_note, print_result


class TableAction(StrEnum):
    """What is done with tables."""

    LIST = "list"
    SHOW = "show"
    ADD = "add"
    REMOVE = "remove"


@app.command()
def tables(
    action: Annotated[TableAction, typer.Argument(help="What to do.")] = TableAction.LIST,
    name: Annotated[str | None, typer.Argument(help="Name of the table; to show, also the path of a file.")] = None,
    file: Annotated[Path | None, typer.Option("--from", help="File (JSON) of the table to add.")] = None,
    as_json: AsJson = False,
) -> None:
    """List, show, add and remove tables: the objects of a scene, with kinds and sizes."""
    from metagui.arms.tables.table_store import TableStore, load_table

    store = TableStore()
    if action is TableAction.LIST:
        names = store.list_names()
        print_result([{"name": each} for each in names], ("table",), [(each,) for each in names], as_json)
        return
    if name is None:
        raise CommandError(f"Which table? Name it: metagui tables {action} NAME. Nothing was changed.")
    if action is TableAction.SHOW:
        _show(name, as_json)
    elif action is TableAction.REMOVE:
        store.delete(name)
        print_note(f"The table {name!r} was removed. Takes keep their own objects.")
    elif file is None:
        raise CommandError("Which file? Name it with --from FILE. Nothing was changed.")
    elif name in store.list_names():
        raise CommandError(f"There is a table {name!r} already. Nothing was changed; remove it first.")
    else:
        print_note(f"The table {name!r} was stored as {store.save(name, load_table(file))}.")


def _show(name: str, as_json: bool) -> None:
    """Print the objects of a table."""
    from metagui.arms.tables.object_codec import object_to_dict
    from metagui.arms.tables.table_store import TableStore

    objects = TableStore().resolve(name).objects
    rows = [(each.name, each.kind, *(f"{1000 * part:.0f}" for part in each.size)) for each in objects]
    heads = ("object", "kind", "x mm", "y mm", "z mm")
    print_result([object_to_dict(each) for each in objects], heads, rows, as_json)
