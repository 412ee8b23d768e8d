"""Similarity by motion, for takes without objects."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from typer.testing import CliRunner

from metagui.cli import app
from metagui.demonstrations.storage.library import Library
from metagui.learning.policy.features import FeatureError
from metagui.learning.similarity.motion import rank_by_motion
from metagui.learning.similarity.trajectory import resample_takes
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration


def without_objects(take: Demonstration) -> Demonstration:
    count = len(take)
    flags = np.zeros((count, 0), dtype=bool)
    return replace(
        take,
        objects=(),
        object_positions=np.zeros((count, 0, 3)),
        object_yaws=np.zeros((count, 0)),
        held=flags,
        touched=flags,
        segments=(),
        states=None,
    )


def test_same_motion_is_nearest_wherever_it_starts() -> None:
    takes = {name: list(found) for name, found in generate_example_takes().items()}
    moved = without_objects(takes["lift blue"][0])
    moved = replace(moved, tool_positions=moved.tool_positions + 0.02)
    found = rank_by_motion(takes | {"moved": [moved]}, "moved")
    assert (found[0].task, found[0].take, found[0].distance) == (
        "lift blue",
        takes["lift blue"][0].name,
        pytest.approx(0),
    )
    assert [each.distance for each in found] == sorted(each.distance for each in found)
    assert len(found) == len(takes)


def test_path_that_is_not_known_is_left_out() -> None:
    takes = {name: list(found) for name, found in generate_example_takes().items()}
    unknown = replace(takes["circle"][0], tool_positions=np.full((len(takes["circle"][0]), 3), np.nan))
    assert "other arm" not in [each.task for each in rank_by_motion(takes | {"other arm": [unknown]}, "circle")]


def test_take_without_objects_stops_no_comparison(tmp_path: Path) -> None:
    """It is left out of the comparison of others, with the reason, and compared by its motion itself."""
    library = Library(tmp_path / "library")
    for task in ("above red", "press red"):
        for take in generate_example_takes()[task][:2]:
            library.add_take(take)
    library.add_take(replace(without_objects(generate_example_takes()["lift blue"][0]), task="theirs"))
    with pytest.raises(FeatureError, match="has no objects"):
        resample_takes(library.load_takes("theirs"))
    words = ["similar", "above red", "--library", str(library.root), "--json"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "Task 'theirs', take 001: without objects" in result.stderr
    assert [row["task"] for row in json.loads(result.stdout)["neighbours"]] == ["press red"]
    result = CliRunner().invoke(app, ["similar", "theirs", "--library", str(library.root), "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert {row["task"] for row in document["neighbours"]} == {"above red", "press red"}
    assert "by motion alone" in document["calibration"]
    result = CliRunner().invoke(app, ["adapt", "theirs", "--library", str(library.root)])
    assert result.exit_code == 1
    assert "only the motion can be compared" in result.stderr
