"""One meta-step batched over tasks, compared with the same step task by task as learn2learn does it.

Both compute the same with one thread: 16 tasks of 64 support and 64 query points, five second-order inner steps on a
network with two hidden layers, then the gradient of the mean query loss. Run ``python -m benchmarks.meta_step`` for
medians of interleaved repetitions in processor time, and the difference of the two gradients. The baseline is
learn2learn if it can be imported; otherwise a loop that clones, adapts and differentiates one task after the other in
the same way. learn2learn 0.2.0 does not build for Python 3.11 and later (its compiled data sets include a header that
no longer exists), so it is not a dependency; its ``algorithms`` and ``utils`` packages on the path are enough. Half of
the time of a batched step goes to memory that glibc returns to the system after every step and requests again:
MALLOC_TRIM_THRESHOLD_=2000000000 in the environment saves a quarter of the time, for both.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from metagui.learning.maml import maml
from metagui.learning.maml.training_state import MetaParameters
from metagui.learning.torch_utils.functional_mlp import Params, expand_per_task, init_mlp, mlp

if TYPE_CHECKING:
    from collections.abc import Callable

INPUT_SIZE, OUTPUT_SIZE = 32, 6
INNER_LEARNING_RATE = 0.01


@dataclass(frozen=True)
class RegressionBatch:
    """Inputs (tasks, points, INPUT_SIZE) and outputs (tasks, points, OUTPUT_SIZE) of several tasks."""

    x: torch.Tensor
    y: torch.Tensor


@dataclass(frozen=True)
class MetaStepNetwork:
    """The network as a model for ``maml``."""

    width: int

    def initialise(self, seed: int) -> Params:
        """Return θ."""
        generator = torch.Generator().manual_seed(seed)
        sizes = (INPUT_SIZE, self.width, self.width, OUTPUT_SIZE)
        return {n: t.to(torch.get_default_dtype()) for n, t in init_mlp("net", sizes, generator).items()}

    def start(self, params: Params, support: RegressionBatch) -> Params:
        """Return θ for every task."""
        return expand_per_task(params, params, len(support.x))

    def precompute(self, fast: Params, batch: RegressionBatch) -> RegressionBatch:
        """Return the batch unchanged."""
        return batch

    def loss(self, fast: Params, batch: RegressionBatch) -> torch.Tensor:
        """Return the mean squared error of every task, (tasks,)."""
        off = (mlp(fast, "net", batch.x, 3) - batch.y).flatten(1)
        return (off * off).sum(1) / off.shape[1]


def make_problem(tasks: int = 16, points: int = 64, seed: int = 0) -> tuple[RegressionBatch, RegressionBatch]:
    """Return support and query points of random tasks."""
    generator = torch.Generator().manual_seed(seed)

    def side() -> RegressionBatch:
        x, y = (torch.randn(tasks, points, size, generator=generator) for size in (INPUT_SIZE, OUTPUT_SIZE))
        return RegressionBatch(x.to(torch.get_default_dtype()), y.to(torch.get_default_dtype()))

    return side(), side()


def make_batched_step(
    width: int, support: RegressionBatch, query: RegressionBatch, steps: int
) -> Callable[[], list[torch.Tensor]]:
    """Return this program's meta-step, a function that returns the gradients of θ."""
    model = MetaStepNetwork(width)
    params = model.initialise(1)
    # Fixed rates, as learn2learn has them.
    fixed = maml.initialise({}, dict.fromkeys(params, INNER_LEARNING_RATE), steps).detached_copy().log_rates
    meta = MetaParameters({name: tensor.requires_grad_() for name, tensor in params.items()}, fixed)
    wanted = list(meta.params.values())

    def step() -> list[torch.Tensor]:
        *_, fast = maml.adapt(model, meta, support, steps, order=2)
        return list(torch.autograd.grad(model.loss(fast, query).mean(), wanted))

    return step


def make_sequential_step(
    width: int, support: RegressionBatch, query: RegressionBatch, steps: int, learner: Callable[[torch.nn.Module], Any]
) -> Callable[[], list[torch.Tensor]]:
    """Return the same meta-step task by task, by a learner with ``clone`` and ``adapt``."""
    meta = learner(make_module(width))
    wanted = list(meta.parameters())
    mse = torch.nn.functional.mse_loss

    def step() -> list[torch.Tensor]:
        total = torch.zeros(())
        for task in range(len(support.x)):
            clone = meta.clone()
            for _ in range(steps):
                clone.adapt(mse(clone(support.x[task]), support.y[task]))
            total = total + mse(clone(query.x[task]), query.y[task])
        gradients = torch.autograd.grad(total / len(support.x), wanted)
        return [g.T if g.dim() == 2 else g for g in gradients]  # nn.Linear stores transposed weights

    return step


def make_module(width: int) -> torch.nn.Module:
    """Return the network as a module, with the same θ."""
    sizes = (INPUT_SIZE, width, width, OUTPUT_SIZE)
    linear = [torch.nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
    for layer, values in enumerate(zip(*[iter(MetaStepNetwork(width).initialise(1).values())] * 2, strict=True)):
        linear[layer].weight.data, linear[layer].bias.data = values[0].T.clone(), values[1].clone()
    return torch.nn.Sequential(linear[0], torch.nn.ReLU(), linear[1], torch.nn.ReLU(), linear[2])


class SequentialLearner:
    """Does what learn2learn's MAML does: cloned parameters are replaced by updated ones, with their graph."""

    def __init__(self, net: torch.nn.Module, params: dict[str, torch.Tensor] | None = None) -> None:
        self._net = net
        self._params: dict[str, torch.Tensor] = dict(params or net.named_parameters())

    def parameters(self) -> list[torch.Tensor]:
        """Return the parameters in order."""
        return list(self._params.values())

    def clone(self) -> SequentialLearner:
        """Return a learner whose steps are differentiable with respect to this one."""
        return SequentialLearner(self._net, {name: value.clone() for name, value in self._params.items()})

    def adapt(self, loss: torch.Tensor) -> None:
        """Take one gradient step."""
        gradients = torch.autograd.grad(loss, self.parameters(), create_graph=True)
        stepped = zip(self._params.items(), gradients, strict=True)
        self._params = {name: value - INNER_LEARNING_RATE * gradient for (name, value), gradient in stepped}

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return the network's outputs."""
        return torch.func.functional_call(self._net, self._params, (x,))  # type: ignore[no-any-return]


def choose_baseline() -> tuple[str, Callable[[torch.nn.Module], Any]]:
    """Return name and learner of the baseline: learn2learn if it is installed, else the plain loop."""
    if importlib.util.find_spec("learn2learn") is None:
        return "plain loop", SequentialLearner
    import learn2learn

    return "learn2learn", lambda net: learn2learn.algorithms.MAML(net, lr=INNER_LEARNING_RATE)


def compute_difference(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> float:
    """Return the maximum difference of the gradients, relative to the maximum gradient."""
    largest = max(float(g.abs().max()) for g in theirs)
    return max(float((a - b).abs().max()) for a, b in zip(ours, theirs, strict=True)) / largest


def measure(width: int, repetitions: int, steps: int = maml.INNER_STEPS) -> dict[str, Any]:
    """Return medians in ms, their ratio and the difference of the gradients."""
    name, learner = choose_baseline()
    support, query = make_problem()
    ours, theirs = (
        make_batched_step(width, support, query, steps),
        make_sequential_step(width, support, query, steps, learner),
    )
    difference = compute_difference(ours(), theirs())
    times: dict[str, list[float]] = {"batched": [], name: []}
    for _ in range(repetitions):
        for label, step in (("batched", ours), (name, theirs)):
            began = time.process_time()
            step()
            times[label].append((time.process_time() - began) * 1e3)
    medians = {label: round(statistics.median(values), 1) for label, values in times.items()}
    ratio = statistics.median(times[name]) / statistics.median(times["batched"])
    return {"width": width, "ms": medians, "ratio": round(ratio, 2), "gradients_apart": difference}


def main() -> None:
    """Measure at both widths and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=40)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for width in (64, 128):
        print(json.dumps(measure(width, options.repetitions)))


if __name__ == "__main__":
    main()
