"""How meta-training grows with processes, tasks, takes and width: ``python -m benchmarks.scale``.

Speed-up and efficiency on 1, 2 and 4 processes, which alternate, of what the processes share: gradients of outer steps,
and takes from the queue. Then time and memory of an outer step by tasks and width, and those of a take; and from these
what a prior of a million demonstrations would take. The time in which processes start is not part of the rates.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.report import Figure, Report, add_json_option, print_report, summarise
from metagui.demonstrations.people.training_takes import PeopleSettings, generate_people_takes
from metagui.demonstrations.programs.program import load_programs
from metagui.demonstrations.programs.scripted import GenerationSettings, generate_takes
from metagui.learning.maml import maml
from metagui.learning.maml.training_state import MetaState
from metagui.learning.policy.policy import PolicyModel
from metagui.learning.policy.task_sampler import SamplingSettings, TaskSampler
from metagui.learning.torch_utils.process_group import ProcessGroup, open_group
from metagui.learning.torch_utils.torch_threads import use_single_thread
from metagui.learning.torch_utils.work_queue import map_in_order
from metagui.learning.training.pretraining import TrainingSettings
from metagui.learning.training.training_data import encode_takes
from metagui.paths import resources_dir

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.programs.program import TaskProgram
    from metagui.learning.policy.dataset import MetaDataset

SEED = 5
PROCESS_COUNTS = (1, 2, 4)
BATCHES = 4
"""Batches of an outer step whose speed-up is measured; every process computes as many."""
TASKS, WIDTHS = (4, 8, 16, 32), (64, 128, 256)
TAKES = {"script": 6, "people": 4}
"""Takes of every program by each kind of demonstrator, as by default in ``metagui train``."""
MILLION = 1_000_000
MEBIBYTE = 1024 * 1024


def main() -> None:
    """Measure, and print the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__.partition(":")[0])
    parser.add_argument("--programs", type=int, default=24, help="number of task programs")
    parser.add_argument("--steps", type=int, default=6, help="number of outer steps of a measurement")
    parser.add_argument("--repeats", type=int, default=3, help="number of measurements of each kind")
    add_json_option(parser)
    given = parser.parse_args()
    use_single_thread()
    programs = load_programs(resources_dir() / "programs" / "train.json")
    chosen = programs[:: max(1, len(programs) // given.programs)][: given.programs]
    takes, costs = measure_takes(chosen)
    data = encode_takes(takes).decisions
    report = Report("scale", settings={"seed": SEED, "programs": len(chosen), "cores": os.cpu_count()})
    report.figures += measure_speed_up(chosen, data, given.steps, given.repeats)
    report.figures += [*costs, measure_row_memory(data, len(takes))]
    report.figures += measure_growth(data, given.steps)
    report.figures += compute_million(report.figures, len(programs))
    print_report(report, given.json)


def measure_takes(programs: Sequence[TaskProgram]) -> tuple[list[Demonstration], list[Figure]]:
    """Return takes by the script, and the processor time of a take by each kind of demonstrator."""
    takes: list[Demonstration] = []
    spent: dict[str, list[float]] = {kind: [] for kind in TAKES}
    for program in programs:
        began = time.process_time()
        found = generate_takes(program, GenerationSettings(2, SEED, 0.65))
        spent["script"].append((time.process_time() - began) / len(found))
        takes += found
        began = time.process_time()
        count = len(generate_people_takes(program, PeopleSettings(1, SEED, 0.65)))
        spent["people"] += [time.process_time() - began] * count
    return takes, [summarise(f"processor time of a take, {kind}", times, "s") for kind, times in spent.items()]


def measure_speed_up(programs: Sequence[TaskProgram], data: MetaDataset, steps: int, repeats: int) -> list[Figure]:
    """Return speed-up and efficiency of gradients and of the queue, of every number of processes."""
    seconds: dict[tuple[str, int], list[float]] = {}
    for _ in range(repeats):
        for count in PROCESS_COUNTS:
            began = time.perf_counter()
            with open_group(count) as group:
                list(map_in_order(group, abs, range(4 * count)))
                seconds.setdefault(("start", count), []).append(time.perf_counter() - began)
                seconds.setdefault(("gradients", count), []).append(time_gradients(data, steps, count))
                seconds.setdefault(("takes", count), []).append(time_queue(group, programs))
    figures = []
    for what in ("gradients", "takes"):
        for count in PROCESS_COUNTS:
            gains = [alone / own for alone, own in zip(seconds[what, 1], seconds[what, count], strict=True)]
            figures.append(summarise(f"{what}: time, {count} processes", seconds[what, count], "s"))
            figures.append(summarise(f"{what}: speed-up, {count} processes", gains, at_least=True))
            # More processes than cores cannot be faster than the cores.
            possible = min(count, os.cpu_count() or 1)
            shares = [100 * gain / possible for gain in gains]
            figures.append(summarise(f"{what}: efficiency, {count} processes", shares, "%", at_least=True))
    starts = [summarise(f"start of {count} processes", seconds["start", count], "s") for count in PROCESS_COUNTS[1:]]
    return figures + starts


def time_gradients(data: MetaDataset, steps: int, count: int) -> float:
    """Return the time of outer steps without inner steps, after the first, s."""
    model, state = PolicyModel(), initial_state(PolicyModel())
    sampler = TaskSampler(data, range(len(data.task_names)), TrainingSettings().encoder_sampling)
    settings = maml.MetaSettings(steps + 1, inner_steps=0, report_every=1, batches_per_step=BATCHES)
    training = maml.meta_train(model, sampler, settings, state, count)
    next(training)
    began = time.perf_counter()
    for _ in training:
        pass
    return time.perf_counter() - began


def time_queue(group: ProcessGroup, programs: Sequence[TaskProgram]) -> float:
    """Return the time in which a group generates one take of every program, s."""
    began = time.perf_counter()
    list(map_in_order(group, partial(generate_takes, settings=GenerationSettings(1, SEED, 0.65)), programs))
    return time.perf_counter() - began


def measure_row_memory(data: MetaDataset, takes: int) -> Figure:
    """Return the memory of the decisions of a take, kB."""
    segments = data.segments
    arrays = (segments.object_features, segments.global_features, segments.actions, segments.done)
    return Figure("memory of a take", sum(array.nbytes for array in arrays) / takes / 1000, "kB", count=takes)


def measure_growth(data: MetaDataset, steps: int) -> list[Figure]:
    """Return time and memory of a batch's gradient: with inner steps by tasks and width, then without."""
    cases = [(tasks, PolicyModel().hidden, maml.INNER_STEPS) for tasks in TASKS]
    cases += [(TrainingSettings().inner_sampling.tasks, width, maml.INNER_STEPS) for width in WIDTHS]
    cases.append((TrainingSettings().encoder_sampling.tasks, PolicyModel().hidden, 0))
    figures, spawn = [], multiprocessing.get_context("spawn")
    # A new process for every case: the highest memory of a process never falls.
    with ProcessPoolExecutor(1, spawn, max_tasks_per_child=1) as pool:
        for case, (times, memory) in zip(cases, pool.map(partial(measure_batch, data, steps), cases), strict=True):
            name = "batch of {} tasks, width {}, {} inner steps".format(*case)
            figures += [summarise(name, times, "s"), Figure(f"{name}: memory of the process", memory, "MB")]
    return figures


def measure_batch(data: MetaDataset, steps: int, case: tuple[int, int, int]) -> tuple[list[float], float]:
    """Return the processor times of a batch's gradient, s, and the highest memory of the process, MB."""
    use_single_thread()
    tasks, width, inner_steps = case
    sizes = TrainingSettings()
    base = sizes.inner_sampling if inner_steps else sizes.encoder_sampling
    sampling = SamplingSettings(tasks, support=base.support, query=base.query, encoder_points=base.encoder_points)
    model = PolicyModel(hidden=width)
    sampler = TaskSampler(data, range(len(data.task_names)), sampling)
    state, times = initial_state(model), []
    settings = maml.MetaSettings(steps + 1, inner_steps=inner_steps, report_every=1)
    training = maml.meta_train(model, sampler, settings, state)
    while True:
        began = time.process_time()
        if next(training, None) is None:
            return times[1:], read_highest_memory()
        times.append(time.process_time() - began)


def initial_state(model: PolicyModel) -> MetaState:
    """Return the state before the first step."""
    return MetaState(maml.initialise(model.initialise(SEED), model.initial_inner_rates(), maml.INNER_STEPS), SEED)


def read_highest_memory() -> float:
    """Return the highest resident memory of this process so far, MB."""
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes on macOS, in KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MEBIBYTE


def compute_million(figures: Sequence[Figure], shipped_programs: int) -> list[Figure]:
    """Return what a prior of a million takes would need if each is used as often in training as it is by default."""
    known = {figure.name: figure.value for figure in figures}
    per_program, settings = sum(TAKES.values()), TrainingSettings()
    generation = sum(known[f"processor time of a take, {kind}"] * count for kind, count in TAKES.items()) / per_program
    longer = MILLION / (shipped_programs * per_program)
    width = PolicyModel().hidden
    zero_step = known[f"batch of {settings.encoder_sampling.tasks} tasks, width {width}, 0 inner steps"]
    inner = known[f"batch of {settings.inner_sampling.tasks} tasks, width {width}, {maml.INNER_STEPS} inner steps"]
    rounds = len(settings.dagger_rounds)
    plain_batches = settings.encoder.steps * settings.encoder.batches_per_step
    plain_batches += rounds * settings.dagger.steps * settings.dagger.batches_per_step
    gradients = plain_batches * zero_step + settings.inner.steps * settings.inner.batches_per_step * inner
    values = sum(tensor.numel() for tensor in initial_state(PolicyModel()).meta.tensors())
    return [
        Figure("million takes: generation", MILLION * generation / 3600, "core-hours"),
        Figure("million takes: gradients", longer * gradients / 3600, "core-hours"),
        Figure("million takes: memory of every rank", MILLION * known["memory of a take"] / 1e6, "GB"),
        Figure("million takes: batches of training", math.ceil(longer * plain_batches), ""),
        Figure("sent to rank 0 for a batch", (values + 3) * 8 / 1e6, "MB"),
    ]


if __name__ == "__main__":
    main()
