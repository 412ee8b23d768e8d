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
from metagui.demonstrations.recording.take_builder import (
    InMemoryRecorder,
    RecordingError,
    TakeBuilder,
    TakeHeader,
    build_take,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from metagui.arms.arm import Arm, Scene
    from metagui.arms.control.tick import Tick
    from metagui.demonstrations.demonstration import Demonstration, TeachingMethod

__all__ = [
    "InMemoryRecorder",
    "Recorder",
    "RecordingError",
    "RecoverableTake",
    "TakeHeader",
    "delete_journal",
    "find_recoverable_takes",
    "recover_take",
]


class Recorder:
    """Records one take after the other, with a journal in ``library``.

    ``on_failure`` is called in the control thread with words when a take has to end early: the disk is full, the
    stick was pulled out. What was recorded up to then is kept, in memory and as far as possible on disk.
    """

    def __init__(self, library: Path, on_failure: Callable[[str], None] | None = None) -> None:
        self.library = library
        self.failure_reason: str | None = None
        """Why the take ended early, in words."""
        self._on_failure = on_failure
        self._lock = threading.Lock()
        self._builder: TakeBuilder | None = None
        self._journal: journal.Journal | None = None
        self._path: Path | None = None
        self._written_instructions = 0

    @property
    def is_recording(self) -> bool:
        """Whether ticks are being kept."""
        return self._builder is not None and self.failure_reason is None

    @property
    def sample_count(self) -> int:
        """How many samples the take has so far."""
        builder = self._builder
        return 0 if builder is None else len(builder)

    def start(self, task: str, arm: Arm, scene: Scene, teaching_method: TeachingMethod = "clicks") -> None:
        """Begin a take. Call it before adding ``on_tick`` to a loop, or between ticks. Raises RecordingError."""
        header = TakeHeader.from_arm(task, arm, scene, teaching_method=teaching_method)
        with self._lock:
            if self._builder is not None:
                raise RecordingError("A take is being recorded already; stop it before starting the next.")
            self._journal = journal.Journal(self.library, header)
            self._path = self._journal.path
            self._written_instructions = 0
            self.failure_reason = None
            self._builder = TakeBuilder(header)

    def on_tick(self, tick: Tick) -> None:
        """Keep one tick; called in the control thread."""
        with self._lock:
            builder = self._builder
            if builder is None or self.failure_reason is not None:
                return
            try:
                if builder.append(tick):
                    self._write_latest(builder)
            except (OSError, ValueError, TypeError) as error:
                self._end_with_failure(error, len(builder))

    def stop(self) -> Demonstration:
        """End the take and return it. Raises RecordingError if nothing was recorded."""
        with self._lock:
            builder = self._end()
            try:
                return builder.build()
            except RecordingError:
                self._delete_journal()
                raise

    def abort(self) -> None:
        """End the take and throw it away; does nothing if there is none."""
        with self._lock:
            if self._builder is not None:
                self._end()
            self._delete_journal()

    def clear_journal(self) -> None:
        """Remove the journal of the last take: it is safe in the library now, or not wanted."""
        with self._lock:
            if self._builder is None:
                self._delete_journal()

    def _write_latest(self, builder: TakeBuilder) -> None:
        """Write the newest sample, and the click that began with it. Raises OSError."""
        assert self._journal is not None
        self._journal.append(builder.rows(len(builder) - 1), builder.instructions[self._written_instructions :])
        self._written_instructions = len(builder.instructions)

    def _end_with_failure(self, error: Exception, samples: int) -> None:
        """End the take, and say why."""
        self.failure_reason = (
            f"Recording stopped: {error} (writing to {self.library}). The {samples} samples up to here are safe in "
            "memory; make room or choose another folder, then save."
        )
        if self._on_failure is not None:
            self._on_failure(self.failure_reason)

    def _end(self) -> TakeBuilder:
        builder, file = self._builder, self._journal
        if builder is None or file is None:
            raise RecordingError("No take is being recorded; press Record first.")
        file.close()
        self._builder = self._journal = None
        return builder

    def _delete_journal(self) -> None:
        if self._path is not None:
            delete_journal(self._path)
            self._path = None


@dataclass(frozen=True)
class RecoverableTake:
    """A take that a crash left behind."""

    path: Path
    task: str
    sample_count: int
    duration: float
    """s."""
    error: str = ""
    """Why it cannot be read, in words; empty if it can."""


def find_recoverable_takes(library: Path) -> list[RecoverableTake]:
    """Return the takes that were being recorded when a process died, oldest first; empty ones are cleared away."""
    found = []
    for path in sorted((library / journal.JOURNAL_FOLDER).glob(f"*{journal.JOURNAL_SUFFIX}")):
        if journal.is_locked_by_writer(path):
            continue
        try:
            header, rows, _ = journal.read_journal(path)
        except RecordingError as error:
            found.append(RecoverableTake(path, "", 0, 0.0, str(error)))
            continue
        if len(rows):
            duration = float(rows["time"][-1] - rows["time"][0])
            found.append(RecoverableTake(path, header.task, len(rows), duration))
        else:
            delete_journal(path)
    return found


def recover_take(path: Path) -> Demonstration:
    """Read a take back; add it to the library, then ``discard`` the path. Raises RecordingError."""
    return build_take(*journal.read_journal(path))


def delete_journal(path: Path) -> None:
    """Delete what a crash left behind; where that fails it is offered again."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
