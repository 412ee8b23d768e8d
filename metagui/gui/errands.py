"""Short work that must not hold up the window, such as reading and writing takes: one at a time, in order."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from metagui.gui.jobs import Job, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


@dataclass(frozen=True)
class Errand:
    """A function to call in another thread, and what to do here with its result or its error."""

    function: Callable[[], Any]
    then: Callable[[Any], None] | None = None
    failed: Callable[[Exception], None] | None = None


class Errands(QObject):
    """A queue of errands and the thread that runs the first of them."""

    failed = Signal(object)
    """An exception that no errand took care of."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: deque[Errand] = deque()
        self._current: Errand | None = None
        self._job: Job | None = None

    def run(
        self,
        function: Callable[[], Any],
        then: Callable[[Any], None] | None = None,
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        """Queue an errand; ``then`` and ``failed`` are called in the window's thread."""
        self._waiting.append(Errand(function, then, failed))
        self._next()

    @property
    def busy(self) -> bool:
        """Whether anything waits or runs."""
        return self._job is not None or bool(self._waiting)

    def wait(self) -> None:
        """Finish everything that was queued, without bringing results back; for the end of the program."""
        if self._job is not None:
            self._job.wait()
            self._job = None
        for errand in self._waiting:
            errand.function()
        self._waiting.clear()

    def _next(self) -> None:
        if self._job is not None or not self._waiting:
            return
        self._current = self._waiting.popleft()
        self._job = Job(_once(self._current.function), self)
        self._job.succeeded.connect(self._on_success)
        self._job.failed.connect(self._on_failure)
        self._job.finished.connect(self._on_end)
        self._job.start()

    def _on_success(self, result: Any) -> None:
        if self._current is not None and self._current.then is not None:
            self._current.then(result)

    def _on_failure(self, error: Exception) -> None:
        if self._current is not None and self._current.failed is not None:
            self._current.failed(error)
        else:
            self.failed.emit(error)

    def _on_end(self) -> None:
        if self._job is not None:
            self._job.wait()
            self._job.deleteLater()
            self._job = None
        self._next()


def _once(function: Callable[[], Any]) -> Work:
    """Make a generator of a function."""

    def work(_should_stop: Callable[[], bool]) -> Generator[Any, None, Any]:
        yield from ()
        return function()

    return work
