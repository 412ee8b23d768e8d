"""Curves, comparisons and the rate: the parts of the window that know no Qt."""

from __future__ import annotations

import numpy as np
import pytest

from metagui.demonstrations.demonstration import TakeKey
from metagui.gui.arm.rate_meter import RateMeter
from metagui.gui.learning.loss_curves import LossCurves, compute_fraction_done, smooth
from metagui.gui.similarity.comparison import Comparison
from metagui.learning.adaptation.adaptation import AdaptationStep


def _step(click: int, step: int, candidate: str, query: float) -> AdaptationStep:
    return AdaptationStep(click, 2, step, 5, candidate, 2 * query, query, 1.5)


def test_steps_are_sorted_into_curves() -> None:
    curves = LossCurves()
    curves.extend([_step(0, i, "adapted", 1.0 / (i + 1)) for i in range(4)])
    curves.extend([_step(1, 0, "zero-step", 0.7)])
    assert curves.curves_of(0)["adapted"].query == pytest.approx([1.0, 0.5, 1 / 3, 0.25])
    assert curves.curves_of(0)["adapted"].best_loss == 0.25
    assert curves.newest_segment == 1
    assert curves.zero_step_losses == {0: 1.5, 1: 1.5}
    assert curves.curves_of(7) == {}


def test_long_training_counts_where_it_was_best_and_five_steps_where_they_end() -> None:
    curves = LossCurves()
    held_out = [1.0, 0.5, 0.6, 0.7]
    curves.extend([_step(0, 5 * i, "adapted + Adam", loss) for i, loss in enumerate(held_out)])
    curves.extend([_step(0, i, "adapted", loss) for i, loss in enumerate(held_out)])
    assert curves.curves_of(0)["adapted + Adam"].final_loss == 0.5
    assert curves.curves_of(0)["adapted"].final_loss == 0.7


def test_what_is_done_of_an_adaptation_only_grows() -> None:
    race = [
        ("zero-step", 0, 0),
        *(("adapted", i, 5) for i in range(6)),
        *(("adapted + Adam", i, 50) for i in (0, 5, 15)),
    ]
    race += [(name, i, 50) for i in (0, 25, 50) for name in ("fine-tune", "from scratch")]
    steps = [AdaptationStep(click, 2, at, of, name, 1.0, 1.0, 1.0) for click in (0, 1) for name, at, of in race]
    shares = [compute_fraction_done(step) for step in steps]
    assert shares == sorted(shares)
    assert (shares[0], shares[len(race) - 1], shares[-1]) == (0.0, 0.5, 1.0)
    early = next(step for step in steps if step.candidate == "fine-tune")
    assert compute_fraction_done(early) == 0.25, "whatever training ended early"


def test_kept_curves_come_back() -> None:
    stored = [{"zero-step": [[0, 2.0, 1.0]], "adapted + Adam": [[0, 2.0, 1.0], [5, 1.0, 0.6]]}]
    curves = LossCurves.from_provenance(stored)
    assert curves.curves_of(0)["adapted + Adam"].steps == [0, 5]
    assert curves.curves_of(0)["adapted + Adam"].query == [1.0, 0.6]
    assert curves.zero_step_losses == {0: 1.0}


def test_smoothing_keeps_short_curves_and_calms_long_ones() -> None:
    assert list(smooth([3.0, 1.0])) == [3.0, 1.0]
    noisy = [float(v) for v in np.exp(np.random.default_rng(0).normal(size=60))]
    assert smooth(noisy).std() < np.std(noisy)
    assert np.isfinite(smooth([1.0] * 20)).all()


@pytest.fixture
def comparison() -> Comparison:
    rng = np.random.default_rng(1)
    centres = {"a": rng.normal(size=16), "b": rng.normal(size=16), "c": rng.normal(size=16)}
    found = Comparison()
    for task, centre in centres.items():
        for take in ("001", "002"):
            vector = centre + 0.05 * rng.normal(size=16)
            found = found.with_take(TakeKey(task, take), vector / np.linalg.norm(vector))
    return found


def test_takes_of_one_task_are_closer_than_those_of_two(comparison: Comparison) -> None:
    assert len(comparison.same_task_distances) == 3
    assert len(comparison.different_task_distances) == 12
    assert comparison.same_task_distances.max() < comparison.different_task_distances.min()
    matrix = comparison.task_matrix
    assert matrix.shape == (3, 3)
    assert np.allclose(matrix, matrix.T)
    assert np.diag(matrix).max() < matrix[0, 1]


def test_the_map_is_flat_and_fits_its_fixed_axes(comparison: Comparison) -> None:
    assert comparison.projection.shape == (6, 2)
    assert np.abs(comparison.projection).max() <= 1.1
    assert Comparison().projection.shape == (0, 2)


def test_a_take_is_replaced_not_doubled_and_can_be_dropped(comparison: Comparison) -> None:
    key = TakeKey("a", "001")
    again = comparison.with_take(key, comparison.embeddings[2])  # type: ignore[index]
    assert len(again) == len(comparison)
    assert again.mean_distance_to_siblings(key) is not None
    alone = comparison.restricted_to({key, TakeKey("b", "001")})
    assert alone.mean_distance_to_siblings(key) is None
    assert comparison.restricted_to(set()).tasks == []


def test_the_closest_pair_of_a_task_with_itself_is_two_takes(comparison: Comparison) -> None:
    first, second = comparison.closest_pair("a", "a")
    assert {first.take, second.take} == {"001", "002"}
    assert comparison.closest_pair("a", "b")[0].task == "a"


def test_the_rate_is_measured_on_the_ticks_own_clock() -> None:
    meter = RateMeter()
    for index in range(0, 100, 2):
        rate = meter.update(index, index * 0.02)
    assert rate == pytest.approx(50.0)
    assert meter.update(0, 100.0) == 0.0
