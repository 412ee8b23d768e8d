"""Comparison of all takes by their embeddings: distances between tasks, projection, ranking. Qt-free.

Tasks are compared by the means of their takes' embeddings, so the cost grows with the number of takes, and only the
matrix of the heat map with the square of the number of tasks. ``prepare`` computes everything that the views need, for
a thread other than the window's.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from metagui.learning.similarity.embeddings import (
    Distances,
    Embeddings,
    concatenate_embeddings,
    measure_distances,
)
from metagui.learning.similarity.similarity import Neighbour, rank_by_distances

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from metagui.arms.arm import BoolArray, FloatArray
    from metagui.demonstrations.demonstration import TakeKey
    from metagui.learning.similarity.verdicts import VerdictCalibration

TASK_DISTANCE_MARGIN = 1.0
"""Margin of the contrastive loss: the distance to which it separates takes of different tasks."""
MAX_HISTOGRAM_TAKES = 400
"""Maximum number of takes whose pairs are counted in the histograms."""


@dataclass(frozen=True)
class MapAxes:
    """The plane of the map: takes are projected on it; new takes do not move the others."""

    centre: FloatArray
    """(D,)"""
    axes: FloatArray
    """(2, D) principal axes."""
    half_width: float
    """Range of both coordinates, from its negative, so that all takes are inside."""

    @classmethod
    def fit(cls, rows: FloatArray) -> MapAxes:
        """Return the first two principal axes of embeddings (n, D)."""
        centre = rows.mean(axis=0)
        centred = rows - centre
        _, axes = np.linalg.eigh(centred.T @ centred)
        axes = axes[:, ::-1][:, :2].T
        axes = axes * np.where(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)] < 0, -1.0, 1.0)[:, None]
        half_width = 1.08 * max(float(np.abs(centred @ axes.T).max(initial=0.0)), 0.1)
        return cls(centre, axes, half_width)

    def project(self, rows: FloatArray) -> FloatArray:
        """Return coordinates (n, 2) of embeddings (n, D)."""
        return np.asarray((rows - self.centre) @ self.axes.T)


@dataclass(frozen=True)
class Comparison:
    """Takes and their embeddings; all distances derive from these."""

    keys: tuple[TakeKey, ...] = ()
    embeddings: Embeddings | None = None
    """Embeddings of the takes, in the order of ``keys``; None without takes."""
    calibration: VerdictCalibration | None = field(default=None, repr=False)
    """Calibration of the verdicts; None if there is none."""

    def with_take(self, key: TakeKey, embedding: Embeddings) -> Comparison:
        """Return the comparison with a take added or replaced; ``embedding`` has one row."""
        others = self.restricted_to({k for k in self.keys if k != key})
        rows = [embedding] if others.embeddings is None else [others.embeddings, embedding]
        return replace(self, keys=(*others.keys, key), embeddings=concatenate_embeddings(rows))

    def restricted_to(self, keys: Collection[TakeKey]) -> Comparison:
        """Return the comparison of only these takes."""
        rows = [i for i, k in enumerate(self.keys) if k in keys]
        kept = self.embeddings[rows] if self.embeddings is not None and rows else None
        return replace(self, keys=tuple(self.keys[i] for i in rows), embeddings=kept)

    def prepare(self) -> Comparison:
        """Compute what the views show, and return the comparison."""
        _ = self.task_matrix, self.projection, self.same_task_distances, self.different_task_distances
        return self

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def tasks(self) -> list[str]:
        """Sorted names of the tasks."""
        return sorted(self._rows)

    @cached_property
    def _rows(self) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = {}
        for index, key in enumerate(self.keys):
            rows.setdefault(key.task, []).append(index)
        return rows

    @cached_property
    def _task_embeddings(self) -> FloatArray:
        """(n, D) embeddings of the takes for the distance of tasks."""
        return np.zeros((0, 1)) if self.embeddings is None else self.embeddings.task.astype(np.float64)

    @cached_property
    def _means(self) -> Embeddings | None:
        """Mean embeddings of the tasks, in the order of ``tasks``."""
        found = self.embeddings
        return None if found is None else concatenate_embeddings([found[self._rows[t]].mean() for t in self.tasks])

    # Takes

    def measure_takes(self, first: str, second: str) -> FloatArray:
        """Return the distances between the takes of two tasks, (n, m)."""
        assert self.embeddings is not None
        return measure_distances(self.embeddings[self._rows[first]], self.embeddings[self._rows[second]]).task

    def closest_pair(self, first: str, second: str) -> tuple[TakeKey, TakeKey]:
        """Return the closest pair of takes of two tasks, or of one task."""
        block = self.measure_takes(first, second)
        if first == second and len(block) > 1:
            np.fill_diagonal(block, np.inf)
        row, column = np.unravel_index(int(np.argmin(block)), block.shape)
        return self.keys[self._rows[first][row]], self.keys[self._rows[second][column]]

    def mean_distance_to_siblings(self, key: TakeKey) -> float | None:
        """Return a take's mean distance to the others of its task; None if it has none or is unknown."""
        if key not in self.keys:
            return None
        rows, own = self._rows[key.task], self.keys.index(key)
        others = [index for index, row in enumerate(rows) if row != own]
        return float(self.measure_takes(key.task, key.task)[rows.index(own), others].mean()) if others else None

    @cached_property
    def _histogram_pairs(self) -> tuple[FloatArray, BoolArray]:
        """Distances between takes (p,), and whether each pair is of one task (p,)."""
        rows = np.unique(np.linspace(0, max(len(self) - 1, 0), min(len(self), MAX_HISTOGRAM_TAKES)).astype(int))
        if self.embeddings is None:
            return np.zeros(0), np.zeros(0, dtype=bool)
        found = self.embeddings[rows]
        names = np.array([self.keys[row].task for row in rows])
        i, j = np.triu_indices(len(rows), 1)
        return measure_distances(found, found).task[i, j], names[i] == names[j]

    @property
    def same_task_distances(self) -> FloatArray:
        """Distances between different takes of the same task, (p,); of some takes if there are many."""
        distances, same = self._histogram_pairs
        return np.asarray(distances[same])

    @property
    def different_task_distances(self) -> FloatArray:
        """Distances between takes of different tasks, (q,); of some takes if there are many."""
        distances, same = self._histogram_pairs
        return np.asarray(distances[~same])

    # Tasks

    @cached_property
    def task_matrix(self) -> FloatArray:
        """Distances of the tasks, (t, t); on the diagonal, between the takes of one task."""
        if self._means is None:
            return np.zeros((0, 0))
        matrix = measure_distances(self._means, self._means).task
        counts = np.array([len(self._rows[task]) for task in self.tasks], dtype=np.float64)
        own = np.square(np.diag(matrix)) * counts / np.maximum(counts - 1.0, 1.0)  # a take is no pair with itself
        np.fill_diagonal(matrix, np.where(counts > 1, np.sqrt(own), 0.0))
        return np.asarray(matrix)

    def rank(self, task: str) -> list[Neighbour]:
        """Return the other tasks, most similar first; empty for a task without embeddings."""
        if self._means is None or task not in self._rows:
            return []
        index = self.tasks.index(task)
        distances = measure_distances(self._means[[index]], self._means)[0]
        others = np.arange(len(self.tasks)) != index
        return rank_by_distances([t for t in self.tasks if t != task], distances[others], self.calibration)

    def rank_take(self, embedding: Embeddings) -> list[Neighbour]:
        """Return all tasks, most similar first, for the embedding of one take, such as the one being recorded."""
        if self._means is None:
            return []
        distances: Distances = measure_distances(embedding, self._means)[0]
        return rank_by_distances(self.tasks, distances, self.calibration)

    def judge_pair(self, first: str, second: str) -> Neighbour | None:
        """Return the second task as a neighbour of the first; None if one of them has no embeddings."""
        return next((each for each in self.rank(first) if each.task == second), None)

    # Map

    @cached_property
    def map_axes(self) -> MapAxes:
        """Plane of the map."""
        return MapAxes.fit(self._task_embeddings if len(self) else np.zeros((1, 2)))

    @cached_property
    def projection(self) -> FloatArray:
        """Takes on the map, (n, 2)."""
        return self.map_axes.project(self._task_embeddings) if len(self) else np.zeros((0, 2))


@dataclass(frozen=True)
class BehaviourComparison:
    """How well the policy of each task imitates the takes of the others: similarity of behaviour."""

    tasks: tuple[str, ...]
    task_matrix: FloatArray
    """Imitation loss on the other task's takes minus the loss on its own, (t, t); 0 on the diagonal."""

    def __len__(self) -> int:
        return len(self.tasks)

    def rank_tasks(self, task: str) -> Sequence[tuple[str, float]]:
        """Return the other tasks with their losses, most similar first; empty for a task that was not compared."""
        if task not in self.tasks:
            return []
        row = self.task_matrix[self.tasks.index(task)]
        others = [(name, float(loss)) for name, loss in zip(self.tasks, row, strict=True) if name != task]
        return sorted(others, key=lambda other: other[1])
