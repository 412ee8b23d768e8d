"""Tests of the memorization check: true for an untrained prior, false for the shipped one."""

from __future__ import annotations

import pytest

from metagui.learning.adaptation.memorization import is_memorizing
from metagui.learning.prior import load_shipped, shipped_path
from tests.helpers.priors import make_small_prior
from tests.helpers.takes import generate_example_takes


def test_is_memorizing_untrained_prior_is_true() -> None:
    takes = generate_example_takes()
    assert is_memorizing(make_small_prior(), takes["press red"], [takes["above green"], takes["circle"]])


@pytest.mark.skipif(not shipped_path().is_file(), reason="no prior is shipped")
def test_is_memorizing_shipped_prior_is_false() -> None:
    takes = generate_example_takes()
    assert not is_memorizing(load_shipped(), takes["press red"], [takes["above green"], takes["circle"]])


def test_is_memorizing_without_other_tasks_is_false() -> None:
    assert not is_memorizing(make_small_prior(), generate_example_takes()["press red"], [])
