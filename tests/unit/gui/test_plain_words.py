"""Loss curves and the rate meter: the parts of the window that need no Qt."""

from __future__ import annotations

import numpy as np
import pytest

from metagui.gui.arm.rate_meter import RateMeter
from metagui.gui.learning.loss_curves import ADAPTATION_FRACTION, LossCurves, compute_fraction_done, smooth
from metagui.learning.adaptation.adaptation import AdaptationStep


def _step(click: int, step: int, candidate: str, query: float) -> AdaptationStep:
    return AdaptationStep(click, 2, step, 5, candidate, 2 * query, query, 1.5)


def test_curves_sort_steps_by_segment_and_candidate() -> None:
    curves = LossCurves()
    curves.extend([_step(0, i, "adapted", 1.0 / (i + 1)) for i in range(4)])
    curves.extend([_step(1, 0, "zero-step", 0.7)])
    assert curves.curves_of(0)["adapted"].query == pytest.approx([1.0, 0.5, 1 / 3, 0.25])
    assert curves.curves_of(0)["adapted"].best_loss == 0.25
    assert curves.newest_segment == 1
    assert curves.zero_step_losses == {0: 1.5, 1: 1.5}
    assert curves.curves_of(7) == {}


def test_final_loss_is_best_of_long_and_last_of_short_curve() -> None:
    curves = LossCurves()
    held_out = [1.0, 0.5, 0.6, 0.7]
    curves.extend([_step(0, 5 * i, "adapted + Adam", loss) for i, loss in enumerate(held_out)])
    curves.extend([_step(0, i, "adapted", loss) for i, loss in enumerate(held_out)])
    assert curves.curves_of(0)["adapted + Adam"].final_loss == 0.5
    assert curves.curves_of(0)["adapted"].final_loss == 0.7


def test_fraction_done_never_decreases() -> None:
    candidates = [
        ("zero-step", 0, 0),
        *(("adapted", i, 5) for i in range(6)),
        *(("adapted + Adam", i, 50) for i in (0, 5, 15)),
    ]
    candidates += [(name, i, 50) for i in (0, 25, 50) for name in ("fine-tune", "from scratch")]
    steps = [AdaptationStep(click, 2, at, of, name, 1.0, 1.0, 1.0) for click in (0, 1) for name, at, of in candidates]
    fractions = [compute_fraction_done(step) for step in steps]
    assert fractions == sorted(fractions)
    done = [
        fraction / ADAPTATION_FRACTION for fraction in (fractions[0], fractions[len(candidates) - 1], fractions[-1])
    ]
    assert done == [0.0, 0.5, 1.0]
    early = next(step for step in steps if step.candidate == "fine-tune")
    assert compute_fraction_done(early) == 0.25 * ADAPTATION_FRACTION, "also if the candidate before it ended early"


def test_stored_curves_are_restored() -> None:
    stored = [{"zero-step": [[0, 2.0, 1.0]], "adapted + Adam": [[0, 2.0, 1.0], [5, 1.0, 0.6]]}]
    curves = LossCurves.from_provenance(stored)
    assert curves.curves_of(0)["adapted + Adam"].steps == [0, 5]
    assert curves.curves_of(0)["adapted + Adam"].query == [1.0, 0.6]
    assert curves.zero_step_losses == {0: 1.0}


def test_smooth_changes_only_long_curves() -> None:
    assert list(smooth([3.0, 1.0])) == [3.0, 1.0]
    noisy = [float(v) for v in np.exp(np.random.default_rng(0).normal(size=60))]
    assert smooth(noisy).std() < np.std(noisy)
    assert np.isfinite(smooth([1.0] * 20)).all()


def test_rate_is_measured_on_the_clock_of_the_ticks() -> None:
    meter = RateMeter()
    for index in range(0, 100, 2):
        rate = meter.update(index, index * 0.02)
    assert rate == pytest.approx(50.0)
    assert meter.update(0, 100.0) == 0.0
