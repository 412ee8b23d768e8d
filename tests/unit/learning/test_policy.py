"""Tests of the policy model: invariances, adaptation, agreement of numpy and torch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from metagui.learning.maml import maml
from metagui.learning.policy import conditioning, numpy_policy, task_inference
from metagui.learning.policy.policy import ADAPTED_TENSORS, TASK_TENSORS, PolicyModel, as_numpy
from metagui.learning.policy.retrieval import RETRIEVAL_TENSORS
from tests.helpers.datasets import sample_example_points
from tests.helpers.priors import UNTRAINED_MODEL

if TYPE_CHECKING:
    import pytest

    from metagui.learning.policy.points import Points
    from metagui.learning.torch_utils.functional_mlp import Params


def test_policy_is_invariant_to_the_order_of_objects() -> None:
    params = UNTRAINED_MODEL.initialise(0)
    order = [3, 1, 6, 5, 0, 2, 4]
    plain, shuffled = sample_example_points(), sample_example_points(order)
    a, b = UNTRAINED_MODEL.start(params, plain), UNTRAINED_MODEL.start(params, shuffled)
    torch.testing.assert_close(a["attention1"][:, order], b["attention1"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(a["context"], b["context"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(UNTRAINED_MODEL.loss(a, plain), UNTRAINED_MODEL.loss(b, shuffled), rtol=1e-4, atol=1e-5)


def test_numpy_policy_equals_the_torch_policy() -> None:
    points = replace(sample_example_points(), take_ids=None)
    fast = UNTRAINED_MODEL.start(UNTRAINED_MODEL.initialise(1), points)
    expected = UNTRAINED_MODEL.predict(fast, points)[0].detach().numpy()
    policy = as_numpy(fast)
    for index in range(24):
        action, done = numpy_policy.act(
            policy, points.object_features[0, index].numpy(), points.global_features[0, index].numpy()
        )
        np.testing.assert_allclose(action, expected[index, :5], rtol=1e-3, atol=1e-4)
        assert abs(done - 1 / (1 + np.exp(-expected[index, 5]))) < 1e-4


def test_inner_steps_adapt_only_the_adapted_tensors() -> None:
    points = sample_example_points()
    meta = maml.initialise(UNTRAINED_MODEL.initialise(0), UNTRAINED_MODEL.initial_inner_rates(), 5).detached_copy()
    *_, adapted = maml.adapt(UNTRAINED_MODEL, meta, points, 5)
    start = UNTRAINED_MODEL.start(meta.params, points)
    assert set(meta.log_rates) == set(ADAPTED_TENSORS)
    assert all(not torch.equal(start[name], adapted[name]) for name in ADAPTED_TENSORS)
    assert all(torch.equal(start[name], adapted[name]) for name in (*RETRIEVAL_TENSORS, "memory.keys", "memory.values"))
    assert UNTRAINED_MODEL.loss(adapted, points).item() < UNTRAINED_MODEL.loss(start, points).item()


def test_attentions_both_depend_on_the_centres(monkeypatch: pytest.MonkeyPatch) -> None:
    points, params = sample_example_points(), UNTRAINED_MODEL.initialise(0)
    deaf = params | {name: torch.zeros_like(t) for name, t in params.items() if name.startswith("first.")}
    before, only_second = UNTRAINED_MODEL.start(params, points), UNTRAINED_MODEL.start(deaf, points)

    def round_the_third(where: torch.Tensor, _done: torch.Tensor) -> torch.Tensor:
        return (torch.arange(where.shape[2]) == 2).float()[None, :, None].expand(-1, -1, task_inference.CENTRE_FEATURES)

    monkeypatch.setattr(task_inference, "summarise_centres", round_the_third)
    assert not torch.allclose(UNTRAINED_MODEL.start(params, points)["attention1"], before["attention1"])
    after = UNTRAINED_MODEL.start(deaf, points)
    torch.testing.assert_close(after["attention1"], only_second["attention1"])
    assert not torch.allclose(after["attention2"], only_second["attention2"])


def test_gradients_are_finite_if_both_attentions_agree() -> None:
    points = sample_example_points()
    params = {name: t.requires_grad_() for name, t in UNTRAINED_MODEL.initialise(0).items()}
    fast = UNTRAINED_MODEL.start(params, points)
    same = torch.tensor([[40.0, 0, 0, 0, 0, 0, 0]], requires_grad=True)
    also = torch.tensor([[40.0, 0, 0, 0, 0, 0, 0, 0]])
    loss = UNTRAINED_MODEL.loss(fast | {"attention1": same, "attention2": also}, points).sum()
    assert all(
        torch.isfinite(g).all()
        for g in torch.autograd.grad(loss, [same, *params.values()], allow_unused=True)
        if g is not None
    )


def test_precompute_changes_no_loss_and_no_gradient() -> None:
    class Unprepared(PolicyModel):
        def precompute(self, fast: Params, batch: Points) -> Points:
            return batch

    points = sample_example_points()
    found = []
    for model in (PolicyModel(**vars(UNTRAINED_MODEL)), Unprepared(**vars(UNTRAINED_MODEL))):
        meta = maml.initialise(model.initialise(0), model.initial_inner_rates(), 2)
        *_, fast = maml.adapt(model, meta, points, 2, order=2)
        query = model.precompute(model.start(meta.params, points), points)
        loss = model.loss(fast, query).sum()
        found.append([loss.detach(), *torch.autograd.grad(loss, list(meta.params.values()), allow_unused=True)])
    for once, again in zip(*found, strict=True):
        torch.testing.assert_close(once, again, rtol=1e-4, atol=1e-5)


def test_unconditioned_policy_ignores_its_support_set() -> None:
    unconditioned = PolicyModel(hidden=32, encoder=32, summary=16, context=8, unconditioned=True)
    points = sample_example_points()
    other = replace(points, actions=points.actions + 1.0)
    params = unconditioned.initialise(0)
    a, b = unconditioned.start(params, points), unconditioned.start(params, other)
    assert all(torch.equal(a[name], b[name]) for name in TASK_TENSORS)


def test_closed_gates_hide_the_inferred_positions() -> None:
    points = sample_example_points()
    params = UNTRAINED_MODEL.initialise(0)
    closed = replace(points, conditioning_dropout=torch.ones(1, conditioning.GATE_COUNT))
    nudge = torch.full((1, len(conditioning.INFERRED_POSITIONS), 3), 0.3)
    nudge[:, conditioning.INFERRED_POSITIONS.index("entry")] = (
        0.0  # by which the memory tells situations apart, gate or no gate
    )
    fast = UNTRAINED_MODEL.start(params, replace(closed, position_noise=torch.zeros_like(nudge)))
    moved = UNTRAINED_MODEL.start(params, replace(closed, position_noise=nudge))
    displaced = UNTRAINED_MODEL.start(params, replace(points, position_noise=nudge))
    plain = UNTRAINED_MODEL.predict(fast, points)
    torch.testing.assert_close(plain, UNTRAINED_MODEL.predict(moved, points), rtol=0.0, atol=2e-2)
    assert not torch.allclose(plain, UNTRAINED_MODEL.predict(displaced, points), atol=2e-2)
