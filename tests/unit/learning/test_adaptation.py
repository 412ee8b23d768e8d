"""Adaptation on real takes: live progress, an honest choice, clear refusals, and files that come back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from metagui.cli.output import run_to_end
from metagui.demonstrations.demonstration import Instruction, Segment
from metagui.demonstrations.programs.program import TaskProgram
from metagui.demonstrations.programs.scripted import GenerationSettings, generate_takes
from metagui.learning.adaptation import adaptation, candidates
from metagui.learning.adaptation.adaptation import AdaptationError, adapt_task
from metagui.learning.adaptation.adapted_task import TaskPolicy, TaskPolicyError
from metagui.learning.adaptation.candidates import CandidateSettings
from metagui.learning.adaptation.selection import (
    FINE_TUNE,
    FIVE_STEP,
    FIVE_STEP_ADAM,
    SCRATCH,
    ZERO_STEP,
    select_candidate,
)
from metagui.learning.maml import maml
from metagui.learning.policy import task_inference
from metagui.learning.policy.features import FeatureError, encode
from metagui.learning.policy.policy import (
    ADAPTED_TENSORS,
    MEMORY_TENSORS,
    RETRIEVAL_TENSORS,
    Points,
    as_numpy,
)
from metagui.learning.prior import PriorMismatchError, load_shipped
from tests.helpers.priors import QUICK_SETTINGS as QUICK
from tests.helpers.priors import UNTRAINED_MODEL as MODEL
from tests.helpers.priors import adapt_untrained_prior as _adapt
from tests.helpers.priors import make_untrained_prior as _prior
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def test_every_candidate_of_every_click_is_seen_live() -> None:
    steps, adapted = _adapt(generate_example_takes()["put red on violet"])
    seen = {(step.segment_index, step.candidate) for step in steps}
    names = ("zero-step", "adapted", "adapted + Adam", "fine-tune", "from scratch")
    assert seen == {(click, name) for click in (0, 1) for name in names}
    assert all(np.isfinite([step.support_loss, step.query_loss, step.zero_step_loss]).all() for step in steps)
    five = [step for step in steps if step.candidate == "adapted" and step.segment_index == 0]
    assert [step.step for step in five] == [0, 1, 2, 3, 4, 5]
    assert five[0].query_loss <= five[0].zero_step_loss * 1.001
    assert len(adapted.skills) == 2
    assert "each of 3 takes left out in turn" in adapted.skills[0].reason


def test_one_take_is_enough_and_says_how_it_was_judged() -> None:
    _, adapted = _adapt(generate_example_takes()["lift blue"][:1])
    assert "only take" in adapted.skills[0].reason
    assert adapted.skills[0].choice in ("zero-step", "adapted")


def test_files_come_back_as_they_were(tmp_path: Path) -> None:
    _, adapted = _adapt(generate_example_takes()["press red"])
    adapted.save(tmp_path / "adapted.safetensors")
    back = TaskPolicy.load(tmp_path / "adapted.safetensors")
    assert (back.task, back.object_names, back.provenance) == (adapted.task, adapted.object_names, adapted.provenance)
    for a, b in zip(adapted.skills, back.skills, strict=True):
        assert (a.choice, a.reason, a.held_out, a.decisions) == (b.choice, b.reason, b.held_out, b.decisions)
        assert all(np.array_equal(a.params[name], b.params[name]) for name in a.params)
    (tmp_path / "broken").write_bytes(b"no")
    with pytest.raises(TaskPolicyError, match="Adapt the task again"):
        TaskPolicy.load(tmp_path / "broken")


def test_a_neighbours_policy_may_race() -> None:
    _, green = _adapt(generate_example_takes()["above green"])
    steps, adapted = _adapt(generate_example_takes()["above red"], neighbours={"above green": green})
    assert "nearest: above green" in {step.candidate for step in steps}
    assert "nearest: above green" in adapted.skills[0].held_out


def test_stop_keeps_what_there_is() -> None:
    steps, adapted = _adapt(generate_example_takes()["put red on violet"], should_stop=lambda: True)
    assert {step.candidate for step in steps} == {"zero-step", "adapted"}
    assert len(adapted.skills) == 2


def test_takes_that_differ_in_clicks_are_named() -> None:
    takes = [*generate_example_takes()["press red"], generate_example_takes()["put red on violet"][0]]
    with pytest.raises(AdaptationError, match="'001' has 2"):
        _adapt(takes)


def test_no_take_no_adaptation() -> None:
    with pytest.raises(AdaptationError, match="Choose one take"):
        _adapt([])


def test_broken_numbers_are_refused() -> None:
    take = generate_example_takes()["press red"][0]
    commands = np.full_like(take.command_requested, np.inf)
    with pytest.raises(FeatureError, match="command_requested"):
        _adapt([replace(take, command_requested=commands)])


def test_a_click_that_did_nothing_is_left_out_with_a_note() -> None:
    takes = [
        replace(take, segments=(Segment(0, 1, take.segments[0].instruction), Segment(2, take.segments[0].stop)))
        for take in generate_example_takes()["press red"]
    ]
    assert len(encode(takes[0])[0]) == 1
    _, adapted = _adapt(takes)
    assert len(adapted.skills) == 1
    assert "left out" in adapted.provenance["notes"][0]


def _folds(task: str) -> candidates.Folds:
    return candidates.make_folds([encode(take)[0] for take in generate_example_takes()[task]], QUICK)


def test_other_anchors_are_looked_at_where_that_explains_the_takes_clearly_better() -> None:
    beside = TaskProgram("beside", (Instruction("push", "red cube", "green cube", {"offset": (-0.0022, -0.054, 0.0)}),))
    takes = generate_takes(beside, GenerationSettings(takes=3, seed=0, workers=1))
    names = [anchor.name for anchor in takes[0].objects]
    prior, folds = load_shipped(), candidates.make_folds([encode(take)[0] for take in takes], CandidateSettings())
    wrong = torch.tensor([names.index("red cube"), names.index("violet zone")]).expand(folds.fold_count + 1, 2)
    folds = replace(folds, support=replace(folds.support, forced_attention=wrong))
    found = candidates.search_attention(prior, folds)
    assert found.support.forced_attention is not None
    assert [names[i] for i in found.support.forced_attention[-1]] == ["red cube", "green cube"]
    before, after = (
        candidates.compute_losses(prior.model, candidates.infer_zero_step(prior, f), folds)[1] for f in (folds, found)
    )
    assert after < before * (1.0 - candidates.ATTENTION_MARGIN)
    # One take cannot tell, however much better another anchor explains it.
    assert candidates.search_attention(prior, replace(folds, fold_count=1)).support.forced_attention is wrong


class _Recorder:
    """A model whose loss is small where its parameters are, and that keeps the points it was shown."""

    unconditioned = False

    def __init__(self) -> None:
        self.seen: list[torch.Tensor] = []

    def precompute(self, fast: dict[str, torch.Tensor], points: Points) -> Points:
        return points

    def loss(self, fast: dict[str, torch.Tensor], points: Points) -> torch.Tensor:
        self.seen.append(points.object_features)
        return sum((tensor.square().sum() for tensor in fast.values()), torch.zeros(())).expand(1)


def test_only_the_winner_is_made_from_everything_and_it_is_what_training_with_the_folds_makes() -> None:
    prior, folds = load_shipped(), _folds("circle")
    start = candidates.infer_zero_step(prior, folds)
    *_, (step, whole) = candidates.train_with_adam(prior.model, [start], folds, QUICK)
    made = candidates.train_candidate(prior.model, start, folds, QUICK, step)
    for name in ADAPTED_TENSORS:
        assert made[name].shape[0] == 1
        np.testing.assert_allclose(made[name][0].detach(), whole[name][-1].detach(), atol=2e-3)
    begun = candidates.train_candidate(prior.model, start, folds, QUICK, 0)
    np.testing.assert_array_equal(begun["context"][0].detach(), start["context"][-1])


def test_adam_goes_through_all_batches_in_turn() -> None:
    folds = _folds("circle")
    zero, model = candidates.infer_zero_step(load_shipped(), folds), _Recorder()
    settings = replace(QUICK, max_adam_steps=candidates.ADAM_BATCHES + 1)
    for _ in candidates.train_with_adam(model, [zero], folds, settings):  # type: ignore[arg-type]
        pass
    assert all(anchors.shape[1] == QUICK.adam_batch_points for anchors in model.seen)
    first, again = model.seen[0], model.seen[candidates.ADAM_BATCHES]
    assert torch.equal(first, again)
    assert not any(torch.equal(first, other) for other in model.seen[1 : candidates.ADAM_BATCHES])


@pytest.mark.parametrize("blind", [False, True])
def test_candidates_trained_together_end_where_each_ends_alone(blind: bool) -> None:
    prior, folds = load_shipped(), _folds("circle")
    model = replace(prior.model, unconditioned=blind)
    if blind:
        starts = [
            candidates.start_baseline(prior.baseline, folds),
            candidates.start_from_scratch(prior.model, folds, 0),
        ]
    else:
        other = replace(
            prior, meta=maml.initialise(prior.model.initialise(7), prior.model.initial_inner_rates(), 5).detached_copy()
        )
        starts = [candidates.infer_zero_step(one, folds) for one in (prior, other)]
    *_, (_, both) = candidates.train_with_adam(model, starts, candidates.repeat_folds(folds, 2), QUICK)
    found = candidates.compute_candidate_losses(model, both, candidates.repeat_folds(folds, 2), 2)
    for index, start in enumerate(starts):
        *_, (_, alone) = candidates.train_with_adam(model, [start], folds, QUICK)
        rows = slice(index * (folds.fold_count + 1), (index + 1) * (folds.fold_count + 1))
        assert all(torch.equal(alone[name], start[name]) != blind for name in RETRIEVAL_TENSORS[:2])
        for name in ADAPTED_TENSORS:
            torch.testing.assert_close(both[name][rows], alone[name], rtol=1e-3, atol=1e-5)
        means = [np.mean(each) for each in found[index]]
        assert means == pytest.approx(candidates.compute_losses(prior.model, alone, folds), rel=1e-4)


def test_a_neighbours_policy_looks_at_what_this_task_shows() -> None:
    prior = load_shipped()
    zero = candidates.infer_zero_step(prior, _folds("circle"))
    *_, adapted = maml.adapt(prior.model, prior.meta, _folds("press red").support, 1)
    neighbour = as_numpy(adapted, -1)
    start = candidates.start_from_neighbour(neighbour, zero)
    assert all(torch.equal(start[name], zero[name]) for name in (*RETRIEVAL_TENSORS, *MEMORY_TENSORS))
    for name in ADAPTED_TENSORS:
        assert all(np.array_equal(task, neighbour[name]) for task in start[name].detach())
    assert not torch.equal(start["goal1"], zero["goal1"])


def test_every_candidate_keeps_the_policy_that_it_trained_itself() -> None:
    takes = generate_example_takes()["circle"]
    untrained = replace(QUICK, max_adam_steps=0, keep_all_candidates=True)
    adapted = run_to_end(adapt_task(load_shipped(), takes, untrained), lambda _: None)
    kept, prior, folds = adapted.skills[0].candidate_params, load_shipped(), _folds("circle")
    starts = {
        "fine-tune": candidates.start_baseline(prior.baseline, folds),
        "from scratch": candidates.start_from_scratch(prior.model, folds, QUICK.seed),
    }
    for name, start in starts.items():
        np.testing.assert_array_equal(kept[name]["policy.0.weight"], start["policy.0.weight"][-1].detach().numpy())
    np.testing.assert_array_equal(kept["adapted + Adam"]["context"], kept["adapted"]["context"])
    assert not np.array_equal(kept["adapted"]["context"], kept["zero-step"]["context"])


@pytest.mark.parametrize(("patience", "last"), [(15, 15), (100, 30)])
def test_training_that_gains_nothing_ends_early(patience: int, last: int) -> None:
    settings = replace(QUICK, max_adam_steps=30, adam_lr=0.0, inferred_lr=0.0, patience=patience)
    seen: dict[str, int] = {}
    run_to_end(
        adapt_task(load_shipped(), generate_example_takes()["circle"], settings),
        lambda step: seen.update({step.candidate: step.step}),
    )
    assert [seen[name] for name in ("adapted + Adam", "fine-tune", "from scratch")] == [last] * 3


def test_held_out_takes_are_not_in_memory_and_shown_ones_are() -> None:
    folds = _folds("circle")
    assert folds.support.take_ids is not None
    assert folds.query.take_ids is not None
    for fold in range(folds.fold_count):
        assert not set(folds.query.take_ids[fold].tolist()) & set(folds.support.take_ids[fold].tolist())
    assert set(folds.query.take_ids[-1].tolist()) == set(folds.support.take_ids[-1].tolist())


def test_what_another_anchor_does_not_explain_far_better_is_not_looked_at_again() -> None:
    folds = _folds("circle")
    assert candidates.search_attention(load_shipped(), folds) is folds


def test_attention_can_be_directed() -> None:
    folds = _folds("circle")
    support = replace(folds.support, forced_attention=torch.tensor([[2, 7]]).expand(folds.fold_count + 1, 2))
    fast = MODEL.start(load_shipped().meta.params, support)
    assert torch.softmax(fast["attention1"], -1)[:, 2].min() > 0.99
    assert torch.softmax(fast["attention2"], -1)[:, 7].min() > 0.99


def test_another_arm_is_refused() -> None:
    with pytest.raises(PriorMismatchError, match="choose a prior made for this arm"):
        next(adapt_task(_prior(joints=["a", "b"]), generate_example_takes()["press red"]))


@pytest.mark.parametrize("unit", [0.1, 1.0, 10.0])
def test_choosing_is_cautious_whatever_the_losses_are_in_themselves(unit: float) -> None:
    def chosen(takes: int = 3, **losses: Sequence[float]) -> str:
        names = {"zero": ZERO_STEP, "five": FIVE_STEP, "near": "nearest: another"}
        found = {names[n]: [unit * v for v in each] for n, each in losses.items()}
        return select_candidate(found, found, "", takes)[0]

    zero = (1.0, 1.2, 0.8)
    assert chosen(zero=zero, five=(0.95, 1.15, 0.75)) == ZERO_STEP, "not better by enough"
    assert chosen(zero=zero, five=(0.8, 1.0, 0.7)) == FIVE_STEP
    assert chosen(zero=zero, five=(0.5, 0.5, 0.9)) == ZERO_STEP, "better on average, worse in one take"
    assert chosen(zero=zero, five=(0.8, 1.0, 0.7), near=(0.4, 0.5, 0.3)) == "nearest: another"
    assert chosen(zero=zero, five=(0.8, 1.0, 0.7), near=(0.75, 0.95, 0.65)) == FIVE_STEP
    assert chosen(takes=1, zero=[1.0], five=[0.5]) == ZERO_STEP, "one take flatters"
    assert chosen(takes=1, zero=[1.0], near=[0.5]) == ZERO_STEP


@pytest.mark.parametrize("name", [FIVE_STEP_ADAM, FINE_TUNE, SCRATCH])
def test_who_only_imitates_better_never_wins(name: str) -> None:
    for takes in (1, 3):
        zero = {ZERO_STEP: [0.9] * takes}
        best, reason = select_candidate(zero | {name: [0.01] * takes}, zero, "", takes)
        assert best == ZERO_STEP
        assert name in reason


def test_warming_up_takes_no_data() -> None:
    adaptation.warm_up()


def test_the_reason_says_why_a_lower_loss_is_not_trusted() -> None:
    losses = {ZERO_STEP: [0.30, 0.30], FIVE_STEP: [0.29, 0.29]}
    assert "not better by enough" in select_candidate(losses, losses, "", 3)[1]
    assert "not yet doing better" in select_candidate(losses | {FIVE_STEP_ADAM: [0.1, 0.1]}, losses, "", 3)[1]
    one = {ZERO_STEP: [0.3], FIVE_STEP: [0.1]}
    assert "one take flatters" in select_candidate(one, one, "", 1)[1]
    assert (
        "one take flatters" in select_candidate({ZERO_STEP: [0.3], FIVE_STEP_ADAM: [0.1]}, {ZERO_STEP: [0.3]}, "", 1)[1]
    )


def test_being_slower_is_no_merit() -> None:
    folds, prior = _folds("above red"), load_shipped()
    fast = candidates.infer_zero_step(prior, folds)
    slow = replace(folds, query=replace(folds.query, actions=folds.query.actions * torch.tensor([0.25] * 3 + [1] * 2)))
    found = candidates.held_out_losses(prior.model, fast, slow)
    paceless = candidates.paceless_losses(prior.model, fast, slow)
    assert sum(paceless) < 0.5 * float(found.sum())


def test_takes_tell_a_circle_about_a_cube_from_one_about_the_zone_under_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cube lies a little differently on the zone each time; only about what is meant is it one circle.

    Where that clue says the same of all things, what is meant is looked at less.
    """
    told = [_preferred(seed, "green cube") - _preferred(seed, "violet zone") for seed in (1, 2)]
    middles = task_inference.summarise_centres

    def the_same(where: torch.Tensor, done: torch.Tensor) -> torch.Tensor:
        return middles(where, done).mean(1, keepdim=True).expand(-1, where.shape[2], -1)

    monkeypatch.setattr(task_inference, "summarise_centres", the_same)
    untold = [_preferred(seed, "green cube") - _preferred(seed, "violet zone") for seed in (1, 2)]
    assert np.mean(told) > np.mean(untold) + 1.0


def _preferred(seed: int, meant: str) -> float:
    """Return how much more the cube is looked at than the zone, a logit, from three takes of a circle about either."""
    circle = {"shape": "circle", "radius": 0.03, "direction": 1.0, "offset": (0.004, -0.003, 0.06)}
    clicks = (
        Instruction("grasp", "green cube", None, {"height": 0.07}),
        Instruction("place", "violet zone", None, {"offset": (0.01, 0.0, 0.0)}),
        Instruction("trace", meant, None, circle),
    )
    takes = generate_takes(TaskProgram("circle about one of them", clicks), GenerationSettings(3, seed))
    folds = candidates.make_folds([encode(take)[-1] for take in takes], CandidateSettings())
    attention = candidates.infer_zero_step(load_shipped(), folds)["attention1"][-1]
    cube, zone = (next(i for i, a in enumerate(takes[0].objects) if a.name == n) for n in ("green cube", "violet zone"))
    return float(attention[cube] - attention[zone])
