"""Tests of the Siamese network's batches: hard negatives, groups, augmentation."""

from __future__ import annotations

import numpy as np
import torch

from metagui.learning.similarity.batch_sampler import BatchSampler, BatchSettings, augment
from metagui.learning.similarity.trajectory import TRAJECTORY_POINTS, resample_takes
from tests.helpers.takes import generate_example_takes


def _kinds(*rows: tuple[int, int]) -> np.ndarray:
    return np.array(rows, dtype=np.int64)


def test_augment_keeps_shapes_contact_and_start() -> None:
    trajectories = resample_takes(generate_example_takes()["press red"])
    changed = augment(trajectories, np.random.default_rng(0))
    assert changed.object_channels.shape == trajectories.object_channels.shape
    assert changed.object_channels.shape[:3] == (3, TRAJECTORY_POINTS, 6)
    assert np.abs(changed.global_channels[:, 0] - trajectories.global_channels[:, 0]).max() < 0.5
    assert set(np.unique(changed.object_channels[..., 24:26])) <= {0.0, 1.0}


def test_sampler_adds_the_nearest_task_as_hard_negative() -> None:
    settings = BatchSettings(tasks_per_batch=2, takes_per_task=2, group_size=1)
    sampler = BatchSampler([2] * 10, _kinds(*((i, i) for i in range(10))), settings)
    positions = torch.arange(10.0)[:, None] ** 2 / 100
    sampler.update((positions, torch.zeros(10, 1)), np.arange(10))
    rng = np.random.default_rng(0)
    for _ in range(20):
        _, labels = sampler.sample(rng)
        one, other = sorted({int(label) for label in labels})
        assert other == one + 1
    sampler.update((torch.tensor([[2.0], [4.0]]), torch.zeros(2, 1)), np.array([7, 7]))
    assert sampler.task_embeddings[7].tolist() == [3.0, 0.0]


def test_sampler_draws_tasks_of_one_group_together() -> None:
    kinds = _kinds((0, 0), (1, 0), (0, 0), (0, 0))
    sampler = BatchSampler([2] * 4, kinds, BatchSettings(tasks_per_batch=3, takes_per_task=2, group_size=2))
    assert sorted(map(len, sampler.groups)) == [1, 3]
    rng = np.random.default_rng(0)
    drawn = [sampler.sample(rng)[1] for _ in range(40)]
    assert all(len(set(labels.tolist()) & {0, 2, 3}) == 2 for labels in drawn)


def test_sampler_groups_no_tasks_of_unknown_kind() -> None:
    sampler = BatchSampler([2] * 3, _kinds((-1, -1), (-1, -1), (0, 0)), BatchSettings())
    assert sorted(map(len, sampler.groups)) == [1, 1, 1]
