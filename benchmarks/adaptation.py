"""How long a person waits after pressing Adapt: ``python -m benchmarks.adaptation``.

For one click of every single family, shown three times by the script, in ms of one thread's processor time, medians:
the policy alone (the encoder's start and MAML's five steps), and the whole race with all its rivals and folds. And how
much training its two rivals in one batch saves, where nothing ends early: by turns with one after the other.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from metagui.cli.output import run_to_end
from metagui.demonstrations.programs.scripted import GenerationSettings, generate_takes
from metagui.demonstrations.programs.splits import SINGLE_FAMILIES
from metagui.demonstrations.programs.task_distribution import draw_programs
from metagui.learning import prior
from metagui.learning.adaptation import candidates
from metagui.learning.adaptation.adaptation import adapt_task, warm_up
from metagui.learning.maml import maml
from metagui.learning.policy.features import encode
from metagui.learning.policy.points import Points
from metagui.learning.policy.policy import PolicyModel
from metagui.learning.policy.task_sampler import sample_points

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.torch_utils.functional_mlp import Params

ADAPTATION_SEED = 31


def record_support_takes() -> list[list[Demonstration]]:
    """Return three takes of a task of every single family, each cut down to its last click."""
    found = []
    for program in draw_programs(ADAPTATION_SEED, len(SINGLE_FAMILIES), SINGLE_FAMILIES):
        takes = generate_takes(program, GenerationSettings(takes=3, seed=ADAPTATION_SEED))
        found.append([replace(take, segments=take.segments[-1:]) for take in takes])
    return found


def make_support_points(takes: list[Demonstration]) -> Points:
    """Return the points of all takes, as the final policy is made from them."""
    settings = candidates.CandidateSettings()
    columns = sample_points(
        [encode(take)[0] for take in takes], settings.support_points, np.random.default_rng(ADAPTATION_SEED)
    )
    return Points(*(torch.from_numpy(column)[None] for column in columns), encoder_points=settings.encoder_points)


def adapt_five_steps(shipped_prior: prior.Prior, support: Points) -> None:
    """Make the policy alone."""
    for _ in maml.adapt(shipped_prior.model, shipped_prior.meta, support, 5):
        pass


def run_candidate_selection(shipped_prior: prior.Prior, takes: list[Demonstration]) -> None:
    """Do what pressing Adapt does."""
    run_to_end(adapt_task(shipped_prior, takes), lambda _: None)


def make_training_jobs(
    shipped_prior: prior.Prior, takes: list[Demonstration]
) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return two jobs: to train the candidates of a race, and look at them, together and one after the other."""
    model, settings = shipped_prior.model, candidates.CandidateSettings()
    folds = candidates.make_folds([encode(take)[0] for take in takes], settings)
    folds = candidates.select_folds(folds, slice(0, folds.fold_count))
    blind, rivals = replace(model, unconditioned=True), [
        candidates.start_baseline(shipped_prior.baseline, folds), candidates.start_from_scratch(model, folds, ADAPTATION_SEED)
    ]  # fmt: skip

    def train(model: PolicyModel, some: list[Params]) -> None:
        again = candidates.repeat_folds(folds, len(some))
        looked_up = candidates.precompute_folds(model, candidates.concatenate_starts(some), again)
        for _, fast in candidates.train_with_adam(model, some, again, settings):
            candidates.compute_candidate_losses(model, fast, looked_up, len(some))

    def together() -> None:
        train(model, [candidates.infer_zero_step(shipped_prior, folds)])
        train(blind, rivals)

    def apart() -> None:
        train(model, [candidates.infer_zero_step(shipped_prior, folds)])
        for one in rivals:
            train(blind, [one])

    return together, apart


def measure_median_ms(repetitions: int, *jobs: Callable[[], object]) -> list[float]:
    """Return the medians of the processor times of jobs that take turns."""
    times: list[list[float]] = [[] for _ in jobs]
    for _ in range(repetitions):
        for job, row in zip(jobs, times, strict=True):
            began = time.process_time()
            job()
            row.append((time.process_time() - began) * 1e3)
    return [statistics.median(row) for row in times]


def main() -> None:
    """Measure and print, family by family."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warm_up()
    start = prior.load_shipped()
    for family, takes in zip(SINGLE_FAMILIES, record_support_takes(), strict=True):
        support = make_support_points(takes)
        jobs = (
            partial(adapt_five_steps, start, support),
            partial(run_candidate_selection, start, takes),
            *make_training_jobs(start, takes),
        )
        five, whole, together, apart = measure_median_ms(options.repetitions, *jobs)
        print(
            f"{family:8} five steps {five:6.1f} ms, the whole race {whole:6.0f} ms; training all {together:6.0f} ms, "
            f"{apart / together:.2f} times that one after the other",
            flush=True,
        )


if __name__ == "__main__":
    main()
