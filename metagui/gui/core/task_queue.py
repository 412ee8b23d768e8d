"""Short work that must not hold up the window, such as reading and writing takes: one at a time, in order."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from metagui.gui.core.generator_job import Job, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


@dataclass(frozen=True)
class Errand:
    """A function to call in another thread, and what to do here with its result or its error."""

    function: Callable[[], Any]
    then: Callable[[Any], None] | None = None
    failed: Callable[[Exception], None] | None = None


class Trip(QObject):
    """One errand under way in its thread; it alone receives what its job says."""

    over = Signal()
    failed = Signal(object)

    def __init__(self, errand: Errand) -> None:
        super().__init__()
        self._errand = errand
        self._dropped = False
        self._job = Job(_once(errand.function))
        self._job.succeeded.connect(self._on_success)
        self._job.failed.connect(self._on_failure)
        self._job.finished.connect(self._on_end)

    def start(self) -> None:
        """Set out."""
        self._job.start()

    def drop(self) -> None:
        """Finish the work, but bring nothing back."""
        self._dropped = True
        self._job.wait()

    def _on_success(self, result: Any) -> None:
        if self._errand.then is not None and not self._dropped:
            self._errand.then(result)

    def _on_failure(self, error: Exception) -> None:
        if self._dropped:
            return
        if self._errand.failed is not None:
            self._errand.failed(error)
        else:
            self.failed.emit(error)

    def _on_end(self) -> None:
        self._job.wait()
        self.over.emit()


class Errands(QObject):
    """A queue of errands; the first of them is under way."""

    failed = Signal(object)
    """An exception that no errand took care of."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: deque[Errand] = deque()
        self._trip: Trip | None = None
        self._last: Trip | None = None
        """The trip before: it is not freed while one of its own signals is being delivered."""
        self._closed = False

    def run(
        self,
        function: Callable[[], Any],
        then: Callable[[Any], None] | None = None,
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        """Queue an errand; ``then`` and ``failed`` are called in the window's thread."""
        if not self._closed:
            self._waiting.append(Errand(function, then, failed))
            self._next()

    @property
    def busy(self) -> bool:
        """Whether anything waits or runs."""
        return not self._closed and (self._trip is not None or bool(self._waiting))

    def close(self) -> None:
        """Finish everything that was queued, bring no results back, and take nothing more."""
        self._closed = True
        if self._trip is not None:
            self._trip.drop()
        while self._waiting:
            self._waiting.popleft().function()

    def _next(self) -> None:
        if self._trip is None and self._waiting:
            self._trip = Trip(self._waiting.popleft())
            self._trip.over.connect(self._on_over)
            self._trip.failed.connect(self.failed)
            self._trip.start()

    def _on_over(self) -> None:
        if not self._closed:
            self._last, self._trip = self._trip, None
            self._next()


def _once(function: Callable[[], Any]) -> Work:
    """Make a generator of a function."""

    def work(_should_stop: Callable[[], bool]) -> Generator[Any, None, Any]:
        yield from ()
        return function()

    return work
