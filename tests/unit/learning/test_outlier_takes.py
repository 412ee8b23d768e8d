"""Tests of outlier takes: on losses with known outliers, and on real takes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.outlier_takes import shake_take
from metagui.learning.adaptation import outlier_takes
from metagui.learning.adaptation.outlier_takes import OutlierTake, compute_take_losses, find_outlier_takes
from metagui.learning.policy.features import encode
from metagui.learning.prior import load_shipped
from tests.helpers.priors import adapt_untrained_prior
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration


def _find_outliers(monkeypatch: pytest.MonkeyPatch, losses: object) -> tuple[OutlierTake, ...]:
    array = np.array(losses, dtype=float)
    monkeypatch.setattr(outlier_takes, "compute_take_losses", lambda *_: array)
    return find_outlier_takes(None, [f"{i + 1:03}" for i in range(array.shape[1])], [])  # type: ignore[arg-type]


def _equal(count: int, own: float = 0.05, other: float = 0.2) -> np.ndarray:
    return np.full((1, count, count), other) + np.eye(count) * (own - other)


def test_find_outlier_takes_in_agreeing_takes_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _find_outliers(monkeypatch, _equal(3)) == ()
    slightly = _equal(3)
    slightly[0, 1, [0, 2]] = 0.5
    assert _find_outliers(monkeypatch, slightly) == (), "slightly farther is not an outlier"


@pytest.mark.parametrize("unit", [0.1, 10.0])
def test_find_outlier_takes_is_invariant_to_the_loss_scale(monkeypatch: pytest.MonkeyPatch, unit: float) -> None:
    losses = _equal(3)
    assert _find_outliers(monkeypatch, unit * losses) == ()
    losses[0, :, 1] = 0.6
    assert [outlier.take for outlier in _find_outliers(monkeypatch, unit * losses)] == ["002"]


def test_find_outlier_takes_names_a_distant_take_and_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = np.concatenate([_equal(4), _equal(4)])
    losses[1, 2, [0, 1, 3]] = losses[1, [0, 1, 3], 2] = 3.0
    (outlier,) = _find_outliers(monkeypatch, losses)
    assert (outlier.take, outlier.kind, outlier.segment, outlier.ratio) == ("003", "other", 2, pytest.approx(15.0))
    assert "'003'" in outlier.reason
    assert "segment 2" in outlier.reason


def test_find_outlier_takes_names_a_shaky_take(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = _equal(3, 0.1)
    losses[0, :, 1] = 0.5
    (outlier,) = _find_outliers(monkeypatch, losses)
    assert (outlier.take, outlier.kind) == ("002", "unsteady")


def test_find_outlier_takes_needs_two_signs_for_a_shaky_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A take that is only hard to imitate, or only farther from the others, is not an outlier."""
    hard = _equal(3)
    hard[0, 1, 1] = 0.3
    assert _find_outliers(monkeypatch, hard) == ()
    farther = _equal(3)
    farther[0, 1, [0, 2]] = farther[0, [0, 2], 1] = 0.6
    assert _find_outliers(monkeypatch, farther) == ()


@pytest.mark.parametrize("task", ["above red", "press red", "put red on violet"])
def test_shipped_prior_names_a_shaken_take(task: str) -> None:
    takes = [
        *generate_example_takes()[task][:2],
        shake_take(generate_example_takes()[task][2], np.random.default_rng(2)),
    ]
    found = find_outlier_takes(load_shipped(), [take.name for take in takes], [encode(take) for take in takes])
    assert [(outlier.take, outlier.kind) for outlier in found] == [(takes[2].name, "unsteady")]


def test_find_outlier_takes_of_two_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = _equal(2)
    losses[0, 0, 1] = losses[0, 1, 0] = 5.0
    assert _find_outliers(monkeypatch, losses) == ()


def test_find_outlier_takes_names_several_but_leaves_two(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = _equal(5)
    for take in (1, 4):
        losses[0, take, np.arange(5) != take] = losses[0, np.arange(5) != take, take] = 3.0
    assert {outlier.take for outlier in _find_outliers(monkeypatch, losses)} == {"002", "005"}


def test_take_losses_exclude_segments_that_are_too_short() -> None:
    encoded = [encode(take) for take in generate_example_takes()["put red on violet"]]
    short = [(segments[0].select(np.arange(1)), segments[1]) for segments in encoded[:1]]
    assert compute_take_losses(load_shipped(), [*short, *encoded[1:]]).shape == (1, 3, 3)


@pytest.mark.parametrize(
    ("right", "wrong"), [("above red", "circle"), ("press red", "lift blue"), ("lift blue", "above green")]
)
def test_shipped_prior_names_another_tasks_take(right: str, wrong: str) -> None:
    takes = [*generate_example_takes()[right][:2], replace(generate_example_takes()[wrong][0], name="other task")]
    found = find_outlier_takes(load_shipped(), [take.name for take in takes], [encode(take) for take in takes])
    assert [outlier.take for outlier in found] == ["other task"]
    assert (
        find_outlier_takes(load_shipped(), ["1", "2", "3"], [encode(take) for take in generate_example_takes()[right]])
        == ()
    )


def test_adapt_task_reports_outlier_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    takes: list[Demonstration] = list(generate_example_takes()["press red"])
    outlier = OutlierTake("002", "other", 1, 3.0, "Take '002' shows something else.")
    monkeypatch.setattr("metagui.learning.adaptation.adaptation.find_outlier_takes", lambda *_: (outlier,))
    _, adapted = adapt_untrained_prior(takes)
    assert adapted.provenance.outlier_takes == (outlier,)
    assert adapted.provenance.notes[0] == outlier.reason
