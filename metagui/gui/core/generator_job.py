"""Thread that runs a generator and passes its items to the window in batches; base of all background work.

There is one signal per batch, because fifty thousand single signals stall a window. Every exception becomes one
``failed`` signal, and the generator is always closed in the thread that ran it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from typing import Any

from PySide6.QtCore import QObject, QThread, Signal

JobFunction = Callable[[Callable[[], bool]], Generator[Any, None, Any]]
"""Makes the generator; its argument ``should_stop`` returns True once the job has to finish early."""

BATCH_PERIOD_S = 1 / 30
"""Shortest time between two batches, s."""


class GeneratorJob(QThread):
    """One run of one generator; hold a reference until ``finished``, which follows one of the three outcomes."""

    progressed = Signal(list)
    """List of the items yielded since the last batch."""
    succeeded = Signal(object)
    """The generator's return value."""
    failed = Signal(object)
    """The exception."""
    cancelled = Signal()

    def __init__(self, work: JobFunction, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._work = work
        self._stop_event = threading.Event()
        self._cancel_event = threading.Event()
        self._batch: list[Any] = []
        self._flushed_at = 0.0

    def stop(self) -> None:
        """Finish at the next check of ``should_stop``; the result is kept."""
        self._stop_event.set()

    def cancel(self) -> None:
        """Abandon the work: the generator is closed at its next item."""
        self._cancel_event.set()
        self._stop_event.set()

    def run(self) -> None:
        """Drive the generator; called by Qt in the new thread."""
        try:
            self._finish(*self._drive(self._work(self._stop_event.is_set)))
        except Exception as error:  # noqa: BLE001 - the end of the thread: every error has to reach the window
            self._flush()
            self.failed.emit(error)

    def _drive(self, generator: Generator[Any, None, Any]) -> tuple[bool, Any]:
        """Return whether the generator finished, and its return value."""
        try:
            while not self._cancel_event.is_set():
                self._collect(next(generator))
        except StopIteration as end:
            return not self._cancel_event.is_set(), end.value
        finally:
            generator.close()
        return False, None

    def _finish(self, complete: bool, result: Any) -> None:
        if complete:
            self._flush()
            self.succeeded.emit(result)
        else:
            self.cancelled.emit()

    def _collect(self, item: Any) -> None:
        self._batch.append(item)
        if time.monotonic() - self._flushed_at >= BATCH_PERIOD_S:
            self._flush()

    def _flush(self) -> None:
        if self._batch:
            self.progressed.emit(self._batch)
            self._batch = []
        self._flushed_at = time.monotonic()
