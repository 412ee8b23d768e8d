"""``metagui check``: what this machine lacks, in words, with the command that mends it."""

from dataclasses import asdict
from typing import Annotated

import typer

from metagui.cli.app import app
from metagui.cli.options import AsJson
from metagui.cli.output import print_result

VERDICT_MARKUP = {"good": "[green]good[/]", "note": "[yellow]note[/]", "lacking": "[red]lacking[/]"}


@app.command()
def check(
    packages: Annotated[
        bool, typer.Option("--packages", help="Only list the Debian packages that are missing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what this machine lacks, each with the command that mends it."""
    from metagui import diagnostics as machine

    if packages:
        typer.echo(" ".join(machine.find_missing_packages()))
        return
    findings = machine.run_checks()
    lacking = any(finding.verdict == "lacking" for finding in findings)
    rows = [(f.part, VERDICT_MARKUP[f.verdict], f.message) for f in findings]
    document = {"ready": not lacking, "findings": [asdict(finding) for finding in findings]}
    print_result(document, ("part", "verdict", "what was found"), rows, as_json)
    if not as_json:
        for finding in findings:
            if finding.fix:  # apart from the table, whose cells break commands into pieces
                typer.echo(f"{finding.part}: {finding.fix}")
    if lacking:
        raise typer.Exit(1)
