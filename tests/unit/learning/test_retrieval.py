"""Tests of retrieval from the memory of the support set."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from metagui.learning.maml import maml
from metagui.learning.policy import task_inference
from metagui.learning.policy.retrieval import retrieve
from tests.helpers.datasets import sample_example_points
from tests.helpers.priors import UNTRAINED_MODEL

if TYPE_CHECKING:
    from metagui.learning.policy.points import Points
    from metagui.learning.torch_utils.functional_mlp import Params


def _keys(fast: Params, points: Points) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the keys of the points and the features of the object attended to first."""
    first = task_inference.attend(fast["attention1"], points.object_features)
    assert len(fast["memory.keys"][0]) == len(first[0]), "the memory contains these points"
    return fast["memory.keys"], first


def test_retrieve_returns_the_action_of_the_same_situation() -> None:
    points = replace(sample_example_points(), take_ids=None, forced_attention=torch.tensor([[0, 5]]))
    fast = UNTRAINED_MODEL.start(UNTRAINED_MODEL.initialise(0), points)
    sharp = fast | {"memory.scales": fast["memory.scales"] + 5.0}
    found = retrieve(sharp, *_keys(fast, points), points)
    torch.testing.assert_close(found[..., 6:11], points.actions, rtol=0.0, atol=0.05)


def test_retrieve_of_a_single_take_includes_it() -> None:
    points = sample_example_points()
    assert points.take_ids is not None
    only = replace(points, take_ids=torch.zeros_like(points.take_ids))
    fast = UNTRAINED_MODEL.start(UNTRAINED_MODEL.initialise(0), only)
    torch.testing.assert_close(
        UNTRAINED_MODEL.loss(fast, only), UNTRAINED_MODEL.loss(fast, replace(only, take_ids=None))
    )
    several = UNTRAINED_MODEL.start(UNTRAINED_MODEL.initialise(0), points)
    assert not torch.equal(
        UNTRAINED_MODEL.loss(several, points), UNTRAINED_MODEL.loss(several, replace(points, take_ids=None))
    )


def test_retrieve_excludes_the_same_take_at_the_same_phase() -> None:
    """A support point retrieves neither itself nor what its take did at about the same time."""
    points = replace(sample_example_points(), forced_attention=torch.tensor([[0, 7]]))
    fast = UNTRAINED_MODEL.start(UNTRAINED_MODEL.initialise(0), points)
    found = retrieve(fast, *_keys(fast, points), points)
    changed = fast["memory.values"].clone()
    changed[:, 5, 3:8] += 1.0
    again = retrieve(fast | {"memory.values": changed}, *_keys(fast, points), points)
    assert points.take_ids is not None
    near = (points.take_ids[0] == points.take_ids[0, 5]) & ((points.phase[0] - points.phase[0, 5]).abs() < 0.1)
    assert near[5]
    torch.testing.assert_close(found[0, near], again[0, near])
    assert not torch.allclose(found, again)


def test_second_order_gradients_of_retrieval_are_finite() -> None:
    points = sample_example_points()
    meta = maml.initialise(UNTRAINED_MODEL.initialise(0), UNTRAINED_MODEL.initial_inner_rates(), 2)
    *_, fast = maml.adapt(UNTRAINED_MODEL, meta, points, 2, order=2)
    gradients = torch.autograd.grad(UNTRAINED_MODEL.loss(fast, points).sum(), meta.tensors(), allow_unused=True)
    assert all(torch.isfinite(g).all() for g in gradients if g is not None)
