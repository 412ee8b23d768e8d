"""Recorder of takes, a sink of the control loop: every tick goes to memory and to a journal that survives a crash.

``start`` and ``stop`` may be called from another thread. ``stop`` returns the take; its journal stays on disk until
``clear_journal`` is called, when the library has stored the take.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from metagui.demonstrations.recording import journal
from metagui.demonstrations.recording.journal_reader import read_journal
from metagui.demonstrations.recording.take_builder import RecordingError, TakeBuilder, TakeHeader, build_take

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from metagui.arms.arm import Arm, Scene
    from metagui.arms.control.tick import Tick
    from metagui.demonstrations.demonstration import Demonstration, TeachingMethod

CUT_OFF_NOTE = "Cut off: the recording failed before the task was done."
"""Notes of a take that a failure ended."""
EMPTY_JOURNAL_AGE_S = 24 * 3600
"""Age at which journals without samples are deleted, s."""


class Recorder:
    """Records one take after another, with a journal in the folder ``library``.

    ``on_failure`` is called in the control thread with a message if a take has to end early, because the disk is full
    or was removed. The samples up to then are kept, in memory and as far as possible on disk.
    """

    def __init__(self, library: Path, on_failure: Callable[[str], None] | None = None) -> None:
        self.library = library
        self.failure_reason: str | None = None
        """Why the take ended early; None if it did not."""
        self._on_failure = on_failure
        self._lock = threading.Lock()
        self._builder: TakeBuilder | None = None
        self._journal: journal.Journal | None = None
        self._path: Path | None = None
        self._written_instructions = 0

    @property
    def journal_path(self) -> Path | None:
        """Journal of the current or last take; None if it is not needed any more."""
        return self._path

    @property
    def is_recording(self) -> bool:
        """Whether ticks are recorded."""
        return self._builder is not None and self.failure_reason is None

    @property
    def sample_count(self) -> int:
        """Number of samples of the take so far."""
        builder = self._builder
        return 0 if builder is None else len(builder)

    def start(self, task: str, arm: Arm, scene: Scene, teaching_method: TeachingMethod = "clicks") -> None:
        """Start a take; call it before adding ``on_tick`` to a loop, or between ticks. Raises RecordingError."""
        header = TakeHeader.from_arm(task, arm, scene, teaching_method=teaching_method)
        with self._lock:
            if self._builder is not None:
                raise RecordingError("A take is being recorded already and goes on. Stop it before starting the next.")
            self._journal = journal.Journal(self.library, header)
            self._path = self._journal.path
            self._written_instructions = 0
            self.failure_reason = None
            self._builder = TakeBuilder(header)

    def on_tick(self, tick: Tick) -> None:
        """Record one tick; called in the control thread."""
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
        """End the take and return it; one that a failure ended is marked as failed.

        Raises RecordingError if it has no samples.
        """
        with self._lock:
            builder = self._end()
            try:
                take = builder.build()
            except RecordingError:
                self._delete_journal()
                raise
            return take if self.failure_reason is None else replace(take, success=False, notes=CUT_OFF_NOTE)

    def abort(self) -> None:
        """End the take and discard it; do nothing if there is none."""
        with self._lock:
            if self._builder is not None:
                self._end()
            self._delete_journal()

    def clear_journal(self) -> None:
        """Delete the journal of the last take, when the library has stored the take or it is discarded."""
        with self._lock:
            if self._builder is None:
                self._delete_journal()

    def _write_latest(self, builder: TakeBuilder) -> None:
        """Write the latest sample, and the instruction that started with it. Raises OSError."""
        assert self._journal is not None
        self._journal.append(builder.rows(len(builder) - 1), builder.instructions[self._written_instructions :])
        self._written_instructions = len(builder.instructions)

    def _end_with_failure(self, error: Exception, samples: int) -> None:
        """End the take and report the reason."""
        reason = (isinstance(error, OSError) and error.strerror) or "a sample does not fit the take"
        self.failure_reason = (
            f"Recording stopped: {reason} (writing to {self.library}). The {samples} samples up to here are safe in "
            "memory; make room or choose another folder, then save."
        )
        if self._on_failure is not None:
            self._on_failure(self.failure_reason)

    def _end(self) -> TakeBuilder:
        builder, file = self._builder, self._journal
        if builder is None or file is None:
            raise RecordingError("No take is being recorded, so there is none to end. Press Record first.")
        file.close()
        self._builder = self._journal = None
        return builder

    def _delete_journal(self) -> None:
        if self._path is not None:
            delete_journal(self._path)
            self._path = None


@dataclass(frozen=True)
class RecoverableTake:
    """Take of which only the journal exists, because the process crashed."""

    path: Path
    task: str
    sample_count: int
    duration: float
    """s."""
    error: str = ""
    """Why the journal cannot be read; empty if it can."""


def find_recoverable_takes(library: Path) -> list[RecoverableTake]:
    """Return the takes that were recorded when a process crashed, oldest first.

    Journals without samples are not returned, and are deleted when they are older than a day.
    """
    found = []
    for path in sorted((library / journal.JOURNAL_FOLDER).glob(f"*{journal.JOURNAL_SUFFIX}")):
        if not journal.is_journal(path) or journal.is_locked_by_writer(path):
            continue
        try:
            header, columns, _ = read_journal(path)
        except journal.EmptyJournalError:
            _delete_if_old(path)
        except RecordingError as error:
            found.append(RecoverableTake(path, "", 0, 0.0, str(error)))
        else:
            if len(columns):
                time_s = columns.finish()["time"]
                found.append(RecoverableTake(path, header.task, len(columns), float(time_s[-1] - time_s[0])))
            else:
                _delete_if_old(path)
    return found


def recover_take(path: Path) -> Demonstration:
    """Read a take from its journal, to store it and call ``delete_journal`` then. Raises RecordingError."""
    return build_take(*read_journal(path))


def delete_journal(path: Path) -> None:
    """Delete a journal; one that cannot be deleted is found again."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _delete_if_old(path: Path) -> None:
    """Delete a journal without samples, unless a process may be about to write to it."""
    with contextlib.suppress(OSError):
        if time.time() - path.stat().st_mtime > EMPTY_JOURNAL_AGE_S:
            delete_journal(path)
