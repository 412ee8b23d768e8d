"""Calibrated verdicts about two tasks: the same task, the same kind of task and what differs, or different.

Three logistic curves are fitted to the distances between takes of labelled tasks that the encoder was not trained on:
P(same task | task distance), P(same motion | motion distance) and P(same objects | objects distance). Two tasks are of
the same kind if motion or objects are the same, so with p the first probability and q = 1 - (1 - P(same motion)) (1 -
P(same objects)) the three grades have the probabilities p, (1 - p) q and (1 - p) (1 - q). *Same* and *different* are
said where at most one in ``MAX_ERROR_RATE`` of such verdicts was wrong; everything between is the same kind.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from metagui.learning.similarity.embeddings import (
    Distances,
    concatenate_embeddings,
    measure_distances,
    measure_row_distances,
)
from metagui.learning.similarity.task_labels import is_same_task

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metagui.arms.arm import BoolArray, FloatArray
    from metagui.learning.similarity.embeddings import Embeddings
    from metagui.learning.similarity.task_labels import TaskLabels

MIN_CALIBRATION_TASKS = 20
"""Minimum number of tasks to calibrate on."""
MAX_ERROR_RATE = 0.03
"""Maximum fraction of wrong verdicts on the tasks of the calibration; below 5 %, since other tasks differ from them."""
MAX_KIND_PROBABILITY = 0.3
"""Maximum probability of the same kind with which *different* is said, however rarely that was wrong."""
NOMINAL_TASKS = 200
"""Number of tasks of the library for which error rates hold; with fewer tasks, fewer verdicts are wrong."""

Grade = Literal["same", "kind", "different", "unranked"]
Difference = Literal["", "numbers", "objects", "motion"]


@dataclass(frozen=True)
class Logistic:
    """P(same | distance) = 1 / (1 + exp(slope (distance − centre)))."""

    slope: float
    centre: float

    def probability(self, distances: FloatArray) -> FloatArray:
        """Return the probabilities at distances of any shape."""
        return np.asarray(1.0 / (1.0 + np.exp(np.clip(self.slope * (distances - self.centre), -50.0, 50.0))))

    @classmethod
    def fit(cls, distances: FloatArray, is_same: BoolArray) -> Logistic:
        """Fit to distances (n,) by Newton's method with a small ridge; the slope is positive."""
        scale = float(distances.std()) or 1.0
        features = np.stack([np.ones_like(distances), (distances - distances.mean()) / scale], axis=1)
        weights, ridge = np.zeros(2), np.array([1e-6, 1e-2])
        for _ in range(50):
            p = 1.0 / (1.0 + np.exp(-np.clip(features @ weights, -30.0, 30.0)))
            gradient = features.T @ (p - is_same) + ridge * weights
            hessian = (features * (p * (1 - p) + 1e-9)[:, None]).T @ features + np.diag(ridge)
            weights -= np.clip(np.linalg.solve(hessian, gradient), -2.0, 2.0)
        slope = max(-weights[1], 1e-3)
        return cls(float(slope / scale), float(distances.mean() + scale * weights[0] / slope))


@dataclass(frozen=True)
class Verdict:
    """What is said about two tasks, with probabilities that add up to 1."""

    grade: Grade
    differs: Difference
    """What differs within the same kind: numbers such as a place or a size, objects, or motion."""
    same: float
    """Probability of the same task; NaN without calibration, like the others."""
    kind: float
    """Probability of another task of the same kind."""
    different: float
    """Probability of a task with another motion and other objects."""


UNRANKED = Verdict("unranked", "", float("nan"), float("nan"), float("nan"))
"""Verdict without calibration."""


@dataclass(frozen=True)
class VerdictCalibration:
    """The curves and cuts of the verdicts."""

    task: Logistic
    motion: Logistic
    objects: Logistic
    same_below: float
    """Maximum task distance of the verdict *same*."""
    different_below: float
    """Maximum probability of the same kind with which *different* is said."""
    tasks: int
    """Number of tasks it was fitted on."""

    def kind_probability(self, distances: Distances) -> FloatArray:
        """Return the probability that motion or objects are the same."""
        motion, objects = self.motion.probability(distances.motion), self.objects.probability(distances.objects)
        return np.asarray(1.0 - (1.0 - motion) * (1.0 - objects))

    def grades(self, distances: Distances) -> tuple[BoolArray, BoolArray]:
        """Return where *same* and where *different* is said, for arrays of distances."""
        same = distances.task <= self.same_below
        return np.asarray(same), np.asarray(~same & (self.kind_probability(distances) <= self.different_below))

    def judge(self, distances: Distances) -> list[Verdict]:
        """Return the verdicts for distances (n,)."""
        is_same, is_different = self.grades(distances)
        same, kind = self.task.probability(distances.task), self.kind_probability(distances)
        motion, objects = self.motion.probability(distances.motion), self.objects.probability(distances.objects)
        rows = zip(is_same, is_different, motion.tolist(), objects.tolist(), same.tolist(), kind.tolist(), strict=True)
        return [
            Verdict(
                "same" if said_same else "different" if said_different else "kind",
                "" if said_same or said_different else _find_difference(m, o),
                p,
                (1.0 - p) * q,
                (1.0 - p) * (1.0 - q),
            )
            for said_same, said_different, m, o, p, q in rows
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return JSON values, as stored with an encoder."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None) -> VerdictCalibration | None:
        """Return the calibration of JSON values; None for None, and for one of version 0.1."""
        if not values or "task" not in values:
            return None
        curves = {name: Logistic(**values[name]) for name in ("task", "motion", "objects")}
        return cls(**{**values, **curves})


def describe_calibration(calibration: VerdictCalibration | None) -> str:
    """Return a sentence for users about what the verdicts are based on."""
    if calibration is None:
        return f"Fewer than {MIN_CALIBRATION_TASKS} tasks, too few for verdicts: neighbours are only ranked."
    return f"Verdicts are calibrated on {calibration.tasks} tasks that the encoder was not trained on."


@dataclass(frozen=True)
class LabelledDistances:
    """Distances of takes to tasks, with what is true of each pair: n pairs."""

    distances: Distances
    same: BoolArray
    """(n,) True if both are the same task, as ``is_same_task`` says."""
    identical: BoolArray
    """(n,) True if the instructions are equal to the last parameter."""
    motion: BoolArray
    """(n,) True if the motion is the same."""
    objects: BoolArray
    """(n,) True if the objects are the same."""

    @property
    def kind(self) -> BoolArray:
        """(n,) True if motion or objects are the same."""
        return self.motion | self.objects


def measure_takes_against_tasks(
    queries: Mapping[str, Embeddings], library: Mapping[str, Embeddings], labels: Mapping[str, TaskLabels]
) -> LabelledDistances:
    """Return the distances of every take of ``queries`` to every task of ``library``, each by its mean.

    A take that is in its own task of the library is left out of it. Tasks with equal labels are the same task.
    """
    means = concatenate_embeddings([takes.mean() for takes in library.values()])
    found: list[Distances] = []
    truth: list[BoolArray] = []
    for query, own in queries.items():
        distances = measure_distances(own, means)
        is_own = [own is takes for takes in library.values()]
        if any(is_own):
            column = is_own.index(True)
            kept = np.arange(len(is_own)) != column
            found.append(_flatten(distances[:, kept]))
            truth.append(_compare_labels(labels[query], [labels[task] for task in np.array(list(library))[kept]], own))
            if len(own) > 1:
                found.append(measure_row_distances(own, own.means_without_each()))
                truth.append(np.ones((len(own), 4), dtype=bool))
        else:
            found.append(_flatten(distances))
            truth.append(_compare_labels(labels[query], [labels[task] for task in library], own))
    parts = ((each.task, each.motion, each.objects) for each in found)
    joined = Distances(*(np.concatenate(part) for part in zip(*parts, strict=True)))
    return LabelledDistances(joined, *np.concatenate(truth).T)


def _flatten(distances: Distances) -> Distances:
    return Distances(distances.task.ravel(), distances.motion.ravel(), distances.objects.ravel())


def _compare_labels(own: TaskLabels, others: Sequence[TaskLabels], takes: Embeddings) -> BoolArray:
    """Return whether task, instructions, motion and objects are the same, (takes * others, 4), take by take."""
    rows = [
        [
            is_same_task(own, other),
            own.task == other.task,
            *(a is not None and a == b for a, b in zip(own[1:], other[1:], strict=True)),
        ]
        for other in others
    ]
    return np.tile(np.array(rows, dtype=bool).reshape(-1, 4), (len(takes), 1))


def join_pairs(parts: Sequence[LabelledDistances]) -> LabelledDistances:
    """Return the pairs of all parts."""
    columns = zip(*((p.distances.task, p.distances.motion, p.distances.objects) for p in parts), strict=True)
    truth = zip(*((part.same, part.identical, part.motion, part.objects) for part in parts), strict=True)
    return LabelledDistances(Distances(*map(np.concatenate, columns)), *map(np.concatenate, truth))


def calibrate(pairs: LabelledDistances, tasks: int) -> VerdictCalibration | None:
    """Fit a calibration on pairs of ``tasks`` labelled tasks; None for fewer than MIN_CALIBRATION_TASKS."""
    if tasks < MIN_CALIBRATION_TASKS:
        return None
    distances = pairs.distances
    draft = VerdictCalibration(
        Logistic.fit(distances.task, pairs.same),
        Logistic.fit(distances.motion, pairs.motion),
        Logistic.fit(distances.objects, pairs.objects),
        _find_cut(distances.task, pairs.same, NOMINAL_TASKS / tasks),
        0.0,
        tasks,
    )
    rest = distances.task > draft.same_below
    is_other = ~(pairs.kind | pairs.same)
    cut = _find_cut(draft.kind_probability(distances)[rest], is_other[rest], 1.0)
    return replace(draft, different_below=min(cut, MAX_KIND_PROBABILITY))


def _find_difference(motion: float, objects: float) -> Difference:
    """Return what differs within a kind, from the probabilities that motion and objects are the same."""
    if motion > 0.5 and objects > 0.5:
        return "numbers"
    return "objects" if motion >= objects else "motion"


def _find_cut(values: FloatArray, right: BoolArray, wrong_weight: float) -> float:
    """Return the maximum value up to which at most MAX_ERROR_RATE are wrong, or 0."""
    order = np.argsort(values, kind="stable")
    wrong = np.cumsum(np.where(right[order], 0.0, wrong_weight))
    total = np.cumsum(np.where(right[order], 1.0, wrong_weight))
    good = np.flatnonzero(wrong <= MAX_ERROR_RATE * total)
    return float(values[order][good[-1]]) if len(good) else 0.0
