"""Tests of the Siamese network: contrastive loss, training, placement features."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from metagui.generators import run_to_end
from metagui.learning.similarity import siamese
from metagui.learning.similarity.batch_sampler import BatchSampler
from metagui.learning.similarity.siamese import (
    SiameseEncoder,
    SiameseError,
    SiameseSettings,
    SiameseStep,
    contrastive_loss,
    embed,
    train,
)
from metagui.learning.similarity.trajectory import resample_takes
from tests.helpers.takes import generate_example_takes


def test_contrastive_loss_equals_the_paper() -> None:
    d = torch.tensor([0.5, 0.2, 0.4, 1.5])
    same = torch.tensor([True, False, False, False])
    expected = 0.5**2 + (0.8**2 + 0.6**2) / 2  # the pair beyond the margin does not count
    assert contrastive_loss(d, same).item() == pytest.approx(expected, rel=1e-6)


def test_train_separates_tasks() -> None:
    takes = {task: resample_takes(found) for task, found in generate_example_takes().items()}
    steps: list[SiameseStep] = []
    encoder = run_to_end(train(takes, SiameseSettings(steps=60, tasks_per_batch=6, takes_per_task=3)), steps.append)
    assert steps[-1].loss < 0.5 * steps[0].loss
    assert steps[-1].positive_distances.mean() < steps[-1].negative_distances.mean()
    vectors = embed(encoder, generate_example_takes()["circle"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    more = next(train(takes, SiameseSettings(steps=20, tasks_per_batch=6, takes_per_task=3), initial_encoder=encoder))
    assert more.loss < steps[0].loss


def test_embed_with_untrained_encoder_raises() -> None:
    with pytest.raises(SiameseError, match="not trained yet"):
        embed(SiameseEncoder(), generate_example_takes()["circle"])


def test_train_with_one_task_raises() -> None:
    with pytest.raises(SiameseError, match="two tasks"):
        next(train({"circle": resample_takes(generate_example_takes()["circle"])}))


def test_train_stopped_returns_the_network() -> None:
    takes = {task: resample_takes(found) for task, found in generate_example_takes().items()}
    training = train(takes, SiameseSettings(steps=50), should_stop=lambda: True)
    with pytest.raises(StopIteration) as finished:
        next(training)
    assert finished.value.value.is_trained


def test_placement_features_resolve_millimetres() -> None:
    trajectories = resample_takes(generate_example_takes()["put red on violet"])
    objects = torch.from_numpy(trajectories.object_channels)
    moved = objects.clone()
    moved[..., -2:, 0, 0:1] += 0.05  # the red cube ends 5 mm farther away
    moved[..., -2:, 0, 6:7] += 0.05
    offset, other = siamese._placement_features(objects), siamese._placement_features(moved)
    assert (other - offset)[:, 0].abs().min() > 0.04, "the cube is at another position relative to its zone"
    gone = objects.clone()
    gone[..., -2:, :, :3] += 0.3  # the tool goes somewhere else
    torch.testing.assert_close(siamese._placement_features(gone), offset, atol=1e-5, rtol=1e-5)


def test_train_updates_the_task_embeddings(monkeypatch: pytest.MonkeyPatch) -> None:
    sample, known = BatchSampler.sample, []

    def count_embedded(sampler: BatchSampler, rng: np.random.Generator) -> Any:
        known.append(int(np.isfinite(sampler.task_embeddings).all(axis=1).sum()))
        return sample(sampler, rng)

    monkeypatch.setattr(BatchSampler, "sample", count_embedded)
    trajectories = {name: resample_takes(takes) for name, takes in generate_example_takes().items()}
    run_to_end(train(trajectories, SiameseSettings(steps=4, tasks_per_batch=3)))
    assert known[0] == 0
    assert 3 <= known[1] <= known[3]
