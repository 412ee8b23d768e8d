"""The take that does not belong is named: on losses whose truth is known, and on real takes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.odd_takes import shake_take
from metagui.learning.adaptation import outlier_takes
from metagui.learning.adaptation.outlier_takes import OutlierTake, compute_take_losses, find_outlier_takes
from metagui.learning.policy.features import encode
from metagui.learning.prior import load_shipped
from tests.helpers.priors import adapt_untrained_prior as _adapt
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration


def _judge(monkeypatch: pytest.MonkeyPatch, losses: object) -> tuple[OutlierTake, ...]:
    array = np.array(losses, dtype=float)
    monkeypatch.setattr(outlier_takes, "compute_take_losses", lambda *_: array)
    return find_outlier_takes(None, [f"{i + 1:03}" for i in range(array.shape[1])], [])  # type: ignore[arg-type]


def _equal(count: int, own: float = 0.05, other: float = 0.2) -> np.ndarray:
    return np.full((1, count, count), other) + np.eye(count) * (own - other)


def test_takes_that_agree_are_all_right(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _judge(monkeypatch, _equal(3)) == ()
    slightly = _equal(3)
    slightly[0, 1, [0, 2]] = 0.5
    assert _judge(monkeypatch, slightly) == (), "a little farther is no verdict"


@pytest.mark.parametrize("unit", [0.1, 10.0])
def test_how_large_losses_are_in_themselves_says_nothing(monkeypatch: pytest.MonkeyPatch, unit: float) -> None:
    losses = _equal(3)
    assert _judge(monkeypatch, unit * losses) == ()
    losses[0, :, 1] = 0.6
    assert [odd.take for odd in _judge(monkeypatch, unit * losses)] == ["002"]


def test_one_far_from_the_others_is_named_with_the_click(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = np.concatenate([_equal(4), _equal(4)])
    losses[1, 2, [0, 1, 3]] = losses[1, [0, 1, 3], 2] = 3.0
    (odd,) = _judge(monkeypatch, losses)
    assert (odd.take, odd.kind, odd.click, odd.times) == ("003", "other", 2, pytest.approx(15.0))
    assert "'003'" in odd.reason
    assert "click 2" in odd.reason


def test_an_unsteady_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = _equal(3, 0.1)
    losses[0, :, 1] = 0.5
    (odd,) = _judge(monkeypatch, losses)
    assert (odd.take, odd.kind) == ("002", "unsteady")


def test_one_that_is_only_hard_to_imitate_or_only_farther_from_the_others_is_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hard = _equal(3)
    hard[0, 1, 1] = 0.3
    assert _judge(monkeypatch, hard) == ()
    farther = _equal(3)
    farther[0, 1, [0, 2]] = farther[0, [0, 2], 1] = 0.6
    assert _judge(monkeypatch, farther) == ()


@pytest.mark.parametrize("task", ["above red", "press red", "put red on violet"])
def test_a_shaken_take_is_named_with_the_shipped_prior(task: str) -> None:
    takes = [
        *generate_example_takes()[task][:2],
        shake_take(generate_example_takes()[task][2], np.random.default_rng(2)),
    ]
    found = find_outlier_takes(load_shipped(), [take.name for take in takes], [encode(take) for take in takes])
    assert [(odd.take, odd.kind) for odd in found] == [(takes[2].name, "unsteady")]


def test_of_two_nobody_can_say_which_is_odd(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = _equal(2)
    losses[0, 0, 1] = losses[0, 1, 0] = 5.0
    assert _judge(monkeypatch, losses) == ()


def test_several_odd_ones_are_named_until_two_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = _equal(5)
    for take in (1, 4):
        losses[0, take, np.arange(5) != take] = losses[0, np.arange(5) != take, take] = 3.0
    assert {odd.take for odd in _judge(monkeypatch, losses)} == {"002", "005"}


def test_a_click_that_hardly_lasted_does_not_count() -> None:
    encoded = [encode(take) for take in generate_example_takes()["put red on violet"]]
    short = [(segments[0].select(np.arange(1)), segments[1]) for segments in encoded[:1]]
    assert compute_take_losses(load_shipped(), [*short, *encoded[1:]]).shape == (1, 3, 3)


@pytest.mark.parametrize(
    ("right", "wrong"), [("above red", "circle"), ("press red", "lift blue"), ("lift blue", "above green")]
)
def test_another_tasks_take_is_named_with_the_shipped_prior(right: str, wrong: str) -> None:
    takes = [*generate_example_takes()[right][:2], replace(generate_example_takes()[wrong][0], name="strange")]
    found = find_outlier_takes(load_shipped(), [take.name for take in takes], [encode(take) for take in takes])
    assert [odd.take for odd in found] == ["strange"]
    assert (
        find_outlier_takes(load_shipped(), ["1", "2", "3"], [encode(take) for take in generate_example_takes()[right]])
        == ()
    )


def test_adaptation_tells_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    takes: list[Demonstration] = list(generate_example_takes()["press red"])
    odd = OutlierTake("002", "other", 1, 3.0, "Take '002' does something else.")
    monkeypatch.setattr("metagui.learning.adaptation.adaptation.find_outlier_takes", lambda *_: (odd,))
    _, adapted = _adapt(takes)
    assert adapted.provenance["odd_takes"][0]["take"] == "002"
    assert adapted.provenance["notes"][0] == odd.reason
