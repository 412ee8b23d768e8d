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

from metagui.cli.output import follow
from metagui.demonstrations.programs.scripted import GenerateSettings, takes_of
from metagui.demonstrations.programs.splits import SINGLES
from metagui.demonstrations.programs.task_distribution import draw_programs
from metagui.learning import prior
from metagui.learning.adaptation import candidates
from metagui.learning.adaptation.adaptation import adapt_task, warm_up
from metagui.learning.maml import maml
from metagui.learning.policy.dataset import points_from
from metagui.learning.policy.features import encode
from metagui.learning.policy.policy import Points, PolicyModel

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.torch_utils.functional_mlp import Params

SEED = 31


def shown() -> list[list[Demonstration]]:
    """Return three takes of a task of every single family, each cut down to its last click."""
    found = []
    for program in draw_programs(SEED, len(SINGLES), SINGLES):
        takes = takes_of(program, GenerateSettings(takes=3, seed=SEED))
        found.append([replace(take, segments=take.segments[-1:]) for take in takes])
    return found


def everything(takes: list[Demonstration]) -> Points:
    """Return the points of all takes, as the final policy is made from them."""
    settings = candidates.RaceSettings()
    columns = points_from([encode(take)[0] for take in takes], settings.points, np.random.default_rng(SEED))
    return Points(*(torch.from_numpy(column)[None] for column in columns), studied=settings.studied)


def five_steps(start: prior.Prior, support: Points) -> None:
    """Make the policy alone."""
    for _ in maml.adapt(start.model, start.meta, support, 5):
        pass


def whole_race(start: prior.Prior, takes: list[Demonstration]) -> None:
    """Do what pressing Adapt does."""
    follow(adapt_task(start, takes), lambda _: None)


def training(start: prior.Prior, takes: list[Demonstration]) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return two jobs: to train the candidates of a race, and look at them, together and one after the other."""
    model, settings = start.model, candidates.RaceSettings()
    folds = candidates.make_folds([encode(take)[0] for take in takes], settings)
    folds = candidates.only(folds, slice(0, folds.count))
    blind, rivals = replace(model, blind=True), [
        candidates.rival_start(start.rival, folds), candidates.scratch_start(model, folds, SEED)
    ]  # fmt: skip

    def train(model: PolicyModel, some: list[Params]) -> None:
        again = candidates.repeated(folds, len(some))
        looked_up = candidates.prepared(model, candidates.together(some), again)
        for _, fast in candidates.adam_paths(model, some, again, settings):
            candidates.losses_of_each(model, fast, looked_up, len(some))

    def together() -> None:
        train(model, [candidates.zero_step(start, folds)])
        train(blind, rivals)

    def apart() -> None:
        train(model, [candidates.zero_step(start, folds)])
        for one in rivals:
            train(blind, [one])

    return together, apart


def median_ms(repetitions: int, *jobs: Callable[[], object]) -> list[float]:
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
    start = prior.shipped()
    for family, takes in zip(SINGLES, shown(), strict=True):
        support = everything(takes)
        jobs = partial(five_steps, start, support), partial(whole_race, start, takes), *training(start, takes)
        five, whole, together, apart = median_ms(options.repetitions, *jobs)
        print(
            f"{family:8} five steps {five:6.1f} ms, the whole race {whole:6.0f} ms; training all {together:6.0f} ms, "
            f"{apart / together:.2f} times that one after the other",
            flush=True,
        )


if __name__ == "__main__":
    main()
