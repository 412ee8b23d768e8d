"""The policy: anchors may come in any order, and numpy and torch agree."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from metagui.learning.maml import maml
from metagui.learning.policy import conditioning, numpy_policy, task_inference
from metagui.learning.policy.features import encode
from metagui.learning.policy.points import Points
from metagui.learning.policy.policy import ADAPTED_TENSORS, POSITION_TENSORS, TASK_TENSORS, PolicyModel, as_numpy
from metagui.learning.policy.retrieval import RETRIEVAL_TENSORS
from metagui.learning.policy.task_sampler import sample_points
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    import pytest

    from metagui.learning.torch_utils.functional_mlp import Params

MODEL = PolicyModel(hidden=32, encoder=32, summary=16, context=8)


def _points(order: list[int] | None = None) -> Points:
    segments = [encode(take)[0] for take in generate_example_takes()["put red on violet"]]
    anchors, *rest = sample_points(segments, 24, np.random.default_rng(0))
    anchors = anchors if order is None else anchors[:, order]
    return Points(*(torch.from_numpy(a)[None] for a in (anchors, *rest)))


def test_the_order_of_the_anchors_does_not_matter() -> None:
    params = MODEL.initialise(0)
    order = [3, 1, 6, 5, 0, 2, 4]
    plain, shuffled = _points(), _points(order)
    a, b = MODEL.start(params, plain), MODEL.start(params, shuffled)
    torch.testing.assert_close(a["attention1"][:, order], b["attention1"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(a["context"], b["context"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(MODEL.loss(a, plain), MODEL.loss(b, shuffled), rtol=1e-4, atol=1e-5)


def test_the_pilot_flies_what_was_learnt() -> None:
    points = replace(_points(), take_ids=None)
    fast = MODEL.start(MODEL.initialise(1), points)
    expected = MODEL.predict(fast, points)[0].detach().numpy()
    policy = as_numpy(fast)
    for index in range(24):
        action, done = numpy_policy.act(
            policy, points.object_features[0, index].numpy(), points.global_features[0, index].numpy()
        )
        np.testing.assert_allclose(action, expected[index, :5], rtol=1e-3, atol=1e-4)
        assert abs(done - 1 / (1 + np.exp(-expected[index, 5]))) < 1e-4


def test_inner_steps_adapt_exactly_what_they_should_and_lower_the_loss() -> None:
    points = _points()
    meta = maml.initialise(MODEL.initialise(0), MODEL.initial_inner_rates(), 5).detached_copy()
    *_, adapted = maml.adapt(MODEL, meta, points, 5)
    start = MODEL.start(meta.params, points)
    assert set(meta.log_rates) == set(ADAPTED_TENSORS)
    assert all(not torch.equal(start[name], adapted[name]) for name in ADAPTED_TENSORS)
    assert all(torch.equal(start[name], adapted[name]) for name in (*RETRIEVAL_TENSORS, "memory.keys", "memory.values"))
    assert MODEL.loss(adapted, points).item() < MODEL.loss(start, points).item()


def test_takes_of_a_circle_tell_what_it_goes_round() -> None:
    rng = np.random.default_rng(0)
    angle, phase = np.tile(np.linspace(0.0, 2 * np.pi, 40), 2), np.tile(np.linspace(0.0, 1.0, 40), 2)
    other = np.repeat([[0.10, 0.06], [-0.08, 0.10]], 40, axis=0)  # where the other thing was in either take
    meant = -np.column_stack([0.05 + 0.3 * np.cos(angle), 0.3 * np.sin(angle), np.full(80, 0.6)])
    meant += rng.normal(scale=0.01, size=meant.shape)
    beside = meant + np.column_stack([other, np.zeros(80)])
    where = torch.tensor(np.stack([meant, beside], 1), dtype=torch.float32)[None]
    done = torch.tensor(phase > 0.95, dtype=torch.float32)[None]
    mean, centre, radius, off = task_inference.summarise_centres(where, done)[0].unbind(-1)
    unbounded = torch.atanh(torch.stack([centre[0], radius[0]])) / torch.tensor([5.0, 2.0])
    torch.testing.assert_close(unbounded, torch.tensor([0.05, 0.3]), atol=0.02, rtol=0.0)
    assert mean[0] < 0.6
    assert off[1] > 2 * off[0]


def test_one_take_tells_how_far_beside_a_thing_its_circle_is() -> None:
    angle = np.linspace(0.0, 2 * np.pi, 60)
    meant = -np.column_stack([0.05 + 0.3 * np.cos(angle), 0.3 * np.sin(angle), np.full(60, 0.6)])
    where = torch.tensor(np.stack([meant, meant + [0.15, 0.0, 0.0]], 1), dtype=torch.float32)[None]
    done = torch.zeros(1, 60)
    done[:, -2:] = 1.0
    _, centre, _, _ = task_inference.summarise_centres(where, done)[0].unbind(-1)
    torch.testing.assert_close(torch.atanh(centre) / 5.0, torch.tensor([0.05, 0.10]), atol=0.01, rtol=0.0)


def test_both_attentions_are_told_what_takes_go_round(monkeypatch: pytest.MonkeyPatch) -> None:
    points, params = _points(), MODEL.initialise(0)
    deaf = params | {name: torch.zeros_like(t) for name, t in params.items() if name.startswith("first.")}
    before, only_second = MODEL.start(params, points), MODEL.start(deaf, points)

    def round_the_third(where: torch.Tensor, _done: torch.Tensor) -> torch.Tensor:
        return (torch.arange(where.shape[2]) == 2).float()[None, :, None].expand(-1, -1, task_inference.CENTRE_FEATURES)

    monkeypatch.setattr(task_inference, "summarise_centres", round_the_third)
    assert not torch.allclose(MODEL.start(params, points)["attention1"], before["attention1"])
    after = MODEL.start(deaf, points)
    torch.testing.assert_close(after["attention1"], only_second["attention1"])
    assert not torch.allclose(after["attention2"], only_second["attention2"])


def test_gradients_stay_finite_when_both_attentions_agree() -> None:
    points = _points()
    params = {name: t.requires_grad_() for name, t in MODEL.initialise(0).items()}
    fast = MODEL.start(params, points)
    same = torch.tensor([[40.0, 0, 0, 0, 0, 0, 0]], requires_grad=True)
    also = torch.tensor([[40.0, 0, 0, 0, 0, 0, 0, 0]])
    loss = MODEL.loss(fast | {"attention1": same, "attention2": also}, points).sum()
    assert all(
        torch.isfinite(g).all()
        for g in torch.autograd.grad(loss, [same, *params.values()], allow_unused=True)
        if g is not None
    )


def test_what_does_not_adapt_is_looked_up_once_and_changes_nothing() -> None:
    class Unprepared(PolicyModel):
        def precompute(self, fast: Params, batch: Points) -> Points:
            return batch

    points = _points()
    found = []
    for model in (PolicyModel(**vars(MODEL)), Unprepared(**vars(MODEL))):
        meta = maml.initialise(model.initialise(0), model.initial_inner_rates(), 2)
        *_, fast = maml.adapt(model, meta, points, 2, order=2)
        query = model.precompute(model.start(meta.params, points), points)
        loss = model.loss(fast, query).sum()
        found.append([loss.detach(), *torch.autograd.grad(loss, list(meta.params.values()), allow_unused=True)])
    for once, again in zip(*found, strict=True):
        torch.testing.assert_close(once, again, rtol=1e-4, atol=1e-5)


def test_a_blind_policy_does_not_look_at_its_demonstration() -> None:
    blind = PolicyModel(hidden=32, encoder=32, summary=16, context=8, unconditioned=True)
    points = _points()
    other = replace(points, actions=points.actions + 1.0)
    params = blind.initialise(0)
    a, b = blind.start(params, points), blind.start(params, other)
    assert all(torch.equal(a[name], b[name]) for name in TASK_TENSORS)


def test_the_circle_of_a_demonstration_is_found_without_the_way_there() -> None:
    angle = torch.linspace(0.0, 2 * math.pi, 40)
    round_ = torch.stack([0.3 * angle.cos() + 0.05, 0.3 * angle.sin() - 0.02, torch.full((40,), 0.7)], -1)
    there = torch.linspace(0.0, 1.0, 12).unsqueeze(1) * (round_[0] - torch.tensor([2.0, 1.0, 1.5])) + torch.tensor(
        [2.0, 1.0, 1.5]
    )
    where = torch.cat([there, round_]).unsqueeze(0)
    done = (torch.arange(52) >= 50).float().unsqueeze(0)
    centre, radius = task_inference.infer_circle(where, done)
    assert torch.allclose(centre, torch.tensor([[0.05, -0.02, 0.7]]), atol=0.02)
    assert abs(float(radius) - 0.3) < 0.02


def test_a_line_begins_where_it_is_first_as_high_as_its_end() -> None:
    line = torch.stack([torch.linspace(-0.3, 0.3, 30), torch.zeros(30), torch.full((30,), 0.6)], -1)
    down = torch.stack([torch.linspace(1.5, -0.3, 20), torch.full((20,), 0.1), torch.linspace(1.2, 0.65, 20)], -1)
    where = torch.cat([down, line]).unsqueeze(0)
    done = (torch.arange(50) >= 48).float().unsqueeze(0)
    phase = torch.linspace(0.0, 1.0, 50).unsqueeze(0)
    begin = task_inference.average_by_logits(where, task_inference.infer_entry_logits(where, done, phase, None))
    assert torch.allclose(begin, line[:1], atol=0.06)


def _segment(*heights: float) -> tuple[torch.Tensor, ...]:
    """Return 20 points between every two heights above an anchor, moving on to the side; and done, phase, take."""
    up = torch.cat([torch.linspace(low, high, 20) for low, high in itertools.pairwise(heights)])
    aside = torch.linspace(0.5, 0.0, len(up))
    where = torch.stack([aside, torch.zeros_like(up), -up], -1).unsqueeze(0)
    done = (torch.arange(len(up)) >= len(up) - 2).float().unsqueeze(0)
    return where, done, torch.linspace(0.0, 1.0, len(up)).unsqueeze(0), torch.zeros(1, len(up))


def test_a_line_that_is_begun_beside_the_arm_does_not_begin_where_the_arm_was() -> None:
    where, done, phase, take = _segment(0.6, 1.1, 0.6, 0.6)
    begin = task_inference.average_by_logits(where, task_inference.infer_entry_logits(where, done, phase, take))
    assert torch.allclose(begin, where[:, 40], atol=0.06)
    take[:, 0] = 1.0  # what another take rose from is no matter
    begin = task_inference.average_by_logits(where, task_inference.infer_entry_logits(where, done, phase, take))
    assert torch.allclose(begin, where[:, 0], atol=0.06)


def test_a_push_begins_where_it_is_first_as_high_as_its_end() -> None:
    where, done, phase, take = _segment(1.1, 0.2, 0.2, 0.6)
    begin = task_inference.average_by_logits(where, task_inference.infer_entry_logits(where, done, phase, take))
    assert torch.allclose(begin, where[:, 11], atol=0.06)


def test_only_a_motion_that_stays_level_tells_what_is_remembered_apart_by_its_beginning() -> None:
    shares = []
    for heights in ((0.6, 1.1, 0.6, 0.6), (1.1, 0.2, 0.2, 0.6), (1.1, 1.1, 1.1, 0.6)):
        where, done, phase, take = _segment(*heights)
        begin = task_inference.infer_entry_logits(where, done, phase, take)
        shares.append(task_inference.infer_level_fraction(where, done, phase, begin).item())
    assert shares[0] > 0.9  # a line
    assert shares[1] < 0.3  # a push
    assert shares[2] < 0.3  # a way there
    points, params = _points(), MODEL.initialise(0)
    plain, told = (
        replace(MODEL, entry_reached_gain=more).start(params, points)["memory.scales"] for more in (0.0, 2.0)
    )
    assert torch.equal(plain[:, :-1], told[:, :-1])
    assert (told[:, -1] > plain[:, -1]).all()
    assert (told[:, -1] <= plain[:, -1] + 2.0).all()


def test_a_closed_gate_hides_what_was_inferred() -> None:
    points = _points()
    params = MODEL.initialise(0)
    closed = replace(points, conditioning_dropout=torch.ones(1, conditioning.GATE_COUNT))
    nudge = torch.full((1, len(POSITION_TENSORS), 3), 0.3)
    nudge[:, POSITION_TENSORS.index("entry")] = 0.0  # by which the memory tells situations apart, gate or no gate
    fast = MODEL.start(params, replace(closed, position_noise=torch.zeros_like(nudge)))
    moved = MODEL.start(params, replace(closed, position_noise=nudge))
    seen = MODEL.start(params, replace(points, position_noise=nudge))
    plain = MODEL.predict(fast, points)
    torch.testing.assert_close(plain, MODEL.predict(moved, points), rtol=0.0, atol=2e-2)
    assert not torch.allclose(plain, MODEL.predict(seen, points), atol=2e-2)


def _keys(fast: Params, points: Points) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the points' situations and how their first anchor is seen."""
    first = task_inference.attend(fast["attention1"], points.object_features)
    assert len(fast["memory.keys"][0]) == len(first[0]), "the memory holds these very points"
    return fast["memory.keys"], first


def test_what_was_done_in_the_same_situation_is_recalled() -> None:
    points = replace(_points(), take_ids=None, forced_attention=torch.tensor([[0, 5]]))
    fast = MODEL.start(MODEL.initialise(0), points)
    sharp = fast | {"memory.scales": fast["memory.scales"] + 5.0}
    found = MODEL._retrieve(sharp, *_keys(fast, points), points)
    torch.testing.assert_close(found[..., 6:11], points.actions, rtol=0.0, atol=0.05)


def test_points_of_the_only_take_recall_it() -> None:
    points = _points()
    assert points.take_ids is not None
    only = replace(points, take_ids=torch.zeros_like(points.take_ids))
    fast = MODEL.start(MODEL.initialise(0), only)
    torch.testing.assert_close(MODEL.loss(fast, only), MODEL.loss(fast, replace(only, take_ids=None)))
    several = MODEL.start(MODEL.initialise(0), points)
    assert not torch.equal(MODEL.loss(several, points), MODEL.loss(several, replace(points, take_ids=None)))


def test_a_shown_point_does_not_recall_itself_nor_what_its_take_did_just_then() -> None:
    points = replace(_points(), forced_attention=torch.tensor([[0, 7]]))
    fast = MODEL.start(MODEL.initialise(0), points)
    found = MODEL._retrieve(fast, *_keys(fast, points), points)
    changed = fast["memory.values"].clone()
    changed[:, 5, 3:8] += 1.0
    again = MODEL._retrieve(fast | {"memory.values": changed}, *_keys(fast, points), points)
    assert points.take_ids is not None
    near = (points.take_ids[0] == points.take_ids[0, 5]) & ((points.phase[0] - points.phase[0, 5]).abs() < 0.1)
    assert near[5]
    torch.testing.assert_close(found[0, near], again[0, near])
    assert not torch.allclose(found, again)


def test_second_order_gradients_are_finite_where_a_situation_is_in_memory() -> None:
    points = _points()
    meta = maml.initialise(MODEL.initialise(0), MODEL.initial_inner_rates(), 2)
    *_, fast = maml.adapt(MODEL, meta, points, 2, order=2)
    gradients = torch.autograd.grad(MODEL.loss(fast, points).sum(), meta.tensors(), allow_unused=True)
    assert all(torch.isfinite(g).all() for g in gradients if g is not None)
