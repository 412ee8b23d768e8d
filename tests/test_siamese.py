"""The contrastive loss as published, and a short training that tells tasks apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from shown import shown

from metagui.learning import siamese
from metagui.learning.series import POINTS, series_of
from metagui.learning.siamese import Encoder, SiameseError, SiameseSettings, contrastive_loss, embed, train


def test_the_loss_is_hadsells() -> None:
    d = torch.tensor([0.5, 0.2, 0.4, 1.5])
    same = torch.tensor([True, False, False, False])
    expected = 0.5**2 + (0.8**2 + 0.6**2) / 2  # the pair beyond the margin does not count
    assert contrastive_loss(d, same).item() == pytest.approx(expected, rel=1e-6)


def test_training_tells_tasks_apart() -> None:
    takes = {task: series_of(found) for task, found in shown().items()}
    training = train(takes, SiameseSettings(steps=60, tasks=6, takes=3))
    steps = []
    while True:
        try:
            steps.append(next(training))
        except StopIteration as finished:
            encoder: Encoder = finished.value
            break
    assert steps[-1].loss < 0.5 * steps[0].loss
    assert steps[-1].same_distances.mean() < steps[-1].different_distances.mean()
    vectors = embed(encoder, shown()["circle"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    more = next(train(takes, SiameseSettings(steps=20, tasks=6, takes=3), start=encoder))
    assert more.loss < steps[0].loss


def test_an_untrained_encoder_says_so() -> None:
    with pytest.raises(SiameseError, match="not trained yet"):
        embed(Encoder(), shown()["circle"])


def test_one_task_is_not_enough() -> None:
    with pytest.raises(SiameseError, match="two tasks"):
        next(train({"circle": series_of(shown()["circle"])}))


def test_stopping_keeps_the_network() -> None:
    takes = {task: series_of(found) for task, found in shown().items()}
    training = train(takes, SiameseSettings(steps=50), should_stop=lambda: True)
    with pytest.raises(StopIteration) as finished:
        next(training)
    assert finished.value.value.trained


def test_augmentation_keeps_shapes_and_ends_near() -> None:
    series = series_of(shown()["circle"])
    changed = siamese._augmented(series, np.random.default_rng(0))
    assert changed.anchors.shape == series.anchors.shape == (3, POINTS, 6, 11)
    assert np.abs(changed.globals[:, 0] - series.globals[:, 0]).max() < 0.5
