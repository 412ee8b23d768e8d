"""Tests of the Siamese network's batches: hard negatives, groups, augmentation."""

from __future__ import annotations

import numpy as np

from metagui.learning.similarity.batch_sampler import BatchSampler, BatchSettings, augment, group_by_label
from metagui.learning.similarity.trajectory import TRAJECTORY_POINTS, resample_takes
from tests.helpers.takes import generate_example_takes


def test_augment_keeps_shapes_and_start() -> None:
    trajectories = resample_takes(generate_example_takes()["circle"])
    changed = augment(trajectories, np.random.default_rng(0))
    assert changed.object_channels.shape == trajectories.object_channels.shape == (3, TRAJECTORY_POINTS, 6, 11)
    assert np.abs(changed.global_channels[:, 0] - trajectories.global_channels[:, 0]).max() < 0.5


def test_sampler_adds_the_nearest_task_as_hard_negative() -> None:
    settings = BatchSettings(tasks_per_batch=2, takes_per_task=2, group_size=1)
    sampler = BatchSampler([2] * 10, group_by_label([str(i) for i in range(10)]), settings, embedding_size=1)
    sampler.task_embeddings[:, 0] = np.arange(10) ** 2 / 100
    rng = np.random.default_rng(0)
    for _ in range(20):
        _, labels = sampler.sample(rng)
        one, other = sorted({int(label) for label in labels})
        assert other == one + 1
    sampler.update(np.array([[2.0], [4.0]], dtype=np.float32), np.array([7, 7]))
    assert sampler.task_embeddings[7] == 3.0


def test_sampler_draws_tasks_of_one_group_together() -> None:
    groups = group_by_label(["push", "lift", "push", "push"])
    assert sorted(map(len, groups)) == [1, 3]
    sampler = BatchSampler([2] * 4, groups, BatchSettings(tasks_per_batch=3, takes_per_task=2, group_size=2), 2)
    rng = np.random.default_rng(0)
    drawn = [sampler.sample(rng)[1] for _ in range(40)]
    assert all(len(set(labels.tolist()) & {0, 2, 3}) == 2 for labels in drawn)
