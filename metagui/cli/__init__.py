"""Everything the window does, as verbs for scripts and for machines without a screen.

Each verb prints a table for people or, with ``--json``, one JSON document for programs; progress and errors go
to standard error. Heavy libraries are imported inside the verbs, so that ``metagui --help`` answers at once.
"""

from __future__ import annotations

from metagui.cli.app import app
from metagui.cli.commands import adapt, arms, check, evaluate, motors, record, run, takes, train

__all__ = ["adapt", "app", "arms", "check", "evaluate", "main", "motors", "record", "run", "takes", "train"]


def main() -> None:
    """Run the ``metagui`` command."""
    app()
