"""Tests of resampled takes: neither a pause, nor tremor, nor speed changes them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.similarity import SAMPLED, insert_pause
from metagui.learning.similarity.trajectory import OFFSET_CHANNELS, TRAJECTORY_POINTS, measure_path, resample_takes
from tests.helpers.takes import generate_example_takes


@pytest.mark.parametrize("task", ["press red", "put red on violet", "circle"])
def test_a_pause_hardly_changes_a_trajectory(task: str) -> None:
    take = generate_example_takes()[task][0]
    paused = [insert_pause(take, np.random.default_rng(seed)) for seed in range(3)]
    assert min(len(each) for each in paused) > len(take) + 40
    one, *others = (resample_takes([each]).object_channels[0, ..., OFFSET_CHANNELS] for each in (take, *paused))
    steps = np.abs(np.diff(one, axis=0)).max()
    for other in others:
        assert np.abs(one - other).max() < 1.5 * steps, "a point moved by more than to its neighbour"


def test_half_the_speed_hardly_changes_a_trajectory() -> None:
    take = generate_example_takes()["put red on violet"][0]
    rows = np.repeat(np.arange(len(take)), 2)
    slow = replace(
        take, time=np.arange(len(rows)) / 50, states=None, **{name: getattr(take, name)[rows] for name in SAMPLED}
    )
    one, other = (
        resample_takes([replace(each, segments=())]).object_channels[0, ..., OFFSET_CHANNELS] for each in (take, slow)
    )
    assert np.abs(one - other).max() < np.abs(np.diff(one, axis=0)).max()


def test_tremor_adds_no_path() -> None:
    time, rng = np.arange(500) / 50, np.random.default_rng(0)
    resting = 0.001 * np.stack([np.sin(2 * np.pi * rate * time) for rate in (4.0, 5.5, 7.0)], axis=1)
    assert measure_path(resting, np.full(500, 0.2) + rng.normal(0, 0.01, 500))[-1] == 0.0
    line = np.stack([0.2 * time / time[-1], 0 * time, 0 * time], axis=1)
    assert measure_path(line + resting, np.zeros(500))[-1] == pytest.approx(0.2, rel=0.05)


def test_take_without_motion_is_resampled_in_time() -> None:
    take = generate_example_takes()["press red"][0]
    still = replace(
        take, segments=(), tool_positions=np.tile(take.tool_positions[:1], (len(take), 1)),
        joint_positions=np.tile(take.joint_positions[:1], (len(take), 1)),
    )  # fmt: skip
    found = resample_takes([still])
    assert found.object_channels.shape[1] == TRAJECTORY_POINTS
    assert np.isfinite(found.object_channels).all()


def test_short_touch_is_not_missed() -> None:
    take = generate_example_takes()["circle"][0]
    touched = np.zeros_like(take.touched)
    touched[len(take) // 2, 2] = True
    channels = resample_takes([replace(take, touched=touched)]).object_channels[0]
    assert channels[:, 2, 25].max() == 1.0
    assert channels[:, 0, 25].max() == 0.0
