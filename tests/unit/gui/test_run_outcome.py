"""Tests of the messages at the start and the end of a run."""

from __future__ import annotations

import pytest

from metagui.gui.execution.run_outcome import describe_outcome, describe_stale_policy


@pytest.mark.parametrize(
    ("outcome", "failures", "fragment", "kind"),
    [
        ("done", [], "achieved in a new scene what its takes show", "success"),
        ("done", ["the red cube ended 40 mm from its place in segment 2"], "40 mm from its place", "warning"),
        ("done", None, "cannot be judged", "info"),
        ("timed out in segment 1", [], "timed out in segment 1; the arm holds", "warning"),
        ("stopped", ["the red cube was not grasped"], "Stopped", "info"),
    ],
)
def test_outcome_says_what_the_takes_show(outcome: str, failures: list[str] | None, fragment: str, kind: str) -> None:
    text, found = describe_outcome("tidy", outcome, failures)
    assert fragment in text
    assert found == kind


def test_stale_policy_is_named_with_what_has_changed() -> None:
    assert describe_stale_policy("tidy", ["001", "002"], ["001", "002"]) == ""
    assert describe_stale_policy("tidy", [], ["001"]) == "", "a policy of version 0.1 does not know its takes"
    text = describe_stale_policy("tidy", ["001", "002"], ["002", "003"])
    assert "take 003 is newer, take 001 is not used any more" in text
    assert "press Adapt" in text
