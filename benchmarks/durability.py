"""Kills, disk failures and power cuts at random moments: ``python -m benchmarks.durability``.

Each kill and each disk failure happens to a process that records, saves, edits, moves and deletes takes. Afterwards:
every sample that was written is there, at most 100 ms of the take are missing, nothing is marked as achieved that is
not, every file can be read completely, and no finished change is lost. Power cuts are replayed, see
``benchmarks.power_cut``. The command ends with status 1 if anything is lost.

Ticks follow each other without waiting, with the times of a loop at 50 Hz, so that a run takes minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from benchmarks.power_cut import DiskRecorder, make_crash_state
from benchmarks.report import Figure, Report, add_json_option, print_report
from metagui.arms.arm import CONTROL_PERIOD_S
from metagui.arms.control.loop import ControlLoop
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.programs.program_controller import ProgramController
from metagui.demonstrations.recording import journal
from metagui.demonstrations.recording.recorder import Recorder, find_recoverable_takes, recover_take
from metagui.demonstrations.recording.take_builder import RecordingError
from metagui.demonstrations.storage.errors import LibraryError
from metagui.demonstrations.storage.library import Library

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_MISSING_S = 0.1
"""Maximum time between the last tick and the last sample that comes back, s."""
TASK, OTHER_TASK = "put", "put elsewhere"


class Loss(Exception):
    """Something is lost or wrong after a kill, a disk failure or a power cut."""


@dataclass(frozen=True)
class Line:
    """One line that a process wrote to its log after it had done something."""

    event: str
    """``begin``, ``sample``, ``failed``, ``stored``, ``removed`` or ``edited``."""
    take: str = ""
    count: int = 0


def make_loop() -> ControlLoop:
    """Return a control loop with the simulated arm, which puts the red cube on the yellow zone."""
    arm = SimulatedArm(1)
    arm.connect()
    controller = ProgramController(arm.objects)
    controller.add_instructions(Instruction("grasp", "red cube"), Instruction("place", "yellow zone"))
    loop = ControlLoop(arm, arm)
    loop.set_controller(controller)
    return loop


def work(root: Path, loop: ControlLoop, rng: random.Random, log: Callable[[Line], None]) -> None:
    """Record, store, edit, remove and restore takes, and log what is done."""
    library, recorder = Library(root), Recorder(root)

    def on_tick(tick: Any) -> None:
        if recorder.failure_reason is None:
            recorder.on_tick(tick)
        log(Line("sample", "", recorder.sample_count) if recorder.failure_reason is None else Line("failed"))

    for _ in range(3):
        recorder.start(TASK, loop.arm, loop.scene)  # type: ignore[arg-type]
        log(Line("begin"))
        loop.add_sink(on_tick)
        for _ in range(rng.randrange(10, 80)):
            loop.step_once()
        loop.remove_sink(on_tick)
        take = recorder.stop()
        is_complete = recorder.failure_reason is None
        try:
            info = library.add_take(replace(take, success=True) if is_complete else take)
        except LibraryError:
            log(Line("refused"))
            continue
        recorder.clear_journal()
        log(Line("stored", info.name, len(take)))
        library.set_notes(TASK, info.name, "edited")
        log(Line("edited", info.name))
        entry = library.remove_take(TASK, info.name)
        log(Line("removed", info.name))
        library.restore_trashed(entry)
        log(Line("restored", info.name))


def run_until(
    root: Path, loop: ControlLoop, rng: random.Random, kill_after: int | None, prepare: Callable[[random.Random], None]
) -> list[Line]:
    """Run ``work`` in a fork, which is killed after ``kill_after`` lines of its log; return all lines."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reader)
            prepare(rng)
            with contextlib.suppress(RecordingError, LibraryError):
                work(root, loop, rng, lambda line: _write_line(writer, line))
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    lines = []
    with os.fdopen(reader) as file:
        for text in file:
            lines.append(Line(*json.loads(text)))
            if len(lines) == kill_after:
                time.sleep(rng.uniform(0.0, 2e-3))  # somewhere within the next operation
                os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if kill_after is None and status:
        raise Loss(f"the process ended with status {status}")
    return lines


def _write_line(handle: int, line: Line) -> None:
    os.write(handle, (json.dumps([line.event, line.take, line.count]) + "\n").encode())


def verify(root: Path, lines: list[Line]) -> float:
    """Return the time of samples that are missing, s. Raises Loss."""
    library = Library(root)
    if problems := library.list_problems():
        raise Loss(f"a file cannot be used: {problems[0].description}")
    lengths: dict[str, int] = {}
    for name in [info.name for info in library.list_takes(TASK)] if TASK in library.list_tasks() else []:
        take = library.load_take(TASK, name)
        lengths[name] = len(take)
        expected = [line.count for line in lines if line.event == "stored" and line.take == name]
        if expected and len(take) != expected[0]:
            raise Loss(f"take {name} has {len(take)} of {expected[0]} samples")
        if take.success is True and name in _list_cut_off(lines):
            raise Loss(f"take {name} was cut off and is called achieved")
    trashed = {path.stem for path in root.glob(".trash/*/*/*.hdf5")}
    for line in lines:
        if line.event == "stored" and line.take not in {*lengths, *trashed}:
            raise Loss(f"take {line.take} was stored and is gone")
    return _verify_last_recording(root, library, lines, lengths)


def _list_cut_off(lines: list[Line]) -> set[str]:
    """Return the names of the takes during which the disk failed."""
    found, has_failed = set(), False
    for line in lines:
        has_failed = (has_failed or line.event == "failed") and line.event != "begin"
        if has_failed and line.event == "stored":
            found.add(line.take)
    return found


def _verify_last_recording(root: Path, library: Library, lines: list[Line], lengths: dict[str, int]) -> float:
    """Verify the recording that was not stored; return the time of its samples that are missing, s."""
    starts = [index for index, line in enumerate(lines) if line.event == "begin"]
    last = lines[starts[-1] :] if starts else []
    samples = max((line.count for line in last if line.event == "sample"), default=0)
    if any(line.event == "stored" for line in last):
        samples = 0  # nothing is left to recover, or it is offered although it is stored
    recovered = 0
    for found in find_recoverable_takes(root):
        if found.error:
            raise Loss(f"a journal cannot be read: {found.error}")
        take = recover_take(found.path)
        if take.success is True:
            raise Loss("a recording that was cut off is called achieved")
        recovered = max(recovered, len(take))
        library.add_take(take)
    if samples and recovered < samples and samples not in lengths.values():
        raise Loss(f"{samples} samples were written, {recovered} come back")
    return 0.0 if not samples or samples in lengths.values() else max(0, samples + 1 - recovered) * CONTROL_PERIOD_S


def run_kills(count: int, seed: int) -> Counter[str]:
    """Kill a process ``count`` times at random moments; return how often in which phase. Raises Loss."""
    phases: Counter[str] = Counter()
    loop = make_loop()
    for number in range(count):
        rng = random.Random(f"{seed} {number}")
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            lines = run_until(root, loop, rng, rng.randrange(1, 160), lambda _: None)
            missing = verify(root, lines)
        if missing > MAX_MISSING_S:
            raise Loss(f"{missing * 1000:.0f} ms are missing")
        phases[f"after {lines[-1].event}"] += 1
    return phases


def limit_file_size(rng: random.Random) -> None:
    """Let every write beyond a random file size fail, as on a full disk."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limit = rng.randrange(15_000, 150_000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def fail_writes(rng: random.Random) -> None:
    """Let every write of journals fail from a random moment on, as on a disk that breaks; and then all flushes."""
    count, real = [rng.randrange(5, 200)], journal.Journal._write

    def write(this: journal.Journal, data: bytes) -> None:
        count[0] -= 1
        if count[0] < 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(this, data)

    mock.patch.object(journal.Journal, "_write", write).start()


def run_disk_failures(count: int, seed: int) -> Counter[str]:
    """Let the disk fail ``count`` times at random moments; return how often in which way. Raises Loss."""
    outcomes: Counter[str] = Counter()
    loop = make_loop()
    for number in range(count):
        rng = random.Random(f"disk {seed} {number}")
        failure = limit_file_size if number % 2 else fail_writes
        with tempfile.TemporaryDirectory() as folder:
            lines = run_until(Path(folder), loop, rng, None, failure)
            verify(Path(folder), lines)
        events = {line.event for line in lines}
        outcomes[next((event for event in ("failed", "refused") if event in events), "no failure")] += 1
    return outcomes


class _NoThread:
    """Stands in for the thread that flushes journals: flushes at known moments only."""

    def __init__(self, file: Any) -> None:
        self._handle = os.dup(file.fileno())

    def stop(self) -> None:
        """Flush the journal for the last time."""
        os.fsync(self._handle)
        os.close(self._handle)


Snapshot = dict[str, dict[str, tuple[int, bool | None, str]]]
"""Samples, success and notes by take, by task."""


def take_snapshot(root: Path) -> Snapshot:
    """Return what a library holds. Raises Loss if a file cannot be used."""
    library = Library(root)
    if problems := library.list_problems():
        raise Loss(f"a file cannot be used: {problems[0].description}")
    found: Snapshot = {}
    for task in library.list_tasks():
        takes = [library.load_take(task, info.name) for info in library.list_takes(task)]
        if takes:
            found[task] = {take.name: (len(take), take.success, take.notes) for take in takes}
    return found


def list_changes(library: Library, recorder: Recorder, loop: ControlLoop) -> Iterator[int]:
    """Make changes of a library one after another; yield the number of samples that are safe so far after each."""
    for samples in (12, 17):
        recorder.start(TASK, loop.arm, loop.scene)  # type: ignore[arg-type]
        loop.add_sink(recorder.on_tick)
        for _ in range(samples):
            loop.step_once()
        loop.remove_sink(recorder.on_tick)
        yield 0
        take = recorder.stop()
        yield len(take)
        library.add_take(replace(take, success=True))
        yield len(take)
        recorder.clear_journal()
        yield 0
    library.set_notes(TASK, "001", "noted")
    yield 0
    entry = library.remove_take(TASK, "002")
    yield 0
    library.restore_trashed(entry)
    yield 0
    library.rename_task(TASK, OTHER_TASK)
    yield 0
    entry = library.remove_task(OTHER_TASK)
    yield 0
    library.restore_trashed(entry)
    yield 0


def run_power_cuts(count: int, seed: int) -> Counter[str]:
    """Check ``count`` states in which power cuts may leave the disk. Raises Loss."""
    outcomes: Counter[str] = Counter()
    loop = make_loop()
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(journal, "_Syncer", _NoThread):
        root = Path(folder) / "library"
        root.mkdir()
        disk, steps = DiskRecorder(root), [(0, take_snapshot(root), 0)]
        with disk.record():
            for safe in list_changes(Library(root), Recorder(root), loop):
                disk._note()
                steps.append((len(disk.events), take_snapshot(root), safe))
        rng = random.Random(seed)
        for number in range(count):
            event_count = rng.randrange(len(disk.events) + 1)
            state = Path(folder) / f"state {number}"
            make_crash_state(disk, event_count, state, rng)
            outcomes[_verify_power_cut(state, event_count, steps)] += 1
        disk.close()
    return outcomes


def _verify_power_cut(state: Path, event_count: int, steps: list[tuple[int, Snapshot, int]]) -> str:
    """Return which step was cut, and whether it had happened. Raises Loss."""
    last = max(index for index, step in enumerate(steps) if step[0] <= event_count)
    before, after = steps[last], steps[min(last + 1, len(steps) - 1)]
    found = take_snapshot(state)
    if found not in (before[1], after[1]):
        raise Loss(f"a power cut after event {event_count} leaves {found}, which is neither {before[1]} nor {after[1]}")
    for journal_found in find_recoverable_takes(state):
        if not journal_found.error and recover_take(journal_found.path).success is True:
            raise Loss("a recording that was cut off is called achieved")
    stored = {samples for takes in found.values() for samples, _, _ in takes.values()}
    if before[2] and before[2] not in stored:
        recovered = max((each.sample_count for each in find_recoverable_takes(state)), default=0)
        if recovered < before[2]:
            raise Loss(f"{before[2]} samples were flushed, {recovered} come back after event {event_count}")
    return "before the change" if found == before[1] else "after the change"


def main() -> int:
    """Run the campaign and print what happened; return 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--disk-failures", type=int, default=50)
    parser.add_argument("--power-cuts", type=int, default=500, help="states to check")
    parser.add_argument("--seed", type=int, default=0)
    add_json_option(parser)
    given = parser.parse_args()
    report = Report("durability", settings={"seed": given.seed}, details={})
    campaigns = {
        "kills": (run_kills, given.kills),
        "disk failures": (run_disk_failures, given.disk_failures),
        "power cuts": (run_power_cuts, given.power_cuts),
    }
    with tempfile.TemporaryDirectory() as cache:
        os.environ["METAGUI_CACHE"] = cache
        for name, (run, count) in campaigns.items():
            try:
                outcomes = run(count, given.seed)
            except Loss as loss:
                print(f"{name}: {loss}")
                return 1
            report.figures.append(
                Figure(f"{name} after which nothing was lost", count, count=count, bar=count, at_least=True)
            )
            report.details[name] = dict(outcomes)
            listed = ", ".join(f"{number} {outcome}" for outcome, number in outcomes.most_common())
            print(f"{count} {name}, nothing lost: {listed}", flush=True)
    if given.json:
        print_report(report, as_json=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
