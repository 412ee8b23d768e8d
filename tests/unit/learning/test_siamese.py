"""Tests of the Siamese network: contrastive loss, training, and that objects are a set."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from metagui.generators import run_to_end
from metagui.learning.similarity.batch_sampler import BatchSampler
from metagui.learning.similarity.embeddings import measure_distances
from metagui.learning.similarity.siamese import (
    SiameseError,
    SiameseSettings,
    SiameseStep,
    contrastive_loss,
    embed,
    train,
)
from metagui.learning.similarity.siamese_network import CODE_SIZE, SiameseEncoder, make_codes
from metagui.learning.similarity.task_labels import label_take
from metagui.learning.similarity.trajectory import ABSENT_OBJECT, identify, resample_takes
from tests.helpers.takes import generate_example_takes

QUICK = SiameseSettings(steps=40, tasks_per_batch=6, takes_per_task=3)


def test_contrastive_loss_equals_the_paper() -> None:
    d = torch.tensor([0.5, 0.2, 0.4, 1.5])
    same = torch.tensor([True, False, False, False])
    expected = 0.5**2 + (0.8**2 + 0.6**2) / 2  # the pair beyond the margin does not count
    assert contrastive_loss(d, same).item() == pytest.approx(expected, rel=1e-6)


def test_contrastive_loss_without_a_kind_of_pair_is_finite() -> None:
    d = torch.tensor([0.5, 0.2])
    assert contrastive_loss(d, torch.tensor([True, True])).item() == pytest.approx((0.25 + 0.04) / 2)
    assert contrastive_loss(d, torch.tensor([False, False])).item() == pytest.approx((0.25 + 0.64) / 2)


def test_train_separates_tasks_motions_and_objects() -> None:
    found = generate_example_takes()
    takes = {task: resample_takes(each) for task, each in found.items()}
    labels = {task: label_take(each[0]) for task, each in found.items()}
    steps: list[SiameseStep] = []
    encoder = run_to_end(train(takes, QUICK, labels=labels), steps.append)
    assert steps[-1].loss < 0.5 * steps[0].loss
    assert steps[-1].positive_distances.mean() < steps[-1].negative_distances.mean()
    above_red, above_green, press_red = (embed(encoder, found[n]) for n in ("above red", "above green", "press red"))
    for part in (above_red.motion, above_red.numbers, above_red.objects, above_red.task):
        np.testing.assert_allclose(np.linalg.norm(part, axis=1), 1.0, atol=1e-5)
    near, far = measure_distances(above_red, above_green), measure_distances(above_red, press_red)
    assert near.motion.mean() < far.motion.mean()
    assert far.objects.mean() < near.objects.mean()
    more = next(train(takes, replace(QUICK, steps=20), initial_encoder=encoder, labels=labels))
    assert more.loss < steps[0].loss


def test_embedding_does_not_depend_on_the_order_of_objects() -> None:
    takes, encoder = generate_example_takes()["put red on violet"], SiameseEncoder().initialise(0)
    order = [4, 2, 0, 5, 1, 3]
    shuffled = [
        replace(
            take,
            objects=tuple(take.objects[i] for i in order),
            **{name: getattr(take, name)[:, order] for name in ("object_positions", "object_yaws", "held", "touched")},
        )
        for take in takes
    ]
    one, other = embed(encoder, takes), embed(encoder, shuffled)
    for part in ("motion", "numbers", "objects"):
        np.testing.assert_allclose(getattr(one, part), getattr(other, part), atol=1e-5)


def test_takes_with_other_numbers_of_objects_are_embedded_alike() -> None:
    """Places without an object must not change anything."""
    take, encoder = generate_example_takes()["press red"][0], SiameseEncoder().initialise(0)
    few = replace(
        take,
        objects=take.objects[:1],
        **{name: getattr(take, name)[:, :1] for name in ("object_positions", "object_yaws", "held", "touched")},
    )
    alone, together = embed(encoder, [few]), embed(encoder, [few, take])
    for part in ("motion", "numbers", "objects"):
        np.testing.assert_allclose(getattr(alone, part)[0], getattr(together, part)[0], atol=1e-5)


def test_motion_is_embedded_equally_whatever_the_objects_are_called() -> None:
    take, encoder = generate_example_takes()["press red"][0], SiameseEncoder().initialise(0)
    renamed = replace(take, objects=tuple(replace(each, name=f"my {each.name}") for each in take.objects))
    one, other = embed(encoder, [take]), embed(encoder, [renamed])
    np.testing.assert_array_equal(one.motion, other.motion)
    np.testing.assert_array_equal(one.numbers, other.numbers)
    assert measure_distances(one, other).objects[0, 0] > 0.5


def test_codes_of_different_names_are_nearly_orthogonal() -> None:
    names = np.array([[identify(f"cube {i}") for i in range(40)] + [ABSENT_OBJECT]], dtype=np.uint64)
    codes = make_codes(names)[0]
    assert codes.shape == (41, CODE_SIZE)
    assert not codes[-1].any()
    products = codes[:-1] @ codes[:-1].T
    np.testing.assert_allclose(np.diag(products), 1.0, atol=1e-5)
    assert np.abs(products - np.eye(40)).max() < 0.6
    drawn = make_codes(names, np.random.default_rng(0))[0]
    assert not np.allclose(drawn, codes)
    assert not drawn[-1].any()


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


def test_train_updates_the_task_embeddings(monkeypatch: pytest.MonkeyPatch) -> None:
    sample, known = BatchSampler.sample, []

    def count_embedded(sampler: BatchSampler, rng: np.random.Generator) -> Any:
        found = sampler.task_embeddings
        known.append(int(np.isfinite(found).all(axis=1).sum()) if found.shape[1] else 0)
        return sample(sampler, rng)

    monkeypatch.setattr(BatchSampler, "sample", count_embedded)
    trajectories = {name: resample_takes(takes) for name, takes in generate_example_takes().items()}
    run_to_end(train(trajectories, SiameseSettings(steps=4, tasks_per_batch=3)))
    assert known[0] == 0
    assert 3 <= known[1] <= known[3]
