"""The meta-step of ``benchmarks.meta_step`` in other libraries: same network, data, steps and second-order gradients.

Each function prepares a step in the way that the library's own documentation recommends and returns a function that
computes the gradients of θ, as a list of (in, out) weights and biases. Libraries that are absent raise ImportError.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from metagui.learning.torch_utils.functional_mlp import Params

    MetaStepFunction = Callable[[], list[torch.Tensor]]


@dataclass(frozen=True)
class RegressionBatch:
    """Inputs (tasks, points, in) and outputs (tasks, points, out) of several tasks."""

    x: torch.Tensor
    y: torch.Tensor


@dataclass(frozen=True)
class MetaProblem:
    """What every library computes."""

    params: Params
    """θ of an MLP with ReLU: weights (in, out) and biases, in the order of the layers."""
    support: RegressionBatch
    query: RegressionBatch
    steps: int
    inner_lr: float

    def make_module(self) -> torch.nn.Sequential:
        """Return the network as a module with the same θ."""
        values = list(self.params.values())
        layers: list[torch.nn.Module] = []
        for weight, bias in zip(values[::2], values[1::2], strict=True):
            linear = torch.nn.Linear(*weight.shape)
            linear.weight.data, linear.bias.data = weight.detach().T.clone(), bias.detach().clone()
            layers += [linear, torch.nn.ReLU()]
        return torch.nn.Sequential(*layers[:-1])

    def iterate_tasks(self) -> Iterator[tuple[torch.Tensor, ...]]:
        """Yield support inputs and outputs and query inputs and outputs of one task after another."""
        return zip(self.support.x, self.support.y, self.query.x, self.query.y, strict=True)


def transpose_weights(gradients: Any) -> list[torch.Tensor]:
    """Return gradients of modules, which store transposed weights, as (in, out)."""
    return [gradient.T if gradient.dim() == 2 else gradient for gradient in gradients]


def mse(outputs: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Return the mean squared error."""
    return torch.nn.functional.mse_loss(outputs, wanted)


def make_plain_loop(problem: MetaProblem) -> MetaStepFunction:
    """Return a step in plain PyTorch, task by task."""
    net = problem.make_module()
    names = [name for name, _ in net.named_parameters()]
    wanted: list[torch.Tensor] = list(net.parameters())

    def step() -> list[torch.Tensor]:
        total = torch.zeros(())
        for x, y, query_x, query_y in problem.iterate_tasks():
            fast = wanted
            for _ in range(problem.steps):
                outputs = torch.func.functional_call(net, dict(zip(names, fast, strict=True)), (x,))
                gradients = torch.autograd.grad(mse(outputs, y), fast, create_graph=True)
                fast = [value - problem.inner_lr * gradient for value, gradient in zip(fast, gradients, strict=True)]
            total = total + mse(
                torch.func.functional_call(net, dict(zip(names, fast, strict=True)), (query_x,)), query_y
            )
        return transpose_weights(torch.autograd.grad(total / len(problem.support.x), wanted))

    return step


def make_torch_func(problem: MetaProblem) -> MetaStepFunction:
    """Return a step by ``torch.func``: vmap over tasks of nested grad, as in PyTorch's tutorial on MAML."""
    net = problem.make_module()
    params = {name: tensor.detach() for name, tensor in net.named_parameters()}

    def loss(values: Params, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return mse(torch.func.functional_call(net, values, (x,)), y)

    def query_loss(
        values: Params, x: torch.Tensor, y: torch.Tensor, query_x: torch.Tensor, query_y: torch.Tensor
    ) -> torch.Tensor:
        for _ in range(problem.steps):
            gradients = torch.func.grad(loss)(values, x, y)
            values = {name: value - problem.inner_lr * gradients[name] for name, value in values.items()}
        return loss(values, query_x, query_y)

    def mean_loss(values: Params) -> torch.Tensor:
        sides = (problem.support.x, problem.support.y, problem.query.x, problem.query.y)
        losses: torch.Tensor = torch.vmap(query_loss, in_dims=(None, 0, 0, 0, 0))(values, *sides)
        return losses.mean()

    return lambda: transpose_weights(torch.func.grad(mean_loss)(params).values())


def make_learn2learn(problem: MetaProblem) -> MetaStepFunction:
    """Return a step by learn2learn's MAML, task by task."""
    from learn2learn.algorithms import MAML

    meta = MAML(problem.make_module(), lr=problem.inner_lr)
    wanted = list(meta.parameters())

    def step() -> list[torch.Tensor]:
        total = torch.zeros(())
        for x, y, query_x, query_y in problem.iterate_tasks():
            learner = meta.clone()
            for _ in range(problem.steps):
                learner.adapt(mse(learner(x), y))
            total = total + mse(learner(query_x), query_y)
        return transpose_weights(torch.autograd.grad(total / len(problem.support.x), wanted))

    return step


def make_higher(problem: MetaProblem) -> MetaStepFunction:
    """Return a step by higher's inner-loop context, task by task."""
    import higher

    net = problem.make_module()
    optimiser = torch.optim.SGD(net.parameters(), lr=problem.inner_lr)
    wanted = list(net.parameters())

    def step() -> list[torch.Tensor]:
        found = [torch.zeros_like(each) for each in wanted]
        for x, y, query_x, query_y in problem.iterate_tasks():
            with higher.innerloop_ctx(net, optimiser, copy_initial_weights=False) as (fast, differentiable):
                for _ in range(problem.steps):
                    differentiable.step(mse(fast(x), y))
                gradients = torch.autograd.grad(mse(fast(query_x), query_y), wanted)
            found = [total + gradient for total, gradient in zip(found, gradients, strict=True)]
        return transpose_weights(total / len(problem.support.x) for total in found)

    return step


def make_torchopt(problem: MetaProblem) -> MetaStepFunction:
    """Return a step by TorchOpt's MetaSGD, task by task."""
    import torchopt

    net = problem.make_module()
    optimiser = torchopt.MetaSGD(net, lr=problem.inner_lr)
    wanted = list(net.parameters())

    def step() -> list[torch.Tensor]:
        at_first = torchopt.extract_state_dict(net, by="reference"), torchopt.extract_state_dict(optimiser)
        total = torch.zeros(())
        for x, y, query_x, query_y in problem.iterate_tasks():
            for _ in range(problem.steps):
                optimiser.step(mse(net(x), y))
            total = total + mse(net(query_x), query_y)
            torchopt.recover_state_dict(net, at_first[0])
            torchopt.recover_state_dict(optimiser, at_first[1])
        return transpose_weights(torch.autograd.grad(total / len(problem.support.x), wanted))

    return step


def make_parallel_metalearn(problem: MetaProblem) -> MetaStepFunction:
    """Return a step by parallel-metalearn's MAML, vectorised over tasks; the outer optimiser changes nothing."""
    from metalearn.algorithms import MAML
    from metalearn.inner_optimizers import InnerSGD
    from metalearn.loss.base import BaseLoss
    from metalearn.model_wrappers import MAML_Model

    class Layers(torch.nn.Sequential):
        def forward(self, input: torch.Tensor, **_: Any) -> torch.Tensor:
            return super().forward(input)  # type: ignore[no-any-return]

    class SquaredError(BaseLoss):
        def forward(
            self, out_dict: dict[str, torch.Tensor], targets: torch.Tensor, **_: Any
        ) -> tuple[torch.Tensor, torch.Tensor]:
            loss = mse(out_dict["logits"], targets)
            return loss, loss.detach()

    layers = list(problem.make_module())
    model = MAML_Model(backbone=Layers(*layers[:-1]), head=Layers(layers[-1]))
    inner = InnerSGD(
        OrderedDict(model.get_fast_weights()), inner_lr=problem.inner_lr, max_inner_steps=problem.steps, learn_lr=False
    )
    tasks = len(problem.support.x)
    algorithm = MAML(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.0),
        inner_optimizer=inner,
        support_loss_fn=SquaredError(),
        inner_steps=problem.steps,
        chunk_size=tasks,
        device=torch.device("cpu"),
    )
    batches = itertools.repeat((problem.support.x, problem.support.y, problem.query.x, problem.query.y))
    wanted = list(model.parameters())

    def step() -> list[torch.Tensor]:
        algorithm.step(batches, training=True)
        return transpose_weights(each.grad for each in wanted)

    return step


BASELINES: dict[str, Callable[[MetaProblem], MetaStepFunction]] = {
    "torch.func": make_torch_func,
    "plain loop": make_plain_loop,
    "learn2learn": make_learn2learn,
    "higher": make_higher,
    "TorchOpt": make_torchopt,
    "parallel-metalearn": make_parallel_metalearn,
}
"""Name and preparation of every other way to compute the step."""
