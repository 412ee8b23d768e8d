"""Tests of rehearsal: fresh scenes, the race, and adaptation that ends with it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.drawings import DRAWINGS, STEADY, VIOLET, draw_takes, run_drawing
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.programs.program import TaskProgram
from metagui.demonstrations.programs.scripted import demonstrate
from metagui.demonstrations.programs.task_distribution import draw_style
from metagui.generators import run_to_end
from metagui.learning.adaptation.candidates import CandidateSettings
from metagui.learning.adaptation.rehearsal_score import Rehearsal, RehearsalScore
from metagui.learning.adaptation.selection import Candidate
from metagui.learning.adaptation.task_policy import TaskPolicy
from metagui.learning.prior import load_shipped
from metagui.learning.rehearsal.judge import infer_goals
from metagui.learning.rehearsal.rehearsal import (
    RehearsalSettings,
    RehearsalStep,
    choose_scene_count,
    rehearse,
    run_rehearsed,
    select_rehearsed,
)
from metagui.learning.rehearsal.rehearsed_adaptation import PolicyReady, adapt_and_rehearse
from metagui.learning.rehearsal.scenes import MIN_SPACING_M, draw_scenes
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration

RED, GREEN = 0, 1
QUICK = RehearsalSettings(scenes=6, min_scenes=6)
NO_BASELINES = CandidateSettings(baselines=False)
EIGHT_TWICE = DRAWINGS[1]


def _score(successes: int, runs: int) -> RehearsalScore:
    return RehearsalScore(successes, runs, {"it fell": runs - successes} if runs > successes else {})


# Scenes


def test_scenes_are_fresh_and_spaced() -> None:
    takes = generate_example_takes()["put red on violet"]
    drawn = list(itertools.islice(draw_scenes(takes, infer_goals(takes), np.random.default_rng(1)), 20))
    positions = np.array([scene.layout.positions[:5, :2] for scene in drawn])
    assert len(np.unique(positions.round(4), axis=0)) == 20
    distances = np.linalg.norm(positions[:, :, None] - positions[:, None], axis=3) + np.eye(5)
    assert distances.min() >= MIN_SPACING_M
    assert np.allclose(drawn[0].layout.positions[5], takes[0].object_positions[0, 5])


def _demonstrate_after_grasp() -> Demonstration:
    place, setup = Instruction("place", "violet zone"), (Instruction("grasp", "red cube"),)
    style = draw_style(np.random.default_rng(1))
    takes = (demonstrate(TaskProgram("put", (place,)), seed, style, setup, "001") for seed in range(20))
    return next(take for take in takes if take is not None)


def test_scene_begins_with_what_the_take_holds() -> None:
    take = _demonstrate_after_grasp()
    assert take.held[0, RED]
    scene = next(draw_scenes([take], infer_goals([take]), np.random.default_rng(2)))
    arm = SimulatedArm()
    arm.connect()
    scene.apply(arm)
    state = arm.observe_scene()
    assert state.held[RED]
    assert np.linalg.norm(state.positions[RED] - take.object_positions[0, RED]) < 0.012
    assert np.linalg.norm(state.positions[GREEN] - take.object_positions[0, GREEN]) > 0.01


def test_objects_out_of_reach_and_stacked_ones_stay() -> None:
    take = generate_example_takes()["above red"][0]
    positions = take.object_positions.copy()
    positions[:, GREEN] = (0.0, 0.5, 0.0125)
    positions[:, 2] = positions[:, VIOLET] + (0.0, 0.0, 0.0375)
    take = replace(take, object_positions=positions)
    scene = next(draw_scenes([take], infer_goals([take]), np.random.default_rng(2)))
    for index in (GREEN, 2, VIOLET):
        assert np.allclose(scene.layout.positions[index], positions[0, index])
    assert not np.allclose(scene.layout.positions[RED], positions[0, RED])


# The race


def test_the_most_successes_win_and_the_simplest_of_equals() -> None:
    scores = {"zero-step": _score(18, 20), "adapted": _score(18, 20), "object replay": _score(17, 20)}
    assert select_rehearsed(scores) == "zero-step"
    assert select_rehearsed(scores | {"object replay": _score(19, 20)}) == "object replay"
    assert select_rehearsed(scores | {"object replay": _score(5, 5)}) == "zero-step", "it was not run in all scenes"
    assert select_rehearsed({"zero-step": _score(2, 2)}) is None
    assert select_rehearsed({}) is None


def test_explanation_is_one_plain_sentence_and_the_failure() -> None:
    scores = {"zero-step": _score(18, 20), "object replay": _score(15, 20)}
    text = Rehearsal("zero-step", scores).explain()
    assert text == (
        "It succeeded in 18 of 20 rehearsed scenes, object replay in 15 of 20. Most frequent failure: it fell."
    )
    equal = Rehearsal("zero-step", {"zero-step": _score(20, 20), "adapted": _score(20, 20)}).explain()
    assert equal.endswith("adapted in 20 of 20; of equals the simpler one is chosen.")
    assert Rehearsal.from_dict(Rehearsal("zero-step", scores).to_dict()) == Rehearsal("zero-step", scores)


def test_long_takes_are_rehearsed_in_fewer_scenes() -> None:
    takes = generate_example_takes()["put red on violet"]
    ticks = float(np.mean([len(take) for take in takes]))
    settings = RehearsalSettings(max_ticks=round(36 * ticks))
    assert choose_scene_count(takes, 3, settings) == 12
    assert choose_scene_count(takes, 1, settings) == 20
    assert choose_scene_count(takes, 9, settings) == settings.min_scenes


@pytest.fixture(scope="module")
def eights() -> list[Demonstration]:
    return draw_takes(EIGHT_TWICE, STEADY, 2, 3)


def test_replay_wins_where_a_place_is_visited_twice(eights: list[Demonstration], tmp_path: Path) -> None:
    steps: list[object] = []
    adapted = run_to_end(adapt_and_rehearse(load_shipped(), eights, NO_BASELINES, rehearsal=QUICK), steps.append)
    rehearsal = adapted.provenance.rehearsal
    assert rehearsal is not None
    assert rehearsal.chosen == Candidate.OBJECT_REPLAY
    assert rehearsal.score.successes >= 5
    assert rehearsal.scores[Candidate.ZERO_STEP].successes <= 2
    assert rehearsal.scores[Candidate.ZERO_STEP].runs < 6, "it was dropped"
    (ready,) = (step for step in steps if isinstance(step, PolicyReady))
    assert ready.policy.replay is None
    assert ready.policy.choices[0] != Candidate.OBJECT_REPLAY
    assert isinstance(steps[-1], RehearsalStep)
    adapted.save(tmp_path / "adapted.safetensors")
    loaded = TaskPolicy.load(tmp_path / "adapted.safetensors")
    assert loaded.provenance.rehearsal == rehearsal
    assert "rehearsed scenes" in loaded.reasons[0]
    assert sum(run_drawing(EIGHT_TWICE, loaded, scene) for scene in range(80, 84)) >= 3


def test_simple_candidate_is_kept_without_better_evidence() -> None:
    takes = generate_example_takes()["press red"]
    adapted = run_to_end(adapt_and_rehearse(load_shipped(), takes, NO_BASELINES, rehearsal=QUICK))
    rehearsal = adapted.provenance.rehearsal
    assert rehearsal is not None
    assert adapted.choices == (Candidate.ZERO_STEP,)
    assert adapted.replay is None
    assert all(not skill.candidates for skill in adapted.skills)


def test_rehearsal_can_be_repeated_and_stopped(eights: list[Demonstration]) -> None:
    steps: list[RehearsalStep] = []

    def rehearse_replay(stop_after: int) -> dict[str, RehearsalScore]:
        steps.clear()
        policy = run_to_end(adapt_and_rehearse(load_shipped(), eights, NO_BASELINES, lambda: True))
        candidates = {"zero-step": policy}
        return run_to_end(rehearse(eights, candidates, QUICK, lambda: len(steps) >= stop_after), steps.append)

    scores = rehearse_replay(100)
    assert scores == rehearse_replay(100)
    assert scores["zero-step"].runs == 6
    assert rehearse_replay(2)["zero-step"].runs == 2


def test_stopped_adaptation_is_not_rehearsed(eights: list[Demonstration]) -> None:
    adapted = run_to_end(adapt_and_rehearse(load_shipped(), eights, NO_BASELINES, should_stop=lambda: True))
    assert adapted.provenance.rehearsal is None


def test_run_that_does_not_end_fails_with_a_reason(eights: list[Demonstration]) -> None:
    policy = run_to_end(adapt_and_rehearse(load_shipped(), eights, NO_BASELINES, should_stop=lambda: True))
    skill = policy.skills[0]
    params = {name: array.copy() for name, array in skill.params.items()}
    params["policy.2.bias"][-1] = -100.0
    policy = replace(policy, skills=(replace(skill, params=params, decisions=1),))
    arm = SimulatedArm()
    arm.connect()
    scene = next(draw_scenes(eights, infer_goals(eights), np.random.default_rng(2)))
    assert run_rehearsed(policy, infer_goals(eights), scene, arm) == "it timed out in segment 1"
