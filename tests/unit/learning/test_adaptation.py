"""Tests of adapting to a task: progress, stored candidates, errors."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from metagui.demonstrations.demonstration import Instruction, Segment
from metagui.demonstrations.programs.program import TaskProgram
from metagui.demonstrations.programs.scripted import GenerationSettings, generate_takes
from metagui.generators import run_to_end
from metagui.learning.adaptation import adaptation, candidates
from metagui.learning.adaptation.adaptation import AdaptationError, adapt_task
from metagui.learning.adaptation.candidates import CandidateSettings
from metagui.learning.policy import task_inference
from metagui.learning.policy.features import FeatureError, encode
from metagui.learning.prior import PriorMismatchError, load_shipped
from tests.helpers.priors import QUICK_SETTINGS, adapt_untrained_prior, make_untrained_prior
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    import torch

    from metagui.learning.adaptation.folds import Folds

    pass


def _folds(task: str) -> Folds:
    return candidates.make_folds([encode(take)[0] for take in generate_example_takes()[task]], QUICK_SETTINGS)


def _preferred(seed: int, meant: str) -> float:
    """Return how much more the cube is looked at than the zone, a logit, from three takes of a circle about either."""
    circle = {"shape": "circle", "radius": 0.03, "direction": 1.0, "offset": (0.004, -0.003, 0.06)}
    instructions = (
        Instruction("grasp", "green cube", None, {"height": 0.07}),
        Instruction("place", "violet zone", None, {"offset": (0.01, 0.0, 0.0)}),
        Instruction("trace", meant, None, circle),
    )
    takes = generate_takes(TaskProgram("circle about one of them", instructions), GenerationSettings(3, seed))
    folds = candidates.make_folds([encode(take)[-1] for take in takes], CandidateSettings())
    attention = candidates.infer_zero_step(load_shipped(), folds)["attention1"][-1]
    cube, zone = (next(i for i, a in enumerate(takes[0].objects) if a.name == n) for n in ("green cube", "violet zone"))
    return float(attention[cube] - attention[zone])


def test_adapt_task_yields_every_candidate_of_every_segment() -> None:
    steps, adapted = adapt_untrained_prior(generate_example_takes()["put red on violet"])
    found = {(step.segment_index, step.candidate) for step in steps}
    names = ("zero-step", "adapted", "adapted + Adam", "fine-tune", "from scratch")
    assert found == {(click, name) for click in (0, 1) for name in names}
    assert all(np.isfinite([step.support_loss, step.query_loss, step.zero_step_loss]).all() for step in steps)
    five = [step for step in steps if step.candidate == "adapted" and step.segment_index == 0]
    assert [step.step for step in five] == [0, 1, 2, 3, 4, 5]
    assert five[0].query_loss <= five[0].zero_step_loss * 1.001
    assert len(adapted.skills) == 2
    assert "each of 3 takes left out in turn" in adapted.skills[0].reason


def test_adapt_task_from_one_take_explains_its_validation() -> None:
    _, adapted = adapt_untrained_prior(generate_example_takes()["lift blue"][:1])
    assert "only take" in adapted.skills[0].reason
    assert adapted.skills[0].choice in ("zero-step", "adapted")


def test_adapt_task_with_neighbour_adds_a_candidate() -> None:
    _, green = adapt_untrained_prior(generate_example_takes()["above green"])
    steps, adapted = adapt_untrained_prior(generate_example_takes()["above red"], neighbours={"above green": green})
    assert "nearest: above green" in {step.candidate for step in steps}
    assert "nearest: above green" in adapted.skills[0].held_out


def test_adapt_task_stopped_returns_the_quick_candidates() -> None:
    steps, adapted = adapt_untrained_prior(generate_example_takes()["put red on violet"], should_stop=lambda: True)
    assert {step.candidate for step in steps} == {"zero-step", "adapted"}
    assert len(adapted.skills) == 2


def test_adapt_task_with_unequal_segments_names_the_takes() -> None:
    takes = [*generate_example_takes()["press red"], generate_example_takes()["put red on violet"][0]]
    with pytest.raises(AdaptationError, match="'001' has 2"):
        adapt_untrained_prior(takes)


def test_adapt_task_without_takes_raises() -> None:
    with pytest.raises(AdaptationError, match="choose one take"):
        adapt_untrained_prior([])


def test_adapt_task_with_infinite_numbers_raises() -> None:
    take = generate_example_takes()["press red"][0]
    commands = np.full_like(take.command_requested, np.inf)
    with pytest.raises(FeatureError, match="command_requested"):
        adapt_untrained_prior([replace(take, command_requested=commands)])


def test_adapt_task_skips_a_segment_that_is_too_short() -> None:
    takes = [
        replace(take, segments=(Segment(0, 1, take.segments[0].instruction), Segment(2, take.segments[0].stop)))
        for take in generate_example_takes()["press red"]
    ]
    assert len(encode(takes[0])[0]) == 1
    _, adapted = adapt_untrained_prior(takes)
    assert len(adapted.skills) == 1
    assert "left out" in adapted.provenance.notes[0]


def test_adapt_task_stores_every_candidates_own_policy() -> None:
    takes = generate_example_takes()["circle"]
    untrained = replace(QUICK_SETTINGS, max_adam_steps=0, keep_all_candidates=True)
    adapted = run_to_end(adapt_task(load_shipped(), takes, untrained))
    stored = {name: make().params for name, make in adapted.skills[0].candidates.items()}
    prior, folds = load_shipped(), _folds("circle")
    starts = {
        "fine-tune": candidates.start_baseline(prior.baseline, folds),
        "from scratch": candidates.start_from_scratch(prior.model, folds, QUICK_SETTINGS.seed),
    }
    for name, start in starts.items():
        np.testing.assert_array_equal(stored[name]["policy.0.weight"], start["policy.0.weight"][-1].detach().numpy())
    np.testing.assert_array_equal(stored["adapted + Adam"]["context"], stored["adapted"]["context"])
    assert not np.array_equal(stored["adapted"]["context"], stored["zero-step"]["context"])


@pytest.mark.parametrize(("patience", "last"), [(15, 15), (100, 30)])
def test_adapt_task_ends_training_without_gain_early(patience: int, last: int) -> None:
    settings = replace(QUICK_SETTINGS, max_adam_steps=30, adam_lr=0.0, inferred_lr=0.0, patience=patience)
    found: dict[str, int] = {}
    run_to_end(
        adapt_task(load_shipped(), generate_example_takes()["circle"], settings),
        lambda step: found.update({step.candidate: step.step}),
    )
    assert [found[name] for name in ("adapted + Adam", "fine-tune", "from scratch")] == [last] * 3


def test_adapt_task_with_prior_of_other_arm_raises() -> None:
    with pytest.raises(PriorMismatchError, match="choose a prior made for this arm"):
        next(adapt_task(make_untrained_prior(joints=["a", "b"]), generate_example_takes()["press red"]))


def test_warm_up_runs_without_data() -> None:
    adaptation.warm_up()


def test_start_distinguishes_circles_about_cube_and_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes distinguish a circle about a cube from a circle about the zone under it."""
    with_centres = [_preferred(seed, "green cube") - _preferred(seed, "violet zone") for seed in (1, 2)]
    middles = task_inference.summarise_centres

    def the_same(where: torch.Tensor, done: torch.Tensor) -> torch.Tensor:
        return middles(where, done).mean(1, keepdim=True).expand(-1, where.shape[2], -1)

    monkeypatch.setattr(task_inference, "summarise_centres", the_same)
    without_centres = [_preferred(seed, "green cube") - _preferred(seed, "violet zone") for seed in (1, 2)]
    assert np.mean(with_centres) > np.mean(without_centres) + 1.0
