"""Comparison of takes by their embeddings: distances, projection, closest pair."""

from __future__ import annotations

import numpy as np
import pytest

from metagui.demonstrations.demonstration import TakeKey
from metagui.gui.similarity.comparison import Comparison


@pytest.fixture
def comparison() -> Comparison:
    rng = np.random.default_rng(1)
    centres = {"a": rng.normal(size=16), "b": rng.normal(size=16), "c": rng.normal(size=16)}
    out = Comparison()
    for task, centre in centres.items():
        for take in ("001", "002"):
            vector = centre + 0.05 * rng.normal(size=16)
            out = out.with_take(TakeKey(task, take), vector / np.linalg.norm(vector))
    return out


def test_distances_within_task_are_smaller_than_between_tasks(comparison: Comparison) -> None:
    assert len(comparison.same_task_distances) == 3
    assert len(comparison.different_task_distances) == 12
    assert comparison.same_task_distances.max() < comparison.different_task_distances.min()
    matrix = comparison.task_matrix
    assert matrix.shape == (3, 3)
    assert np.allclose(matrix, matrix.T)
    assert np.diag(matrix).max() < matrix[0, 1]


def test_projection_is_flat_and_fits_fixed_axes(comparison: Comparison) -> None:
    assert comparison.projection.shape == (6, 2)
    assert np.abs(comparison.projection).max() <= 1.1
    assert Comparison().projection.shape == (0, 2)


def test_with_take_replaces_and_restricted_to_drops(comparison: Comparison) -> None:
    key = TakeKey("a", "001")
    replaced = comparison.with_take(key, comparison.embeddings[2])  # type: ignore[index]
    assert len(replaced) == len(comparison)
    assert replaced.mean_distance_to_siblings(key) is not None
    restricted = comparison.restricted_to({key, TakeKey("b", "001")})
    assert restricted.mean_distance_to_siblings(key) is None
    assert comparison.restricted_to(set()).tasks == []


def test_closest_pair_of_one_task_is_two_takes(comparison: Comparison) -> None:
    first, second = comparison.closest_pair("a", "a")
    assert {first.take, second.take} == {"001", "002"}
    assert comparison.closest_pair("a", "b")[0].task == "a"
