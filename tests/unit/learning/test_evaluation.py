"""Tests of evaluation: episodes, their log, success rates, and the nearest-neighbour baseline."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks import similarity
from metagui.demonstrations.demonstration import Demonstration, Instruction
from metagui.demonstrations.programs.program import TaskProgram
from metagui.demonstrations.programs.scripted import GenerationSettings, generate_takes
from metagui.demonstrations.programs.splits import EVALUATION_SPLITS, get_evaluation_split
from metagui.generators import run_to_end
from metagui.learning.adaptation.selection import Candidate
from metagui.learning.evaluation import evaluation
from metagui.learning.evaluation.episode_log import EpisodeLog, EpisodeLogError
from metagui.learning.evaluation.episodes import run_policy_episode, run_scripted_episode
from metagui.learning.evaluation.evaluation import SCRIPTED_DEMONSTRATOR, EvaluationSettings, evaluate
from metagui.learning.evaluation.nearest_neighbour import build_nearest_neighbour_policy
from metagui.learning.evaluation.success_rates import Episode, SuccessRate, summarise, wilson_interval
from metagui.learning.maml import maml
from metagui.learning.policy.features import encode
from tests.helpers.priors import UNTRAINED_MODEL, make_untrained_prior
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


HOVER = TaskProgram("hover", (Instruction("reach", "red cube", None, {"offset": (0.0, 0.0, 0.06)}),), family="reach")
PRESS = TaskProgram("press", (Instruction("press", "red cube"),), family="press")
FEW = EvaluationSettings(
    shots=(1,), scenes=2, candidates=(Candidate.CHOSEN, Candidate.ZERO_STEP, Candidate.NEAREST_NEIGHBOUR)
)


def _run_all(run: Generator[Episode, None, tuple[SuccessRate, ...]]) -> tuple[list[Episode], tuple[SuccessRate, ...]]:
    episodes: list[Episode] = []
    return episodes, run_to_end(run, episodes.append)


def test_nearest_neighbour_repeats_its_demonstration() -> None:
    takes = generate_example_takes()["put red on violet"]
    memory = build_nearest_neighbour_policy(takes)
    for skill, arrays in zip(memory.skills, encode(takes[1]), strict=True):
        for row in (0, len(arrays) // 2, len(arrays) - 1):
            action, done = skill.act(arrays.object_features[row], arrays.global_features[row])
            np.testing.assert_array_equal(action, arrays.actions[row])
            assert done == arrays.done[row]
            assert skill.distance_to_reference(arrays.object_features[row], arrays.global_features[row]) == 0.0


def test_policy_episode_ends_at_the_first_missed_segment() -> None:
    """A policy of another task is sure that it is done, and its run ends as failed."""
    other = build_nearest_neighbour_policy(generate_example_takes()["above green"])
    success, outcome, achieved = run_policy_episode(HOVER, other, 3)
    assert (success, achieved) == (False, 0)
    assert outcome.startswith(("missed in segment 1", "timed out in segment 1"))
    assert run_scripted_episode(HOVER, 3) == (True, "done", 1)


def test_evaluate_several_priors_pools_and_separates_them() -> None:
    first = make_untrained_prior()
    second = replace(
        first,
        meta=maml.initialise(UNTRAINED_MODEL.initialise(1), UNTRAINED_MODEL.initial_inner_rates(), 5).detached_copy(),
    )
    episodes, success = _run_all(evaluate([first, second], [HOVER], FEW))
    assert first.id != second.id
    candidates = {(e.prior, e.candidate) for e in episodes if e.shots}
    assert candidates == {("", Candidate.NEAREST_NEIGHBOUR)} | {
        (p.id, c) for p in (first, second) for c in FEW.candidates[:2]
    }
    count = {(s.prior, s.candidate): s.episodes for s in success if s.family == "reach"}
    assert count["", SCRIPTED_DEMONSTRATOR] == 2, "the script runs once, whatever the number of priors"
    assert count["", Candidate.CHOSEN] == 2 * count[first.id, Candidate.CHOSEN] == 4
    assert {s.family for s in success} == {"reach", "singles", "all"}


def test_evaluate_with_log_continues_a_killed_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = {"seed": 0}
    path = tmp_path / "episodes.jsonl"
    whole, success = _run_all(evaluate([make_untrained_prior()], [HOVER, PRESS], FEW))
    _run_all(evaluate([make_untrained_prior()], [HOVER], FEW, log=EpisodeLog(path, measured)))
    with path.open("a") as file:
        file.write('{"program": "press", "epis')  # killed while writing
    ran = []

    def noted(program: TaskProgram, settings: GenerationSettings) -> list[Demonstration]:
        ran.append(program)
        return generate_takes(program, settings)

    monkeypatch.setattr(evaluation, "generate_takes", noted)
    again = _run_all(evaluate([make_untrained_prior()], [HOVER, PRESS], FEW, log=EpisodeLog(path, measured)))
    assert ran == [PRESS]
    assert again == (whole, success)
    assert set(EpisodeLog(path, measured).episodes_by_program) == {"hover", "press"}
    with pytest.raises(EpisodeLogError, match="choose another file"):
        EpisodeLog(path, {"seed": 1})
    (tmp_path / "letter").write_text("Dear reader")
    with pytest.raises(EpisodeLogError, match="not an episode log"):
        EpisodeLog(tmp_path / "letter", measured)


def test_summarise_counts_splits_and_wilson_intervals() -> None:
    families = ("reach", "sort", "press+push", "push+place+reach", "push new pair", "trace outside", "zigzag")
    assert tuple(get_evaluation_split(family) for family in families) == EVALUATION_SPLITS
    assert get_evaluation_split("my own") == "my own"
    episodes = [Episode("p", "my own", 1, Candidate.CHOSEN, i, i < 3, "", 0) for i in range(4)]
    found = {s.family: s for s in summarise(episodes)}
    assert set(found) == {"my own", "all"}
    assert found["all"].rate == 0.75
    assert wilson_interval(100, 100) == pytest.approx((0.963, 1.0), abs=1e-3)
    assert wilson_interval(50, 100) == pytest.approx((0.404, 0.596), abs=1e-3)


def test_similarity_benchmark_computes_auroc() -> None:
    same = np.array([True, True, False, False])
    assert similarity.compute_auroc(np.array([0.1, 0.2, 0.3, 0.4]), same) == 1.0
    assert similarity.compute_auroc(np.array([0.1, 0.4, 0.2, 0.3]), same) == 0.5
    programs = similarity.draw_tasks(30, seed=4)
    assert (
        len({repr(program.instructions) for program in programs}) == len({program.name for program in programs}) == 30
    )
