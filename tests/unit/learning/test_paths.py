"""Tests of the geometry of demonstrated paths."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from metagui.learning.rehearsal import paths


def _line(*corners: tuple[float, float, float], step: float = 0.002) -> np.ndarray:
    parts = []
    for start, stop in itertools.pairwise(corners):
        count = max(round(math.dist(start, stop) / step), 1)
        parts.append(np.linspace(start, stop, count, endpoint=False))
    return np.concatenate([*parts, np.array(corners[-1:])])


def _eights(repeats: int) -> np.ndarray:
    angle = np.linspace(0.0, 2 * math.pi * repeats, 60 * repeats)
    return np.column_stack([0.03 * np.sin(angle), 0.02 * np.sin(2 * angle), np.full(len(angle), 0.06)])


OVER_AND_DOWN = _line((0.0, 0.0, 0.05), (0.0, 0.0, 0.12), (0.15, 0.0, 0.12), (0.15, 0.0, 0.03))
CORNER = _line((0.0, 0.0, 0.06), (0.10, 0.0, 0.06), (0.10, 0.08, 0.06))
WIPE = _line((0.0, 0.0, 0.03), *[(0.10, 0.03 * (-1) ** i, 0.03) for i in range(6)])


def test_tremor_adds_no_length() -> None:
    time = np.arange(250) / 50
    tremor = 0.002 * np.column_stack([np.sin(2 * np.pi * 6 * time), np.sin(2 * np.pi * 4.5 * time), 0 * time])
    assert paths.measure_length(paths.thin(np.full((250, 3), 0.1) + tremor)) < 0.01
    straight = np.linspace((0.0, 0.0, 0.1), (0.2, 0.0, 0.1), 250)
    assert paths.measure_length(paths.thin(straight + tremor)) == pytest.approx(0.2, rel=0.1)


def test_coverage_counts_places_in_order() -> None:
    once, twice = _eights(1), _eights(2)
    assert paths.measure_coverage(twice, twice, 0.012) == 1.0
    assert paths.measure_coverage(once, twice, 0.012) == 1.0
    assert paths.measure_coverage(twice, once, 0.012) < 0.65
    assert paths.measure_coverage(once, once[::-1], 0.012) < 0.75
    assert paths.measure_coverage(once, once + (0.0, 0.0, 0.02), 0.012) == 0.0


def test_common_suffix_begins_where_paths_meet() -> None:
    target = ((0.10, 0.0, 0.06), (0.10, 0.08, 0.06))
    first, second = (_line((0.0, y, 0.06), *target) for y in (0.1, -0.1))
    start = paths.find_common_suffix(first, [second], 0.005, 0.9)
    assert np.linalg.norm(first[start] - target[0]) < 0.02
    assert paths.find_common_suffix(first, [second + 1.0], 0.005, 0.9) == len(first)


def test_only_a_way_to_the_end_is_an_approach() -> None:
    assert paths.is_approach(paths.thin(OVER_AND_DOWN))
    assert not paths.is_approach(paths.thin(CORNER))
    assert not paths.is_approach(paths.thin(_eights(1)))


def test_entry_is_where_the_drawing_begins() -> None:
    corner = paths.thin(CORNER)
    assert np.linalg.norm(corner[paths.find_entry(corner)] - (0.10, 0.0, 0.06)) < 0.015
    wipe = paths.thin(WIPE)
    assert 0.08 < wipe[paths.find_entry(wipe), 0] < 0.11


def test_repetition_is_recognised() -> None:
    assert paths.is_repetitive(paths.thin(WIPE))
    assert not paths.is_repetitive(paths.thin(OVER_AND_DOWN))
    assert not paths.is_repetitive(paths.thin(CORNER))


def test_circle_is_closed() -> None:
    angle = np.linspace(0.0, 1.7 * math.pi, 50)
    circle = np.column_stack([np.cos(angle), np.sin(angle), 0 * angle])
    assert paths.is_closed(circle)
    assert not paths.is_closed(CORNER)


def test_direction_spread_is_the_largest_angle() -> None:
    starts = np.array([(0.1, 0.0, 0.0), (0.0, 0.1, 0.0), (-0.1, 0.01, 0.0)])
    spread = paths.measure_direction_spread(starts, np.zeros((3, 3)))
    assert spread == pytest.approx(math.pi, abs=0.11)
