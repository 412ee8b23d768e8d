"""Short work that must not hold up the window, such as reading and writing takes: one at a time, in order."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from metagui.gui.core.generator_job import GeneratorJob, JobFunction

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


@dataclass(frozen=True)
class BackgroundTask:
    """A function to call in another thread, and what to do here with its result or its error."""

    function: Callable[[], Any]
    on_success: Callable[[Any], None] | None = None
    on_failure: Callable[[Exception], None] | None = None


class BackgroundTaskRun(QObject):
    """One errand under way in its thread; it alone receives what its job says."""

    finished = Signal()
    failed = Signal(object)

    def __init__(self, task: BackgroundTask) -> None:
        super().__init__()
        self._task = task
        self._discarded = False
        self._job = GeneratorJob(_as_generator(task.function))
        self._job.succeeded.connect(self._on_success)
        self._job.failed.connect(self._on_failure)
        self._job.finished.connect(self._on_end)

    def start(self) -> None:
        """Set out."""
        self._job.start()

    def discard(self) -> None:
        """Finish the work, but bring nothing back."""
        self._discarded = True
        self._job.wait()

    def _on_success(self, result: Any) -> None:
        if self._task.on_success is not None and not self._discarded:
            self._task.on_success(result)

    def _on_failure(self, error: Exception) -> None:
        if self._discarded:
            return
        if self._task.on_failure is not None:
            self._task.on_failure(error)
        else:
            self.failed.emit(error)

    def _on_end(self) -> None:
        self._job.wait()
        self.finished.emit()


class BackgroundQueue(QObject):
    """A queue of errands; the first of them is under way."""

    failed = Signal(object)
    """An exception that no errand took care of."""

    def __init__(self) -> None:
        super().__init__()
        self._pending: deque[BackgroundTask] = deque()
        self._running: BackgroundTaskRun | None = None
        self._previous_run: BackgroundTaskRun | None = None
        """The trip before: it is not freed while one of its own signals is being delivered."""
        self._closed = False

    def submit(
        self,
        function: Callable[[], Any],
        on_success: Callable[[Any], None] | None = None,
        on_failure: Callable[[Exception], None] | None = None,
    ) -> None:
        """Queue an errand; ``then`` and ``failed`` are called in the window's thread."""
        if not self._closed:
            self._pending.append(BackgroundTask(function, on_success, on_failure))
            self._start_next()

    @property
    def is_busy(self) -> bool:
        """Whether anything waits or runs."""
        return not self._closed and (self._running is not None or bool(self._pending))

    def close(self) -> None:
        """Finish everything that was queued, bring no results back, and take nothing more."""
        self._closed = True
        if self._running is not None:
            self._running.discard()
        while self._pending:
            self._pending.popleft().function()

    def _start_next(self) -> None:
        if self._running is None and self._pending:
            self._running = BackgroundTaskRun(self._pending.popleft())
            self._running.finished.connect(self._on_finished)
            self._running.failed.connect(self.failed)
            self._running.start()

    def _on_finished(self) -> None:
        if not self._closed:
            self._previous_run, self._running = self._running, None
            self._start_next()


def _as_generator(function: Callable[[], Any]) -> JobFunction:
    """Make a generator of a function."""

    def work(_should_stop: Callable[[], bool]) -> Generator[Any, None, Any]:
        yield from ()
        return function()

    return work
