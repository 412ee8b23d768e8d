"""Log file of the window, and the details of the program that belong in a report.

Errors that nothing expected are written there with their traceback, because the person who sees a message cannot use
one, and who is asked for help needs it.
"""

from __future__ import annotations

import logging
import platform
from importlib.metadata import PackageNotFoundError, version
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING

from metagui import __version__
from metagui.paths import log_path, recordings_dir

if TYPE_CHECKING:
    from pathlib import Path

MAX_LOG_BYTES = 1_000_000
"""Size at which the log is moved to a backup, bytes."""
BACKUP_COUNT = 2
"""Number of older logs that are kept."""
TAIL_LINES = 80
"""Number of lines of the log that belong in a report."""
REPORTED_PACKAGES = ("PySide6-Essentials", "torch", "mujoco", "numpy", "h5py", "pyqtgraph")


def start_log() -> Path | None:
    """Write the log of this process to the log file too; return its path, or None if it cannot be written."""
    path = log_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(path, maxBytes=MAX_LOG_BYTES, backupCount=BACKUP_COUNT, encoding="utf-8")
    except OSError:
        return None
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    logging.getLogger("metagui").setLevel(logging.INFO)
    return path


def describe_program(library: Path | None = None) -> str:
    """Return versions and folders, one per line; the default library's folder unless one is given."""
    lines = [f"metagui {__version__}", f"Python {platform.python_version()}, {platform.platform()}"]
    lines += [f"{name} {_find_version(name)}" for name in REPORTED_PACKAGES]
    return "\n".join([*lines, f"Recordings: {library or recordings_dir()}", f"Log: {log_path()}"])


def read_log_tail(line_count: int = TAIL_LINES) -> str:
    """Return the last lines of the log; a sentence if it cannot be read."""
    try:
        return "\n".join(log_path().read_text(encoding="utf-8", errors="replace").splitlines()[-line_count:])
    except OSError:
        return "There is no log."


def _find_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(not installed)"
