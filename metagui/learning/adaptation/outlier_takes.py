"""Finds outlier takes: of another task, with another object, or led by an unsteady hand.

The prior is adapted to every take alone, and each policy's loss is computed on all takes. A take of something else is
far from the others in both directions; a shaky take is also farther than the others, and hard to imitate even by the
policy adapted to it. All distances are relative to the distances between the other takes, never absolute: hand-led
takes are ten times farther apart than scripted ones. At least three takes are needed, since two only differ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from metagui.learning.maml import maml
from metagui.learning.maml.maml import INNER_STEPS
from metagui.learning.policy.dataset import MIN_SEGMENT_DECISIONS
from metagui.learning.policy.points import Points
from metagui.learning.policy.task_sampler import sample_points

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metagui.arms.arm import FloatArray
    from metagui.learning.policy.features import SegmentArrays
    from metagui.learning.prior import Prior

MIN_TAKES_TO_COMPARE = 3
"""Minimum number of takes to find an outlier among."""
OUTLIER_POINTS = 96
"""Number of points of every take, for adapting and for the losses."""
OUTLIER_RATIO, SHAKY_RATIO, DIFFICULTY_RATIO = 3.5, 2.0, 1.4
"""Minimum distance ratio of a take of something else; minimum geometric mean of distance and difficulty ratio of a
shaky take, and its minimum difficulty ratio. Measured: correct takes below 3, 2 and 1.8, hand-led ones below 2.2, 1.4
and 1.2; takes of something else above 4.3, shaken ones mostly above 2.5."""


@dataclass(frozen=True)
class OutlierTake:
    """A take that should perhaps be left out."""

    take: str
    """Name of the take."""
    kind: Literal["other", "unsteady"]
    """Whether it shows something else, or is shaky."""
    segment: int
    """Number of the segment where it differs most, from 1."""
    ratio: float
    """Ratio of its distance from the others to the distances between those."""
    reason: str
    """Explanation for users, with what to do."""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, as in files."""
        return {
            "take": self.take,
            "kind": self.kind,
            "click": self.segment,
            "times": self.ratio,
            "reason": self.reason,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> OutlierTake:
        """Return the outlier take of JSON values."""
        return cls(values["take"], values["kind"], values["click"], values["times"], values["reason"])


def find_outlier_takes(
    prior: Prior, names: Sequence[str], encoded: Sequence[tuple[SegmentArrays, ...]], inner_steps: int = INNER_STEPS
) -> tuple[OutlierTake, ...]:
    """Return the outliers among takes with equal segments, the farthest first; at least two takes remain."""
    losses = compute_take_losses(prior, encoded, inner_steps)
    left, found = list(range(len(names))), list[OutlierTake]()
    while len(losses) and len(left) >= MIN_TAKES_TO_COMPARE:
        worst = _find_worst_outlier(losses[:, left][:, :, left], [names[i] for i in left])
        if worst is None:
            break
        found.append(worst)
        left = [i for i in left if names[i] != worst.take]
    return tuple(found)


def compute_take_losses(
    prior: Prior, encoded: Sequence[tuple[SegmentArrays, ...]], inner_steps: int = INNER_STEPS
) -> FloatArray:
    """Return (segments, n, n): the loss on take j of the policy adapted to take i alone.

    A segment that is too short in any take is left out.
    """
    rng = np.random.default_rng(0)
    usable = [
        segments for segments in zip(*encoded, strict=True) if all(len(s) >= MIN_SEGMENT_DECISIONS for s in segments)
    ]
    return np.array([_segment_losses(prior, segments, inner_steps, rng) for segments in usable])


def _segment_losses(
    prior: Prior, segments: Sequence[SegmentArrays], inner_steps: int, rng: np.random.Generator
) -> FloatArray:
    """Return the losses (n, n) of one segment."""
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
    """Return the farthest outlier of losses (segments, n, n), or None."""
    distance, difficulty = _compute_ratios(losses)
    mean_difficulty = np.exp(np.log(difficulty).mean(axis=0))
    shaky = np.where(mean_difficulty > DIFFICULTY_RATIO, np.sqrt(mean_difficulty * distance.max(axis=0)), 0.0)
    take = int(shaky.argmax())
    if shaky[take] > SHAKY_RATIO:
        ratio, segment = float(shaky[take]), int(difficulty[:, take].argmax())
        reason = (
            f"Take '{names[take]}' differs {ratio:.1f} times as much from the others as they do from each other, and "
            "is as much harder to imitate; perhaps the hand was not steady. Leave it out, or record it again."
        )
        return OutlierTake(names[take], "unsteady", segment + 1, ratio, reason)
    segment, take = divmod(int(distance.argmax()), len(names))
    if distance[segment, take] > OUTLIER_RATIO:
        ratio = float(distance[segment, take])
        reason = (
            f"Take '{names[take]}' shows something else than the others in segment {segment + 1}: it differs "
            f"{ratio:.1f} times as much from them as they do from each other. Leave it out, or record it again."
        )
        return OutlierTake(names[take], "other", segment + 1, ratio, reason)
    return None


def _compute_ratios(losses: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return distance and difficulty ratios of every take in every segment, (segments, n) each.

    Distance from the other takes, and loss of a take's own policy, relative to the distances between the other takes.
    """
    symmetric = (losses + losses.transpose(0, 2, 1)) / 2
    count = losses.shape[1]
    own = np.eye(count, dtype=bool)
    distances, difficulties = [], []
    for take in range(count):
        others = np.arange(count) != take
        between = np.quantile(
            symmetric[:, others][:, :, others][:, ~own[1:, 1:]], 0.25, axis=1
        )  # another take may be an outlier too
        between = np.maximum(between, 1e-6)
        distances.append(np.median(symmetric[:, take, others], axis=1) / between)
        difficulties.append(np.maximum(losses[:, take, take], 1e-6) / between)
    return np.stack(distances, axis=1), np.stack(difficulties, axis=1)
