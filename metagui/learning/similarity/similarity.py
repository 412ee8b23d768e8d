"""Ranks the stored tasks by similarity to a take or task, with calibrated verdicts.

Verdicts are calibrated on the embedding distances of takes to their own task, each left out of it in turn, and to all
other tasks. *Similar* is returned where at most one in twenty such verdicts would be wrong, *new* where at most one
task in twenty would be called new by mistake, *unsure* between. The probability compares a take's own task with the
nearest other one, by logistic regression. Fewer than twenty tasks are too few to fit.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from metagui.arms.arm import FloatArray
    from metagui.learning.policy.feature_layout import Array
    from metagui.learning.similarity.trajectory import Trajectories

MIN_CALIBRATION_TASKS = 20
"""Minimum number of tasks to calibrate on."""

MAX_ERROR_RATE = 0.05
"""Maximum fraction of wrong verdicts."""

MAX_EMBEDDING_DISTANCE = 2.0
"""Distance between opposite embeddings."""

MAX_WARM_START_DISTANCE = 1.0
"""Maximum distance of a task whose policies are used as a starting point."""

Verdict = Literal["similar", "unsure", "new", "unranked"]


@dataclass(frozen=True)
class Neighbour:
    """One stored task, ranked by its distance to a take or task."""

    task: str
    take: str | None
    """Name of its nearest take."""
    distance: float
    """Mean embedding distance to its takes, 0 to 2."""
    probability: float
    """Probability that it is the same task; NaN without calibration."""
    verdict: Verdict


@dataclass(frozen=True)
class DistanceCalibration:
    """P(same task | distance) = 1 / (1 + exp(slope (distance − centre)))."""

    slope: float
    centre: float
    tasks: int
    """Number of tasks it was fitted on."""
    similar_below: float
    """Maximum distance of the verdict "similar"."""
    new_above: float
    """Minimum distance of the verdict "new"."""

    def probability(self, distance: float) -> float:
        """Return the probability that takes at this distance show the same task."""
        return float(1.0 / (1.0 + np.exp(np.clip(self.slope * (distance - self.centre), -50.0, 50.0))))

    def verdict(self, distance: float) -> Verdict:
        """Return the verdict for a distance."""
        return "similar" if distance <= self.similar_below else "new" if distance >= self.new_above else "unsure"

    def as_dict(self) -> dict[str, float]:
        """Return JSON values, as stored in a prior's metadata."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None) -> DistanceCalibration | None:
        """Return the calibration of JSON values, None for None."""
        return cls(**values) if values else None


def euclidean_distances(a: Array, b: Array) -> FloatArray:
    """Return the Euclidean distances (n, m) between embeddings (n, D) and (m, D)."""
    squared = np.square(a[:, None].astype(np.float64) - b[None]).sum(-1)
    return np.asarray(np.sqrt(squared))


def rank(
    query: Array,
    library: Mapping[str, Array],
    calibration: DistanceCalibration | None,
    takes: Mapping[str, Sequence[str]] | None = None,
) -> list[Neighbour]:
    """Return all tasks of a library, nearest first, for embeddings (k, D) of takes of one task.

    ``takes`` contains the names of every task's takes in the order of their embeddings.
    """
    found = []
    for task, vectors in library.items():
        if not len(vectors):
            continue
        d = euclidean_distances(query, vectors)
        distance = float(d.mean())
        take = takes[task][int(d.mean(axis=0).argmin())] if takes else None
        probability = calibration.probability(distance) if calibration else float("nan")
        verdict: Verdict = calibration.verdict(distance) if calibration else "unranked"
        found.append(Neighbour(task, take, distance, probability, verdict))
    return sorted(found, key=lambda n: n.distance)


def find_warm_start(ranked: Sequence[Neighbour], policy_path: Callable[[str], Path]) -> dict[str, Path]:
    """Return the policy file of the nearest task that has one; empty if no such task is near."""
    for neighbour in sorted(ranked, key=lambda n: n.distance):
        if neighbour.distance < MAX_WARM_START_DISTANCE and policy_path(neighbour.task).is_file():
            return {neighbour.task: policy_path(neighbour.task)}
    return {}


def leave_one_out_distances(
    library: Mapping[str, Array], group_labels: Mapping[str, str] | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return every take's distance to the others of its task (n,), and to all other tasks (n, tasks - 1).

    Tasks with the same label in ``group_labels`` are neither the same nor different: their distance is infinite.
    """
    names = [name for name, vectors in library.items() if len(vectors) >= 2]
    tasks = [library[name] for name in names]
    labels = [(group_labels or {}).get(name, name) for name in names]
    same: list[float] = []
    different: list[FloatArray] = []
    for i, own in enumerate(tasks):
        same += list(euclidean_distances(own, own).sum(axis=1) / (len(own) - 1))
        others = [
            euclidean_distances(own, other).mean(axis=1) if labels[j] != labels[i] else np.full(len(own), np.inf)
            for j, other in enumerate(tasks)
            if j != i
        ]
        different += list(np.stack(others, axis=1)) if others else []
    return np.array(same), np.array(different)


def calibrate(
    library: Mapping[str, Array], group_labels: Mapping[str, str] | None = None
) -> DistanceCalibration | None:
    """Fit a calibration on a library; None with fewer than MIN_CALIBRATION_TASKS tasks of two takes.

    Tasks that differ only in hidden parameters have the same label in ``group_labels``; they do not count as different.
    """
    tasks = sum(len(vectors) >= 2 for vectors in library.values())
    if tasks < MIN_CALIBRATION_TASKS:
        return None
    same, different = leave_one_out_distances(library, group_labels)
    nearest = np.minimum(different.min(axis=1), MAX_EMBEDDING_DISTANCE)
    slope, centre = _fit_logistic(np.append(same, nearest), np.arange(2 * len(same)) < len(same))
    similar = _similar_threshold(same, different[np.isfinite(different)])
    new = float(np.quantile(same, 1.0 - MAX_ERROR_RATE))
    return DistanceCalibration(slope, centre, tasks, min(similar, new), max(similar, new))


def _similar_threshold(same: FloatArray, different: FloatArray) -> float:
    """Return the maximum distance with at most MAX_ERROR_RATE pairs of different tasks below it, or 0."""
    values = np.append(same, different)
    order = np.argsort(values)
    wrong = np.cumsum(order >= len(same)) / np.arange(1, len(values) + 1)
    good = np.flatnonzero(wrong <= MAX_ERROR_RATE)
    return float(values[order][good[-1]]) if len(good) else 0.0


def choose_calibration(
    library: Mapping[str, Array], prior: DistanceCalibration | None
) -> tuple[DistanceCalibration | None, str]:
    """Return the calibration to use, the library's own or the prior's, and the reason for users."""
    own = calibrate(library)
    if own:
        return own, f"Verdicts are calibrated on your own {own.tasks} tasks."
    few = f"Fewer than {MIN_CALIBRATION_TASKS} tasks have two takes"
    if prior:
        return prior, f"{few}, so verdicts use the calibration of the shipped encoder ({prior.tasks} tasks)."
    return None, f"{few}, too few for verdicts: neighbours are only ranked."


def _fit_logistic(x: FloatArray, y: np.ndarray[Any, np.dtype[np.bool_]]) -> tuple[float, float]:
    """Fit P(y | x) by Newton's method with a small ridge; return a positive slope and the centre."""
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


def dtw_distance(a: Trajectories, b: Trajectories) -> float:
    """Return the dynamic-time-warping distance of two takes (one take each), the untrained baseline."""
    x, y = (
        np.concatenate([s.object_channels[0].reshape(len(s.global_channels[0]), -1), s.global_channels[0]], axis=1)
        for s in (a, b)
    )
    cost = euclidean_distances(x, y)
    total = np.full((len(x) + 1, len(y) + 1), np.inf)
    total[0, 0] = 0.0
    for i in range(len(x)):
        row = np.minimum(total[i, :-1], total[i, 1:])
        for j in range(len(y)):
            total[i + 1, j + 1] = cost[i, j] + min(row[j], total[i + 1, j])
    return float(total[-1, -1] / (len(x) + len(y)))
