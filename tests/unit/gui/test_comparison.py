"""Comparison of takes by their embeddings: distances, projection, closest pair, ranking."""

from __future__ import annotations

import time

import numpy as np
import pytest

from metagui.demonstrations.demonstration import TakeKey
from metagui.gui.similarity.comparison import BehaviourComparison, Comparison
from metagui.learning.similarity.embeddings import concatenate_embeddings
from tests.helpers.embeddings import make_embeddings


def make_comparison(tasks: int = 3, takes: int = 2) -> Comparison:
    parts = [make_embeddings(index % 8, index // 8, index // 64, takes) for index in range(tasks)]
    keys = [TakeKey(f"task {index:04}", f"{take + 1:03}") for index in range(tasks) for take in range(takes)]
    return Comparison(tuple(keys), concatenate_embeddings(parts))


@pytest.fixture
def comparison() -> Comparison:
    return make_comparison()


def test_distances_within_task_are_smaller_than_between_tasks(comparison: Comparison) -> None:
    assert len(comparison.same_task_distances) == 3
    assert len(comparison.different_task_distances) == 12
    assert comparison.same_task_distances.max() < comparison.different_task_distances.min()
    matrix = comparison.task_matrix
    assert matrix.shape == (3, 3)
    assert np.allclose(matrix, matrix.T)
    assert np.diag(matrix).max() < matrix[0, 1]


def test_task_matrix_is_the_root_mean_square_over_pairs_of_takes(comparison: Comparison) -> None:
    block = comparison.measure_takes("task 0000", "task 0001")
    assert comparison.task_matrix[0, 1] == pytest.approx(np.sqrt(np.square(block).mean()))
    own = comparison.measure_takes("task 0000", "task 0000")
    assert comparison.task_matrix[0, 0] == pytest.approx(own[0, 1], abs=1e-3)
    single = comparison.restricted_to({TakeKey("task 0000", "001"), TakeKey("task 0001", "001")})
    assert np.diag(single.task_matrix).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("tasks", [2, 3, 64])
def test_projection_lies_inside_the_axes(tasks: int) -> None:
    comparison = make_comparison(tasks)
    assert comparison.projection.shape == (2 * tasks, 2)
    assert np.abs(comparison.projection).max() <= comparison.map_axes.half_width
    assert np.abs(comparison.projection).max() > 0.8 * comparison.map_axes.half_width
    assert Comparison().projection.shape == (0, 2)


def test_opposite_embeddings_lie_inside_the_axes() -> None:
    """Centred unit vectors reach 2, which an axis of fixed width left outside."""
    row = make_embeddings(0, 0, takes=1)
    opposite = type(row)(-row.motion, -row.numbers, -row.objects)
    keys = tuple(TakeKey("a", f"{i:03}") for i in range(9)) + (TakeKey("b", "001"),)
    comparison = Comparison(keys, concatenate_embeddings([row] * 9 + [opposite]))
    assert np.abs(comparison.projection).max() > 1.7
    assert np.abs(comparison.projection).max() < comparison.map_axes.half_width


def test_new_take_does_not_move_the_others_on_the_same_axes(comparison: Comparison) -> None:
    live = make_embeddings(5, 5, takes=1)
    before = comparison.projection.copy()
    point = comparison.map_axes.project(live.task.astype(float))[0]
    assert point.shape == (2,)
    np.testing.assert_array_equal(comparison.projection, before)


def test_with_take_replaces_and_restricted_to_drops(comparison: Comparison) -> None:
    key = TakeKey("task 0000", "001")
    replaced = comparison.with_take(key, make_embeddings(1, 0, takes=1))
    assert len(replaced) == len(comparison)
    assert replaced.mean_distance_to_siblings(key) > 0.5  # type: ignore[operator]
    restricted = comparison.restricted_to({key, TakeKey("task 0001", "001")})
    assert restricted.mean_distance_to_siblings(key) is None
    assert comparison.restricted_to(set()).tasks == []
    assert Comparison().with_take(key, make_embeddings(0, 0, takes=1)).tasks == ["task 0000"]


def test_closest_pair_of_one_task_is_two_takes(comparison: Comparison) -> None:
    first, second = comparison.closest_pair("task 0000", "task 0000")
    assert {first.take, second.take} == {"001", "002"}
    assert comparison.closest_pair("task 0000", "task 0001")[0].task == "task 0000"


def test_rank_leaves_out_the_task_itself_and_rank_take_does_not(comparison: Comparison) -> None:
    assert [each.task for each in comparison.rank("task 0000")] != []
    assert "task 0000" not in [each.task for each in comparison.rank("task 0000")]
    assert comparison.rank("unknown") == []
    live = make_embeddings(1, 0, takes=1)
    assert comparison.rank_take(live)[0].task == "task 0001"
    assert comparison.judge_pair("task 0000", "task 0001").task == "task 0001"  # type: ignore[union-attr]


def test_cost_of_preparing_grows_slower_than_the_square_of_the_tasks() -> None:
    """200 tasks took 2.3 s before; the ratio, not the time, is asserted, since machines are shared."""

    def measure(tasks: int) -> float:
        comparison = make_comparison(tasks, takes=3)
        started = time.process_time()
        comparison.prepare()
        return time.process_time() - started

    measure(10)
    small, large = min(measure(50) for _ in range(3)), min(measure(400) for _ in range(3))
    assert large < 8 * 8 * small


def test_behaviours_are_ranked_by_loss() -> None:
    comparison = BehaviourComparison(("a", "b", "c"), np.array([[0.0, 2.0, 1.0], [2.0, 0.0, 3.0], [1.0, 3.0, 0.0]]))
    assert comparison.rank_tasks("a") == [("c", 1.0), ("b", 2.0)]
    assert comparison.rank_tasks("unknown") == []
