"""Folds of leave-one-out cross-validation as one batch of tasks, and the losses of candidates on them.

The last row of the batch is not a fold: it contains all takes, for the policy that is stored.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from metagui.learning.policy.feature_layout import ACTION_LAYOUT
from metagui.learning.policy.points import Points
from metagui.learning.policy.task_sampler import sample_points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.learning.policy.feature_layout import Array
    from metagui.learning.policy.features import SegmentArrays
    from metagui.learning.policy.policy import PolicyModel
    from metagui.learning.torch_utils.functional_mlp import Params

HELD_OUT_BLOCK_DECISIONS = 5
"""Number of consecutive decisions held out together if there is one take; adjacent decisions are nearly equal."""
PACE_FACTORS = (0.15, 0.25, 0.35, 0.5, 0.7, 0.85, 1.0, 1.2)
"""Factors on a policy's displacements at which it is compared with other policies."""

FoldLosses = tuple[tuple[float, ...], tuple[float, ...]]
"""Support and held-out loss of every fold."""


@dataclass(frozen=True)
class Folds:
    """Support and query points of every fold, one task of the batch each, and of all takes in the last row."""

    support: Points
    query: Points
    adam_points: Points
    """More points of the support takes, for candidates with many steps."""
    fold_count: int
    """Number of folds, without the last row."""
    held_out_description: str
    """What was held out, for users."""


def split_folds(
    takes: Sequence[SegmentArrays],
    *,
    support_points: int,
    query_points: int,
    adam_points: int,
    encoder_points: int,
    seed: int,
) -> Folds:
    """Hold out every take in turn, or blocks of decisions of a single take; counts are points per fold."""
    if len(takes) > 1:
        pairs = [([t for j, t in enumerate(takes) if j != i], [take]) for i, take in enumerate(takes)]
        description = f"each of {len(takes)} takes left out in turn"
    else:
        pairs = [_split_blocks(takes[0])]
        description = "parts of the only take; record another one for a better estimate"
    pairs.append((list(takes), list(takes)))
    rng = np.random.default_rng(seed)
    support = [sample_points(shown, support_points, rng) for shown, _ in pairs]
    practice = [sample_points(shown, adam_points, rng) for shown, _ in pairs]
    query = [sample_points(asked, query_points, rng) for _, asked in pairs]
    if len(takes) > 1:
        for columns in query[:-1]:
            columns[-1] -= len(takes)  # numbers of takes that are not in the memory
    remembered = replace(_stack_points(support), encoder_points=encoder_points)
    return Folds(remembered, _stack_points(query), _stack_points(practice), len(pairs) - 1, description)


def select_folds(folds: Folds, rows: slice) -> Folds:
    """Return some rows of the folds."""

    def select(points: Points) -> Points:
        return replace(points, **{name: column[rows] for name, column in _tensor_columns(points).items()})  # type: ignore[arg-type]

    return replace(
        folds, support=select(folds.support), query=select(folds.query), adam_points=select(folds.adam_points)
    )


def repeat_folds(folds: Folds, count: int) -> Folds:
    """Return the rows of the folds ``count`` times, one copy after the other."""

    def repeat(points: Points) -> Points:
        columns = {name: torch.cat([column] * count) for name, column in _tensor_columns(points).items()}
        return replace(points, **columns)  # type: ignore[arg-type]

    return replace(
        folds, support=repeat(folds.support), query=repeat(folds.query), adam_points=repeat(folds.adam_points)
    )


def split_batches(points: Points, size: int) -> list[Points]:
    """Split (tasks, N, …) points into batches of ``size`` points."""
    columns = [torch.split(column, size, dim=1) for column in _tensor_columns(points).values()]
    return [Points(*batch) for batch in zip(*columns, strict=True)]


def precompute_folds(model: PolicyModel, fast: Params, folds: Folds) -> Folds:
    """Return the folds with the policy inputs for a path of parameters that begins at ``fast``."""
    if model.unconditioned:
        return folds
    with torch.no_grad():
        return replace(folds, support=model.precompute(fast, folds.support), query=model.precompute(fast, folds.query))


def compute_losses(model: PolicyModel, fast: Params, folds: Folds) -> tuple[float, float]:
    """Return the mean support and held-out loss over the folds."""
    [(support, query)] = compute_candidate_losses(model, fast, folds, 1)
    return sum(support) / folds.fold_count, sum(query) / folds.fold_count


def compute_held_out_losses(model: PolicyModel, fast: Params, folds: Folds) -> torch.Tensor:
    """Return the held-out loss of every fold, (folds,)."""
    with torch.no_grad():
        return model.loss(fast, folds.query)[: folds.fold_count]


def compute_candidate_losses(model: PolicyModel, fast: Params, folds: Folds, candidate_count: int) -> list[FoldLosses]:
    """Return the fold losses of several candidates, whose rows in ``fast`` and ``folds`` are consecutive."""
    with torch.no_grad():
        sides = [model.loss(fast, side) for side in (folds.support, folds.query)]
    each = torch.stack(sides).view(2, candidate_count, -1)[..., : folds.fold_count].tolist()
    return [(tuple(support), tuple(query)) for support, query in zip(*each, strict=True)]


def compute_pace_adjusted_losses(model: PolicyModel, fast: Params, folds: Folds) -> tuple[float, ...]:
    """Return the held-out loss of every fold at the factor in PACE_FACTORS for which it is minimal.

    A demonstrator by hand leads slowly and pauses. Steps that only make a policy slower imitate better, but run worse.
    """
    query = folds.query.select_encoder_points()
    with torch.no_grad():
        outputs = model.predict(fast, query)
        losses = []
        for factor in PACE_FACTORS:
            scaled = outputs.clone()
            scaled[..., ACTION_LAYOUT.displacement] *= factor
            losses.append(model.output_loss(scaled, query))
        return tuple(torch.stack(losses).amin(0)[: folds.fold_count].tolist())


def _split_blocks(take: SegmentArrays) -> tuple[list[SegmentArrays], list[SegmentArrays]]:
    """Return support and query of one take: every fourth block is held out, never the last one."""
    rows = np.arange(len(take))
    block = rows // HELD_OUT_BLOCK_DECISIONS
    held_out = (block % 4 == 1) & (block != block[-1])
    if not held_out.any():
        return [take], [take]
    return [take.select(rows[~held_out])], [take.select(rows[held_out])]


def _stack_points(rows: list[list[Array]]) -> Points:
    return Points(*(torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True)))


def _tensor_columns(points: Points) -> dict[str, torch.Tensor]:
    return {name: value for name, value in vars(points).items() if isinstance(value, torch.Tensor)}
