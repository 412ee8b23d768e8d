"""Tests of selecting a candidate by its losses on held-out takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from metagui.learning.adaptation.selection import Candidate, neighbour_name, select_candidate

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.mark.parametrize("unit", [0.1, 1.0, 10.0])
def test_select_candidate_needs_a_clear_gain_in_every_fold(unit: float) -> None:
    def chosen(takes: int = 3, **losses: Sequence[float]) -> str:
        names = {"zero": Candidate.ZERO_STEP, "five": Candidate.FIVE_STEP, "near": neighbour_name("another")}
        found = {names[n]: [unit * v for v in each] for n, each in losses.items()}
        return select_candidate(found, found, "", takes)[0]

    zero = (1.0, 1.2, 0.8)
    assert chosen(zero=zero, five=(0.95, 1.15, 0.75)) == Candidate.ZERO_STEP, "not better by enough"
    assert chosen(zero=zero, five=(0.8, 1.0, 0.7)) == Candidate.FIVE_STEP
    assert chosen(zero=zero, five=(0.5, 0.5, 0.9)) == Candidate.ZERO_STEP, "better on average, worse in one take"
    assert chosen(zero=zero, five=(0.8, 1.0, 0.7), near=(0.4, 0.5, 0.3)) == neighbour_name("another")
    assert chosen(zero=zero, five=(0.8, 1.0, 0.7), near=(0.75, 0.95, 0.65)) == Candidate.FIVE_STEP
    assert chosen(takes=1, zero=[1.0], five=[0.5]) == Candidate.ZERO_STEP, "one take is not enough"
    assert chosen(takes=1, zero=[1.0], near=[0.5]) == Candidate.ZERO_STEP


@pytest.mark.parametrize("name", [Candidate.FIVE_STEP_ADAM, Candidate.FINE_TUNE, Candidate.FROM_SCRATCH])
def test_select_candidate_never_selects_a_baseline(name: str) -> None:
    for takes in (1, 3):
        zero: dict[str, list[float]] = {Candidate.ZERO_STEP: [0.9] * takes}
        best, reason = select_candidate(zero | {name: [0.01] * takes}, zero, "", takes)
        assert best == Candidate.ZERO_STEP
        assert name in reason


def test_select_candidate_explains_a_rejected_lower_loss() -> None:
    losses: dict[str, list[float]] = {Candidate.ZERO_STEP: [0.30, 0.30], Candidate.FIVE_STEP: [0.29, 0.29]}
    assert "not better by enough" in select_candidate(losses, losses, "", 3)[1]
    assert (
        "imitation is not success"
        in select_candidate(losses | {Candidate.FIVE_STEP_ADAM: [0.1, 0.1]}, losses, "", 3)[1]
    )
    one: dict[str, list[float]] = {Candidate.ZERO_STEP: [0.3], Candidate.FIVE_STEP: [0.1]}
    assert "appears better than it is" in select_candidate(one, one, "", 1)[1]
    assert (
        "appears better than it is"
        in select_candidate(
            {Candidate.ZERO_STEP: [0.3], Candidate.FIVE_STEP_ADAM: [0.1]}, {Candidate.ZERO_STEP: [0.3]}, "", 1
        )[1]
    )
