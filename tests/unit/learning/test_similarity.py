"""Tests of ranking, calibration and verdicts, on embeddings with known tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from metagui.generators import run_to_end
from metagui.learning.adaptation.behaviour_distance import BehaviourStep, compare_behaviours
from metagui.learning.similarity.similarity import (
    MIN_CALIBRATION_TASKS,
    DistanceCalibration,
    Neighbour,
    calibrate,
    choose_calibration,
    dtw_distance,
    find_warm_start,
    rank,
)
from metagui.learning.similarity.trajectory import resample_takes
from tests.helpers.priors import make_untrained_prior
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from pathlib import Path


def _library(tasks: int, takes: int = 4, spread: float = 0.02, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    library = {}
    for task in range(tasks):
        vectors = rng.normal(size=8) + rng.normal(scale=spread * 8, size=(takes, 8))
        library[f"task {task}"] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return library


def test_rank_puts_the_own_task_and_nearest_take_first() -> None:
    library = _library(30)
    calibration = calibrate(library)
    names = {task: [f"{i:03}" for i in range(len(v))] for task, v in library.items()}
    ranked = rank(library["task 7"][:1], library, calibration, names)
    assert (ranked[0].task, ranked[0].take, ranked[0].verdict) == ("task 7", "000", "similar")
    assert ranked[-1].verdict == "new"
    assert [n.distance for n in ranked] == sorted(n.distance for n in ranked)


def test_verdicts_are_wrong_in_less_than_five_percent() -> None:
    calibration = calibrate(_library(40, seed=1))
    assert calibration is not None
    fresh = _library(40, seed=2)
    wrong = returned = 0
    for task, vectors in fresh.items():
        others = {name: v if name != task else v[1:] for name, v in fresh.items()}
        for neighbour in rank(vectors[:1], others, calibration):
            returned += neighbour.verdict in ("similar", "new")
            wrong += (neighbour.verdict == "similar") != (neighbour.task == task) and neighbour.verdict != "unsure"
    assert returned > 40
    assert wrong / returned < 0.05


def test_choose_calibration_with_few_tasks_explains_itself() -> None:
    library = _library(MIN_CALIBRATION_TASKS - 1)
    calibration, why = choose_calibration(library, None)
    assert calibration is None
    assert "only ranked" in why
    assert rank(library["task 1"], library, None)[0].verdict == "unranked"
    shipped, why = choose_calibration(library, DistanceCalibration(20.0, 0.5, 60, 0.4, 0.6))
    assert shipped is not None
    assert "the shipped encoder" in why
    own, why = choose_calibration(_library(MIN_CALIBRATION_TASKS), None)
    assert own is not None
    assert "your own" in why


def test_find_warm_start_needs_a_near_task_with_policies(tmp_path: Path) -> None:
    ranked = [Neighbour(n, None, d, 0.5, "unsure") for n, d in (("far", 1.2), ("near", 0.4), ("nearest", 0.2))]
    (tmp_path / "far").touch()
    assert find_warm_start(ranked, lambda task: tmp_path / task) == {}
    (tmp_path / "near").touch()
    assert find_warm_start(ranked, lambda task: tmp_path / task) == {"near": tmp_path / "near"}


def test_calibration_to_json_and_back_is_equal() -> None:
    calibration = DistanceCalibration(12.5, 0.4, 33, 0.3, 0.6)
    assert DistanceCalibration.from_dict(calibration.as_dict()) == calibration
    assert DistanceCalibration.from_dict(None) is None
    assert calibration.probability(0.1) > 0.9 > calibration.probability(0.5)


def test_dtw_distance_separates_a_circle_from_a_lift() -> None:
    circle, lift = (
        resample_takes(generate_example_takes()["circle"]),
        resample_takes(generate_example_takes()["lift blue"]),
    )
    rows = [np.array([i]) for i in range(3)]
    assert dtw_distance(circle[rows[0]], circle[rows[0]]) == pytest.approx(0.0)
    assert dtw_distance(circle[rows[0]], lift[rows[0]]) > 0.0


def test_compare_behaviours_aligns_segments() -> None:
    steps: list[BehaviourStep] = []
    names, matrix = run_to_end(compare_behaviours(make_untrained_prior(), generate_example_takes()), steps.append)
    assert steps[-1].step == 7
    assert names == tuple(generate_example_takes())
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-9)
    np.testing.assert_allclose(np.diag(matrix), 0.0, atol=1e-9)
