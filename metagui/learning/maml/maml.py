"""Model-agnostic meta-learning (Finn, Abbeel & Levine 2017), second order, batched by hand over tasks.

    θ*, α* = argmin Σᵢ L_query,ᵢ(θ'ᵢ)        θ'ᵢ ← θ'ᵢ − αₖ ∇ L_support,ᵢ(θ'ᵢ),   k = 1 … steps

with the additions of Antoniou, Edwards & Storkey 2019: αₖ is one learnt positive rate per tensor per step
(LSLR), and early in training the query losses after every step contribute (multi-step loss). A model may also
*infer* part of its starting point from the support set, θ'ᵢ = start(θ, supportᵢ): an adapted context, an
encoder. The module contains no robot code; the paper's sinusoid regression runs through the same two functions,
``meta_train`` and ``adapt`` (benchmarks/sinusoid.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

import numpy as np
import torch

from metagui.learning.maml.data_parallel import BatchGradient, DataParallelGradients
from metagui.learning.maml.training_state import MetaParameters, MetaState
from metagui.learning.torch_utils.muon import Muon, is_hidden_matrix

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    from metagui.learning.torch_utils.functional_mlp import Params

INNER_STEPS = 5
"""Number of inner gradient steps in meta-training and adaptation."""

Batch = TypeVar("Batch")
"""Data of several tasks, in any form that the model accepts."""


class Model(Protocol[Batch]):
    """A functional network and its loss, batched over tasks."""

    def start(self, params: Params, support: Batch) -> Params:
        """Return every task's parameters before the first step, each with a leading task dimension."""

    def precompute(self, fast: Params, batch: Batch) -> Batch:
        """Return the batch, with values that no adapted tensor changes computed once for all steps."""

    def loss(self, fast: Params, batch: Batch) -> torch.Tensor:
        """Return every task's loss on its own data, (tasks,)."""


@dataclass(frozen=True)
class MetaSettings:
    """Hyperparameters of meta-training."""

    steps: int
    """Number of outer steps."""
    inner_steps: int = INNER_STEPS
    """Number of gradient steps on the support set; 0 trains the starting point only (zero-step)."""
    order: Literal[1, 2] = 2
    """2 differentiates through the inner gradients; 1 takes them as constants (first-order MAML)."""
    lr: float = 1e-3
    """Initial step size of Adam; a cosine schedule lowers it to ``final_lr``."""
    final_lr: float = 0.0
    """Final step size of Adam."""
    muon_lr: float = 0.0
    """Initial step size of Muon for hidden layers' matrices; 0 uses Adam for them too."""
    rate_lr_scale: float = 10.0
    """Factor on the step size for the logarithms of the inner rates."""
    clip: float = 1.0
    """Maximum norm of the outer gradient."""
    multi_step_fraction: float = 0.5
    """Fraction of the training in which the losses after every inner step contribute, fading out."""
    zero_step_weight: float = 0.0
    """Weight of the query loss before any step; the adapted losses have weight 1."""
    report_every: int = 10
    """Number of outer steps between two progress records."""
    batches_per_step: int = 1
    """Number of batches per outer step; also the maximum number of processes that compute it."""

    def is_report_step(self, step: int) -> bool:
        """Return whether a progress record follows this outer step."""
        return (step + 1) % self.report_every == 0 or step + 1 == self.steps


@dataclass(frozen=True)
class MetaStep:
    """Progress of meta-training: mean query losses of the last batch, before and after adapting to it."""

    step: int
    steps: int
    loss_before: float
    loss_after: float
    gradient_norm: float
    """Norm of the outer gradient before clipping."""
    skipped: int
    """Number of outer steps skipped so far because of a number that was not finite."""


def initialise(params: Params, rates: Mapping[str, float], steps: int) -> MetaParameters:
    """Return the initial meta-parameters; the tensors named in ``rates`` adapt, at first at these rates."""
    tensors = {name: tensor.detach().clone().requires_grad_() for name, tensor in params.items()}
    logs = {name: torch.full((max(steps, 1),), math.log(rate), requires_grad=True) for name, rate in rates.items()}
    return MetaParameters(tensors, logs)


def adapt(
    model: Model[Batch], meta: MetaParameters, support: Batch, steps: int, order: Literal[1, 2] = 1
) -> Iterator[Params]:
    """Yield every task's parameters θ' after 0, 1, … ``steps`` gradient steps on its support set.

    With ``order`` 2 the result is differentiable with respect to ``meta`` through the inner gradients.
    Steps beyond the learnt rates repeat the last one.
    """
    fast = model.start(meta.params, support)
    yield fast
    support = model.precompute(fast, support)
    for step in range(steps):
        fast = _inner_step(model, meta, fast, support, step, order)
        yield fast


def _inner_step(
    model: Model[Batch], meta: MetaParameters, fast: Params, support: Batch, step: int, order: int
) -> Params:
    """Return θ' − α ∇ L_support(θ') for every adapted tensor of every task."""
    fast = dict(fast)
    for name in meta.log_rates:
        if not fast[name].requires_grad:
            fast[name] = fast[name].detach().requires_grad_()
    adapted = [fast[name] for name in meta.log_rates]
    with torch.enable_grad():
        loss = model.loss(
            fast, support
        ).sum()  # tasks share no parameters here, so the gradient of the sum holds each task's gradient
        gradients = torch.autograd.grad(loss, adapted, create_graph=order == 2)
    for (name, log_rate), gradient in zip(meta.log_rates.items(), gradients, strict=True):
        rate = log_rate[min(step, len(log_rate) - 1)].exp()
        fast[name] = torch.addcmul(fast[name], rate, gradient, value=-1)  # one pass over memory
    return fast


def meta_train(
    model: Model[Batch],
    sample: Callable[[np.random.Generator], tuple[Batch, Batch]],
    settings: MetaSettings,
    state: MetaState,
    workers: int = 1,
) -> Generator[MetaStep, None, MetaState]:
    """Minimise the query loss after adaptation, over (support, query) batches of tasks from ``sample``.

    ``state`` is updated in place, is consistent whenever a record is yielded, and can be saved then: a run continued
    from a saved state ends with exactly the same numbers, as does a run with another number of ``workers``, the
    processes that compute the batches of a step. Close the generator to stop. Raises WorkerProcessError.
    """
    tensors = state.meta.tensors()
    optimiser = Muon(_parameter_groups(state.meta, settings), lr=settings.lr, fused=True)
    state.restore_optimiser(optimiser)
    source = _BatchGradients(model, sample, settings, state.seed)
    with DataParallelGradients(source, state.meta, workers) as gradients:
        while state.step < settings.steps:
            report = settings.is_report_step(state.step)
            found = gradients.compute_gradient(state.step)
            for tensor, gradient in zip(tensors, state.meta.unflatten(found.vector), strict=True):
                tensor.grad = gradient
            norm = float(torch.nn.utils.clip_grad_norm_(tensors, settings.clip))
            if math.isfinite(norm) and math.isfinite(found.objective):
                for group in optimiser.param_groups:
                    group["lr"] = learning_rate(settings, state.step) * group["lr_scale"]
                optimiser.step()
            else:
                state.skipped += 1
            state.step += 1
            if report:
                state.capture_optimiser(optimiser)
                yield MetaStep(state.step, settings.steps, found.loss_before, found.loss_after, norm, state.skipped)
    return state


@dataclass(frozen=True)
class _BatchGradients(Generic[Batch]):
    """The batches of a training run, each with its own random stream, and their gradients (a GradientSource)."""

    model: Model[Batch]
    sample: Callable[[np.random.Generator], tuple[Batch, Batch]]
    settings: MetaSettings
    seed: int

    @property
    def batches_per_step(self) -> int:
        """Number of batches per outer step."""
        return self.settings.batches_per_step

    def draw_batch(self, step: int, batch: int) -> tuple[Batch, Batch]:
        """Draw (support, query)."""
        return self.sample(np.random.default_rng((self.seed, step, batch)))

    def compute_gradient(self, meta: MetaParameters, step: int, batch: tuple[Batch, Batch]) -> BatchGradient:
        """Return the outer gradient of one batch and its query losses."""
        weights = step_weights(self.settings, step)
        losses = _query_losses(self.model, meta, batch, self.settings, weights, self.settings.is_report_step(step))
        objective = torch.stack([w * loss for w, loss in zip(weights, losses, strict=True) if w > 0]).sum()
        tensors = meta.tensors()
        gradients = torch.autograd.grad(objective, tensors, allow_unused=True)
        found = [torch.zeros_like(t) if g is None else g for t, g in zip(tensors, gradients, strict=True)]
        vector = torch.cat([gradient.flatten() for gradient in found])
        return BatchGradient(vector, *(float(loss.detach()) for loss in (objective, losses[0], losses[-1])))


def _parameter_groups(meta: MetaParameters, settings: MetaSettings) -> list[dict[str, Any]]:
    """Return the optimiser's parameter groups; ``lr_scale`` multiplies the scheduled step size."""
    hidden = [tensor for tensor in meta.params.values() if settings.muon_lr and is_hidden_matrix(tensor)]
    others = [tensor for tensor in meta.params.values() if not any(tensor is one for one in hidden)]
    groups = [
        {"params": others, "lr_scale": 1.0},
        {"params": hidden, "lr_scale": settings.muon_lr / settings.lr if settings.lr else 0.0, "muon": True},
        {"params": list(meta.log_rates.values()), "lr_scale": settings.rate_lr_scale},
    ]
    return [group for group in groups if group["params"]]


def _query_losses(
    model: Model[Batch],
    meta: MetaParameters,
    batches: tuple[Batch, Batch],
    settings: MetaSettings,
    weights: list[float],
    report: bool,
) -> list[torch.Tensor]:
    """Return mean query losses after 0, 1, … inner steps; those without weight only if they are reported."""
    support, query = batches
    losses = []
    paths = adapt(model, meta, support, settings.inner_steps, settings.order)
    for step, (weight, fast) in enumerate(zip(weights, paths, strict=True)):
        query = model.precompute(fast, query) if step == 0 else query
        if weight > 0:
            losses.append(model.loss(fast, query).mean())
        elif report:
            with torch.no_grad():
                losses.append(model.loss(fast, query).mean())
        else:
            losses.append(torch.zeros(()))
    return losses


def step_weights(settings: MetaSettings, step: int) -> list[float]:
    """Return the query loss's weight after 0, 1, … inner steps: all steps at first, the last one later."""
    if settings.inner_steps == 0:
        return [1.0]
    fading = settings.multi_step_fraction * settings.steps
    early = max(0.0, 1.0 - step / fading) if fading > 0 else 0.0
    weights = [early / settings.inner_steps] * settings.inner_steps
    weights[-1] += 1.0 - early
    return [settings.zero_step_weight, *weights]


def learning_rate(settings: MetaSettings, step: int) -> float:
    """Return the cosine schedule's value before outer step ``step``."""
    progress = step / max(settings.steps, 1)
    return settings.final_lr + (settings.lr - settings.final_lr) * 0.5 * (1 + math.cos(math.pi * progress))
