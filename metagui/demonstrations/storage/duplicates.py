"""Search for a take that is stored already: an import that is repeated, or a recording stored just before a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metagui.demonstrations.storage.errors import LibraryError

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.storage.hdf5 import TakeInfo
    from metagui.demonstrations.storage.library import Library


def find_equal_take(library: Library, demonstration: Demonstration, task: str | None = None) -> TakeInfo | None:
    """Return the stored take with the same samples, in any task or in ``task``; None if there is none.

    Names, notes and segments may differ.
    """
    tasks = library.list_tasks()
    for name in tasks if task is None else [task] if task in tasks else []:
        for info in library.list_takes(name):
            if info.sample_count == len(demonstration) and info.duration == demonstration.duration:
                try:
                    stored = library.load_take(name, info.name)
                except LibraryError:
                    continue
                if all(
                    np.array_equal(getattr(stored, field), getattr(demonstration, field), equal_nan=True)
                    for field in ("time", "command_requested", "command_sent")
                ):
                    return info
    return None
