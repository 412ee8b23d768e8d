"""The learning thread as the window uses it: one job at a time, with progress, remaining time, Stop and Cancel."""

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
    """One learning job and the handlers of its progress and its outcome, called in the GUI thread."""

    kind: LearningActivity
    work: JobFunction
    on_progress: Callable[[list[Any]], None]
    on_success: Callable[[Any], None]
    on_failure: Callable[[Exception], None]
    on_cancel: Callable[[], None]
    fraction_done: Callable[[list[Any]], float]
    """Returns the fraction done after a batch, from 0 to 1."""


class LearningQueue(QObject):
    """Runs learning jobs, one at a time."""

    state_changed = Signal()
    progressed = Signal(object, str)
    """Fraction done or None, and the remaining time as text."""
    job_cancelled = Signal(object)
    """LearningActivity of a job that was cancelled."""

    def __init__(self) -> None:
        super().__init__()
        self.state = LearningActivity.IDLE
        self._job: GeneratorJob | None = None
        self._previous_job: GeneratorJob | None = None
        """The job before the present one: it must not be freed while one of its own signals is being delivered."""
        self._closed = False
        self._current: LearningJob | None = None
        self._started_at = 0.0

    def start(self, learning_job: LearningJob) -> bool:
        """Start a job; return False if another one is still running."""
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
        """Finish the job early and keep its result."""
        if self._job is not None:
            self._job.stop()

    def cancel(self) -> None:
        """Abandon the job."""
        if self._job is not None:
            self._job.cancel()

    def close(self) -> None:
        """Abandon the job, wait for its thread, and accept no more."""
        self._closed = True
        if self._job is not None:
            self._job.cancel()
            self._job.wait()

    def _set_state(self, state: LearningActivity) -> None:
        self.state = transition_learning(self.state, state)
        self.state_changed.emit()

    def _on_progress(self, batch: list[Any]) -> None:
        if self._current is not None and batch and not self._closed:
            fraction = self._current.fraction_done(batch)
            self.progressed.emit(fraction, self._estimate_remaining(fraction))
            self._current.on_progress(batch)

    def _estimate_remaining(self, fraction: float) -> str:
        """Return the remaining time as text; empty until there is an estimate."""
        if fraction <= 0.02:
            return ""
        left = (time.monotonic() - self._started_at) * (1.0 - fraction) / fraction
        return "a moment" if left < 1.5 else f"about {left:.0f} s" if left < 90 else f"about {left / 60:.0f} min"

    def _on_success(self, result: Any) -> None:
        job = self._end()
        if job is not None:
            job.on_success(result)

    def _on_failure(self, error: Exception) -> None:
        job = self._end()
        if job is not None:
            job.on_failure(error)

    def _on_cancel(self) -> None:
        job = self._end()
        if job is not None:
            job.on_cancel()
            self.job_cancelled.emit(job.kind)

    def _end(self) -> LearningJob | None:
        """Wait for the thread, which has finished its work, become idle, and return the job that ended."""
        if self._closed:
            return None
        ended, self._current = self._current, None
        if self._job is not None:
            self._job.wait()
            self._previous_job, self._job = self._job, None
        self.progressed.emit(None, "")
        self._set_state(LearningActivity.IDLE)
        return ended
