"""Everything the window does, as verbs for scripts and for machines without a screen.

Each verb prints a table for people or, with ``--json``, one JSON document for programs; progress and errors go
to standard error. Heavy libraries are imported inside the verbs, so that ``metagui --help`` answers at once.
"""

from __future__ import annotations

from metagui.cli import check, demonstrate, evaluate, exchange, hardware, learn, perform, servos, train
from metagui.cli.verbs import app

__all__ = [
    "app",
    "check",
    "demonstrate",
    "evaluate",
    "exchange",
    "hardware",
    "learn",
    "main",
    "perform",
    "servos",
    "train",
]


def main() -> None:
    """Run the ``metagui`` command."""
    app()
