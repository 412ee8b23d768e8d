"""Cutting a stored take: its trim, and a copy without pauses in its place; both can be undone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject

from metagui.demonstrations.curation import changes
from metagui.demonstrations.demonstration import TakeKey
from metagui.demonstrations.recording.pauses import find_motion, remove_pauses
from metagui.demonstrations.storage.errors import LibraryError
from metagui.gui.library.undo import describe_selection

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.storage.hdf5 import TakeInfo
    from metagui.gui.core.messages import Messages
    from metagui.gui.library.library_model import LibraryModel

MIN_TRIM_SAMPLES = 10
"""Minimum number of samples that a trim leaves."""


class TakeEditor(QObject):
    """Cuts takes of one library; every change is an entry of its history."""

    def __init__(self, library_model: LibraryModel, messages: Messages) -> None:
        super().__init__()
        self._library_model, self._messages = library_model, messages
        library_model.tasks_changed.connect(self._follow_library)

    def trim_to_times(self, take: Demonstration, begin: float, end: float) -> None:
        """Trim a take to a range, s after its first sample."""
        times = take.time - take.time[0]
        start = int(np.searchsorted(times, begin - 1e-6))
        self.trim(take, start, int(np.searchsorted(times, end + 1e-6, "right")))

    def trim(self, take: Demonstration, start: int, stop: int) -> None:
        """Trim a take to samples [start, stop); the others stay stored."""
        start, stop = max(start, 0), min(stop, len(take))
        if stop - start < min(MIN_TRIM_SAMPLES, len(take)):
            text = f"A take needs {MIN_TRIM_SAMPLES} samples or more, so it was not trimmed. Move the handles apart."
            self._messages.post(text, "warning")
            self._library_model.replace_take(take)
            return
        self._set_trim(take, None if (start, stop) == (0, len(take)) else (start, stop))

    def trim_to_motion(self, take: Demonstration) -> None:
        """Leave out the rests at both ends of a take."""
        start, stop = find_motion(replace(take, trim=None))
        if (start, stop) == (take.trim or (0, len(take))):
            self._messages.post(f"{_name(take)} rests at neither end, so there is nothing to cut.")
            return
        self.trim(take, start, stop)

    def untrim(self, take: Demonstration) -> None:
        """Use a take from its first sample to its last again."""
        self._set_trim(take, None)

    def _set_trim(self, take: Demonstration, trim: tuple[int, int] | None) -> None:
        key = TakeKey(take.task, take.name)
        if trim != take.trim:
            change = changes.set_fields(*key, trim=None if trim is None else list(trim))
            text = f"trimming {describe_selection(*key)}"
            if self._library_model.undo_stack.apply_change(text, (key.task, key.task), change):
                self._library_model.replace_take(replace(take, trim=trim))
                return
        self._library_model.replace_take(take)

    def _follow_library(self) -> None:
        """Correct the trims of takes in memory: undo, or another program, may have changed them."""
        for row in self._library_model.tasks:
            for each in row.takes:
                take = self._library_model.get_cached_take(TakeKey(each.task, each.name))
                if take is not None and each.info is not None and each.info.trim != take.trim:
                    self._library_model.replace_take(replace(take, trim=each.info.trim))

    def cut_pauses(self, take: Demonstration, on_replaced: Callable[[TakeKey], None]) -> None:
        """Put a copy without pauses in the place of a take, which goes to the trash; in the background."""
        shorter = remove_pauses(take)
        removed = take.duration - shorter.duration
        if len(shorter) == len(take):
            self._messages.post(f"{_name(take)} has no pauses, so there is nothing to cut.")
            return
        library, key = self._library_model.library, TakeKey(take.task, take.name)

        def work() -> tuple[TakeInfo, changes.Change]:
            info = library.add_take(shorter)
            remove_copy = changes.trash(key.task, info.name)
            try:
                restore = changes.trash(*key).apply(library)
            except LibraryError:
                remove_copy.apply(library)
                raise
            return info, changes.Change("several", {"changes": [remove_copy.to_dict(), restore.to_dict()]})

        def done(found: tuple[TakeInfo, changes.Change]) -> None:
            info, undoing = found
            text = f"cutting pauses out of {describe_selection(*key)}"
            self._library_model.undo_stack.add_change(text, (key.task, key.task), undoing)
            self._library_model.cache_take(replace(shorter, task=info.task, name=info.name))
            text = f"Cut {removed:.1f} s of pauses out of {describe_selection(*key)}: it is take {info.name} now. The "
            self._messages.post(f"{text}original is in the trash.", "success", "undo")
            self._library_model.refresh()
            on_replaced(TakeKey(info.task, info.name))

        self._library_model.submit(work, done)


def _name(take: Demonstration) -> str:
    """Return the take's name as it begins a sentence."""
    return f"Take {take.name} of “{take.task}”"
