"""Cost of a library by its size, and of saving and reading long takes: ``python -m benchmarks.library``.

``--similar`` measures ``metagui similar`` as a process of its own instead, the first time and with stored embeddings.

A library of N takes in tasks of five is made of copies of one short take. Times are medians, s, by the wall clock or,
with ``--processor-time``, of this process's processor; "open" is a new ``Library`` with the index of an earlier one,
"first open" one without an index. Saving is compared with h5py writing the same data sets with the same filters, and
flushing file and folder to the disk.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from benchmarks.report import Figure, Report, add_json_option, format_figures, print_report
from metagui.atomic_write import flush_to_disk
from metagui.demonstrations.recording.journal import Journal
from metagui.demonstrations.recording.recorder import recover_take
from metagui.demonstrations.recording.take_builder import TakeHeader
from metagui.demonstrations.storage import hdf5
from metagui.demonstrations.storage.library import Library
from metagui.paths import cache_dir
from tests.helpers.takes import record_simulated_take

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.demonstrations.demonstration import Demonstration

BARS = {
    ("open", "takes"): 1.0,
    ("refresh", "takes"): 0.05,
    ("save / plain write", "samples"): 1.5,
    ("recover and save / plain", "samples"): 1.5,
}
"""Maximum of a cost, for all sizes: s, or a multiple of a plain write."""
MAX_SIMILAR_S = 2.0
TAKES_PER_TASK = 5
SHORT_TAKE_SAMPLES = 40
_MEASURE_PROCESSOR_TIME = False
OBJECT_FIELDS = ("object_positions", "object_yaws", "held", "touched")
"""Fields that stay the same for most of a take."""


def resize_take(take: Demonstration, samples: int, seed: int = 0) -> Demonstration:
    """Return a take of another length: the same motion again and again, with noise as of measurements."""
    index, rng = np.arange(samples) % len(take), np.random.default_rng(seed)
    changes: dict[str, Any] = {}
    for field in fields(take):
        value = getattr(take, field.name)
        if isinstance(value, np.ndarray) and len(value) == len(take):
            changes[field.name] = value[index]
            if value.dtype == np.float64 and field.name not in OBJECT_FIELDS:
                changes[field.name] = value[index] + rng.normal(0.0, 1e-4, value[index].shape)
    timing = take.timing
    arrays = {name: getattr(timing, name)[index] for name in ("lateness", "latency", "retries")}
    changes["time"] = np.arange(samples) / timing.rate_requested + rng.uniform(0.0, 1e-4, samples)
    segments = tuple(replace(s, stop=min(s.stop, samples)) for s in take.segments if s.start < samples)
    return replace(take, timing=replace(timing, **arrays), segments=segments, **changes)


def fill_library(root: Path, take: Demonstration, count: int) -> None:
    """Fill a new folder with copies of a take, five a task."""
    library = Library(root / "model")
    path = library.add_take(take).path
    for number in range(count):
        folder = root / "library" / f"task {number // TAKES_PER_TASK:04}"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / f"{number % TAKES_PER_TASK + 1:03}.hdf5")
    time.sleep(0.2)  # until every change gives another time stamp


def measure(function: Callable[[], object], repeats: int) -> float:
    """Return the median time of a call, s."""
    clock, times = time.process_time if _MEASURE_PROCESSOR_TIME else time.perf_counter, []
    for _ in range(repeats):
        start = clock()
        function()
        times.append(clock() - start)
    return statistics.median(times)


def measure_library(root: Path, take: Demonstration, count: int, repeats: int) -> dict[str, float]:
    """Return the costs of a library of ``count`` takes, s."""
    fill_library(root, take, count)
    folder, task = root / "library", f"task {count // TAKES_PER_TASK // 2:04}"
    shutil.rmtree(cache_dir() / "index", ignore_errors=True)
    costs = {"first open": measure(lambda: Library(folder).list_all(), 1)}
    costs["open"] = measure(lambda: Library(folder).list_all(), 5)
    library, other = Library(folder), Library(folder)
    library.list_all()
    costs["refresh"] = measure(library.list_all, repeats)
    changed = []
    for number in range(repeats):
        other.set_notes(task, "001", f"note {number}")
        changed.append(measure(library.list_all, 1))
    costs["refresh, 1 changed"] = statistics.median(changed)
    costs["add"] = measure(lambda: library.add_take(replace(take, task=task)), repeats)
    costs["edit"] = measure(lambda: library.set_success(task, "002", True), repeats)
    costs["trash, restore"] = measure(lambda: library.restore_trashed(library.remove_take(task, "003")), repeats)
    return costs


def read_datasets(path: Path) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the values of all data sets of a file, and the options with which h5py writes them in the same way."""
    values, options = {}, {}

    def visit(name: str, found: Any) -> None:
        if isinstance(found, h5py.Dataset):
            values[name] = found[()]
            kind = {"compression": "gzip", "compression_opts": 1, "shuffle": True, "chunks": found.chunks}
            options[name] = kind if found.compression else {}

    with h5py.File(path) as file:
        file.visititems(visit)
    return values, options


def write_plainly(path: Path, values: dict[str, Any], options: dict[str, dict[str, Any]]) -> None:
    """Write data sets with h5py to a new file, and flush file and folder to the disk."""
    with h5py.File(path, "w") as file:
        for name, each in values.items():
            file.create_dataset(name, data=each, **options[name])
    flush_to_disk(path)
    flush_to_disk(path.parent)


def write_journal(root: Path, take: Demonstration) -> Path:
    """Write the journal that recording a take leaves after a crash."""
    assert take.states is not None
    state_size = take.states.shape[1]
    header = TakeHeader(
        take.task, take.arm, take.joint_names, take.objects, state_size=state_size, model_xml=take.model_xml
    )
    rows = np.zeros(len(take), header.row_dtype())
    columns = {"time": take.time, "joint_positions": take.joint_positions, "state": take.states}
    columns |= {"anchor_positions": take.object_positions, "asked": take.command_requested, "sent": take.command_sent}
    columns |= {"tool_position": take.tool_positions, "joint_velocities": take.joint_velocities}
    for key, values in columns.items():
        rows[key] = values
    journal = Journal(root, header)
    for sample in range(len(take)):
        journal.append(rows[sample : sample + 1], [])
    journal.close()
    return journal.path


def touch_memory(size: int) -> None:
    """Use and release memory, so that what follows gets pages that the machine has at hand.

    A virtual machine may have given free pages back to its host. To get them again takes 0.7 ms per MiB, as long as
    writing them, and is counted for whichever action needs more of them than the one before.
    """
    np.full(max(size, 64 << 20), 1, np.uint8)


def measure_take(root: Path, take: Demonstration, repeats: int) -> dict[str, float]:
    """Return the costs of saving, reading and recovering a take, s, and as multiples of a plain write."""
    library = Library(root / "one take")
    path = library.add_take(take).path
    values, options = read_datasets(path)
    journal = write_journal(library.root, take)
    costs: dict[str, list[float]] = {}
    plain = root / "plain.hdf5"
    actions: dict[str, Callable[[], object]] = {
        "plain write": lambda: write_plainly(plain, values, options),
        "save": lambda: library.add_take(take),
        "recover": lambda: recover_take(journal),
        "recover and save": lambda: library.add_take(recover_take(journal)),
        "plain read": lambda: read_datasets(path),
        "read": lambda: hdf5.read_take(path),
    }
    for _ in range(repeats):  # in turns, so that other load on the machine affects all of them
        for name, action in actions.items():
            touch_memory(3 * sum(value.nbytes for value in values.values()))
            costs.setdefault(name, []).append(measure(action, 1))
            for written in {plain, *path.parent.glob("*.hdf5")} - {path}:  # every one is written to a new file
                written.unlink(missing_ok=True)
    found = {name: statistics.median(times) for name, times in costs.items()}
    found["save / plain write"] = found["save"] / found["plain write"]
    found["recover / plain write"] = found["recover"] / found["plain write"]
    found["recover and save / plain"] = found["recover and save"] / found["plain write"]
    found["read / plain read"] = found["read"] / found["plain read"]
    return found


def measure_similar(root: Path, take: Demonstration, count: int, repeats: int) -> dict[str, float]:
    """Return the time of ``metagui similar`` in a library of ``count`` takes, s, as a process of its own."""
    fill_library(root, take, count)
    command = [sys.executable, "-m", "metagui", "similar", "task 0000", "--library", str(root / "library"), "--json"]

    def run() -> float:
        started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return used if _MEASURE_PROCESSOR_TIME else time.perf_counter() - started

    return {"first similar": run(), "similar": statistics.median(run() for _ in range(repeats))}


def make_report(libraries: dict[str, dict[str, float]], takes: dict[str, dict[str, float]], repeats: int) -> Report:
    """Return the medians in the common form."""
    figures = [
        Figure(f"{cost}, {size} {kind}", value, "" if "/" in cost else "s", count=repeats, bar=BARS.get((cost, kind)))
        for kind, columns in (("takes", libraries), ("samples", takes))
        for size, column in columns.items()
        for cost, value in column.items()
    ]
    return Report("library", figures, {"repeats": repeats, "processor time": _MEASURE_PROCESSOR_TIME})


def print_table(title: str, columns: dict[str, dict[str, float]]) -> None:
    """Print one row a cost, one column a size."""
    print(f"\n{title:24}" + "".join(f"{name:>12}" for name in columns))
    for cost in next(iter(columns.values())):
        digits = 2 if "/" in cost else 4
        print(f"{cost:24}" + "".join(f"{column[cost]:12.{digits}f}" for column in columns.values()))


def main() -> None:
    """Print the costs of libraries and of takes of several sizes."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--takes", type=int, nargs="+", default=[100, 1000, 10_000], help="sizes of the libraries")
    parser.add_argument("--samples", type=int, nargs="+", default=[1000, 60_000], help="lengths of the takes")
    parser.add_argument("--repeats", type=int, default=15, help="repetitions of each measurement")
    parser.add_argument("--similar", action="store_true", help="measure only metagui similar, for the first of --takes")
    add_json_option(parser)
    parser.add_argument("--processor-time", action="store_true", help="leave out waiting, on a busy machine")
    given = parser.parse_args()
    globals()["_MEASURE_PROCESSOR_TIME"] = given.processor_time
    recorded = record_simulated_take()
    libraries, takes = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["METAGUI_CACHE"] = str(Path(folder) / "cache")
        short = resize_take(replace(recorded, states=None, model_xml=None), SHORT_TAKE_SAMPLES)
        if given.similar:
            count = given.takes[0]
            found = measure_similar(Path(folder), short, count, given.repeats)
            bars = {"similar": 2.0}
            figures = [
                Figure(f"{name}, {count} takes", value, "s", bar=bars.get(name)) for name, value in found.items()
            ]
            print_report(Report("library", figures), given.json)
            return
        for count in given.takes:
            root = Path(folder) / str(count)
            libraries[f"{count}"] = measure_library(root, short, count, given.repeats)
            shutil.rmtree(root)
        for samples in given.samples:
            takes[f"{samples}"] = measure_take(Path(folder), resize_take(recorded, samples), max(3, given.repeats // 3))
    report = make_report(libraries, takes, given.repeats)
    if given.json:
        print_report(report, as_json=True)
        return
    print_table("takes in the library", libraries)
    print_table("samples of the take", takes)
    print("\n" + "\n".join(format_figures([each for each in report.figures if each.bar is not None])))


if __name__ == "__main__":
    main()
