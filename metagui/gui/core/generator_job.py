"""A Job runs any generator in a thread of its own and brings what it yields to the window in batches.

One signal a batch, because fifty thousand single signals stall a window. Every exception becomes one ``failed``
signal; nothing is swallowed, and the generator is always closed in the thread that ran it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from typing import Any

from PySide6.QtCore import QObject, QThread, Signal

JobFunction = Callable[[Callable[[], bool]], Generator[Any, None, Any]]
"""Makes the generator; it is given ``should_stop``, to finish early with what there is."""

BATCH_PERIOD_S = 1 / 30
"""How often a batch crosses to the window, s."""


class GeneratorJob(QThread):
    """One run of one generator. Keep it until ``finished``, which comes after exactly one of the other ends."""

    progressed = Signal(list)
    """What was yielded since the last batch."""
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
        """Ask the work to finish now and keep what it has."""
        self._stop_event.set()

    def cancel(self) -> None:
        """Drop the work: the generator is closed at its next item."""
        self._cancel_event.set()
        self._stop_event.set()

    def run(self) -> None:
        """Drive the generator; called by Qt in the new thread."""
        try:
            self._finish(*self._drive(self._work(self._stop_event.is_set)))
        except Exception as error:  # noqa: BLE001 - the job's border: whatever it is has to reach the screen
            self._flush()
            self.failed.emit(error)

    def _drive(self, generator: Generator[Any, None, Any]) -> tuple[bool, Any]:
        """Return whether the generator came to its end, and its return value."""
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
