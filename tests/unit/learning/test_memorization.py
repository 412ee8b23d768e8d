"""The alarm that a policy ignores its demonstrations: raised for an untrained prior, not for the shipped one."""

from __future__ import annotations

import pytest

from metagui.learning.adaptation.memorization import is_memorizing
from metagui.learning.prior import load_shipped, shipped_path
from tests.helpers.priors import make_small_prior
from tests.helpers.takes import generate_example_takes


def test_an_untrained_prior_does_the_same_whatever_it_is_shown() -> None:
    takes = generate_example_takes()
    assert is_memorizing(make_small_prior(), takes["press red"], [takes["above green"], takes["circle"]])


@pytest.mark.skipif(not shipped_path().is_file(), reason="no prior is shipped")
def test_the_shipped_prior_heeds_what_it_is_shown() -> None:
    takes = generate_example_takes()
    assert not is_memorizing(load_shipped(), takes["press red"], [takes["above green"], takes["circle"]])


def test_without_other_tasks_nothing_can_be_told() -> None:
    assert not is_memorizing(make_small_prior(), generate_example_takes()["press red"], [])
