"""What gradient steps are worth to a small library: ``python -m benchmarks.small_library [--tasks 10]``.

A prior is meta-trained on so few tasks alone, without the shipped one, and tried on new instances of the same families
in scenes it has not seen: what the encoder of demonstrations gives without any step, after MAML's five, after Adam on
top of them, and what the race of candidates chooses. ``--seed`` draws other tasks, scenes and starts.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks.programs import numbered
from metagui.cli.commands.evaluate import table_of
from metagui.cli.output import follow, show
from metagui.demonstrations.programs.scripted import GenerateSettings, generate
from metagui.demonstrations.programs.splits import trained_pairs
from metagui.demonstrations.programs.task_distribution import draw_programs
from metagui.learning.adaptation.adaptation import ADAM, FIVE_STEP, ZERO_STEP
from metagui.learning.evaluation.evaluation import CHOSEN, EvaluateSettings, evaluate
from metagui.learning.training.pretraining import TrainSettings, meta_train_prior
from metagui.learning.training.training_data import prepare

if TYPE_CHECKING:
    from metagui.demonstrations.programs.program import ClickProgram
    from metagui.learning.prior import Prior
    from metagui.learning.training.pretraining import TrainStep

FAMILIES = ("reach", "place", "push", "trace")
SEED, NEW_SEED = 21, 22
NEW_TASKS = 12
ENCODER_STEPS_A_TASK = 50
"""More steps without inner ones learn few tasks by heart: with ten, the loss on a held-out one grew from there on."""
INNER_STEPS, INNER_LR, INNER_MUON = 800, 1e-3, 0.008
NUDGED = 0.5
"""What an encoder infers that saw few tasks is often wrong: inner steps practise in every other one to put it right."""


def tasks(count: int, seed: int) -> tuple[ClickProgram, ...]:
    """Draw ``count`` tasks, the families in turn."""
    families = tuple(FAMILIES[i % len(FAMILIES)] for i in range(count))
    return numbered(draw_programs(seed, count, families, suits=trained_pairs))


def trained_on(programs: tuple[ClickProgram, ...], seed: int, length: float) -> Prior:
    """Meta-train on these tasks alone."""
    made = generate(programs, GenerateSettings(takes=6, seed=seed, prefixes=0.65))
    data = prepare(take for _, takes in made for take in takes)
    usual = TrainSettings(seed=seed)
    settings = replace(
        usual,
        encoder=replace(usual.encoder, steps=max(1, round(ENCODER_STEPS_A_TASK * len(programs) * length))),
        inner=replace(usual.inner, steps=max(1, round(INNER_STEPS * length)), lr=INNER_LR, muon=INNER_MUON),
        inner_draw=replace(usual.inner_draw, nudged=NUDGED),
        rival=replace(usual.rival, steps=1),
        siamese=replace(usual.siamese, steps=1),
        held_out=0.0,
    )
    return follow(meta_train_prior(data, settings), tell)


def tell(step: TrainStep) -> None:
    """Print how far the training is."""
    if step.validation is not None:
        print(f"{step.phase} {step.step} of {step.steps}, {step.seconds:.0f} s: loss {step.loss:.3f}", flush=True)


def main() -> None:
    """Train, evaluate, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=10)
    parser.add_argument("--scenes", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--length", type=float, default=1.0, help="share of the usual steps; 0.01 to try it out")
    options = parser.parse_args()
    prior = trained_on(tasks(options.tasks, SEED + 10 * options.seed), options.seed, options.length)
    candidates = (ZERO_STEP, FIVE_STEP, ADAM, CHOSEN)
    settings = EvaluateSettings((1, 3), options.scenes, options.seed, candidates)
    success = follow(evaluate([prior], tasks(NEW_TASKS, NEW_SEED + 10 * options.seed), settings), lambda _: None)
    columns, rows = table_of(success, detail=True)
    show(None, columns, rows, as_json=False, title=f"A library of {options.tasks} tasks alone, seed {options.seed}")


if __name__ == "__main__":
    main()
