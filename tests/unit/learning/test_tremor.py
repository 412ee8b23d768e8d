"""Tests of replay without the tremor of the hand that demonstrated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metagui.learning.object_replay.replay_stages import extract_segments
from metagui.learning.object_replay.tremor import remove_tremor, smooth
from tests.helpers.takes import generate_example_takes

TIMES = np.arange(200) / 50.0
STROKE = np.stack([0.1 + 0.03 * TIMES, 0.02 * np.sin(0.5 * TIMES), 0.1 - 0.01 * TIMES], axis=1)
TREMOR = 0.002 * np.sin(2 * np.pi * 5.0 * TIMES)[:, None]


def test_tremor_is_removed_and_the_stroke_stays() -> None:
    found = remove_tremor(STROKE + TREMOR, np.zeros(len(TIMES), dtype=bool))
    assert np.abs(found - STROKE)[15:-15].max() < 0.0003
    assert found[[0, -1]] == pytest.approx((STROKE + TREMOR)[[0, -1]])


def test_path_about_a_press_is_kept() -> None:
    pressed = np.zeros(len(TIMES), dtype=bool)
    pressed[100:102] = True
    path = STROKE.copy()
    path[90:112, 2] -= 0.02 * np.hanning(22)
    found = remove_tremor(path, pressed)
    assert found[100:102] == pytest.approx(path[100:102], abs=2e-4)
    assert np.abs(smooth(path) - path)[100:102].max() > 0.005, "else the press would be lost"


@pytest.mark.parametrize("samples", [1, 2, 5])
def test_short_paths_are_smoothed_too(samples: int) -> None:
    assert smooth(STROKE[:samples])[[0, -1]] == pytest.approx(STROKE[:samples][[0, -1]])


@pytest.mark.parametrize("tick", [30, 31])
def test_touch_of_a_single_tick_is_a_contact(tick: int) -> None:
    take = generate_example_takes()["press red"][0]
    touched = np.zeros_like(take.touched)
    touched[tick, 0] = True
    (segment,) = extract_segments(replace(take, touched=touched))
    assert segment.touched[:, 0].sum() == 1


def test_only_takes_led_by_a_hand_are_smoothed() -> None:
    take = generate_example_takes()["above red"][0]
    (clicked,), (led,) = extract_segments(take), extract_segments(replace(take, teaching_method="hand"))
    assert clicked.tool_positions[0] == pytest.approx(take.tool_positions[take.segments[0].start])
    assert not np.array_equal(clicked.tool_positions, led.tool_positions)
    assert np.abs(clicked.tool_positions - led.tool_positions).max() < 0.02


def test_objects_are_smoothed_together_and_may_be_none() -> None:
    paths, kept = np.stack([STROKE + TREMOR, STROKE], axis=1), np.zeros(len(TIMES), dtype=bool)
    assert remove_tremor(paths, kept)[:, 0] == pytest.approx(remove_tremor(STROKE + TREMOR, kept))
    assert remove_tremor(paths[:, :0], kept).shape == (len(TIMES), 0, 3)
