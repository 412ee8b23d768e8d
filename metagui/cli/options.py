"""Options that several verbs share, and the library they name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metagui.cli.output import print_note

if TYPE_CHECKING:
    from metagui.demonstrations.storage.library import Library
    from metagui.learning.prior import Prior

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
Seed = Annotated[int, typer.Option(help="Everything random follows from it.")]
LibraryFolder = Annotated[
    Path | None,
    typer.Option("--library", help="Folder of the library; the window's own if not given."),
]
PriorFile = Annotated[
    Path | None,
    typer.Option(
        "--prior", help="What to adapt from, made by metagui train; the library's own or the shipped one if not given."
    ),
]


def open_library(folder: Path | None) -> Library:
    """Open the library in a folder, or the window's own with the examples beside it."""
    from metagui.app import examples_dir
    from metagui.demonstrations.storage.library import Library
    from metagui.paths import recordings_dir

    return Library(folder) if folder else Library(recordings_dir(), examples_dir())


def load_prior(path: Path | None, library: Library | None = None) -> Prior:
    """Read a prior; if none is named the library's own, or the shipped one. Raises PriorError."""
    from metagui.learning.prior import load, load_for_library, load_shipped

    if path is not None:
        return load(path)
    found = load_shipped() if library is None else load_for_library(library.root)
    if problem := found.metadata.get("problem"):
        print_note(problem)
    return found
