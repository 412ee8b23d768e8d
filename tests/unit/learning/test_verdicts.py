"""Tests of verdicts: the three grades, what differs, probabilities, and their calibration."""

from __future__ import annotations

import json

import numpy as np
import pytest

from metagui.learning.similarity.embeddings import Distances, Embeddings
from metagui.learning.similarity.task_labels import TaskLabels
from metagui.learning.similarity.verdicts import (
    MIN_CALIBRATION_TASKS,
    Logistic,
    VerdictCalibration,
    calibrate,
    join_pairs,
    measure_takes_against_tasks,
)
from tests.helpers.embeddings import make_embeddings


def _make_library(shift: int = 0, spread: float = 0.3) -> tuple[dict[str, Embeddings], dict[str, TaskLabels]]:
    """Return 40 tasks of five motions, four objects and two numbers, with their labels."""
    library, labels = {}, {}
    for motion in range(5):
        for objects in range(4):
            for number in (shift, shift + 1):
                name = json.dumps([[f"move {motion}", f"object {objects}", None, [["radius", 0.1 * number]]]])
                library[name] = make_embeddings(motion, objects, number, takes=4, spread=spread)
                labels[name] = TaskLabels(name, f"motion {motion}", f"objects {objects}")
    return library, labels


def _fit() -> VerdictCalibration:
    library, labels = _make_library()
    calibration = calibrate(measure_takes_against_tasks(library, library, labels), len(library))
    assert calibration is not None
    return calibration


def _distances(task: float, motion: float, objects: float) -> Distances:
    return Distances(np.array([task]), np.array([motion]), np.array([objects]))


@pytest.mark.parametrize(
    ("distances", "grade", "differs"),
    [
        ((0.2, 0.2, 0.2), "same", ""),
        ((1.0, 0.2, 0.2), "kind", "numbers"),
        ((1.0, 0.2, 1.4), "kind", "objects"),
        ((1.0, 1.4, 0.2), "kind", "motion"),
        ((1.4, 1.4, 1.4), "different", ""),
    ],
)
def test_judge_returns_the_grade_and_what_differs(
    distances: tuple[float, float, float], grade: str, differs: str
) -> None:
    (verdict,) = _fit().judge(_distances(*distances))
    assert (verdict.grade, verdict.differs) == (grade, differs)
    assert verdict.same + verdict.kind + verdict.different == pytest.approx(1.0)
    assert max(verdict.same, verdict.kind, verdict.different) == getattr(verdict, grade)


def test_verdicts_are_rarely_wrong_on_other_tasks() -> None:
    calibration = _fit()
    library, labels = _make_library(shift=2)
    pairs = measure_takes_against_tasks(library, library, labels)
    same, different = calibration.grades(pairs.distances)
    assert same.sum() > 100
    assert np.mean(~pairs.same[same]) <= 0.05
    assert different.sum() > 1000
    assert np.mean(pairs.kind[different]) <= 0.05
    assert not different[pairs.identical].any()


def test_measured_pairs_leave_a_take_out_of_its_own_task() -> None:
    library, labels = _make_library()
    pairs = measure_takes_against_tasks(library, library, labels)
    assert pairs.identical.sum() == 160
    assert len(pairs.same) == 160 * 40
    own = pairs.distances.task[pairs.identical]
    assert own.min() > 0.0, "with itself, a take has the distance 0"
    assert own.max() < pairs.distances.task[~pairs.same].min()
    both = join_pairs([pairs, pairs])
    assert len(both.distances.objects) == 2 * len(pairs.same)


def test_calibrate_with_few_tasks_returns_none() -> None:
    library, labels = _make_library()
    pairs = measure_takes_against_tasks(library, library, labels)
    assert calibrate(pairs, MIN_CALIBRATION_TASKS - 1) is None


def test_logistic_fit_recovers_a_probability() -> None:
    rng = np.random.default_rng(0)
    distances = rng.uniform(0, 2, 20_000)
    curve = Logistic(6.0, 0.7)
    fitted = Logistic.fit(distances, rng.random(20_000) < curve.probability(distances))
    assert fitted.slope == pytest.approx(6.0, rel=0.1)
    assert fitted.centre == pytest.approx(0.7, abs=0.02)


def test_calibration_to_json_and_back_is_equal() -> None:
    calibration = _fit()
    assert VerdictCalibration.from_dict(json.loads(json.dumps(calibration.as_dict()))) == calibration
    assert VerdictCalibration.from_dict(None) is None
    old = {"slope": 14.0, "centre": 0.5, "tasks": 21, "similar_below": 0.4, "new_above": 0.6}
    assert VerdictCalibration.from_dict(old) is None
