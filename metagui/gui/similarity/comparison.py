"""Comparison of all takes by their embeddings: distance matrices, projection, ranking. Qt-free."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray
    from metagui.demonstrations.demonstration import TakeKey

TASK_DISTANCE_MARGIN = 1.0
"""Margin of the contrastive loss: the distance to which it separates takes of different tasks."""


@dataclass(frozen=True)
class Comparison:
    """Takes and their embeddings, (n, 16), of unit length; all distances derive from these."""

    keys: tuple[TakeKey, ...] = ()
    embeddings: FloatArray | None = None

    def with_take(self, key: TakeKey, embedding: FloatArray) -> Comparison:
        """Return the comparison with a take added or replaced; ``embedding`` (16,)."""
        others = [(k, e) for k, e in zip(self.keys, self._embedding_rows, strict=True) if k != key]
        rows = [*others, (key, embedding)]
        return Comparison(tuple(k for k, _ in rows), np.array([e for _, e in rows]))

    def restricted_to(self, keys: set[TakeKey]) -> Comparison:
        """Return the comparison of only these takes."""
        rows = [(k, e) for k, e in zip(self.keys, self._embedding_rows, strict=True) if k in keys]
        return Comparison(tuple(k for k, _ in rows), np.array([e for _, e in rows])) if rows else Comparison()

    @property
    def _embedding_rows(self) -> FloatArray:
        return np.zeros((0, 0)) if self.embeddings is None else self.embeddings

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def tasks(self) -> list[str]:
        """Sorted names of the tasks."""
        return sorted({k.task for k in self.keys})

    @cached_property
    def distances(self) -> FloatArray:
        """Distances between takes, (n, n)."""
        rows = self._embedding_rows
        return np.linalg.norm(rows[:, None] - rows[None], axis=2) if len(rows) else np.zeros((0, 0))

    @cached_property
    def _same_task_mask(self) -> FloatArray:
        names = np.array([k.task for k in self.keys])
        return np.asarray(names[:, None] == names[None])

    @cached_property
    def same_task_distances(self) -> FloatArray:
        """Distances between different takes of the same task, (p,)."""
        return self._pair_distances(True)

    @cached_property
    def different_task_distances(self) -> FloatArray:
        """Distances between takes of different tasks, (q,)."""
        return self._pair_distances(False)

    def _pair_distances(self, same_task: bool) -> FloatArray:
        if not len(self):
            return np.zeros(0)
        upper = np.triu(np.ones_like(self.distances, dtype=bool), 1)
        return np.asarray(self.distances[upper & (self._same_task_mask == same_task)])

    @cached_property
    def task_matrix(self) -> FloatArray:
        """Mean distances between the takes of two tasks, (t, t); on the diagonal, between takes of one task."""
        return np.array([[self._mean_distance(a, b) for b in self.tasks] for a in self.tasks])

    def _rows_of(self, task: str) -> list[int]:
        return [i for i, k in enumerate(self.keys) if k.task == task]

    def _mean_distance(self, first: str, second: str) -> float:
        rows, columns = self._rows_of(first), self._rows_of(second)
        block = self.distances[np.ix_(rows, columns)]
        if first == second:
            block = block[~np.eye(len(rows), dtype=bool)]
        return float(block.mean()) if block.size else 0.0

    def closest_pair(self, first: str, second: str) -> tuple[TakeKey, TakeKey]:
        """Return the closest pair of takes of two tasks, or of one task."""
        rows, columns = self._rows_of(first), self._rows_of(second)
        block = self.distances[np.ix_(rows, columns)].copy()
        if first == second and len(rows) > 1:
            np.fill_diagonal(block, np.inf)
        row, column = np.unravel_index(int(np.argmin(block)), block.shape)
        return self.keys[rows[row]], self.keys[columns[column]]

    def mean_distance_to_siblings(self, key: TakeKey) -> float | None:
        """Return a take's mean distance to the others of its task; None if it has none or is unknown."""
        if key not in self.keys:
            return None
        row = self.keys.index(key)
        others = [i for i in self._rows_of(key.task) if i != row]
        return float(self.distances[row, others].mean()) if others else None

    @cached_property
    def projection(self) -> FloatArray:
        """Embeddings, centred and projected on their first two principal axes, (n, 2)."""
        if len(self) < 2:
            return np.zeros((len(self), 2))
        rows = self._embedding_rows
        axes = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)[2][:2]
        axes = axes * np.where(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)] < 0, -1.0, 1.0)[:, None]
        flat = (rows - rows.mean(axis=0)) @ axes.T
        return np.pad(flat, ((0, 0), (0, 2 - flat.shape[1])))


@dataclass(frozen=True)
class BehaviourComparison:
    """How well the policy of each task imitates the takes of the others: similarity of behaviour."""

    tasks: tuple[str, ...]
    task_matrix: FloatArray
    """Imitation loss on the other task's takes minus the loss on its own, (t, t); 0 on the diagonal."""

    def __len__(self) -> int:
        return len(self.tasks)

    def rank_tasks(self, task: str) -> list[BehaviourNeighbour]:
        """Return the other tasks by similarity of behaviour; empty for a task that was not compared."""
        if task not in self.tasks:
            return []
        row = self.task_matrix[self.tasks.index(task)]
        others = [BehaviourNeighbour(name, float(d)) for name, d in zip(self.tasks, row, strict=True) if name != task]
        return sorted(others, key=lambda other: other.distance)


@dataclass(frozen=True)
class BehaviourNeighbour:
    """A task ranked by similarity of behaviour; this distance is not calibrated, so there is no verdict."""

    task: str
    distance: float
    verdict: str = ""
