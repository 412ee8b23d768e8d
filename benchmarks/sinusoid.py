"""The sinusoid regression of the MAML paper, with the functions that train the policy: a sanity check.

A task is y = a sin(x - p) with a in [0.1, 5], p in [0, pi] and x in [-5, 5], observed at K points.
Run ``python -m benchmarks.sinusoid`` for the mean squared error after 0, 1, 5 and 10 steps.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass

import numpy as np
import torch

from metagui.generators import run_to_end
from metagui.learning.maml import maml
from metagui.learning.maml.training_state import MetaParameters, MetaState
from metagui.learning.torch_utils.functional_mlp import Params, expand_per_task, init_mlp, mlp

WEIGHT_LEARNING_RATE, CONTEXT_LEARNING_RATE = 0.01, 0.1


@dataclass(frozen=True)
class SinusoidBatch:
    """Inputs and outputs of several tasks, each (tasks, points, 1)."""

    x: torch.Tensor
    y: torch.Tensor


@dataclass(frozen=True)
class SinusoidRegressor:
    """Two hidden layers of 40 units, as in the paper, with an adapted context as additional input."""

    context: int = 0
    """Size of the context; 0 for none."""
    width: int = 40

    def initialise(self, seed: int) -> Params:
        """Return θ before meta-training."""
        generator = torch.Generator().manual_seed(seed)
        params = init_mlp("net", (1 + self.context, self.width, self.width, 1), generator)
        return params | {"context": torch.zeros(self.context)} if self.context else params

    def initial_inner_rates(self) -> dict[str, float]:
        """Return the initial rate of every adapted tensor."""
        weights = {name: WEIGHT_LEARNING_RATE for name in self.initialise(0) if name != "context"}
        return weights | {"context": CONTEXT_LEARNING_RATE} if self.context else weights

    def start(self, params: Params, support: SinusoidBatch) -> Params:
        """Return θ for every task."""
        return expand_per_task(params, params, len(support.x))

    def predict(self, fast: Params, x: torch.Tensor) -> torch.Tensor:
        """Return y for x, each (tasks, points, 1)."""
        if self.context:
            context = fast["context"].unsqueeze(1).expand(-1, x.shape[1], -1)
            x = torch.cat([x, context], dim=-1)
        return mlp(fast, "net", x, 3)

    def precompute(self, fast: Params, batch: SinusoidBatch) -> SinusoidBatch:
        """Return the batch unchanged."""
        return batch

    def loss(self, fast: Params, batch: SinusoidBatch) -> torch.Tensor:
        """Return the mean squared error of every task, (tasks,)."""
        return (self.predict(fast, batch.x) - batch.y).square().mean(dim=(1, 2))


@dataclass(frozen=True)
class SinusoidSampler:
    """Draws (support, query) batches."""

    tasks: int = 25
    support_size: int = 10
    query_size: int = 10

    def __call__(self, rng: np.random.Generator) -> tuple[SinusoidBatch, SinusoidBatch]:
        """Return support and query points of new tasks."""
        amplitude = rng.uniform(0.1, 5.0, (self.tasks, 1, 1))
        phase = rng.uniform(0.0, math.pi, (self.tasks, 1, 1))
        x = rng.uniform(-5.0, 5.0, (self.tasks, self.support_size + self.query_size, 1))
        xs = torch.tensor(x, dtype=torch.get_default_dtype())
        ys = torch.tensor(amplitude * np.sin(x - phase), dtype=torch.get_default_dtype())
        first = SinusoidBatch(xs[:, : self.support_size], ys[:, : self.support_size])
        return first, SinusoidBatch(xs[:, self.support_size :], ys[:, self.support_size :])


def make_initial_state(model: SinusoidRegressor, seed: int, inner_steps: int = maml.INNER_STEPS) -> MetaState:
    """Return an untrained state."""
    meta = maml.initialise(model.initialise(seed), model.initial_inner_rates(), inner_steps)
    return MetaState(meta, seed)


def evaluate(
    model: SinusoidRegressor, meta: MetaParameters, steps: int = 10, tasks: int = 600, seed: int = 999
) -> list[float]:
    """Return the mean squared error on new tasks after 0 … ``steps`` steps with ten support points."""
    support, query = SinusoidSampler(tasks, 10, 100)(np.random.default_rng(seed))
    with torch.no_grad():
        paths = maml.adapt(model, meta.detached_copy(), support, steps)
        return [float(model.loss(fast, query).mean()) for fast in paths]


def main() -> None:
    """Train with and without an adapted context and print the errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20_000, help="outer steps")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = {}
    for context in (0, 8):
        model = SinusoidRegressor(context)
        state = make_initial_state(model, options.seed)
        # The losses after the first steps retain half their weight to the end, so that one step is enough, too.
        settings = maml.MetaSettings(steps=options.steps, lr=2e-3, clip=10.0, multi_step_fraction=2.0, report_every=500)
        started = time.perf_counter()
        run_to_end(maml.meta_train(model, SinusoidSampler(), settings, state))
        errors = evaluate(model, state.meta)
        results[f"context {context}"] = {
            "mse": {k: errors[k] for k in (0, 1, 5, 10)},
            "skipped": state.skipped,
            "ms_per_meta_step": (time.perf_counter() - started) / options.steps * 1e3,
        }
    print(json.dumps(results, indent=None if options.json else 2))


if __name__ == "__main__":
    main()
