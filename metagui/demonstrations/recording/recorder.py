"""The recorder never loses a take: every tick goes to memory, and to a journal that a crash cannot spoil.

It is a sink of the control loop. ``start`` and ``stop`` may be called from another thread; after ``stop`` the take
is a Demonstration, and its journal stays until ``forget`` says that the library has it.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metagui.demonstrations.recording import journal
from metagui.demonstrations.recording.take_builder import MemoryRecorder, RecordingError, TakeBuilder, TakeHeader, build

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from metagui.arms.arm import Arm, Scene
    from metagui.arms.control.tick import Tick
    from metagui.demonstrations.demonstration import Demonstration, Leading

__all__ = [
    "MemoryRecorder",
    "Recorder",
    "RecordingError",
    "Recoverable",
    "TakeHeader",
    "discard",
    "recover",
    "recoverable",
]


class Recorder:
    """Records one take after the other, with a journal in ``library``.

    ``on_failure`` is called in the control thread with words when a take has to end early: the disk is full, the
    stick was pulled out. What was recorded up to then is kept, in memory and as far as possible on disk.
    """

    def __init__(self, library: Path, on_failure: Callable[[str], None] | None = None) -> None:
        self.library = library
        self.failure: str | None = None
        """Why the take ended early, in words."""
        self._on_failure = on_failure
        self._lock = threading.Lock()
        self._builder: TakeBuilder | None = None
        self._journal: journal.Journal | None = None
        self._path: Path | None = None
        self._clicks_kept = 0

    @property
    def recording(self) -> bool:
        """Whether ticks are being kept."""
        return self._builder is not None and self.failure is None

    @property
    def samples(self) -> int:
        """How many samples the take has so far."""
        builder = self._builder
        return 0 if builder is None else len(builder)

    def start(self, task: str, arm: Arm, scene: Scene, led_by: Leading = "clicks") -> None:
        """Begin a take. Call it before adding ``on_tick`` to a loop, or between ticks. Raises RecordingError."""
        header = TakeHeader.of(task, arm, scene, led_by=led_by)
        with self._lock:
            if self._builder is not None:
                raise RecordingError("A take is being recorded already; stop it before starting the next.")
            self._journal = journal.Journal(self.library, header)
            self._path = self._journal.path
            self._clicks_kept = 0
            self.failure = None
            self._builder = TakeBuilder(header)

    def on_tick(self, tick: Tick) -> None:
        """Keep one tick; called in the control thread."""
        with self._lock:
            builder = self._builder
            if builder is None or self.failure is not None:
                return
            try:
                if builder.append(tick):
                    self._keep(builder)
            except (OSError, ValueError, TypeError) as error:
                self._fail(error, len(builder))

    def stop(self) -> Demonstration:
        """End the take and return it. Raises RecordingError if nothing was recorded."""
        with self._lock:
            builder = self._end()
            try:
                return builder.build()
            except RecordingError:
                self._remove_journal()
                raise

    def abort(self) -> None:
        """End the take and throw it away; does nothing if there is none."""
        with self._lock:
            if self._builder is not None:
                self._end()
            self._remove_journal()

    def forget(self) -> None:
        """Remove the journal of the last take: it is safe in the library now, or not wanted."""
        with self._lock:
            if self._builder is None:
                self._remove_journal()

    def _keep(self, builder: TakeBuilder) -> None:
        """Write the newest sample, and the click that began with it. Raises OSError."""
        assert self._journal is not None
        self._journal.append(builder.rows(len(builder) - 1), builder.clicks[self._clicks_kept :])
        self._clicks_kept = len(builder.clicks)

    def _fail(self, error: Exception, samples: int) -> None:
        """End the take, and say why."""
        self.failure = (
            f"Recording stopped: {error} (writing to {self.library}). The {samples} samples up to here are safe in "
            "memory; make room or choose another folder, then save."
        )
        if self._on_failure is not None:
            self._on_failure(self.failure)

    def _end(self) -> TakeBuilder:
        builder, file = self._builder, self._journal
        if builder is None or file is None:
            raise RecordingError("No take is being recorded; press Record first.")
        file.close()
        self._builder = self._journal = None
        return builder

    def _remove_journal(self) -> None:
        if self._path is not None:
            discard(self._path)
            self._path = None


@dataclass(frozen=True)
class Recoverable:
    """A take that a crash left behind."""

    path: Path
    task: str
    samples: int
    duration: float
    """s."""
    error: str = ""
    """Why it cannot be read, in words; empty if it can."""


def recoverable(library: Path) -> list[Recoverable]:
    """Return the takes that were being recorded when a process died, oldest first; empty ones are cleared away."""
    found = []
    for path in sorted((library / journal.FOLDER).glob(f"*{journal.SUFFIX}")):
        if journal.is_being_written(path):
            continue
        try:
            header, rows, _ = journal.read(path)
        except RecordingError as error:
            found.append(Recoverable(path, "", 0, 0.0, str(error)))
            continue
        if len(rows):
            duration = float(rows["time"][-1] - rows["time"][0])
            found.append(Recoverable(path, header.task, len(rows), duration))
        else:
            discard(path)
    return found


def recover(path: Path) -> Demonstration:
    """Read a take back; add it to the library, then ``discard`` the path. Raises RecordingError."""
    return build(*journal.read(path))


def discard(path: Path) -> None:
    """Delete what a crash left behind; where that fails it is offered again."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
