"""Duration of adaptation after the user presses Adapt: ``python -m benchmarks.adaptation``.

For one segment of every single family with three scripted takes, medians in ms of one thread's processor time: the
policy alone (encoder and MAML's five steps), and the whole adaptation with all candidates and folds. In addition, the
gain from training the two baselines in one batch instead of one after the other, without early stopping.
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

from metagui.demonstrations.programs.scripted import GenerationSettings, generate_takes
from metagui.demonstrations.programs.splits import SINGLE_FAMILIES
from metagui.demonstrations.programs.task_distribution import draw_programs
from metagui.generators import run_to_end
from metagui.learning import prior
from metagui.learning.adaptation import candidates
from metagui.learning.adaptation.adaptation import adapt_task, warm_up
from metagui.learning.adaptation.folds import compute_candidate_losses, precompute_folds, repeat_folds, select_folds
from metagui.learning.maml import maml
from metagui.learning.maml.maml import INNER_STEPS
from metagui.learning.policy.features import encode
from metagui.learning.policy.points import Points
from metagui.learning.policy.task_sampler import sample_points

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.policy.policy import PolicyModel
    from metagui.learning.torch_utils.functional_mlp import Params

ADAPTATION_SEED = 31
"""Seed of programs, takes and points."""


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


def main() -> None:
    """Measure and print one line per family."""
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
            f"{family:8} five steps {five:6.1f} ms, the whole adaptation {whole:6.0f} ms; training in one batch "
            f"{together:6.0f} ms, one after the other {apart / together:.2f} times as long",
            flush=True,
        )


if __name__ == "__main__":
    main()
