"""The policy: anchors may come in any order, and numpy and torch agree."""

from __future__ import annotations

import numpy as np
import torch
from shown import shown

from metagui.learning import maml, pilot
from metagui.learning.dataset import points_from
from metagui.learning.features import encode
from metagui.learning.policy import ADAPTED, Points, PolicyModel, as_numpy

MODEL = PolicyModel(hidden=32, encoder=32, summary=16, context=8)


def _points(order: list[int] | None = None) -> Points:
    segments = [encode(take)[0] for take in shown()["put red on violet"]]
    anchors, *rest = points_from(segments, 24, np.random.default_rng(0))
    anchors = anchors if order is None else anchors[:, order]
    return Points(*(torch.from_numpy(a)[None] for a in (anchors, *rest)))


def test_the_order_of_the_anchors_does_not_matter() -> None:
    params = MODEL.initial(0)
    order = [3, 1, 6, 5, 0, 2, 4]
    plain, shuffled = _points(), _points(order)
    a, b = MODEL.start(params, plain), MODEL.start(params, shuffled)
    torch.testing.assert_close(a["attention1"][:, order], b["attention1"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(a["context"], b["context"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(MODEL.loss(a, plain), MODEL.loss(b, shuffled), rtol=1e-4, atol=1e-5)


def test_the_pilot_flies_what_was_learnt() -> None:
    points = _points()
    fast = MODEL.start(MODEL.initial(1), points)
    expected = MODEL.outputs(fast, points)[0].detach().numpy()
    policy = as_numpy(fast)
    for index in range(24):
        action, done = pilot.act(policy, points.anchors[0, index].numpy(), points.globals[0, index].numpy())
        np.testing.assert_allclose(action, expected[index, :5], rtol=1e-3, atol=1e-4)
        assert abs(done - 1 / (1 + np.exp(-expected[index, 5]))) < 1e-4


def test_inner_steps_adapt_exactly_what_they_should_and_lower_the_loss() -> None:
    points = _points()
    meta = maml.initial(MODEL.initial(0), MODEL.rates(), 5).frozen()
    *_, adapted = maml.adapt(MODEL, meta, points, 5)
    start = MODEL.start(meta.params, points)
    assert set(meta.log_rates) == set(ADAPTED)
    assert all(not torch.equal(start[name], adapted[name]) for name in ADAPTED)
    assert MODEL.loss(adapted, points).item() < MODEL.loss(start, points).item()


def test_gradients_stay_finite_when_both_attentions_agree() -> None:
    points = _points()
    params = {name: t.requires_grad_() for name, t in MODEL.initial(0).items()}
    fast = MODEL.start(params, points)
    same = torch.tensor([[40.0, 0, 0, 0, 0, 0, 0]], requires_grad=True)
    also = torch.tensor([[40.0, 0, 0, 0, 0, 0, 0, 0]])
    loss = MODEL.loss(fast | {"attention1": same, "attention2": also}, points).sum()
    assert all(
        torch.isfinite(g).all()
        for g in torch.autograd.grad(loss, [same, *params.values()], allow_unused=True)
        if g is not None
    )


def test_a_blind_policy_does_not_look_at_its_demonstration() -> None:
    blind = PolicyModel(hidden=32, encoder=32, summary=16, context=8, blind=True)
    points = _points()
    other = Points(points.anchors, points.globals, points.actions + 1.0, points.done)
    params = blind.initial(0)
    a, b = blind.start(params, points), blind.start(params, other)
    assert all(torch.equal(a[name], b[name]) for name in ADAPTED)
