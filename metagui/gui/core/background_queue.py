"""Queue of short background tasks, such as reading and writing takes, that must not block the window."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject

from metagui.gui.core.generator_job import GeneratorJob, JobFunction

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


@dataclass(frozen=True)
class BackgroundTask:
    """A function to call in another thread, and the handlers of its result and its error in the GUI thread."""

    function: Callable[[], Any]
    on_success: Callable[[Any], None] | None = None
    on_failure: Callable[[Exception], None] | None = None
    only_for_window: bool = False
    """True if nothing but the window needs the result, so that closing drops a task that has not started."""


class BackgroundQueue(QObject):
    """Runs background tasks one at a time, in order."""

    def __init__(self, on_unhandled: Callable[[Exception], None]) -> None:
        """Create an empty queue; ``on_unhandled`` receives errors of tasks without a handler of their own."""
        super().__init__()
        self._on_unhandled = on_unhandled
        self._pending: deque[BackgroundTask] = deque()
        self._task: BackgroundTask | None = None
        self._job: GeneratorJob | None = None
        self._previous_job: GeneratorJob | None = None
        """The job before the present one: it must not be freed while one of its own signals is being delivered."""
        self._closed = False

    def submit(
        self,
        function: Callable[[], Any],
        on_success: Callable[[Any], None] | None = None,
        on_failure: Callable[[Exception], None] | None = None,
        *,
        only_for_window: bool = False,
    ) -> None:
        """Queue a function; its handlers are called in the GUI thread. A closed queue ignores it.

        ``only_for_window`` is for reading and computing: the window closes without waiting for what has not started.
        """
        if not self._closed:
            self._pending.append(BackgroundTask(function, on_success, on_failure, only_for_window))
            self._start_next()

    @property
    def is_busy(self) -> bool:
        """True if a task waits or runs."""
        return not self._closed and (self._task is not None or bool(self._pending))

    def close(self) -> None:
        """Finish the queued tasks without calling their handlers, except those only for the window; accept no more.

        Raises the first error of a task that had not started, after all others have run.
        """
        self._closed = True
        if self._job is not None:
            self._job.wait()
        first_error: Exception | None = None
        while self._pending:
            task = self._pending.popleft()
            if task.only_for_window:
                continue
            try:
                task.function()
            except Exception as error:  # noqa: BLE001 - the tasks behind it must run, too; it is raised below
                first_error = first_error or error
        if first_error is not None:
            raise first_error

    def _start_next(self) -> None:
        if self._task is None and self._pending:
            self._task = self._pending.popleft()
            self._job = GeneratorJob(_as_generator(self._task.function))
            self._job.succeeded.connect(self._on_success)
            self._job.failed.connect(self._on_failure)
            self._job.finished.connect(self._on_finished)
            self._job.start()

    def _on_success(self, result: Any) -> None:
        if not self._closed and self._task is not None and self._task.on_success is not None:
            self._task.on_success(result)

    def _on_failure(self, error: Exception) -> None:
        if not self._closed and self._task is not None:
            (self._task.on_failure or self._on_unhandled)(error)

    def _on_finished(self) -> None:
        if self._closed or self._job is None:
            return
        self._job.wait()
        self._previous_job, self._job, self._task = self._job, None, None
        self._start_next()


def _as_generator(function: Callable[[], Any]) -> JobFunction:
    """Return a generator function that calls ``function`` and returns its result."""

    def work(_should_stop: Callable[[], bool]) -> Generator[Any, None, Any]:
        yield from ()
        return function()

    return work
