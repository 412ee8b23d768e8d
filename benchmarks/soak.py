"""Endurance: cycles of the whole program with faults in between, ``python -m benchmarks.soak --minutes 30``.

A cycle records two takes in real time, adapts to them, rehearses, compares, runs the policy and deletes the takes, by
metagui's commands in one process, so that whatever they leave behind adds up. After every cycle one fault of a fixed
schedule happens: a killed recorder, an unplugged arm, a full disk, losses that are not numbers, a hung worker, a jump
of the clock, a suspended recorder. Memory, file descriptors and threads are counted after each; the report has the
slope of the memory by least squares with its 95 % interval. The first cycles, in which libraries load, are left out.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.report import Figure, Report, add_json_option, print_report
from benchmarks.soak_faults import FAULTS, PROGRAM, TASK, Workshop

if TYPE_CHECKING:
    from collections.abc import Callable

WARM_UP_CYCLES = len(FAULTS)
"""Cycles before the first one that counts: every fault has happened once."""
MAX_GROWTH_MB_H = 20.0
"""Aimed at: largest growth of the memory, MB per hour."""


@dataclass(frozen=True)
class Reading:
    """What the process holds after a cycle."""

    hours: float
    memory_mb: float
    files: int
    threads: int


def take_reading(began: float) -> Reading:
    """Count what this process holds (Linux)."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    memory = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    files = len(os.listdir("/proc/self/fd")) - 1  # without the one that lists them
    return Reading((time.monotonic() - began) / 3600, memory, files, len(os.listdir("/proc/self/task")))


def run_cycle(workshop: Workshop) -> None:
    """Record, adapt, rehearse, compare and run. Raises SoakFailure."""
    library = ("--library", str(workshop.library))
    for _ in range(2):
        workshop.run(*workshop.list_record_options())
    workshop.run("adapt", TASK, *library)
    workshop.run("similar", TASK, *library)
    workshop.run("run", TASK, "--seed", str(workshop.rng.randrange(10_000)), *library, may_fail=True)


def clear_library(workshop: Workshop) -> None:
    """Delete the takes of a cycle, and what the trash keeps of them."""
    workshop.run("delete", TASK, "--library", str(workshop.library))
    for name in (".trash", ".scratch"):
        shutil.rmtree(workshop.library / name, ignore_errors=True)


def run_soak(
    minutes: float, seed: int, max_cycles: int = 10**9, faults: dict[str, Callable[[Workshop], None]] = FAULTS
) -> tuple[list[Reading], dict[str, int]]:
    """Run cycles until the time is over; return a reading after each, and how often which fault happened."""
    counts, readings = dict.fromkeys(faults, 0), []
    with tempfile.TemporaryDirectory() as name:
        workshop = Workshop(Path(name), random.Random(seed))
        os.environ["METAGUI_CACHE"] = str(workshop.folder / "cache")
        (workshop.folder / "programs.json").write_text(PROGRAM, encoding="utf-8")
        began = time.monotonic()
        while time.monotonic() < began + minutes * 60 and len(readings) < max_cycles:
            fault = list(faults)[len(readings) % len(faults)]
            run_cycle(workshop)
            faults[fault](workshop)
            counts[fault] += 1
            clear_library(workshop)
            readings.append(take_reading(began))
            print(f"{len(readings):4} {fault:18} {readings[-1]}", file=sys.stderr, flush=True)
    return readings, counts


def fit_slope(hours: list[float], values: list[float]) -> tuple[float, float, float]:
    """Return the slope by least squares, per hour, and its 95 % interval."""
    x, y = np.array(hours), np.array(values)
    if len(x) < 3:
        return float("nan"), float("nan"), float("nan")
    slope, offset = np.polyfit(x, y, 1)
    spread = np.sqrt(((y - slope * x - offset) ** 2).sum() / (len(x) - 2))
    error = 1.96 * spread / np.sqrt(((x - x.mean()) ** 2).sum())
    return float(slope), float(slope - error), float(slope + error)


def make_report(readings: list[Reading], counts: dict[str, int], minutes: float, seed: int) -> Report:
    """Return the figures of a run that no fault ended."""
    counted = readings[WARM_UP_CYCLES:] if len(readings) > WARM_UP_CYCLES + 2 else readings[1:] or readings
    slope, low, high = fit_slope([each.hours for each in counted], [each.memory_mb for each in counted])
    files, threads = ([getattr(each, name) for each in counted] for name in ("files", "threads"))
    figures = [
        Figure("cycles", len(readings)),
        Figure("faults survived", sum(counts.values()), bar=len(readings), at_least=True),
        Figure("memory at the end", counted[-1].memory_mb, "MB", count=len(counted)),
        Figure("growth of the memory", slope, "MB/h", low, high, len(counted), MAX_GROWTH_MB_H),
        Figure("more file descriptors at the end", files[-1] - files[0], count=len(counted), bar=0),
        Figure("more threads at the end", threads[-1] - threads[0], count=len(counted), bar=0),
    ]
    details = {"faults": counts, "readings": [vars(each) for each in readings]}
    return Report("soak", figures, {"minutes": minutes, "seed": seed}, details=details)


def main() -> int:
    """Run and print; return 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    add_json_option(parser)
    given = parser.parse_args()
    readings, counts = run_soak(given.minutes, given.seed)
    report = make_report(readings, counts, given.minutes, given.seed)
    print_report(report, given.json)
    return int(any(each.is_met is False for each in report.figures))


if __name__ == "__main__":
    sys.exit(main())
