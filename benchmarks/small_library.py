"""The gain from gradient steps for a small library: ``python -m benchmarks.small_library [--tasks 10]``.

A prior is meta-trained on a few tasks only, without the shipped one, and evaluated on new instances of the same
families in unseen scenes: without any step (the encoder alone), after MAML's five steps, after Adam in addition, and
with the candidate that cross-validation chooses. ``--seed`` draws other tasks, scenes and initial weights.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks.programs import number_programs
from metagui.cli.commands.evaluate import make_table
from metagui.cli.output import print_result
from metagui.demonstrations.programs.scripted import GenerationSettings, generate_library
from metagui.demonstrations.programs.splits import has_only_trained_pairs
from metagui.demonstrations.programs.task_distribution import draw_programs
from metagui.generators import run_to_end
from metagui.learning.adaptation.selection import Candidate
from metagui.learning.evaluation.evaluation import EvaluationSettings, evaluate
from metagui.learning.training.pretraining import TrainingSettings, train_prior
from metagui.learning.training.training_data import encode_takes

if TYPE_CHECKING:
    from metagui.demonstrations.programs.program import TaskProgram
    from metagui.learning.prior import Prior
    from metagui.learning.training.pretraining import TrainingStep

SMALL_LIBRARY_FAMILIES = ("reach", "place", "push", "trace")
TRAINING_SEED, EVALUATION_SEED = 21, 22
EVALUATION_TASK_COUNT = 12
ENCODER_STEPS_PER_TASK = 50
"""Outer steps without inner steps, per task; more overfit: with ten tasks the held-out loss grew from there on."""
INNER_PHASE_STEPS, INNER_PHASE_LEARNING_RATE, INNER_PHASE_MUON_RATE = 800, 1e-3, 0.008
POSITION_NOISE_FRACTION = 0.5
"""An encoder trained on few tasks often infers wrong positions; in this fraction of the tasks the inner steps learn to
correct them."""


def draw_tasks(count: int, seed: int) -> tuple[TaskProgram, ...]:
    """Draw ``count`` tasks, cycling through the families."""
    families = tuple(SMALL_LIBRARY_FAMILIES[i % len(SMALL_LIBRARY_FAMILIES)] for i in range(count))
    return number_programs(draw_programs(seed, count, families, accepts=has_only_trained_pairs))


def train_small_prior(programs: tuple[TaskProgram, ...], seed: int, step_fraction: float) -> Prior:
    """Meta-train on these tasks only."""
    made = generate_library(programs, GenerationSettings(takes=6, seed=seed, prefix_fraction=0.65))
    data = encode_takes(take for _, takes in made for take in takes)
    defaults = TrainingSettings(seed=seed)
    settings = replace(
        defaults,
        encoder=replace(defaults.encoder, steps=max(1, round(ENCODER_STEPS_PER_TASK * len(programs) * step_fraction))),
        inner=replace(
            defaults.inner,
            steps=max(1, round(INNER_PHASE_STEPS * step_fraction)),
            lr=INNER_PHASE_LEARNING_RATE,
            muon_lr=INNER_PHASE_MUON_RATE,
        ),
        inner_sampling=replace(defaults.inner_sampling, position_noise_fraction=POSITION_NOISE_FRACTION),
        baseline=replace(defaults.baseline, steps=1),
        held_out_fraction=0.0,
    )
    return run_to_end(train_prior(data, settings), print_progress)


def print_progress(step: TrainingStep) -> None:
    """Print the progress of training at validations."""
    if step.validation is not None:
        print(
            f"{step.phase} {step.step} of {step.steps}, {step.elapsed_seconds:.0f} s: loss {step.loss:.3f}", flush=True
        )


def main() -> None:
    """Train, evaluate, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=10)
    parser.add_argument("--scenes", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--length", type=float, default=1.0, help="fraction of the default steps; 0.01 for a quick run")
    options = parser.parse_args()
    prior = train_small_prior(
        draw_tasks(options.tasks, TRAINING_SEED + 10 * options.seed), options.seed, options.length
    )
    candidates = (Candidate.ZERO_STEP, Candidate.FIVE_STEP, Candidate.FIVE_STEP_ADAM, Candidate.CHOSEN)
    settings = EvaluationSettings((1, 3), options.scenes, options.seed, candidates)
    success = run_to_end(
        evaluate([prior], draw_tasks(EVALUATION_TASK_COUNT, EVALUATION_SEED + 10 * options.seed), settings),
    )
    columns, rows = make_table(success, detail=True)
    print_result(None, columns, rows, as_json=False, title=f"A library of {options.tasks} tasks, seed {options.seed}")


if __name__ == "__main__":
    main()
