"""Names the take that does not belong to the others: another task, another object, a hand that was not steady.

Every take is adapted to alone, and each such policy is judged on all takes. A take that shows something else is far
from the others in both directions, measured by how far these are from each other; one from an unsteady hand is
farther than they are, too, and hard to imitate even by the policy that was adapted to it. Everything is measured by
how far the others are from each other, never by a loss in itself: a person's takes are ten times farther apart than a
script's. Two takes can only differ: it takes three to say which is odd.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from metagui.learning.maml import maml
from metagui.learning.policy.dataset import MIN_SEGMENT_DECISIONS
from metagui.learning.policy.points import Points
from metagui.learning.policy.task_sampler import sample_points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import FloatArray
    from metagui.learning.policy.features import SegmentArrays
    from metagui.learning.prior import Prior

MIN_TAKES_TO_COMPARE = 3
OUTLIER_POINTS = 96
"""Decisions of every take that are adapted to and judged on."""
OUTLIER_RATIO, SHAKY_RATIO, HARD = 3.5, 2.0, 1.4
"""How many times as far from the others as they are apart a take of something else is; how many times as far and as
hard to imitate, in the geometric mean, an unsteady one; and how hard alone, so that it is called that. Right takes
were below 3, 2 and 1.8, led by people below 2.2, 1.4 and 1.2; others above 4.3, shaken ones mostly above 2.5."""


@dataclass(frozen=True)
class OutlierTake:
    """A take that should perhaps be left out."""

    take: str
    kind: Literal["other", "unsteady"]
    click: int
    """Where it is oddest, from 1."""
    times: float
    """By how much."""
    reason: str
    """In words, with what to do."""


def find_outlier_takes(
    prior: Prior, names: Sequence[str], encoded: Sequence[tuple[SegmentArrays, ...]], inner_steps: int = 5
) -> tuple[OutlierTake, ...]:
    """Return the odd ones among takes with the same clicks, the oddest first; at least two are always left."""
    losses = compute_take_losses(prior, encoded, inner_steps)
    left, found = list(range(len(names))), list[OutlierTake]()
    while len(losses) and len(left) >= MIN_TAKES_TO_COMPARE:
        worst = _find_worst_outlier(losses[:, left][:, :, left], [names[i] for i in left])
        if worst is None:
            break
        found.append(worst)
        left = [i for i in left if names[i] != worst.take]
    return tuple(found)


def compute_take_losses(prior: Prior, encoded: Sequence[tuple[SegmentArrays, ...]], inner_steps: int = 5) -> FloatArray:
    """Return (clicks, n, n): the loss on take j of the policy adapted to take i alone; clicks too short are left out.

    A click that lasted less than two decisions in a take is left out for all.
    """
    rng = np.random.default_rng(0)
    clicks = [
        segments for segments in zip(*encoded, strict=True) if all(len(s) >= MIN_SEGMENT_DECISIONS for s in segments)
    ]
    return np.array([_segment_losses(prior, segments, inner_steps, rng) for segments in clicks])


def _segment_losses(
    prior: Prior, segments: Sequence[SegmentArrays], inner_steps: int, rng: np.random.Generator
) -> FloatArray:
    columns = zip(*(sample_points([segment], OUTLIER_POINTS, rng) for segment in segments), strict=True)
    points = replace(Points(*(torch.from_numpy(np.stack(column)) for column in columns)), take_ids=None)
    *_, adapted = maml.adapt(prior.model, prior.meta, points, inner_steps)
    count = len(segments)
    rows = []
    with torch.no_grad():
        for take in range(count):
            one = {name: tensor[take : take + 1].expand(count, *tensor.shape[1:]) for name, tensor in adapted.items()}
            rows.append(prior.model.loss(one, points).numpy())
    return np.array(rows, dtype=np.float64)


def _find_worst_outlier(losses: FloatArray, names: Sequence[str]) -> OutlierTake | None:
    """Return the take that is odd by most, of (clicks, n, n) losses; None if none is."""
    apart, hard = _distance_ratios(losses)
    hardly = np.exp(np.log(hard).mean(axis=0))
    unsteady = np.where(hardly > HARD, np.sqrt(hardly * apart.max(axis=0)), 0.0)
    take = int(unsteady.argmax())
    if unsteady[take] > SHAKY_RATIO:
        times, click = float(unsteady[take]), int(hard[:, take].argmax())
        words = (
            f"Take '{names[take]}' is {times:.1f} times as unlike the others, and as hard to imitate, as they are; "
            "perhaps the hand was not steady. Leave it out, or show the task again."
        )
        return OutlierTake(names[take], "unsteady", click + 1, times, words)
    click, take = divmod(int(apart.argmax()), len(names))
    if apart[click, take] > OUTLIER_RATIO:
        times = float(apart[click, take])
        words = (
            f"Take '{names[take]}' does something else than the others in click {click + 1}: it is {times:.1f} times "
            "as far from them as they are from each other. Leave it out, or show the task again."
        )
        return OutlierTake(names[take], "other", click + 1, times, words)
    return None


def _distance_ratios(losses: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return (clicks, n) twice: how far every take is from the others, and how hard to imitate by its own policy.

    Both as multiples of how far the others are apart.
    """
    both = (losses + losses.transpose(0, 2, 1)) / 2
    count = losses.shape[1]
    own = np.eye(count, dtype=bool)
    apart, hard = [], []
    for take in range(count):
        others = np.arange(count) != take
        between = np.quantile(both[:, others][:, :, others][:, ~own[1:, 1:]], 0.25, axis=1)  # another may be odd too
        between = np.maximum(between, 1e-6)
        apart.append(np.median(both[:, take, others], axis=1) / between)
        hard.append(np.maximum(losses[:, take, take], 1e-6) / between)
    return np.stack(apart, axis=1), np.stack(hard, axis=1)
