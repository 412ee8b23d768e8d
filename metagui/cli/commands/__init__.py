"""The commands, one file each; importing this package adds all of them to the application."""

from metagui.cli.commands import (
    adapt,
    arms,
    check,
    evaluate,
    fine_tune,
    generate,
    record,
    replay,
    run,
    similar,
    takes,
    train,
)  # isort: skip

__all__ = [
    "adapt",
    "arms",
    "check",
    "evaluate",
    "fine_tune",
    "generate",
    "record",
    "replay",
    "run",
    "similar",
    "takes",
    "train",
]
