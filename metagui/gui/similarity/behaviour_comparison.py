"""The other lens of similarity, from the window's side: which tasks act alike, worked out when somebody looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, Signal

from metagui.demonstrations.recording.segmentation import reconciled
from metagui.gui.core.app_state import Learning
from metagui.gui.core.learning_queue import Assignment
from metagui.gui.similarity.comparison import Acts, TakeKey

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from metagui.gui.library.library_model import Shelf
    from metagui.gui.window.studies import Studies


class Acting(QObject):
    """Compares what the policies of all tasks do, again only where takes have changed."""

    compared = Signal()
    """``acts`` is another one."""
    missing = Signal(str)
    """Why they cannot be compared now, in words."""

    def __init__(self, studies: Studies, shelf: Shelf) -> None:
        super().__init__()
        self.acts = Acts((), np.zeros((0, 0)))
        self._studies, self._shelf = studies, shelf
        self._of: tuple[TakeKey, ...] = ()
        """The takes that ``acts`` is about."""

    def compare(self) -> None:
        """Work ``acts`` out, unless it is up to date: ``compared`` or ``missing`` follows."""
        keys = tuple(key for row in self._shelf.tasks for key in self._shelf.usable(row.name))
        prior, learner = self._studies.prior, self._studies.learner
        if keys == self._of and len(self.acts):
            self.compared.emit()
        elif prior is None or len({key.task for key in keys}) < 2:
            self.missing.emit("Comparing what policies do needs a prior and two tasks with takes.")
        elif learner.state is not Learning.IDLE:
            self.missing.emit("The learner is busy; what policies do is compared as soon as it is free.")
        else:
            self._start(prior, keys)

    def _start(self, prior: Any, keys: tuple[TakeKey, ...]) -> None:
        library = self._shelf.library

        def work(should_stop: Callable[[], bool]) -> Generator[Any, None, Acts]:
            from metagui.learning.adaptation.behaviour_distance import acts_matrix

            takes: dict[str, list[Any]] = {}
            for key in keys:
                takes.setdefault(key.task, []).append(library.load(*key))
            return Acts(*(yield from acts_matrix(prior, {name: reconciled(each) for name, each in takes.items()})))

        def done(acts: Acts) -> None:
            self.acts, self._of = acts, keys
            self.compared.emit()

        def share(batch: list[Any]) -> float:
            return float(batch[-1].step / max(batch[-1].steps, 1))

        def nothing(*_: object) -> None:
            self.missing.emit("What the policies do was not compared. Choose Acts again to start over.")

        self._studies.learner.start(
            Assignment(Learning.COMPARING, work, _nothing_yet, done, self._studies.failed.emit, nothing, share)
        )


def _nothing_yet(_batch: list[Any]) -> None:
    """Take note of nothing: only the whole matrix says anything."""
