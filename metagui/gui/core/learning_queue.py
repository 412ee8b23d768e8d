"""The window's end of the learner: one job at a time, its progress, its estimate, its Stop and Cancel."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from metagui.gui.core.app_state import LearningActivity, transition_learning
from metagui.gui.core.generator_job import GeneratorJob, JobFunction

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class LearningJob:
    """One job and who is told: about its batches, its result, and that it came to nothing."""

    kind: LearningActivity
    work: JobFunction
    on_progress: Callable[[list[Any]], None]
    on_success: Callable[[Any], None]
    on_failure: Callable[[Exception], None]
    on_cancel: Callable[[], None]
    fraction_done: Callable[[list[Any]], float]
    """How much is done after a batch, from 0 to 1."""


class LearningQueue(QObject):
    """Runs assignments one at a time."""

    state_changed = Signal()
    progressed = Signal(object, str)
    """Share done or None, and the estimate in words."""

    def __init__(self) -> None:
        super().__init__()
        self.state = LearningActivity.IDLE
        self._job: GeneratorJob | None = None
        self._previous_job: GeneratorJob | None = None
        """The job before: it is not freed while one of its own signals is being delivered."""
        self._closed = False
        self._current: LearningJob | None = None
        self._started_at = 0.0

    def start(self, learning_job: LearningJob) -> bool:
        """Begin; return False if another job is still running."""
        if self._job is not None or self._closed:
            return False
        self._current = learning_job
        self._started_at = time.monotonic()
        self._job = job = GeneratorJob(learning_job.work)
        job.progressed.connect(self._on_progress)
        job.succeeded.connect(self._on_success)
        job.failed.connect(self._on_failure)
        job.cancelled.connect(self._on_cancel)
        self._set_state(learning_job.kind)
        self.progressed.emit(0.0, "")
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

    def _set_state(self, state: LearningActivity) -> None:
        self.state = transition_learning(self.state, state)
        self.state_changed.emit()

    def _on_progress(self, batch: list[Any]) -> None:
        if self._current is not None and batch and not self._closed:
            share = self._current.fraction_done(batch)
            self.progressed.emit(share, self._estimate_remaining(share))
            self._current.on_progress(batch)

    def _estimate_remaining(self, fraction: float) -> str:
        """Say how long it may still take."""
        if fraction <= 0.02:
            return ""
        left = (time.monotonic() - self._started_at) * (1.0 - fraction) / fraction
        return "a moment" if left < 1.5 else f"about {left:.0f} s" if left < 90 else f"about {left / 60:.0f} min"

    def _on_success(self, result: Any) -> None:
        assignment = self._end()
        if assignment is not None:
            assignment.on_success(result)

    def _on_failure(self, error: Exception) -> None:
        assignment = self._end()
        if assignment is not None:
            assignment.on_failure(error)

    def _on_cancel(self) -> None:
        assignment = self._end()
        if assignment is not None:
            assignment.on_cancel()

    def _end(self) -> LearningJob | None:
        """Wait for the thread, which has nothing left to do, and become idle."""
        if self._closed:
            return None
        assignment, self._current = self._current, None
        if self._job is not None:
            self._job.wait()
            self._previous_job, self._job = self._job, None
        self.progressed.emit(None, "")
        self._set_state(LearningActivity.IDLE)
        return assignment
