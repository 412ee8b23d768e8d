"""Which stored tasks are like this one: ranked neighbours, a matrix, and how far a distance can be trusted.

A verdict is calibrated: from the distances of takes to their own task and to the nearest other one, each left out
of its task in turn, comes the probability that a distance means the same task, by logistic regression; above 95 %
it says *similar*, below 5 % *new*, between *unsure*. With fewer than twenty tasks there is too little to fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metagui.arms.arm import FloatArray
    from metagui.learning.features import Array
    from metagui.learning.series import Series

LEAST_TASKS = 20
"""Fewer tasks than this are ranked without a verdict of their own."""

Verdict = Literal["similar", "unsure", "new", "unranked"]


@dataclass(frozen=True)
class Neighbour:
    """One stored task as seen from a take or a task."""

    task: str
    take: str | None
    """Its take nearest to what was asked about."""
    distance: float
    """Mean embedding distance to its takes, 0 … 2."""
    probability: float
    """That it is the same task; NaN without calibration."""
    verdict: Verdict


@dataclass(frozen=True)
class Calibration:
    """P(same task | distance) = 1 / (1 + exp(slope (distance − centre)))."""

    slope: float
    centre: float
    tasks: int
    """How many tasks it was fitted on."""
    similar_at: float = 0.95
    new_at: float = 0.05

    def probability(self, distance: float) -> float:
        """Return the probability that a distance means the same task."""
        return float(1.0 / (1.0 + np.exp(np.clip(self.slope * (distance - self.centre), -50.0, 50.0))))

    def verdict(self, distance: float) -> Verdict:
        """Say it in a word."""
        p = self.probability(distance)
        return "similar" if p >= self.similar_at else "new" if p <= self.new_at else "unsure"

    def as_dict(self) -> dict[str, float]:
        """Return plain JSON values."""
        return {"slope": self.slope, "centre": self.centre, "tasks": self.tasks}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None) -> Calibration | None:
        """Return the calibration in a prior's metadata, if there is one."""
        return cls(float(values["slope"]), float(values["centre"]), int(values["tasks"])) if values else None


def distances(a: Array, b: Array) -> FloatArray:
    """Return the Euclidean distances (n, m) between embeddings (n, D) and (m, D)."""
    squared = np.square(a[:, None].astype(np.float64) - b[None]).sum(-1)
    return np.asarray(np.sqrt(squared))


def rank(
    query: Array,
    library: Mapping[str, Array],
    calibration: Calibration | None,
    takes: Mapping[str, Sequence[str]] | None = None,
) -> list[Neighbour]:
    """Return all tasks of a library, nearest first, for embeddings (k, D) of one or more takes of one task.

    ``takes`` names every task's takes in the order of their embeddings.
    """
    found = []
    for task, vectors in library.items():
        if not len(vectors):
            continue
        d = distances(query, vectors)
        distance = float(d.mean())
        take = takes[task][int(d.mean(axis=0).argmin())] if takes else None
        probability = calibration.probability(distance) if calibration else float("nan")
        verdict: Verdict = calibration.verdict(distance) if calibration else "unranked"
        found.append(Neighbour(task, take, distance, probability, verdict))
    return sorted(found, key=lambda n: n.distance)


def distance_matrix(library: Mapping[str, Array]) -> tuple[tuple[str, ...], FloatArray]:
    """Return the tasks' names and (n, n) mean distances; the diagonal is between a task's own different takes."""
    names = tuple(name for name, vectors in library.items() if len(vectors))
    matrix = np.zeros((len(names), len(names)))
    for i, a in enumerate(names):
        for j, b in enumerate(names):
            d = distances(library[a], library[b])
            matrix[i, j] = d.mean() if i != j else d.sum() / max(len(d) * (len(d) - 1), 1)
    return names, matrix


def leave_one_out(library: Mapping[str, Array]) -> tuple[FloatArray, FloatArray]:
    """Return every take's distance to the others of its own task, and to the nearest other task."""
    tasks = [vectors for vectors in library.values() if len(vectors) >= 2]
    same, different = [], []
    for i, own in enumerate(tasks):
        inner = distances(own, own)
        same += list(inner.sum(axis=1) / (len(own) - 1))
        others = [distances(own, other).mean(axis=1) for j, other in enumerate(tasks) if j != i]
        different += list(np.min(others, axis=0)) if others else []
    return np.array(same), np.array(different)


def calibrate(library: Mapping[str, Array]) -> Calibration | None:
    """Fit a calibration on a library; None if it has fewer than ``LEAST_TASKS`` tasks with two takes."""
    tasks = sum(len(vectors) >= 2 for vectors in library.values())
    if tasks < LEAST_TASKS:
        return None
    same, different = leave_one_out(library)
    slope, centre = _logistic(np.append(same, different), np.arange(len(same) + len(different)) < len(same))
    return Calibration(slope, centre, tasks)


def calibration_for(library: Mapping[str, Array], prior: Calibration | None) -> tuple[Calibration | None, str]:
    """Return the calibration to judge with, the library's own or the prior's, and in words why that one."""
    own = calibrate(library)
    if own:
        return own, f"Verdicts are calibrated on your own {own.tasks} tasks."
    few = f"Fewer than {LEAST_TASKS} tasks have two takes"
    if prior:
        return prior, f"{few}, so verdicts use the calibration that came with the encoder ({prior.tasks} tasks)."
    return None, f"{few}, too few to say what a distance means: neighbours are ranked only."


def _logistic(x: FloatArray, y: np.ndarray[Any, np.dtype[np.bool_]]) -> tuple[float, float]:
    """Fit P(y | x) with a little ridge, by Newton's method; return a positive slope and the centre."""
    scale = float(x.std()) or 1.0
    features = np.stack([np.ones_like(x), (x - x.mean()) / scale], axis=1)
    weights = np.zeros(2)
    ridge = np.array([1e-6, 1e-2])
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(-np.clip(features @ weights, -30.0, 30.0)))
        gradient = features.T @ (p - y) + ridge * weights
        hessian = (features * (p * (1 - p) + 1e-9)[:, None]).T @ features + np.diag(ridge)
        weights -= np.clip(np.linalg.solve(hessian, gradient), -2.0, 2.0)
    slope = max(-weights[1], 1e-3)
    return float(slope / scale), float(x.mean() + scale * weights[0] / slope)


def warped_distance(a: Series, b: Series) -> float:
    """Return the dynamic-time-warping distance of two takes (each a series of one), the untrained baseline."""
    x, y = (np.concatenate([s.anchors[0].reshape(len(s.globals[0]), -1), s.globals[0]], axis=1) for s in (a, b))
    cost = distances(x, y)
    total = np.full((len(x) + 1, len(y) + 1), np.inf)
    total[0, 0] = 0.0
    for i in range(len(x)):
        row = np.minimum(total[i, :-1], total[i, 1:])
        for j in range(len(y)):
            total[i + 1, j + 1] = cost[i, j] + min(row[j], total[i + 1, j])
    return float(total[-1, -1] / (len(x) + len(y)))
