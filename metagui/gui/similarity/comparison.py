"""What the embeddings of all takes say: matrices, a flat map, two sets of distances. Qt-free."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray
    from metagui.demonstrations.demonstration import TakeKey

TASK_DISTANCE_MARGIN = 1.0
"""The contrastive loss pushes takes of two tasks this far apart."""


@dataclass(frozen=True)
class Comparison:
    """Takes with their embeddings, (n, 16), of unit length; everything else follows from the two."""

    keys: tuple[TakeKey, ...] = ()
    embeddings: FloatArray | None = None

    def with_take(self, key: TakeKey, embedding: FloatArray) -> Comparison:
        """Return a comparison with one more take, or with one replaced."""
        kept = [(k, e) for k, e in zip(self.keys, self._embedding_rows, strict=True) if k != key]
        rows = [*kept, (key, embedding)]
        return Comparison(tuple(k for k, _ in rows), np.array([e for _, e in rows]))

    def restricted_to(self, keys: set[TakeKey]) -> Comparison:
        """Return the part of the comparison that is about some takes."""
        rows = [(k, e) for k, e in zip(self.keys, self._embedding_rows, strict=True) if k in keys]
        return Comparison(tuple(k for k, _ in rows), np.array([e for _, e in rows])) if rows else Comparison()

    @property
    def _embedding_rows(self) -> FloatArray:
        return np.zeros((0, 0)) if self.embeddings is None else self.embeddings

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def tasks(self) -> list[str]:
        """Names of the tasks, sorted."""
        return sorted({k.task for k in self.keys})

    @cached_property
    def distances(self) -> FloatArray:
        """(n, n) distances between takes."""
        rows = self._embedding_rows
        return np.linalg.norm(rows[:, None] - rows[None], axis=2) if len(rows) else np.zeros((0, 0))

    @cached_property
    def _same_task_mask(self) -> FloatArray:
        names = np.array([k.task for k in self.keys])
        return np.asarray(names[:, None] == names[None])

    @cached_property
    def same_task_distances(self) -> FloatArray:
        """Distances between two takes of one task."""
        return self._pairs(True)

    @cached_property
    def different_task_distances(self) -> FloatArray:
        """Distances between takes of two tasks."""
        return self._pairs(False)

    def _pairs(self, same: bool) -> FloatArray:
        if not len(self):
            return np.zeros(0)
        upper = np.triu(np.ones_like(self.distances, dtype=bool), 1)
        return np.asarray(self.distances[upper & (self._same_task_mask == same)])

    @cached_property
    def task_matrix(self) -> FloatArray:
        """(t, t) mean distances between the takes of two tasks; the diagonal between two takes of one."""
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
        """Return the two most alike takes of two tasks, or of one."""
        rows, columns = self._rows_of(first), self._rows_of(second)
        block = self.distances[np.ix_(rows, columns)].copy()
        if first == second and len(rows) > 1:
            np.fill_diagonal(block, np.inf)
        row, column = np.unravel_index(int(np.argmin(block)), block.shape)
        return self.keys[rows[row]], self.keys[columns[column]]

    def mean_distance_to_siblings(self, key: TakeKey) -> float | None:
        """Return the mean distance of a take to the others of its task; None if it is alone or unknown."""
        if key not in self.keys:
            return None
        mine = self.keys.index(key)
        others = [i for i in self._rows_of(key.task) if i != mine]
        return float(self.distances[mine, others].mean()) if others else None

    @cached_property
    def projection(self) -> FloatArray:
        """(n, 2) the embeddings on their two principal axes; unit vectors, so it always fits in [-1, 1]."""
        if len(self) < 2:
            return np.zeros((len(self), 2))
        rows = self._embedding_rows
        axes = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)[2][:2]
        axes = axes * np.where(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)] < 0, -1.0, 1.0)[:, None]
        flat = (rows - rows.mean(axis=0)) @ axes.T
        return np.pad(flat, ((0, 0), (0, 2 - flat.shape[1])))


@dataclass(frozen=True)
class BehaviourComparison:
    """How well the policy adapted to one task imitates another's takes; the other lens of similarity."""

    tasks: tuple[str, ...]
    task_matrix: FloatArray
    """(t, t) imitation loss on the other's takes beyond the loss on one's own; 0 on the diagonal."""

    def __len__(self) -> int:
        return len(self.tasks)

    def rank_tasks(self, task: str) -> list[BehaviourNeighbour]:
        """Return the other tasks, those that act alike first; nothing for a task that was not compared."""
        if task not in self.tasks:
            return []
        row = self.task_matrix[self.tasks.index(task)]
        others = [BehaviourNeighbour(name, float(d)) for name, d in zip(self.tasks, row, strict=True) if name != task]
        return sorted(others, key=lambda other: other.distance)


@dataclass(frozen=True)
class BehaviourNeighbour:
    """One task as seen from another; nothing calibrates this distance, so there is no verdict."""

    task: str
    distance: float
    verdict: str = ""
