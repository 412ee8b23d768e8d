"""Duration of adaptation after the user presses Adapt: ``python -m benchmarks.adaptation``.

From the press to a policy that can run, as in the window: 1, 3 and 10 takes of one segment of 200 and 1,000 samples, in
a process that has adapted before (warm), and the first time in a new process (cold). Then, for one segment of every
single family with three scripted takes, how long fine-tuning of a multi-task policy and cloning from scratch take until
the held-out loss is that of MAML's five steps, and the times of the parts of an adaptation. Medians of one thread's
processor time; the times by the wall clock are among the details.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmarks.library import resize_take
from benchmarks.report import Figure, Report, add_json_option, print_report, summarise, summarise_rate
from metagui.demonstrations.programs.scripted import GenerationSettings, generate_takes
from metagui.demonstrations.programs.splits import SINGLE_FAMILIES
from metagui.demonstrations.programs.task_distribution import draw_programs
from metagui.generators import run_to_end
from metagui.learning import prior
from metagui.learning.adaptation import candidates
from metagui.learning.adaptation.adaptation import adapt_task, warm_up
from metagui.learning.adaptation.folds import (
    compute_candidate_losses,
    compute_held_out_losses,
    precompute_folds,
    repeat_folds,
    select_folds,
)
from metagui.learning.maml import maml
from metagui.learning.maml.maml import INNER_STEPS
from metagui.learning.policy.features import encode
from metagui.learning.policy.points import Points
from metagui.learning.policy.task_sampler import sample_points
from metagui.learning.rehearsal.rehearsed_adaptation import PolicyReady, adapt_and_rehearse

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.adaptation.folds import Folds
    from metagui.learning.policy.policy import PolicyModel
    from metagui.learning.torch_utils.functional_mlp import Params

ADAPTATION_SEED = 31
"""Seed of programs, takes and points."""
MAX_PRESS_MS = 300.0
"""Aimed at: time from the press to a policy from three takes of 200 samples, ms."""
MAX_STEPS = 1000
"""Steps of Adam after which a loss is not reached."""


def record_support_takes() -> list[list[Demonstration]]:
    """Return three takes of a task of every single family, each reduced to its last segment."""
    found = []
    for program in draw_programs(ADAPTATION_SEED, len(SINGLE_FAMILIES), SINGLE_FAMILIES):
        takes = generate_takes(program, GenerationSettings(takes=3, seed=ADAPTATION_SEED))
        found.append([replace(take, segments=take.segments[-1:]) for take in takes])
    return found


def make_support_points(takes: list[Demonstration]) -> Points:
    """Return the support points of all takes, as for the final policy."""
    settings = candidates.CandidateSettings()
    columns = sample_points(
        [encode(take)[0] for take in takes], settings.support_points, np.random.default_rng(ADAPTATION_SEED)
    )
    return Points(*(torch.from_numpy(column)[None] for column in columns), encoder_points=settings.encoder_points)


def adapt_five_steps(shipped_prior: prior.Prior, support: Points) -> None:
    """Compute the policy alone."""
    for _ in maml.adapt(shipped_prior.model, shipped_prior.meta, support, INNER_STEPS):
        pass


def run_candidate_selection(shipped_prior: prior.Prior, takes: list[Demonstration]) -> None:
    """Run the whole adaptation, as the window does."""
    run_to_end(adapt_task(shipped_prior, takes))


def make_training_jobs(
    shipped_prior: prior.Prior, takes: list[Demonstration]
) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return two jobs that train and validate the candidates: in one batch, and one after the other."""
    model, settings = shipped_prior.model, candidates.CandidateSettings()
    folds = candidates.make_folds([encode(take)[0] for take in takes], settings)
    folds = select_folds(folds, slice(0, folds.fold_count))
    unconditioned = replace(model, unconditioned=True)
    baselines = [
        candidates.start_baseline(shipped_prior.baseline, folds),
        candidates.start_from_scratch(model, folds, ADAPTATION_SEED),
    ]

    def train(model: PolicyModel, starts: list[Params]) -> None:
        repeated = repeat_folds(folds, len(starts))
        precomputed = precompute_folds(model, candidates.concatenate_starts(starts), repeated)
        for _, fast in candidates.train_with_adam(model, starts, repeated, settings):
            compute_candidate_losses(model, fast, precomputed, len(starts))

    def together() -> None:
        train(model, [candidates.infer_zero_step(shipped_prior, folds)])
        train(unconditioned, baselines)

    def apart() -> None:
        train(model, [candidates.infer_zero_step(shipped_prior, folds)])
        for baseline in baselines:
            train(unconditioned, [baseline])

    return together, apart


def measure_median_ms(repetitions: int, *jobs: Callable[[], object]) -> list[float]:
    """Return the median processor times of jobs that run alternately, ms."""
    times: list[list[float]] = [[] for _ in jobs]
    for _ in range(repetitions):
        for job, row in zip(jobs, times, strict=True):
            began = time.process_time()
            job()
            row.append((time.process_time() - began) * 1e3)
    return [statistics.median(row) for row in times]


def make_takes(count: int, samples: int) -> list[Demonstration]:
    """Return takes of one segment with ``samples`` samples: scripted ones, whose motion is repeated."""
    program = draw_programs(ADAPTATION_SEED, 1, SINGLE_FAMILIES[:1])[0]
    takes = generate_takes(program, GenerationSettings(takes=count, seed=ADAPTATION_SEED))
    long = [resize_take(take, samples, seed) for seed, take in enumerate(takes)]
    return [replace(take, segments=(replace(take.segments[0], start=0, stop=samples),)) for take in long]


def press_adapt(shipped_prior: prior.Prior, takes: list[Demonstration]) -> tuple[float, float]:
    """Return processor and wall-clock time from the press to a policy that can run, ms, as in the window."""
    began, elapsed = time.process_time(), time.perf_counter()
    for step in adapt_and_rehearse(shipped_prior, takes):
        if isinstance(step, PolicyReady):
            break
    return (time.process_time() - began) * 1e3, (time.perf_counter() - elapsed) * 1e3


def measure_cold_press(count: int, samples: int) -> tuple[float, float]:
    """Return the times of the first press in a new process, which has loaded the prior."""
    command = [sys.executable, "-m", "benchmarks.adaptation", "--cold", str(count), str(samples)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    cold, elapsed = done.stdout.split()
    return float(cold), float(elapsed)


def measure_presses(report: Report, repetitions: int) -> None:
    """Add the times from press to policy."""
    start = prior.load_shipped()
    for samples, count in itertools.product((200, 1000), (1, 3, 10)):
        title, takes = f"press to policy, {count} takes of {samples} samples", make_takes(count, samples)
        cold = [measure_cold_press(count, samples) for _ in range(max(1, repetitions // 3))]
        warm = [press_adapt(start, takes) for _ in range(repetitions + 1)][1:]
        bar = MAX_PRESS_MS if (count, samples) == (3, 200) else None
        report.figures.append(summarise(f"{title}, warm", [used for used, _ in warm], "ms", bar))
        report.figures.append(summarise(f"{title}, cold", [used for used, _ in cold], "ms", bar))
        report.details[title] = {"warm, wall clock": [w for _, w in warm], "cold, wall clock": [w for _, w in cold]}


def measure_until_equal(report: Report) -> None:
    """Add how long other ways to a policy take until its held-out loss is that of the five inner steps.

    On the last segment of a task of every single family, from three takes; the time of evaluations does not count.
    """
    shipped, settings = prior.load_shipped(), replace(candidates.CandidateSettings(), max_adam_steps=MAX_STEPS)
    times: dict[str, list[float]] = {"five inner steps": [], "fine-tuning": [], "cloning from scratch": []}
    reached = dict.fromkeys(times, 0)
    for takes in record_support_takes():
        folds = candidates.make_folds([encode(take)[0] for take in takes], settings)
        folds = select_folds(folds, slice(0, folds.fold_count))
        began = time.process_time()
        *_, (_, fast) = candidates.run_inner_loop(shipped, folds, settings)
        times["five inner steps"].append((time.process_time() - began) * 1e3)
        wanted = float(compute_held_out_losses(shipped.model, fast, folds).mean())
        unconditioned = replace(shipped.model, unconditioned=True)
        starts = {
            "fine-tuning": candidates.start_baseline(shipped.baseline, folds),
            "cloning from scratch": candidates.start_from_scratch(shipped.model, folds, ADAPTATION_SEED),
        }
        for name, begin in starts.items():
            used, is_reached = train_until(unconditioned, begin, folds, settings, wanted)
            times[name].append(used)
            reached[name] += is_reached
    for name, values in times.items():
        report.figures.append(summarise(f"until the held-out loss of five inner steps: {name}", values, "ms"))
        if name in starts:
            rate = summarise_rate(f"tasks whose loss {name} reaches in {MAX_STEPS} steps", reached[name], len(values))
            report.figures.append(rate)


def train_until(
    model: PolicyModel, begin: Params, folds: Folds, settings: candidates.CandidateSettings, wanted: float
) -> tuple[float, bool]:
    """Train with Adam until the mean held-out loss is ``wanted``; return the processor time, ms, and whether it is."""
    used, steps = 0.0, candidates.train_with_adam(model, [begin], folds, settings)
    while True:
        began = time.process_time()
        step = next(steps, None)
        used += (time.process_time() - began) * 1e3
        if step is None:
            return used, False
        if float(compute_held_out_losses(model, step[1], folds).mean()) <= wanted:
            return used, True


def measure_families(report: Report, repetitions: int) -> None:
    """Add the times of the policy alone and of the whole adaptation by family, and the gain from one batch."""
    start = prior.load_shipped()
    for family, takes in zip(SINGLE_FAMILIES, record_support_takes(), strict=True):
        support = make_support_points(takes)
        jobs = (
            partial(adapt_five_steps, start, support),
            partial(run_candidate_selection, start, takes),
            *make_training_jobs(start, takes),
        )
        five, whole, together, apart = measure_median_ms(repetitions, *jobs)
        report.figures += [
            Figure(f"{family}: five steps", five, "ms", count=repetitions),
            Figure(f"{family}: the whole adaptation", whole, "ms", count=repetitions),
            Figure(f"{family}: training one after the other / in one batch", apart / together, "x", count=repetitions),
        ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--cold", type=int, nargs=2, help=argparse.SUPPRESS)
    add_json_option(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.cold:
        print(*press_adapt(prior.load_shipped(), make_takes(*options.cold)))
        return
    warm_up()
    settings = {"repetitions": options.repetitions, "seed": ADAPTATION_SEED, "clock": "process_time"}
    report = Report("adaptation", settings=settings, details={})
    measure_presses(report, options.repetitions)
    measure_until_equal(report)
    measure_families(report, options.repetitions)
    print_report(report, options.json)


if __name__ == "__main__":
    main()
