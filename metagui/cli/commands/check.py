"""``metagui check``: report problems of this machine and the commands that fix them."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from metagui.cli.aliases import CommandWithAliases
from metagui.cli.app import app
from metagui.cli.options import AsJson
from metagui.cli.output import CommandError, print_note, print_result

VERDICT_MARKUP = {"good": "[green]good[/]", "note": "[yellow]note[/]", "lacking": "[red]problem[/]"}


@app.command(cls=CommandWithAliases)
def check(
    folder: Annotated[
        Path | None, typer.Argument(help="Check this library instead of the machine: read all of its files.")
    ] = None,
    packages: Annotated[
        bool, typer.Option("--packages", help="Only list the Debian packages that are missing.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Repair the library's defects where that is certain; undo reverts it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Report what this machine needs to run metagui, or the defects of a library, and what to do about each."""
    from metagui import diagnostics

    if folder is not None:
        _check_library(folder, repair, as_json)
        return
    if packages:
        typer.echo(" ".join(diagnostics.find_missing_packages()))
        return
    findings = diagnostics.run_checks()
    failed = any(finding.verdict == "lacking" for finding in findings)
    rows = [(f.part, VERDICT_MARKUP[f.verdict], f.message) for f in findings]
    # "says" and "mend" are the keys of version 0.1
    listed = [asdict(found) | {"says": found.message, "mend": found.fix} for found in findings]
    print_result({"ready": not failed, "findings": listed}, ("part", "verdict", "finding"), rows, as_json)
    if not as_json:
        for finding in findings:
            if finding.fix:  # not in the table, whose cells would wrap commands
                typer.echo(f"{finding.part}: {finding.fix}")
    if failed:
        raise typer.Exit(1)


def _check_library(folder: Path, repair: bool, as_json: bool) -> None:
    """Read all files of a library, print its defects, and exit with status 1 if one is left."""
    from metagui.demonstrations.curation import check as curation
    from metagui.demonstrations.curation.history import ChangeHistory
    from metagui.demonstrations.storage.library import Library
    from metagui.paths import examples_dir, recordings_dir

    if not folder.is_dir():
        raise CommandError(f"{folder} is not a folder, so there is no library to check. Name another one.")
    library = Library(folder, examples_dir() if folder == recordings_dir() else None)
    history, rows = ChangeHistory(library), []
    for defect in curation.find_defects(library):
        is_repaired = repair and curation.repair(defect, history)
        rows.append(
            {"file": str(defect.path), "defect": defect.description, "repair": defect.repair, "repaired": is_repaired}
        )
    count = sum(len(listing.takes) for listing in library.list_all().values())
    title = f"{count} takes read, {len(rows)} defects"
    shown = [(row["defect"], "repaired" if row["repaired"] else row["repair"]) for row in rows]
    print_result({"takes": count, "defects": rows}, ("defect", "repair"), shown, as_json, title)
    if any(row["repair"] and not row["repaired"] for row in rows) and not as_json:
        print_note("metagui check --repair does what the last column says.")
    if any(not row["repaired"] for row in rows):
        raise typer.Exit(1)
