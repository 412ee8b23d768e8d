"""Leave-one-out cross-validation over adaptation candidates.

Each candidate is a path of parameters from its start: the encoder's inference, MAML's inner steps, Adam, baselines, or
a neighbour's policy. All folds run at once as the tasks of one batch. The last row is the policy made from all takes;
if that takes many steps, it is made for the selected candidate only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from metagui.learning.adaptation.folds import (
    Folds,
    compute_held_out_losses,
    repeat_folds,
    select_folds,
    split_batches,
    split_folds,
)
from metagui.learning.maml import maml
from metagui.learning.maml.maml import INNER_STEPS
from metagui.learning.policy.policy import ADAPTED_TENSORS, POLICY_TENSORS, TASK_TENSORS, PolicyModel
from metagui.learning.policy.retrieval import MEMORY_TENSORS, RETRIEVAL_TENSORS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from metagui.learning.policy.feature_layout import Array
    from metagui.learning.policy.features import SegmentArrays
    from metagui.learning.prior import Prior
    from metagui.learning.torch_utils.functional_mlp import Params

ATTENTION_MARGIN, ATTENTION_FOLD_MARGIN = 0.5, 0.2
"""Minimum relative decrease of the held-out loss, on average and in every fold, to attend to other objects than the
encoder's: by chance, other objects explain hand-led takes a third better."""
ADAM_BATCHES = 8
"""Number of different batches that Adam cycles through; on a single one it would overfit."""


@dataclass(frozen=True)
class CandidateSettings:
    """Hyperparameters of the candidates."""

    inner_steps: int = INNER_STEPS
    """Number of MAML's inner steps."""
    max_adam_steps: int = 50
    """Maximum number of Adam steps; the best number is found on held-out data."""
    check_every: int = 5
    """Number of Adam steps between two evaluations on held-out data."""
    patience: int = 15
    """Number of Adam steps without improvement on held-out data after which Adam stops."""
    adam_lr: float = 1e-3
    """Step size of Adam for the policy's weights."""
    inferred_lr: float = 1e-2
    """Step size of Adam for inferred tensors."""
    support_points: int = 192
    """Number of support points per fold; a denser memory retrieves better."""
    encoder_points: int = 64
    """Number of support points that the encoder and the inner steps use, as in meta-training."""
    query_points: int = 96
    """Number of held-out points per fold."""
    adam_batch_points: int = 48
    """Number of points per fold in one step of Adam."""
    seed: int = 0
    """Seed of the sampled points and of untrained policies."""
    baselines: bool = True
    """True if candidates that cannot be selected are trained too, for their curves."""
    keep_all_candidates: bool = False
    """True if every candidate's policy can be made afterwards, not only the selected one; they are not saved."""


def make_folds(takes: Sequence[SegmentArrays], settings: CandidateSettings) -> Folds:
    """Return the folds of some takes of a segment."""
    return split_folds(
        takes,
        support_points=settings.support_points,
        query_points=settings.query_points,
        adam_points=settings.adam_batch_points * ADAM_BATCHES,
        encoder_points=settings.encoder_points,
        seed=settings.seed,
    )


def infer_zero_step(prior: Prior, folds: Folds) -> Params:
    """Return the policies that the encoder infers."""
    with torch.no_grad():
        return prior.model.start(prior.meta.params, folds.support)


def search_attention(prior: Prior, folds: Folds) -> Folds:
    """Return the folds with other objects to attend to, if those explain the held-out takes far better.

    For a motion that was not in its training, the encoder may attend to the wrong objects, since a kind of object may
    matter that never did before. All second objects are tried, then all first ones. With one take nothing is tried: in
    one scene, the position relative to one object is as good as that relative to any other.
    """
    model = prior.model
    if folds.fold_count < 2 or model.unconditioned:
        return folds
    zero = infer_zero_step(prior, folds)
    first = compute_held_out_losses(model, zero, folds)
    objects = folds.support.object_features.shape[2]
    chosen = [int(zero[name][-1].argmax()) for name in ("attention1", "attention2")]
    best, found = float(first.mean()) * (1.0 - ATTENTION_MARGIN), folds
    for which, count in ((1, objects + 1), (0, objects)):
        pairs = [[tried if which == i else other for i, other in enumerate(chosen)] for tried in range(count)]
        pairs = [pair for pair in pairs if pair[0] != pair[1]]
        bound = first * (1.0 - ATTENTION_FOLD_MARGIN)
        first_fold = _compute_forced_losses(prior, select_folds(folds, slice(0, 1)), pairs)  # excludes nearly all pairs
        pairs = [pair for pair, loss in zip(pairs, first_fold, strict=True) if loss[0] < bound[0]]
        if not pairs:
            continue
        each = _compute_forced_losses(prior, select_folds(folds, slice(0, folds.fold_count)), pairs)
        mean = torch.where((each < bound).all(1), each.mean(1), torch.inf)
        lowest = int(mean.argmin())
        if float(mean[lowest]) < best:
            best, chosen = float(mean[lowest]), pairs[lowest]
            attended = torch.tensor(chosen).expand(folds.fold_count + 1, 2)
            found = replace(folds, support=replace(folds.support, forced_attention=attended))
    return found


def _compute_forced_losses(prior: Prior, folds: Folds, pairs: Sequence[Sequence[int]]) -> torch.Tensor:
    """Return the zero-step held-out losses for each pair of attended objects, (pairs, rows of the folds)."""
    repeated = repeat_folds(folds, len(pairs))
    attended = torch.tensor(pairs).repeat_interleave(len(repeated.query.done) // len(pairs), 0)
    repeated = replace(repeated, support=replace(repeated.support, forced_attention=attended))
    with torch.no_grad():
        return prior.model.loss(infer_zero_step(prior, repeated), repeated.query).view(len(pairs), -1)


def run_inner_loop(prior: Prior, folds: Folds, settings: CandidateSettings) -> Iterator[tuple[int, Params]]:
    """Yield step and parameters of MAML's inner loop."""
    yield from enumerate(maml.adapt(prior.model, prior.meta, folds.support, settings.inner_steps))


def train_with_adam(
    model: PolicyModel, starts: Sequence[Params], folds: Folds, settings: CandidateSettings
) -> Iterator[tuple[int, Params]]:
    """Yield step and parameters of Adam on all adapted tensors, from several starts at once.

    ``folds`` must be repeated once per start; the starts' rows follow each other. An unconditioned model also trains
    its attentions. Rows share no parameters, so that all take the same steps as they would alone.
    """
    begin = concatenate_starts(starts)
    names = TASK_TENSORS if model.unconditioned else ADAPTED_TENSORS
    fast = {name: begin[name].detach().clone().requires_grad_() for name in names}
    fixed = {name: tensor for name, tensor in begin.items() if name not in fast}
    groups = [
        {"params": [t for n, t in fast.items() if n not in POLICY_TENSORS], "lr": settings.inferred_lr},
        {"params": [fast[n] for n in POLICY_TENSORS], "lr": settings.adam_lr},
    ]
    optimiser = torch.optim.Adam(groups, fused=True)
    batches = split_batches(folds.adam_points, settings.adam_batch_points)[: settings.max_adam_steps]
    if not model.unconditioned:
        with torch.no_grad():
            batches = [model.precompute(begin, batch) for batch in batches]
    for step in range(settings.max_adam_steps + 1):
        if step % settings.check_every == 0:
            yield step, fast | fixed
        if step == settings.max_adam_steps:
            break
        loss = model.loss(fast | fixed, batches[step % len(batches)]).sum()
        gradients = torch.autograd.grad(loss, list(fast.values()))
        for tensor, gradient in zip(fast.values(), gradients, strict=True):
            tensor.grad = gradient
        optimiser.step()


def train_candidate(model: PolicyModel, start: Params, folds: Folds, settings: CandidateSettings, steps: int) -> Params:
    """Return the policy (one task) trained on all takes by ``steps`` steps of Adam."""
    last = slice(folds.fold_count, None)
    short = replace(settings, max_adam_steps=steps, check_every=max(steps, 1))
    start = {name: tensor[last] for name, tensor in start.items()}
    *_, (_, fast) = train_with_adam(model, [start], select_folds(folds, last), short)
    return fast


def concatenate_starts(starts: Sequence[Params]) -> Params:
    """Return the rows of all starts as one batch."""
    return {name: torch.cat([start[name] for start in starts]) for name in (*TASK_TENSORS, *MEMORY_TENSORS)}


def start_baseline(params: Params, folds: Folds) -> Params:
    """Return the start of the multi-task baseline, the same for every fold."""
    return PolicyModel(unconditioned=True).start(params, folds.support)


def start_from_scratch(model: PolicyModel, folds: Folds, seed: int) -> Params:
    """Return an untrained policy for every fold."""
    untrained = PolicyModel(
        hidden=model.hidden, encoder=model.encoder, summary=model.summary, context=model.context, unconditioned=True
    )
    return untrained.start(untrained.initialise(seed), folds.support)


def start_from_neighbour(params: Mapping[str, Array], zero_step: Params) -> Params:
    """Return a neighbour's policy for every fold, with this task's memory and retrieval tensors."""
    tasks = len(zero_step["memory.keys"])
    return {n: torch.from_numpy(np.array(a)).expand(tasks, *a.shape) for n, a in params.items()} | {
        name: zero_step[name] for name in (*MEMORY_TENSORS, *RETRIEVAL_TENSORS)
    }
