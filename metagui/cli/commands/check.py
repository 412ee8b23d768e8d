"""``metagui check``: report problems of this machine and the commands that fix them."""

from dataclasses import asdict
from typing import Annotated

import typer

from metagui.cli.aliases import CommandWithAliases
from metagui.cli.app import app
from metagui.cli.options import AsJson
from metagui.cli.output import print_result

VERDICT_MARKUP = {"good": "[green]good[/]", "note": "[yellow]note[/]", "lacking": "[red]problem[/]"}


@app.command(cls=CommandWithAliases)
def check(
    packages: Annotated[
        bool, typer.Option("--packages", help="Only list the Debian packages that are missing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Report what this machine needs to run metagui, with the command that fixes each problem."""
    from metagui import diagnostics

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
