"""Time to rank a library by similarity to one take, with quality beside it: ``python -m benchmarks.similarity_speed``.

One new take is resampled, embedded and compared with 100, 1,000 and 10,000 stored takes in tasks of five, with verdicts
and the nearest take of every task, as the program does after a recording; the embeddings of stored takes are known.
Dynamic time warping by dtaidistance and tslearn compares the same resampled channels of the take with each of the
stored ones. Repetitions alternate. The stored takes are copies of the script's takes of seed 4, with noise. Quality is
recall at 1 on the takes themselves: whether the nearest other take is of the same task, or of the same motion.
"""

from __future__ import annotations

import argparse
import importlib
import time
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.report import Report, add_json_option, print_report, summarise, summarise_rate
from benchmarks.similarity import SIMILARITY_SEED, draw_tasks
from metagui.demonstrations.programs.scripted import GenerationSettings, generate_takes
from metagui.learning.similarity.embeddings import Embeddings, measure_distances
from metagui.learning.similarity.encoder_file import CalibratedEncoder, load_shipped_encoder
from metagui.learning.similarity.encoder_training import label_program
from metagui.learning.similarity.siamese import embed
from metagui.learning.similarity.similarity import rank
from metagui.learning.similarity.trajectory import Trajectories, resample_takes
from metagui.learning.torch_utils.torch_threads import use_single_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.similarity.task_labels import TaskLabels

    Series = NDArray[np.float64]

TAKES_PER_TASK = 5
MAX_RANKING_MS = 50.0
"""Aimed at: time to rank 10,000 takes, ms."""


def record_takes(tasks: int) -> tuple[list[Demonstration], list[TaskLabels]]:
    """Return two takes of every task by the script, and their labels."""
    takes: list[Demonstration] = []
    labels: list[TaskLabels] = []
    for program in draw_tasks(tasks, SIMILARITY_SEED):
        found = generate_takes(program, GenerationSettings(2, SIMILARITY_SEED))
        takes += found
        labels += [label_program(program)] * len(found)
    return takes, labels


def stack_channels(takes: Trajectories) -> Series:
    """Return the channels of all takes (takes, points, C), as time warping compares them."""
    count, points = takes.global_channels.shape[:2]
    objects = takes.object_channels.reshape(count, points, -1)
    return np.ascontiguousarray(np.concatenate([objects, takes.global_channels], axis=2), dtype=np.float64)


def make_library(embeddings: Embeddings, count: int, rng: np.random.Generator) -> dict[str, Embeddings]:
    """Return tasks of five takes: copies of embeddings with noise, of length one as they are."""
    rows = np.arange(count) % len(embeddings)

    def disturb(values: NDArray[np.float32]) -> NDArray[np.float32]:
        noisy = values[rows] + rng.normal(0.0, 0.02, values[rows].shape).astype(values.dtype)
        return np.asarray(noisy / np.linalg.norm(noisy, axis=1, keepdims=True), dtype=values.dtype)

    stored = Embeddings(disturb(embeddings.motion), disturb(embeddings.numbers), disturb(embeddings.objects))
    return {f"task {i:05}": stored[slice(i, i + TAKES_PER_TASK)] for i in range(0, count, TAKES_PER_TASK)}


def load_time_warping(skipped: dict[str, str]) -> dict[str, Callable[[Series, Series], Series]]:
    """Return functions that compare one series (points, C) with many (n, points, C), of what is installed."""
    found: dict[str, Callable[[Series, Series], Series]] = {}
    try:
        warping = importlib.import_module("dtaidistance.dtw_ndim")
        found["dtaidistance"] = lambda one, many: np.array([warping.distance_fast(one, each) for each in many])
    except ImportError as error:
        skipped["dtaidistance"] = str(error)
    try:
        metrics = importlib.import_module("tslearn.metrics")
        found["tslearn"] = lambda one, many: metrics.cdist_dtw(one[None], many, n_jobs=1)[0]
    except ImportError as error:
        skipped["tslearn"] = str(error)
    return found


def measure_quality(report: Report, name: str, distances: Series, labels: list[TaskLabels]) -> None:
    """Add how often the nearest other take is of the same task, and of the same motion; ``distances`` (n, n)."""
    nearest = (distances + np.diag(np.full(len(distances), np.inf))).argmin(axis=1)
    pairs = [(labels[i], labels[int(j)]) for i, j in enumerate(nearest)]
    same_task = sum(a.task == b.task for a, b in pairs)
    same_motion = sum(a.motion == b.motion for a, b in pairs)
    report.figures.append(summarise_rate(f"{name}: nearest take is of the same task", same_task, len(pairs)))
    report.figures.append(summarise_rate(f"{name}: nearest take is of the same motion", same_motion, len(pairs)))


def measure_times(
    report: Report, encoder: CalibratedEncoder, takes: list[Demonstration], sizes: list[int], repetitions: int
) -> None:
    """Add the times to compare one take with libraries of several sizes, ms."""
    rng, trajectories = np.random.default_rng(0), resample_takes(takes)
    embeddings, channels = embed(encoder.encoder, trajectories), stack_channels(trajectories)
    others = load_time_warping(report.skipped)
    for name, compare in others.items():
        compare(channels[0], channels[:2])  # compiles
        report.settings[name] = str(importlib.import_module(name).__version__)
    for size in sizes:
        library = make_library(embeddings, size, rng)
        names = {task: [f"{number + 1:03}" for number in range(len(each))] for task, each in library.items()}
        stored = channels[np.arange(size) % len(channels)] + rng.normal(0.0, 0.01, (size, *channels.shape[1:]))
        times: dict[str, list[float]] = {name: [] for name in ("metagui", "metagui, embedded before", *others)}

        def rank_new(names: dict[str, list[str]] = names, library: dict[str, Embeddings] = library) -> None:
            rank(embed(encoder.encoder, resample_takes(takes[:1])), library, encoder.calibration, names)

        def rank_known(names: dict[str, list[str]] = names, library: dict[str, Embeddings] = library) -> None:
            rank(embeddings[[0]], library, encoder.calibration, names)

        jobs: dict[str, Callable[[], object]] = {"metagui": rank_new, "metagui, embedded before": rank_known}
        for name, compare in others.items():
            jobs[name] = lambda compare=compare, stored=stored: compare(channels[0], stored)  # type: ignore[misc]
        for _ in range(repetitions):
            for name, job in jobs.items():
                began = time.process_time()
                job()
                times[name].append((time.process_time() - began) * 1e3)
        bar = MAX_RANKING_MS if size == 10_000 else None
        for name, values in times.items():
            report.figures.append(summarise(f"{size} takes: {name}", values, "ms", bar if name == "metagui" else None))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--takes", type=int, nargs="+", default=[100, 1000, 10_000], help="sizes of the libraries")
    parser.add_argument("--tasks", type=int, default=60, help="tasks of which the quality is measured")
    parser.add_argument("--repetitions", type=int, default=9)
    add_json_option(parser)
    given = parser.parse_args()
    use_single_thread()
    encoder = load_shipped_encoder()
    takes, labels = record_takes(given.tasks)
    settings = {"seed": SIMILARITY_SEED, "tasks": given.tasks, "clock": "process_time"}
    report = Report("similarity_speed", settings=settings)
    measure_times(report, encoder, takes, given.takes, given.repetitions)
    trajectories = resample_takes(takes)
    vectors, channels = embed(encoder.encoder, trajectories), stack_channels(trajectories)
    measure_quality(report, "metagui", measure_distances(vectors, vectors).task, labels)
    for name, compare in load_time_warping({}).items():
        measure_quality(report, name, np.array([compare(each, channels) for each in channels]), labels)
    print_report(report, given.json)


if __name__ == "__main__":
    main()
