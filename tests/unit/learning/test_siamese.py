"""The contrastive loss as published, and a short training that tells tasks apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from metagui.learning.similarity import siamese
from metagui.learning.similarity.siamese import (
    SiameseEncoder,
    SiameseError,
    SiameseSettings,
    contrastive_loss,
    embed,
    train,
)
from metagui.learning.similarity.trajectory import TRAJECTORY_POINTS, resample_takes
from metagui.learning.torch_utils.functional_mlp import init_mlp
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from metagui.learning.policy.feature_layout import Array


def test_the_loss_is_hadsells() -> None:
    d = torch.tensor([0.5, 0.2, 0.4, 1.5])
    same = torch.tensor([True, False, False, False])
    expected = 0.5**2 + (0.8**2 + 0.6**2) / 2  # the pair beyond the margin does not count
    assert contrastive_loss(d, same).item() == pytest.approx(expected, rel=1e-6)


def test_training_tells_tasks_apart() -> None:
    takes = {task: resample_takes(found) for task, found in generate_example_takes().items()}
    training = train(takes, SiameseSettings(steps=60, tasks_per_batch=6, takes_per_task=3))
    steps = []
    while True:
        try:
            steps.append(next(training))
        except StopIteration as finished:
            encoder: SiameseEncoder = finished.value
            break
    assert steps[-1].loss < 0.5 * steps[0].loss
    assert steps[-1].positive_distances.mean() < steps[-1].negative_distances.mean()
    vectors = embed(encoder, generate_example_takes()["circle"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    more = next(train(takes, SiameseSettings(steps=20, tasks_per_batch=6, takes_per_task=3), initial_encoder=encoder))
    assert more.loss < steps[0].loss


def test_an_untrained_encoder_says_so() -> None:
    with pytest.raises(SiameseError, match="not trained yet"):
        embed(SiameseEncoder(), generate_example_takes()["circle"])


def test_one_task_is_not_enough() -> None:
    with pytest.raises(SiameseError, match="two tasks"):
        next(train({"circle": resample_takes(generate_example_takes()["circle"])}))


def test_stopping_keeps_the_network() -> None:
    takes = {task: resample_takes(found) for task, found in generate_example_takes().items()}
    training = train(takes, SiameseSettings(steps=50), should_stop=lambda: True)
    with pytest.raises(StopIteration) as finished:
        next(training)
    assert finished.value.value.trained


def test_augmentation_keeps_shapes_and_ends_near() -> None:
    series = resample_takes(generate_example_takes()["circle"])
    changed = siamese._augment(series, np.random.default_rng(0))
    assert changed.object_channels.shape == series.object_channels.shape == (3, TRAJECTORY_POINTS, 6, 11)
    assert np.abs(changed.global_channels[:, 0] - series.global_channels[:, 0]).max() < 0.5


def test_where_a_thing_was_put_is_seen_to_the_millimetre() -> None:
    series = resample_takes(generate_example_takes()["put red on violet"])
    anchors = torch.from_numpy(series.object_channels)
    moved = anchors.clone()
    moved[..., -2:, 0, 0:1] += 0.05  # the red cube ends 5 mm farther
    moved[..., -2:, 0, 6:7] += 0.05
    offset, other = siamese._placement_features(anchors), siamese._placement_features(moved)
    assert (other - offset)[:, 0].abs().min() > 0.04, "whatever the tool does, the cube lies elsewhere from its zone"
    gone = anchors.clone()
    gone[..., -2:, :, :3] += 0.3  # the tool goes somewhere else
    torch.testing.assert_close(siamese._placement_features(gone), offset, atol=1e-5, rtol=1e-5)


def test_encoders_made_before_things_were_looked_at_in_pairs_still_work() -> None:
    new = SiameseEncoder().initialise(6, 0)
    old = {name: tensor for name, tensor in new.params.items() if not name.startswith(("pair", "head"))}
    old |= init_mlp("head", (6 * new.object_summary_size + 1, 64, 16), torch.Generator().manual_seed(1))
    assert embed(SiameseEncoder(old, embedding_size=16), generate_example_takes()["circle"]).shape == (3, 16)


def test_a_task_meets_the_one_that_was_last_seen_nearest_to_it() -> None:
    first, rng = np.arange(0, 22, 2), np.random.default_rng(0)
    seen: Array = np.arange(10, dtype=np.float32)[:, None] ** 2 / np.float32(100)
    settings = SiameseSettings(tasks_per_batch=2, takes_per_task=2, group_size=1)
    for _ in range(20):
        _, labels = siamese._sample_batch(
            first, siamese._group_by_label([str(i) for i in range(10)]), settings, seen, rng
        )
        one, other = sorted({int(label) for label in labels})
        assert other == one + 1
    siamese._update_task_embeddings(seen, np.array([[2.0], [4.0]], dtype=np.float32), np.array([7, 7]))
    assert seen[7] == 3.0


def test_what_was_seen_is_kept_while_training(monkeypatch: pytest.MonkeyPatch) -> None:
    draw, known = siamese._sample_batch, []

    def watched(*args: Any) -> Any:
        known.append(int(np.isfinite(args[3]).all(axis=1).sum()))
        return draw(*args)

    monkeypatch.setattr(siamese, "_sample_batch", watched)
    series = {name: resample_takes(takes) for name, takes in generate_example_takes().items()}
    for _ in siamese.train(series, SiameseSettings(steps=4, tasks_per_batch=3)):
        pass
    assert known[0] == 0
    assert 3 <= known[1] <= known[3]


def test_tasks_that_are_alike_meet_in_a_batch() -> None:
    groups = siamese._group_by_label(["push", "lift", "push", "push"])
    assert sorted(map(len, groups)) == [1, 3]
    first = np.arange(0, 9, 2)
    rng = np.random.default_rng(0)
    settings, unseen = (
        SiameseSettings(tasks_per_batch=3, takes_per_task=2, group_size=2),
        np.full((len(first) - 1, 2), np.nan, dtype=np.float32),
    )
    drawn = [siamese._sample_batch(first, groups, settings, unseen, rng)[1] for _ in range(40)]
    assert all(len(set(labels.tolist()) & {0, 2, 3}) == 2 for labels in drawn)
