"""Tests of ranking tasks and of finding a task to start from, on embeddings with known tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.time_warping import dtw_distance
from metagui.generators import run_to_end
from metagui.learning.adaptation.behaviour_distance import BehaviourStep, compare_behaviours
from metagui.learning.similarity.embeddings import concatenate_embeddings, measure_distances
from metagui.learning.similarity.similarity import Neighbour, describe_verdict, find_warm_start, rank
from metagui.learning.similarity.trajectory import resample_takes
from metagui.learning.similarity.verdicts import UNRANKED, Logistic, Verdict, VerdictCalibration
from tests.helpers.embeddings import make_embeddings
from tests.helpers.priors import make_untrained_prior
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from pathlib import Path

CALIBRATION = VerdictCalibration(Logistic(12.0, 0.5), Logistic(12.0, 0.7), Logistic(12.0, 0.7), 0.4, 0.1, 60)


def test_rank_puts_the_own_task_first_and_words_the_others() -> None:
    library = {
        "press red": make_embeddings(0, 0),
        "press red harder": make_embeddings(0, 0, 1),
        "press blue": make_embeddings(0, 1),
        "circle red": make_embeddings(1, 0),
        "circle blue": make_embeddings(1, 1),
    }
    names = {task: [f"{i:03}" for i in range(3)] for task in library}
    ranked = rank(library["press red"][:1], library, CALIBRATION, names)
    assert (ranked[0].task, ranked[0].take) == ("press red", "000")
    assert [n.distance for n in ranked] == sorted(n.distance for n in ranked)
    assert {n.task: describe_verdict(n.verdict) for n in ranked} == {
        "press red": "same task",
        "press red harder": "same motion and objects, other place or size",
        "press blue": "same motion, other object",
        "circle red": "same objects, other motion",
        "circle blue": "different task",
    }
    assert ranked[0].similarity > 0.9 > ranked[-1].similarity


def test_rank_compares_tasks_of_any_number_of_takes_by_their_means() -> None:
    """All tasks are compared at once; the result is that of one task after another."""
    library = {f"task {n}": make_embeddings(n % 3, n % 2, n, takes=1 + n % 4) for n in range(9)}
    names = {task: [f"{number}" for number in range(len(each))] for task, each in library.items()}
    query = make_embeddings(1, 1, 4)
    for found in rank(query, library, None, names):
        alone = library[found.task]
        assert found.distance == pytest.approx(measure_distances(query.mean(), alone.mean()).task.item(), abs=1e-6)
        assert found.take == str(measure_distances(query.mean(), alone).task.argmin())


def test_rank_without_calibration_gives_no_verdict() -> None:
    library = {"a": make_embeddings(0, 0), "b": make_embeddings(1, 1), "empty": make_embeddings(1, 1)[:0]}
    ranked = rank(library["a"], library, None)
    assert [each.task for each in ranked] == ["a", "b"]
    assert {describe_verdict(each.verdict) for each in ranked} == {""}
    assert rank(library["empty"], library, None) == []


def test_distance_of_tasks_is_the_root_mean_square_over_takes() -> None:
    one, other = make_embeddings(0, 0, takes=4, spread=1.0), make_embeddings(1, 2, takes=5, spread=1.0)
    expected = np.sqrt(np.square(measure_distances(one, other).task).mean())
    assert measure_distances(one.mean(), other.mean()).task[0, 0] == pytest.approx(expected)
    joined = concatenate_embeddings([one, other])
    assert measure_distances(joined, joined).task == pytest.approx(
        np.linalg.norm(joined.task[:, None].astype(float) - joined.task[None], axis=2), abs=1e-3
    )


def test_find_warm_start_needs_a_near_task_with_policies(tmp_path: Path) -> None:
    distances = (("far", 1.3), ("near", 1.0), ("nearest", 0.2))
    ranked = [Neighbour(name, None, distance, distance, distance, UNRANKED) for name, distance in distances]
    (tmp_path / "far").touch()
    assert find_warm_start(ranked, lambda task: tmp_path / task) == {}
    (tmp_path / "near").touch()
    assert find_warm_start(ranked, lambda task: tmp_path / task) == {"near": tmp_path / "near"}


def test_every_verdict_has_words() -> None:
    kinds = [("kind", differs) for differs in ("numbers", "objects", "motion")]
    for grade, differs in (("same", ""), *kinds, ("different", "")):
        assert describe_verdict(Verdict(grade, differs, 0.2, 0.3, 0.5))  # type: ignore[arg-type]


def test_dtw_distance_separates_a_circle_from_a_lift() -> None:
    circle, lift = (
        resample_takes(generate_example_takes()["circle"]),
        resample_takes(generate_example_takes()["lift blue"]),
    )
    rows = [np.array([i]) for i in range(3)]
    assert dtw_distance(circle[rows[0]], circle[rows[0]]) == pytest.approx(0.0)
    assert dtw_distance(circle[rows[0]], lift[rows[0]]) > 0.0
    assert dtw_distance(circle[rows[0]], lift[rows[0]], end_effector_only=True) > 0.0


def test_compare_behaviours_aligns_segments() -> None:
    steps: list[BehaviourStep] = []
    names, matrix = run_to_end(compare_behaviours(make_untrained_prior(), generate_example_takes()), steps.append)
    assert steps[-1].step == 7
    assert names == tuple(generate_example_takes())
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-9)
    np.testing.assert_allclose(np.diag(matrix), 0.0, atol=1e-9)
