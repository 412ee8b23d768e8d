"""Tests of the candidates: folds, attention search, training with Adam."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.programs.program import TaskProgram
from metagui.demonstrations.programs.scripted import GenerationSettings, generate_takes
from metagui.learning.adaptation import candidates
from metagui.learning.adaptation.candidates import CandidateSettings
from metagui.learning.adaptation.folds import (
    Folds,
    compute_candidate_losses,
    compute_held_out_losses,
    compute_losses,
    compute_pace_adjusted_losses,
    repeat_folds,
)
from metagui.learning.maml import maml
from metagui.learning.policy.features import encode
from metagui.learning.policy.policy import ADAPTED_TENSORS, as_numpy
from metagui.learning.policy.retrieval import MEMORY_TENSORS, RETRIEVAL_TENSORS
from metagui.learning.prior import load_shipped
from tests.helpers.priors import QUICK_SETTINGS, UNTRAINED_MODEL
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from metagui.learning.policy.points import Points

    pass


def _folds(task: str) -> Folds:
    return candidates.make_folds([encode(take)[0] for take in generate_example_takes()[task]], QUICK_SETTINGS)


class _Recorder:
    """A model whose loss is the squared norm of its parameters, and that stores the points of every call."""

    unconditioned = False

    def __init__(self) -> None:
        self.seen: list[torch.Tensor] = []

    def precompute(self, fast: dict[str, torch.Tensor], points: Points) -> Points:
        return points

    def loss(self, fast: dict[str, torch.Tensor], points: Points) -> torch.Tensor:
        self.seen.append(points.object_features)
        return sum((tensor.square().sum() for tensor in fast.values()), torch.zeros(())).expand(1)


def test_search_attention_finds_clearly_better_objects() -> None:
    """Other objects are attended to if they explain the takes clearly better; one take is not enough evidence."""
    program = TaskProgram(
        "push next to", (Instruction("push", "red cube", "green cube", {"offset": (-0.0022, -0.054, 0.0)}),)
    )
    takes = generate_takes(program, GenerationSettings(takes=3, seed=0, workers=1))
    names = [obj.name for obj in takes[0].objects]
    prior, folds = load_shipped(), candidates.make_folds([encode(take)[0] for take in takes], CandidateSettings())
    wrong = torch.tensor([names.index("red cube"), names.index("violet zone")]).expand(folds.fold_count + 1, 2)
    folds = replace(folds, support=replace(folds.support, forced_attention=wrong))
    found = candidates.search_attention(prior, folds)
    assert found.support.forced_attention is not None
    assert [names[i] for i in found.support.forced_attention[-1]] == ["red cube", "green cube"]
    before, after = (
        compute_losses(prior.model, candidates.infer_zero_step(prior, f), folds)[1] for f in (folds, found)
    )
    assert after < before * (1.0 - candidates.ATTENTION_MARGIN)
    # With one take nothing is tried, however much better another object explains it.
    assert candidates.search_attention(prior, replace(folds, fold_count=1)).support.forced_attention is wrong


def test_train_candidate_equals_training_with_the_folds() -> None:
    """Only the chosen candidate is trained on all takes, with the result of training it as one more fold."""
    prior, folds = load_shipped(), _folds("circle")
    start = candidates.infer_zero_step(prior, folds)
    *_, (step, whole) = candidates.train_with_adam(prior.model, [start], folds, QUICK_SETTINGS)
    made = candidates.train_candidate(prior.model, start, folds, QUICK_SETTINGS, step)
    for name in ADAPTED_TENSORS:
        assert made[name].shape[0] == 1
        np.testing.assert_allclose(made[name][0].detach(), whole[name][-1].detach(), atol=2e-3)
    begun = candidates.train_candidate(prior.model, start, folds, QUICK_SETTINGS, 0)
    np.testing.assert_array_equal(begun["context"][0].detach(), start["context"][-1])


def test_train_with_adam_cycles_through_all_batches() -> None:
    folds = _folds("circle")
    zero, model = candidates.infer_zero_step(load_shipped(), folds), _Recorder()
    settings = replace(QUICK_SETTINGS, max_adam_steps=candidates.ADAM_BATCHES + 1)
    for _ in candidates.train_with_adam(model, [zero], folds, settings):  # type: ignore[arg-type]
        pass
    assert all(object_features.shape[1] == QUICK_SETTINGS.adam_batch_points for object_features in model.seen)
    first, again = model.seen[0], model.seen[candidates.ADAM_BATCHES]
    assert torch.equal(first, again)
    assert not any(torch.equal(first, other) for other in model.seen[1 : candidates.ADAM_BATCHES])


@pytest.mark.parametrize("unconditioned", [False, True])
def test_train_with_adam_together_equals_each_alone(unconditioned: bool) -> None:
    prior, folds = load_shipped(), _folds("circle")
    model = replace(prior.model, unconditioned=unconditioned)
    if unconditioned:
        starts = [
            candidates.start_baseline(prior.baseline, folds),
            candidates.start_from_scratch(prior.model, folds, 0),
        ]
    else:
        other = replace(
            prior, meta=maml.initialise(prior.model.initialise(7), prior.model.initial_inner_rates(), 5).detached_copy()
        )
        starts = [candidates.infer_zero_step(one, folds) for one in (prior, other)]
    *_, (_, both) = candidates.train_with_adam(model, starts, repeat_folds(folds, 2), QUICK_SETTINGS)
    found = compute_candidate_losses(model, both, repeat_folds(folds, 2), 2)
    for index, start in enumerate(starts):
        *_, (_, alone) = candidates.train_with_adam(model, [start], folds, QUICK_SETTINGS)
        rows = slice(index * (folds.fold_count + 1), (index + 1) * (folds.fold_count + 1))
        assert all(torch.equal(alone[name], start[name]) != unconditioned for name in RETRIEVAL_TENSORS[:2])
        for name in ADAPTED_TENSORS:
            torch.testing.assert_close(both[name][rows], alone[name], rtol=1e-3, atol=1e-5)
        means = [np.mean(each) for each in found[index]]
        assert means == pytest.approx(compute_losses(prior.model, alone, folds), rel=1e-4)


def test_start_from_neighbour_uses_memory_of_this_task() -> None:
    prior = load_shipped()
    zero = candidates.infer_zero_step(prior, _folds("circle"))
    *_, adapted = maml.adapt(prior.model, prior.meta, _folds("press red").support, 1)
    neighbour = as_numpy(adapted, -1)
    start = candidates.start_from_neighbour(neighbour, zero)
    assert all(torch.equal(start[name], zero[name]) for name in (*RETRIEVAL_TENSORS, *MEMORY_TENSORS))
    for name in ADAPTED_TENSORS:
        assert all(np.array_equal(task, neighbour[name]) for task in start[name].detach())
    assert not torch.equal(start["goal1"], zero["goal1"])


def test_make_folds_excludes_held_out_takes_from_memory() -> None:
    folds = _folds("circle")
    assert folds.support.take_ids is not None
    assert folds.query.take_ids is not None
    for fold in range(folds.fold_count):
        assert not set(folds.query.take_ids[fold].tolist()) & set(folds.support.take_ids[fold].tolist())
    assert set(folds.query.take_ids[-1].tolist()) == set(folds.support.take_ids[-1].tolist())


def test_search_attention_without_large_gain_changes_nothing() -> None:
    folds = _folds("circle")
    assert candidates.search_attention(load_shipped(), folds) is folds


def test_start_with_forced_attention_selects_the_objects() -> None:
    folds = _folds("circle")
    support = replace(folds.support, forced_attention=torch.tensor([[2, 7]]).expand(folds.fold_count + 1, 2))
    fast = UNTRAINED_MODEL.start(load_shipped().meta.params, support)
    assert torch.softmax(fast["attention1"], -1)[:, 2].min() > 0.99
    assert torch.softmax(fast["attention2"], -1)[:, 7].min() > 0.99


def test_pace_adjusted_losses_ignore_slower_motion() -> None:
    folds, prior = _folds("above red"), load_shipped()
    fast = candidates.infer_zero_step(prior, folds)
    slow = replace(folds, query=replace(folds.query, actions=folds.query.actions * torch.tensor([0.25] * 3 + [1] * 2)))
    found = compute_held_out_losses(prior.model, fast, slow)
    paceless = compute_pace_adjusted_losses(prior.model, fast, slow)
    assert sum(paceless) < 0.5 * float(found.sum())
