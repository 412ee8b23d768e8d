"""``metagui mat``: write the pages to print."""

from pathlib import Path
from typing import Annotated

import typer

from metagui.cli.aliases import CommandWithAliases
from metagui.cli.app import app
from metagui.cli.output import CommandError, print_note


@app.command(cls=CommandWithAliases)
def mat(
    out: Annotated[Path, typer.Option("--out", help="PDF file to write.")],
    paper: Annotated[str, typer.Option(help="Paper: A4, Letter or A3.")] = "A4",
    replace: Annotated[bool, typer.Option("--replace", help="Replace an existing file.")] = False,
) -> None:
    """Write the mat for the table, and tags for objects, as a PDF file to print at 100 %."""
    from metagui.atomic_write import write_atomically
    from metagui.cameras.mat import find_mat
    from metagui.cameras.mat_pdf import make_mat_pdf

    pages = make_mat_pdf(find_mat(paper))
    if out.exists() and not replace:
        raise CommandError(f"{out} exists. It was left as it is; name another file, or give --replace.")
    write_atomically(out, pages, replace=replace)
    print_note(f"{out}: page 1 is the mat, page 2 has tags for objects. Print at 100 %, and check the bar of 100 mm.")
