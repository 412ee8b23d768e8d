"""Tests of closed-form task inference: circles, entries of lines and pushes."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import torch

from metagui.learning.policy import task_inference
from tests.helpers.datasets import sample_example_points
from tests.helpers.priors import UNTRAINED_MODEL


def _segment(*heights: float) -> tuple[torch.Tensor, ...]:
    """Return 20 points between every two heights above an object, moving sideways; and done, phase, take."""
    up = torch.cat([torch.linspace(low, high, 20) for low, high in itertools.pairwise(heights)])
    aside = torch.linspace(0.5, 0.0, len(up))
    where = torch.stack([aside, torch.zeros_like(up), -up], -1).unsqueeze(0)
    done = (torch.arange(len(up)) >= len(up) - 2).float().unsqueeze(0)
    return where, done, torch.linspace(0.0, 1.0, len(up)).unsqueeze(0), torch.zeros(1, len(up))


def test_centres_identify_the_object_inside_a_circle() -> None:
    rng = np.random.default_rng(0)
    angle, phase = np.tile(np.linspace(0.0, 2 * np.pi, 40), 2), np.tile(np.linspace(0.0, 1.0, 40), 2)
    other = np.repeat([[0.10, 0.06], [-0.08, 0.10]], 40, axis=0)  # position of the other object in either take
    inside = -np.column_stack([0.05 + 0.3 * np.cos(angle), 0.3 * np.sin(angle), np.full(80, 0.6)])
    inside += rng.normal(scale=0.01, size=inside.shape)
    other_object = inside + np.column_stack([other, np.zeros(80)])
    where = torch.tensor(np.stack([inside, other_object], 1), dtype=torch.float32)[None]
    done = torch.tensor(phase > 0.95, dtype=torch.float32)[None]
    mean, centre, radius, off = task_inference.summarise_centres(where, done)[0].unbind(-1)
    unbounded = torch.atanh(torch.stack([centre[0], radius[0]])) / torch.tensor([5.0, 2.0])
    torch.testing.assert_close(unbounded, torch.tensor([0.05, 0.3]), atol=0.02, rtol=0.0)
    assert mean[0] < 0.6
    assert off[1] > 2 * off[0]


def test_centres_of_one_take_give_the_distance_of_a_circle() -> None:
    angle = np.linspace(0.0, 2 * np.pi, 60)
    inside = -np.column_stack([0.05 + 0.3 * np.cos(angle), 0.3 * np.sin(angle), np.full(60, 0.6)])
    where = torch.tensor(np.stack([inside, inside + [0.15, 0.0, 0.0]], 1), dtype=torch.float32)[None]
    done = torch.zeros(1, 60)
    done[:, -2:] = 1.0
    _, centre, _, _ = task_inference.summarise_centres(where, done)[0].unbind(-1)
    torch.testing.assert_close(torch.atanh(centre) / 5.0, torch.tensor([0.05, 0.10]), atol=0.01, rtol=0.0)


def test_infer_circle_ignores_the_approach() -> None:
    angle = torch.linspace(0.0, 2 * math.pi, 40)
    round_ = torch.stack([0.3 * angle.cos() + 0.05, 0.3 * angle.sin() - 0.02, torch.full((40,), 0.7)], -1)
    there = torch.linspace(0.0, 1.0, 12).unsqueeze(1) * (round_[0] - torch.tensor([2.0, 1.0, 1.5])) + torch.tensor(
        [2.0, 1.0, 1.5]
    )
    where = torch.cat([there, round_]).unsqueeze(0)
    done = (torch.arange(52) >= 50).float().unsqueeze(0)
    centre, radius = task_inference.infer_circle(where, done)
    assert torch.allclose(centre, torch.tensor([[0.05, -0.02, 0.7]]), atol=0.02)
    assert abs(float(radius) - 0.3) < 0.02


def test_entry_of_a_line_is_level_with_its_end() -> None:
    line = torch.stack([torch.linspace(-0.3, 0.3, 30), torch.zeros(30), torch.full((30,), 0.6)], -1)
    down = torch.stack([torch.linspace(1.5, -0.3, 20), torch.full((20,), 0.1), torch.linspace(1.2, 0.65, 20)], -1)
    where = torch.cat([down, line]).unsqueeze(0)
    done = (torch.arange(50) >= 48).float().unsqueeze(0)
    phase = torch.linspace(0.0, 1.0, 50).unsqueeze(0)
    begin = task_inference.average_by_logits(where, task_inference.infer_entry_logits(where, done, phase, None))
    assert torch.allclose(begin, line[:1], atol=0.06)


def test_entry_of_a_line_follows_a_rise_in_the_same_take() -> None:
    """A line that starts next to the tool does not have its entry where the tool was before it rose."""
    where, done, phase, take = _segment(0.6, 1.1, 0.6, 0.6)
    begin = task_inference.average_by_logits(where, task_inference.infer_entry_logits(where, done, phase, take))
    assert torch.allclose(begin, where[:, 40], atol=0.06)
    take[:, 0] = 1.0  # what another take rose from is no matter
    begin = task_inference.average_by_logits(where, task_inference.infer_entry_logits(where, done, phase, take))
    assert torch.allclose(begin, where[:, 0], atol=0.06)


def test_entry_of_a_push_is_where_it_goes_down() -> None:
    where, done, phase, take = _segment(1.1, 0.2, 0.2, 0.6)
    begin = task_inference.average_by_logits(where, task_inference.infer_entry_logits(where, done, phase, take))
    assert torch.allclose(begin, where[:, 11], atol=0.06)


def test_key_scale_of_the_entry_rises_for_level_motions() -> None:
    shares = []
    for heights in ((0.6, 1.1, 0.6, 0.6), (1.1, 0.2, 0.2, 0.6), (1.1, 1.1, 1.1, 0.6)):
        where, done, phase, take = _segment(*heights)
        begin = task_inference.infer_entry_logits(where, done, phase, take)
        shares.append(task_inference.infer_level_fraction(where, done, phase, begin).item())
    assert shares[0] > 0.9  # a line
    assert shares[1] < 0.3  # a push
    assert shares[2] < 0.3  # a way there
    points, params = sample_example_points(), UNTRAINED_MODEL.initialise(0)
    plain, with_gain = (
        replace(UNTRAINED_MODEL, entry_reached_gain=more).start(params, points)["memory.scales"] for more in (0.0, 2.0)
    )
    assert torch.equal(plain[:, :-1], with_gain[:, :-1])
    assert (with_gain[:, -1] > plain[:, -1]).all()
    assert (with_gain[:, -1] <= plain[:, -1] + 2.0).all()
