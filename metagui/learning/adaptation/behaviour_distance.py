"""Behaviour distance of tasks: how well the policy adapted to one imitates the other's takes. Nothing is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from metagui.learning.maml import maml
from metagui.learning.maml.maml import INNER_STEPS
from metagui.learning.policy import features
from metagui.learning.policy.dataset import MIN_SEGMENT_DECISIONS
from metagui.learning.policy.points import Points
from metagui.learning.policy.task_sampler import sample_points

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from metagui.arms.arm import FloatArray
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.prior import Prior

UNALIGNED_COST = 1.0
"""Cost of a segment without counterpart in the other task; about the loss of an unrelated policy."""


@dataclass(frozen=True)
class BehaviourStep:
    """Progress: number of policies compared so far."""

    step: int
    steps: int


def compare_behaviours(
    prior: Prior,
    takes: Mapping[str, Sequence[Demonstration]],
    inner_steps: int = INNER_STEPS,
    points_per_segment: int = 64,
) -> Generator[BehaviourStep, None, tuple[tuple[str, ...], FloatArray]]:
    """Return the tasks' names and D (n, n): imitation loss on each other's takes minus that on their own.

    D is symmetric with a zero diagonal. Segments of two tasks are aligned in order.
    """
    rng = np.random.default_rng(0)
    segments: list[Points] = []
    owners: list[list[int]] = []
    for demonstrations in takes.values():
        found = build_segment_batches([features.encode(take) for take in demonstrations], points_per_segment, rng)
        owners.append(list(range(len(segments), len(segments) + len(found))))
        segments += found
    batch = Points(
        *(
            torch.cat([getattr(s, n) for s in segments])
            for n in ("object_features", "global_features", "actions", "done", "phase")
        )
    )
    *_, adapted = maml.adapt(prior.model, prior.meta, batch, inner_steps)
    count = len(segments)
    losses = np.zeros((count, count))
    for i in range(count):
        with torch.no_grad():
            one = {name: tensor[i : i + 1].expand(count, *tensor.shape[1:]) for name, tensor in adapted.items()}
            losses[i] = prior.model.loss(one, batch).numpy()
        yield BehaviourStep(i + 1, count)
    excess = np.maximum(losses - np.diag(losses)[None], 0.0)
    excess = (excess + excess.T) / 2
    matrix = np.array([[_alignment_cost(excess[np.ix_(a, b)]) for b in owners] for a in owners])
    return tuple(takes), matrix


def build_segment_batches(
    takes: list[tuple[features.SegmentArrays, ...]], points_per_segment: int, rng: np.random.Generator
) -> list[Points]:
    """Return a batch of one task for every segment that all encoded takes have."""
    found = []
    for segments in zip(*takes, strict=False):
        usable = [s for s in segments if len(s) >= MIN_SEGMENT_DECISIONS]
        if usable:
            found.append(Points(*(torch.from_numpy(a)[None] for a in sample_points(usable, points_per_segment, rng))))
    return found


def _alignment_cost(cost: FloatArray) -> float:
    """Return the mean cost of the best in-order alignment of two sequences of segments, from costs (n, m)."""
    n, m = cost.shape
    total = np.zeros((n + 1, m + 1))
    total[:, 0], total[0, :] = UNALIGNED_COST * np.arange(n + 1), UNALIGNED_COST * np.arange(m + 1)
    for i in range(n):
        for j in range(m):
            total[i + 1, j + 1] = min(
                total[i, j] + cost[i, j], total[i, j + 1] + UNALIGNED_COST, total[i + 1, j] + UNALIGNED_COST
            )
    return float(total[n, m] / max(n, m, 1))
