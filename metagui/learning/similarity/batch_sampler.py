"""Batches of P tasks x K takes for the Siamese network, with hard negatives and augmentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metagui.learning.similarity.trajectory import TRAJECTORY_POINTS, Trajectories

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from numpy.typing import NDArray

    from metagui.learning.policy.feature_layout import Array

_WARP_KNOTS = 5
"""Number of knots of the warp along the path."""
_BYSTANDER_CHANNELS = slice(24, 26)
"""Object channels of held and touched."""


@dataclass(frozen=True)
class BatchSettings:
    """Composition of a batch."""

    tasks_per_batch: int = 24
    """P, number of tasks."""
    takes_per_task: int = 3
    """K, number of takes per task."""
    group_size: int = 3
    """Maximum number of tasks of one group that are drawn together: they differ in hidden parameters only, so they are
    hard negatives."""
    hard_negatives: int = 1
    """Number of tasks per group that were nearest when last embedded, of any group."""


class BatchSampler:
    """Draws batches of takes; stores every task's last mean embedding to find hard negatives.

    ``task_sizes`` are the numbers of takes of the tasks, whose rows follow each other; ``kinds`` (tasks, 2) are the
    numbers of their motions and objects: tasks with equal kinds are one group.
    """

    def __init__(self, task_sizes: Sequence[int], kinds: NDArray[np.int64], settings: BatchSettings) -> None:
        self.settings = settings
        self.groups = _group_equal_rows(kinds)
        """Indices of the tasks of every group."""
        self._first_rows = np.cumsum([0, *task_sizes])
        self.task_embeddings: Array = np.full((len(task_sizes), 0), np.nan, dtype=np.float32)
        """(tasks, E) last mean embedding of motion and numbers of every task, NaN before the first."""

    def sample(self, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows (n,) of P tasks' takes, and their tasks (n,)."""
        settings = self.settings
        wanted = min(settings.tasks_per_batch, len(self._first_rows) - 1)
        sizes = np.array([len(group) for group in self.groups])
        chosen: list[int] = []
        for index in rng.choice(len(self.groups), size=len(self.groups), replace=False, p=sizes / sizes.sum()):
            group = self.groups[index]
            drawn = rng.permutation(group)[: settings.group_size].tolist()
            chosen += [task for task in drawn if task not in chosen]
            chosen += self._nearest_tasks(drawn[0], [*group.tolist(), *chosen])
            if len(chosen) >= wanted:
                break
        rows, labels = [], []
        for task in chosen[:wanted]:
            takes = rng.permutation(np.arange(self._first_rows[task], self._first_rows[task + 1]))
            rows.append(takes[: settings.takes_per_task])
            labels += [task] * len(rows[-1])
        return np.concatenate(rows), np.array(labels)

    def update(self, factors: Sequence[torch.Tensor], tasks: NDArray[np.int64]) -> None:
        """Store the mean embedding of every task of a batch: (n, E) of motion and of numbers, tasks (n,)."""
        embeddings = np.concatenate([each.detach().numpy() for each in factors[:2]], axis=1)
        if not self.task_embeddings.shape[1]:
            self.task_embeddings = np.full((len(self.task_embeddings), embeddings.shape[1]), np.nan, dtype=np.float32)
        for task in np.unique(tasks):
            self.task_embeddings[task] = embeddings[tasks == task].mean(axis=0)

    def _nearest_tasks(self, task: int, excluded: list[int]) -> list[int]:
        """Return the tasks nearest to one by their last embeddings; none without an embedding."""
        if not self.task_embeddings.shape[1]:
            return []
        distances = np.square(self.task_embeddings - self.task_embeddings[task]).sum(axis=1)
        distances[excluded] = np.nan
        order = np.argsort(distances)[: self.settings.hard_negatives]  # NaN sorts last
        return [int(other) for other in order if np.isfinite(distances[other])]


def _group_equal_rows(kinds: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the indices of equal rows; a row with a negative number is a group of its own."""
    rows: dict[tuple[int, ...], list[int]] = {}
    for index, row in enumerate(kinds.tolist()):
        rows.setdefault(tuple(row) if min(row) >= 0 else (-1, index), []).append(index)
    return [np.array(group) for group in rows.values()]


def augment(trajectories: Trajectories, rng: np.random.Generator) -> Trajectories:
    """Warp the path, crop up to 3 % of both ends, add noise, and take away objects that nothing was done to.

    Does not mirror or shift, which would make another task.
    """
    n = len(trajectories)
    knots = np.cumsum(rng.uniform(0.6, 1.4, (n, _WARP_KNOTS)), axis=1)
    knots = (knots - knots[:, :1]) / (knots[:, -1:] - knots[:, :1])
    ends = rng.uniform(0.0, 0.03, (n, 2)) * (rng.random((n, 1)) < 0.5)
    at = np.stack([np.interp(np.linspace(0, 1, TRAJECTORY_POINTS), np.linspace(0, 1, _WARP_KNOTS), k) for k in knots])
    at = (ends[:, :1] + at * (1 - ends.sum(1, keepdims=True))) * (TRAJECTORY_POINTS - 1)
    rows, take = np.rint(at).astype(int), np.arange(n)[:, None]
    objects = trajectories.object_channels[take, rows]
    noise = rng.normal(0, 0.01, objects.shape).astype(np.float32)
    noise[..., _BYSTANDER_CHANNELS] = 0.0
    return Trajectories(objects + noise, trajectories.global_channels[take, rows], trajectories.identities)
