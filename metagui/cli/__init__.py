"""The command line: the window's functions for scripts and for machines without a screen.

Each command prints a table or, with ``--json``, one JSON document; progress and errors go to standard error.
Heavy libraries are imported inside the commands, so that ``metagui --help`` answers at once.
"""

from __future__ import annotations

from metagui.cli import cameras, commands, curation, tables
from metagui.cli.app import app

__all__ = ["app", "cameras", "commands", "curation", "main", "tables"]


def main() -> None:
    """Run the ``metagui`` command."""
    app()
