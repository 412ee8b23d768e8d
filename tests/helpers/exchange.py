"""Export and import of takes for tests, run to their ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metagui.demonstrations.formats.exchange import ExportOptions, ImportedTake, ImportOptions
from metagui.demonstrations.formats.registry import export_takes, import_takes, read_takes_of
from metagui.generators import run_to_end

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.formats.exchange import ExportReport, ImportReport
    from metagui.demonstrations.storage.hdf5 import TakeInfo
    from metagui.demonstrations.storage.library import Library


def list_all_takes(library: Library) -> list[TakeInfo]:
    """Return the listing of every take of a library."""
    return [info for task in library.list_tasks() for info in library.list_takes(task)]


def export(takes: Sequence[TakeInfo], path: Path, key: str = "robomimic", **options: Any) -> ExportReport:
    """Export takes and return the report."""
    return run_to_end(export_takes(takes, path, key, ExportOptions(**options)))


def import_into(library: Library, path: Path, **options: Any) -> ImportReport:
    """Import a file or data set and return the report."""
    return run_to_end(import_takes(path, library, ImportOptions(**options)))


def read_demonstrations(path: Path, **options: Any) -> list[Demonstration]:
    """Return the demonstrations of a file or data set; fail if one is left out."""
    found = list(read_takes_of(path, ImportOptions(**options)))
    assert all(isinstance(each, ImportedTake) for each in found), found
    return [each.demonstration for each in found if isinstance(each, ImportedTake)]
