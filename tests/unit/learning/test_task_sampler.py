"""Tests of batches of support and query points: takes, augmentation, encoder points."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from metagui.learning.policy.feature_layout import COARSE_SCALE_M, FINE_SCALE_M, OBJECT_LAYOUT
from metagui.learning.policy.policy import PolicyModel
from metagui.learning.policy.task_sampler import SamplingSettings, TaskSampler, show_zones_as_cubes
from tests.helpers.datasets import encode_example_people, encode_example_takes

if TYPE_CHECKING:
    from metagui.learning.policy.dataset import MetaDataset


@pytest.fixture(scope="module")
def data() -> MetaDataset:
    return encode_example_takes()


def test_sampler_support_and_query_share_no_take(data: MetaDataset) -> None:
    sampler = TaskSampler(data, range(len(data.task_names)), SamplingSettings(4, 16, 16))
    rng = np.random.default_rng(0)
    for task in range(len(sampler)):
        (support, _), (query, _) = sampler._sample_support_query(task, rng)
        support_takes, query_takes = (np.searchsorted(data.starts, rows, side="right") for rows in (support, query))
        assert not set(support_takes.tolist()) & set(query_takes.tolist())


def test_sampler_uses_people_in_support_sets_only(data: MetaDataset) -> None:
    people, rows = encode_example_people(), len(data.segments)
    for fraction in (0.0, 0.5, 1.0):
        settings = SamplingSettings(4, 16, 16, people_fraction=fraction)
        sampler = TaskSampler(data, range(len(data.task_names)), settings, (), people)
        rng = np.random.default_rng(0)
        by_people = []
        curves = {data.task_names.index("circle / 1")}
        assert set(people.task_indices.tolist()) == set(range(len(sampler))) - curves
        for task in sorted(set(range(len(sampler))) - curves) * 20:
            (support, _), (query, _) = sampler._sample_support_query(task, rng)
            assert (query < rows).all()
            by_people.append(bool((support >= rows).all()))
            assert by_people[-1] or (support < rows).all(), "a support set is by people or by the script"
            if by_people[-1]:
                segments = np.searchsorted(people.starts, support - rows, side="right") - 1
                assert set(people.task_indices[segments].tolist()) == {task}
        assert np.mean(by_people) == pytest.approx(fraction, abs=0.15)
    support_points, query_points = sampler(np.random.default_rng(0))
    assert support_points.object_features.shape == query_points.object_features.shape


def test_show_zones_as_cubes_changes_kind_and_height(data: MetaDataset) -> None:
    objects = torch.from_numpy(data.segments.object_features[None, :8])
    cube, zone = OBJECT_LAYOUT.kind_column("cube"), OBJECT_LAYOUT.kind_column("zone")
    zones = objects[0, 0, :, zone] == 1
    selected = zones.clone()
    selected[zones.nonzero()[0]] = False
    changed = show_zones_as_cubes(objects, selected[None])
    torch.testing.assert_close(changed[:, :, ~selected], objects[:, :, ~selected])
    assert (changed[:, :, selected, cube] == 1).all()
    assert (changed[:, :, selected, zone] == 0).all()
    torch.testing.assert_close(changed[:, :, selected, 2], objects[:, :, selected, 2] + 0.0125 / COARSE_SCALE_M)
    box = OBJECT_LAYOUT.box_centre.start + 2
    torch.testing.assert_close(changed[:, :, selected, box], objects[:, :, selected, box] + 0.0125 / COARSE_SCALE_M)
    torch.testing.assert_close(
        changed[:, :, selected, 5], torch.tanh(changed[:, :, selected, 2] * (COARSE_SCALE_M / FINE_SCALE_M))
    )


def test_sampler_shows_zones_as_cubes_in_support_and_query(data: MetaDataset) -> None:
    settings = SamplingSettings(6, 32, 32, permute_objects=False, mirrored_fraction=0.0)
    kinds, across = [], []
    for fraction in (0.0, 1.0):
        sampler = TaskSampler(data, range(len(data.task_names)), replace(settings, zone_as_cube_fraction=fraction))
        support, query = sampler(np.random.default_rng(0))
        kinds += [side.object_features[:, 0, :, OBJECT_LAYOUT.kind] for side in (support, query)]
        across += [side.object_features[..., :2] for side in (support, query)]
    assert torch.equal(kinds[0], kinds[1])
    assert torch.equal(kinds[2], kinds[3])
    assert torch.equal(across[0], across[2])
    assert torch.equal(across[1], across[3])
    assert kinds[2][..., 1].sum() < kinds[0][..., 1].sum()


def test_encoder_points_limit_the_encoder_not_the_memory(data: MetaDataset) -> None:
    sampler = TaskSampler(data, range(len(data.task_names)), SamplingSettings(3, 32, 8, 12))
    support, _ = sampler(np.random.default_rng(0))
    model = PolicyModel(hidden=8, encoder=8, summary=8, context=4)
    params = model.initialise(0)
    some, all_ = model.start(params, support), model.start(params, replace(support, encoder_points=None))
    few = model.start(params, support.select_first(12))
    torch.testing.assert_close(some["attention1"], few["attention1"])
    assert not torch.allclose(some["attention1"], all_["attention1"])
    assert some["memory.keys"].shape[1] == 32
    torch.testing.assert_close(model.loss(some, support), model.loss(some, support.select_first(12)))
    assert not torch.allclose(model.loss(some, support), model.loss(some, replace(support, encoder_points=None)))
