"""The candidates that race to become a click's policy, each a path of parameters from its start.

All leave-one-out folds run at once as the tasks of one batch. Its last row is the policy made from everything; where
making that is long, only the winner's is made, once it has won.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from metagui.learning.maml import maml
from metagui.learning.policy.points import Points
from metagui.learning.policy.policy import ADAPTED_TENSORS, POLICY_TENSORS, TASK_TENSORS, PolicyModel
from metagui.learning.policy.retrieval import MEMORY_TENSORS, RETRIEVAL_TENSORS
from metagui.learning.policy.task_sampler import sample_points

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from metagui.learning.policy.feature_layout import Array
    from metagui.learning.policy.features import SegmentArrays
    from metagui.learning.prior import Prior
    from metagui.learning.torch_utils.functional_mlp import Params

ATTENTION_MARGIN, LOOK_EVERYWHERE = 0.5, 0.2
"""By what share of the held-out loss another anchor must explain the takes better, on average and in every fold, to be
looked at instead: people's takes are explained by chance a third better by something else."""
PACES = (0.15, 0.25, 0.35, 0.5, 0.7, 0.85, 1.0, 1.2)
"""At which a policy is compared with others, as shares of its own."""
ADAM_BATCHES = 8
"""How many different batches Adam's steps go through in turn: a single one it would learn by heart."""
HELD_OUT_BLOCK_DECISIONS = 5
"""Decisions that are held out together when there is one take only; neighbours are nearly equal."""


@dataclass(frozen=True)
class CandidateSettings:
    """How the candidates adapt."""

    inner_steps: int = 5
    max_adam_steps: int = 50
    """Most steps of Adam; the best number is found on held-out data."""
    check_every: int = 5
    """Adam steps between two looks at the held-out data."""
    patience: int = 15
    """Adam ends after so many steps in which nothing held out was imitated better."""
    adam_lr: float = 1e-3
    """For the policy's weights."""
    inferred_lr: float = 1e-2
    """For context and places."""
    support_points: int = 192
    """Support points of every fold: the denser the memory, the better what is recalled."""
    encoder_points: int = 64
    """So many of them encoder and inner steps look at, as in meta-training."""
    query_points: int = 96
    """Held-out points of every fold."""
    adam_batch_points: int = 48
    """Points of every fold that one step of Adam learns from."""
    seed: int = 0
    baselines: bool = True
    """Also race who hardly ever wins, or cannot, for the sake of their curves; a measurement may do without."""
    keep_all_candidates: bool = False
    """Keep every candidate's policy beside the chosen one, to run them all; they are not saved."""


@dataclass(frozen=True)
class Folds:
    """Support and query of every fold, one task of the batch each, and last of all takes together."""

    support: Points
    query: Points
    adam_points: Points
    """More points of the support's takes, for candidates that take many steps."""
    fold_count: int
    """Folds, without the last row."""
    held_out_description: str
    """In words, what was held out."""


def make_folds(takes: Sequence[SegmentArrays], settings: CandidateSettings) -> Folds:
    """Leave every take out in turn; of a single take, leave out stretches."""
    if len(takes) > 1:
        pairs = [([t for j, t in enumerate(takes) if j != i], [take]) for i, take in enumerate(takes)]
        words = f"each of {len(takes)} takes left out in turn"
    else:
        pairs, words = [_split_contiguous(takes[0])], "stretches of the only take; record another to be surer"
    pairs.append((list(takes), list(takes)))
    rng = np.random.default_rng(settings.seed)
    support = [sample_points(shown, settings.support_points, rng) for shown, _ in pairs]
    practice = [sample_points(shown, settings.adam_batch_points * ADAM_BATCHES, rng) for shown, _ in pairs]
    query = [sample_points(asked, settings.query_points, rng) for _, asked in pairs]
    if len(takes) > 1:
        for columns in query[:-1]:
            columns[-1] -= len(takes)  # takes of which nothing is remembered
    remembered = replace(_stack_points(support), encoder_points=settings.encoder_points)
    return Folds(remembered, _stack_points(query), _stack_points(practice), len(pairs) - 1, words)


def select_folds(folds: Folds, rows: slice) -> Folds:
    """Return some rows of the folds."""

    def some(points: Points) -> Points:
        columns = {name: value[rows] for name, value in vars(points).items() if isinstance(value, torch.Tensor)}
        return replace(points, **columns)  # type: ignore[arg-type]

    return replace(folds, support=some(folds.support), query=some(folds.query), adam_points=some(folds.adam_points))


def _split_contiguous(take: SegmentArrays) -> tuple[list[SegmentArrays], list[SegmentArrays]]:
    """Split one take: every fourth stretch is held out, never the last."""
    rows = np.arange(len(take))
    stretch = rows // HELD_OUT_BLOCK_DECISIONS
    out = (stretch % 4 == 1) & (stretch != stretch[-1])
    if not out.any():
        return [take], [take]
    return [take.select(rows[~out])], [take.select(rows[out])]


def _stack_points(rows: list[list[Array]]) -> Points:
    return Points(*(torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True)))


def infer_zero_step(prior: Prior, folds: Folds) -> Params:
    """Where the encoder says to start."""
    with torch.no_grad():
        return prior.model.start(prior.meta.params, folds.support)


def search_attention(prior: Prior, folds: Folds) -> Folds:
    """Return the folds, looking at other anchors where those explain what was held out far better.

    The encoder's choice is as good as its training; for a motion it never saw, a thing of a kind that never mattered
    there may matter. So the second anchor is tried through, then the first. One take cannot tell: in one scene the
    way to one thing is as good as the way to any other.
    """
    model = prior.model
    if folds.fold_count < 2 or model.unconditioned:
        return folds
    zero = infer_zero_step(prior, folds)
    first = held_out_losses(model, zero, folds)
    anchors = folds.support.object_features.shape[2]
    chosen = [int(zero[name][-1].argmax()) for name in ("attention1", "attention2")]
    best, found = float(first.mean()) * (1.0 - ATTENTION_MARGIN), folds
    for which, count in ((1, anchors + 1), (0, anchors)):
        pairs = [[anchor if which == i else other for i, other in enumerate(chosen)] for anchor in range(count)]
        pairs = [pair for pair in pairs if pair[0] != pair[1]]
        bound = first * (1.0 - LOOK_EVERYWHERE)
        one = _looking_at(prior, select_folds(folds, slice(0, 1)), pairs)  # one fold rules out nearly all
        pairs = [pair for pair, loss in zip(pairs, one, strict=True) if loss[0] < bound[0]]
        if not pairs:
            continue
        each = _looking_at(prior, select_folds(folds, slice(0, folds.fold_count)), pairs)
        mean = torch.where((each < bound).all(1), each.mean(1), torch.inf)
        least = int(mean.argmin())
        if float(mean[least]) < best:
            best, chosen = float(mean[least]), pairs[least]
            attended = torch.tensor(chosen).expand(folds.fold_count + 1, 2)
            found = replace(folds, support=replace(folds.support, forced_attention=attended))
    return found


def _looking_at(prior: Prior, folds: Folds, pairs: Sequence[Sequence[int]]) -> torch.Tensor:
    """Return the held-out losses before any step, (pairs, rows of the folds), of looking at each pair of anchors."""
    many = repeat_folds(folds, len(pairs))
    attended = torch.tensor(pairs).repeat_interleave(len(many.query.done) // len(pairs), 0)
    many = replace(many, support=replace(many.support, forced_attention=attended))
    with torch.no_grad():
        return prior.model.loss(infer_zero_step(prior, many), many.query).view(len(pairs), -1)


def run_inner_loop(prior: Prior, folds: Folds, settings: CandidateSettings) -> Iterator[tuple[int, Params]]:
    """MAML's own steps."""
    yield from enumerate(maml.adapt(prior.model, prior.meta, folds.support, settings.inner_steps))


def train_with_adam(
    model: PolicyModel, starts: Sequence[Params], folds: Folds, settings: CandidateSettings
) -> Iterator[tuple[int, Params]]:
    """Adam on everything that adapts, from several starts at once, for each of which ``folds`` are ``repeated``.

    A ``blind`` model learns what to look at as well. Yields every few steps the parameters of all, the starts' folds
    in a row.
    Neither folds nor starts share anything: as tasks of one batch they take the same steps as one after the other.
    """
    begin = concatenate_starts(starts)
    names = TASK_TENSORS if model.unconditioned else ADAPTED_TENSORS
    fast = {name: begin[name].detach().clone().requires_grad_() for name in names}
    kept = {name: tensor for name, tensor in begin.items() if name not in fast}
    groups = [
        {"params": [t for n, t in fast.items() if n not in POLICY_TENSORS], "lr": settings.inferred_lr},
        {"params": [fast[n] for n in POLICY_TENSORS], "lr": settings.adam_lr},
    ]
    optimiser = torch.optim.Adam(groups, fused=True)
    batches = _split_batches(folds.adam_points, settings.adam_batch_points)[: settings.max_adam_steps]
    if not model.unconditioned:
        with torch.no_grad():
            batches = [model.precompute(begin, batch) for batch in batches]
    for step in range(settings.max_adam_steps + 1):
        if step % settings.check_every == 0:
            yield step, fast | kept
        if step == settings.max_adam_steps:
            break
        points = batches[step % len(batches)]
        gradients = torch.autograd.grad(model.loss(fast | kept, points).sum(), list(fast.values()))
        for tensor, gradient in zip(fast.values(), gradients, strict=True):
            tensor.grad = gradient
        optimiser.step()


def train_candidate(model: PolicyModel, start: Params, folds: Folds, settings: CandidateSettings, steps: int) -> Params:
    """Return the policy (one task) made from everything by so many steps of Adam."""
    last = slice(folds.fold_count, None)
    short = replace(settings, max_adam_steps=steps, check_every=max(steps, 1))
    start = {name: tensor[last] for name, tensor in start.items()}
    *_, (_, fast) = train_with_adam(model, [start], select_folds(folds, last), short)
    return fast


def concatenate_starts(starts: Sequence[Params]) -> Params:
    """Return all starts' tasks as one batch."""
    return {name: torch.cat([start[name] for start in starts]) for name in (*TASK_TENSORS, *MEMORY_TENSORS)}


def precompute_folds(model: PolicyModel, fast: Params, folds: Folds) -> Folds:
    """Return the folds for ``losses`` along a path that begins at ``fast``, see ``PolicyModel.prepared``."""
    if model.unconditioned:
        return folds
    with torch.no_grad():
        return replace(folds, support=model.precompute(fast, folds.support), query=model.precompute(fast, folds.query))


def repeat_folds(folds: Folds, count: int) -> Folds:
    """Return the folds as many times in a row."""

    def again(points: Points) -> Points:
        columns = {name: value for name, value in vars(points).items() if isinstance(value, torch.Tensor)}
        return replace(points, **{name: torch.cat([column] * count) for name, column in columns.items()})  # type: ignore[arg-type]

    return replace(folds, support=again(folds.support), query=again(folds.query), adam_points=again(folds.adam_points))


def _split_batches(points: Points, size: int) -> list[Points]:
    """Cut (tasks, N, …) points into batches of so many each."""
    columns = [torch.split(c, size, dim=1) for c in vars(points).values() if isinstance(c, torch.Tensor)]
    return [Points(*batch) for batch in zip(*columns, strict=True)]


def start_baseline(params: Params, folds: Folds) -> Params:
    """The multi-task rival's start, the same for every fold."""
    return PolicyModel(unconditioned=True).start(params, folds.support)


def start_from_scratch(model: PolicyModel, folds: Folds, seed: int) -> Params:
    """An untrained policy."""
    sizes = PolicyModel(model.hidden, model.encoder, model.summary, model.context, unconditioned=True)
    return sizes.start(sizes.initialise(seed), folds.support)


def start_from_neighbour(params: Mapping[str, Array], zero_step: Params) -> Params:
    """Another task's adapted policy, with what was shown of this one and how it is looked up, as at ``zero`` steps."""
    tasks = len(zero_step["memory.keys"])
    return {n: torch.from_numpy(np.array(a)).expand(tasks, *a.shape) for n, a in params.items()} | {
        name: zero_step[name] for name in (*MEMORY_TENSORS, *RETRIEVAL_TENSORS)
    }


def compute_losses(model: PolicyModel, fast: Params, folds: Folds) -> tuple[float, float]:
    """Return the mean support and held-out loss over the folds."""
    support, query = compute_candidate_losses(model, fast, folds, 1)[0]
    return sum(support) / folds.fold_count, sum(query) / folds.fold_count


def held_out_losses(model: PolicyModel, fast: Params, folds: Folds) -> torch.Tensor:
    """Return every fold's held-out loss, (folds,)."""
    with torch.no_grad():
        return model.loss(fast, folds.query)[: folds.fold_count]


def paceless_losses(model: PolicyModel, fast: Params, folds: Folds) -> tuple[float, ...]:
    """Return every fold's held-out loss at the pace, as a share of the policy's own, at which it is least.

    A hand leads slowly and waits. Steps that only make a policy slower imitate it better, and run worse.
    """
    asked = folds.query.select_encoder_points()
    with torch.no_grad():
        out = model.predict(fast, asked)
        paced = []
        for pace in PACES:
            slower = out.clone()
            slower[..., :3] *= pace
            paced.append(model.loss_of(slower, asked))
        return tuple(torch.stack(paced).amin(0)[: folds.fold_count].tolist())


FoldLosses = tuple[tuple[float, ...], tuple[float, ...]]
"""Support and held-out losses, fold by fold."""


def compute_candidate_losses(model: PolicyModel, fast: Params, folds: Folds, candidate_count: int) -> list[FoldLosses]:
    """Return them of each of so many candidates, whose folds are in a row in ``fast`` and ``repeated`` in folds.

    The last row, where there is one, is no fold.
    """
    with torch.no_grad():
        sides = [model.loss(fast, side) for side in (folds.support, folds.query)]
    each = torch.stack(sides).view(2, candidate_count, -1)[..., : folds.fold_count].tolist()
    return [(tuple(support), tuple(query)) for support, query in zip(*each, strict=True)]
