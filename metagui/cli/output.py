"""Output of the commands: one table or one JSON document on standard output, the rest on standard error."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.progress import Progress


class CommandError(Exception):
    """A command cannot do what was requested; the message states what happened, what is safe and what to do."""


def print_result(
    document: Any, columns: Sequence[str], rows: Iterable[Sequence[object]], as_json: bool, title: str = ""
) -> None:
    """Print a result: the document as JSON, or the rows as a table with these columns."""
    if as_json:
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(str, row))
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def print_error(message: str) -> None:
    """Print an error on standard error."""
    typer.secho(message, fg=typer.colors.RED, err=True)


def print_note(message: str) -> None:
    """Print a note for the user on standard error."""
    typer.echo(message, err=True)


def make_progress_bar() -> Progress:
    """Return a progress bar on standard error; nothing is drawn unless that is a terminal.

    Every task of the bar has a field ``status`` with a short text.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[status]}"),
    )
    return Progress(*columns, console=console, disable=not console.is_terminal)
