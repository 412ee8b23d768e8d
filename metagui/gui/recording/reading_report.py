"""Says how the takes of a task are read while it is taught, where they can be read in two ways."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.gui.core.background_queue import BackgroundQueue
    from metagui.gui.core.messages import Messages
    from metagui.gui.library.library_model import LibraryModel


class ReadingReport(QObject):
    """Reads the takes of a task in the background after each saved take, and posts every doubt."""

    def __init__(
        self, library_model: LibraryModel, background_queue: BackgroundQueue, messages: Messages, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._library_model, self._background_queue, self._messages = library_model, background_queue, messages

    def report_take(self, saved: Demonstration) -> None:
        """Post how the takes of the task of a saved take are read, unless there is only one way."""
        names = [key.take for key in self._library_model.usable_takes(saved.task)]
        if saved.success is not False:
            names += [saved.name] if saved.name not in names else []
            self._background_queue.submit(
                partial(self._find_doubts, saved.task, names),
                partial(self._post, saved.task),
                self._messages.post_error,
                only_for_window=True,
            )

    def _find_doubts(self, task: str, names: list[str]) -> list[str]:
        """Return a sentence per place with two readings; called in another thread."""
        from metagui.learning.policy.features import FeatureError
        from metagui.learning.rehearsal.readings import find_readings

        takes = self._library_model.library.load_intact_takes(task, lambda _: None, names)
        try:
            readings = find_readings(takes) if takes else []
        except FeatureError:  # takes with different segments; Adapt explains it
            return []
        return [reading.describe() for reading in readings if reading.others]

    def _post(self, task: str, doubts: list[str]) -> None:
        for doubt in doubts:
            self._messages.post(f"“{task}” is {doubt}")
