"""Embeddings of takes and tasks, and the three distances between them: of tasks, of motions and of objects.

Embeddings of takes have length one, and a task's is the mean of its takes'. Hence 2 − 2 a·b is the squared distance of
two takes, and the mean squared distance between the takes of two tasks: no pair of takes is visited to compare tasks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from metagui.arms.arm import FloatArray
    from metagui.learning.policy.feature_layout import Array

MAX_EMBEDDING_DISTANCE = 2.0
"""Distance between opposite embeddings."""


@dataclass(frozen=True)
class Embeddings:
    """Embeddings of n takes or tasks."""

    motion: Array
    """(n, E) what is done, whatever it is done to."""
    numbers: Array
    """(n, E) the same with its numbers: where exactly, how large."""
    objects: Array
    """(n, R) which object has which role."""

    def __len__(self) -> int:
        return len(self.motion)

    def __getitem__(self, rows: slice | Sequence[int] | NDArray[np.int64]) -> Embeddings:
        return Embeddings(self.motion[rows], self.numbers[rows], self.objects[rows])

    @property
    def task(self) -> Array:
        """(n, E + R) embeddings of the task, numbers and objects together, of the same scale."""
        joined = np.concatenate([self.numbers, self.objects], axis=1)
        return np.asarray(joined / math.sqrt(2.0), dtype=np.float32)

    def mean(self) -> Embeddings:
        """Return the mean of all rows, with one row."""
        return Embeddings(*(each.mean(axis=0, keepdims=True) for each in (self.motion, self.numbers, self.objects)))

    def means_of_groups(self, starts: Sequence[int]) -> Embeddings:
        """Return the mean of every group of consecutive rows; each begins at one of ``starts`` and is not empty."""
        counts = np.diff([*starts, len(self)])[:, None]
        columns = (self.motion, self.numbers, self.objects)
        return Embeddings(*((np.add.reduceat(e, starts, axis=0) / counts).astype(e.dtype) for e in columns))

    def means_without_each(self) -> Embeddings:
        """Return for every row the mean of all others; there must be two rows or more."""
        others = len(self) - 1
        return Embeddings(*((e.sum(axis=0) - e) / others for e in (self.motion, self.numbers, self.objects)))


def concatenate_embeddings(parts: Sequence[Embeddings]) -> Embeddings:
    """Return the rows of all parts, in order."""
    return Embeddings(
        np.concatenate([part.motion for part in parts]),
        np.concatenate([part.numbers for part in parts]),
        np.concatenate([part.objects for part in parts]),
    )


@dataclass(frozen=True)
class Distances:
    """Three distances between takes or tasks, each 0 to 2, as arrays of one shape."""

    task: FloatArray
    """Root mean square of those of numbers and objects."""
    motion: FloatArray
    objects: FloatArray

    def __getitem__(self, index: Any) -> Distances:
        return Distances(self.task[index], self.motion[index], self.objects[index])


def measure_distances(a: Embeddings, b: Embeddings) -> Distances:
    """Return the distances (n, m) between the rows of two sets, root mean square if rows are tasks."""
    motion, numbers, objects = (
        x.astype(np.float64) @ y.astype(np.float64).T
        for x, y in ((a.motion, b.motion), (a.numbers, b.numbers), (a.objects, b.objects))
    )
    return _to_distances(motion, numbers, objects)


def measure_row_distances(a: Embeddings, b: Embeddings) -> Distances:
    """Return the distances (n,) between corresponding rows of two sets."""
    motion, numbers, objects = (
        np.sum(x.astype(np.float64) * y, axis=1)
        for x, y in ((a.motion, b.motion), (a.numbers, b.numbers), (a.objects, b.objects))
    )
    return _to_distances(motion, numbers, objects)


def _to_distances(motion: FloatArray, numbers: FloatArray, objects: FloatArray) -> Distances:
    """Return distances from inner products of any shape."""
    squared = (2.0 - numbers - objects, 2.0 - 2.0 * motion, 2.0 - 2.0 * objects)
    return Distances(*(np.sqrt(np.maximum(each, 0.0)) for each in squared))
