"""The window's end of the learner: one job at a time, its progress, its estimate, its Stop and Cancel."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from metagui.gui.core.app_state import Learning, step_learning
from metagui.gui.core.generator_job import Job, Work

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Assignment:
    """One job and who is told: about its batches, its result, and that it came to nothing."""

    kind: Learning
    work: Work
    progressed: Callable[[list[Any]], None]
    succeeded: Callable[[Any], None]
    failed: Callable[[Exception], None]
    cancelled: Callable[[], None]
    share: Callable[[list[Any]], float]
    """How much is done after a batch, from 0 to 1."""


class Learner(QObject):
    """Runs assignments one at a time."""

    state_changed = Signal()
    progress = Signal(object, str)
    """Share done or None, and the estimate in words."""

    def __init__(self) -> None:
        super().__init__()
        self.state = Learning.IDLE
        self._job: Job | None = None
        self._last: Job | None = None
        """The job before: it is not freed while one of its own signals is being delivered."""
        self._closed = False
        self._assignment: Assignment | None = None
        self._began = 0.0

    def start(self, assignment: Assignment) -> bool:
        """Begin; return False if another job is still running."""
        if self._job is not None or self._closed:
            return False
        self._assignment = assignment
        self._began = time.monotonic()
        self._job = job = Job(assignment.work)
        job.progressed.connect(self._on_progress)
        job.succeeded.connect(self._on_success)
        job.failed.connect(self._on_failure)
        job.cancelled.connect(self._on_cancel)
        self._become(assignment.kind)
        self.progress.emit(0.0, "")
        job.start()
        return True

    def stop(self) -> None:
        """Ask the job to end now and keep what it has."""
        if self._job is not None:
            self._job.stop()

    def cancel(self) -> None:
        """Drop the job."""
        if self._job is not None:
            self._job.cancel()

    def close(self) -> None:
        """Drop the job, wait for its thread, and take no more; for the end of the program."""
        self._closed = True
        if self._job is not None:
            self._job.cancel()
            self._job.wait()

    def _become(self, state: Learning) -> None:
        self.state = step_learning(self.state, state)
        self.state_changed.emit()

    def _on_progress(self, batch: list[Any]) -> None:
        if self._assignment is not None and batch and not self._closed:
            share = self._assignment.share(batch)
            self.progress.emit(share, self._estimate(share))
            self._assignment.progressed(batch)

    def _estimate(self, share: float) -> str:
        """Say how long it may still take."""
        if share <= 0.02:
            return ""
        left = (time.monotonic() - self._began) * (1.0 - share) / share
        return "a moment" if left < 1.5 else f"about {left:.0f} s" if left < 90 else f"about {left / 60:.0f} min"

    def _on_success(self, result: Any) -> None:
        assignment = self._end()
        if assignment is not None:
            assignment.succeeded(result)

    def _on_failure(self, error: Exception) -> None:
        assignment = self._end()
        if assignment is not None:
            assignment.failed(error)

    def _on_cancel(self) -> None:
        assignment = self._end()
        if assignment is not None:
            assignment.cancelled()

    def _end(self) -> Assignment | None:
        """Wait for the thread, which has nothing left to do, and become idle."""
        if self._closed:
            return None
        assignment, self._assignment = self._assignment, None
        if self._job is not None:
            self._job.wait()
            self._last, self._job = self._job, None
        self.progress.emit(None, "")
        self._become(Learning.IDLE)
        return assignment
