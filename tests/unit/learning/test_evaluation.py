"""What an evaluation adds up, keeps on the disk, and compares with."""

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
from metagui.learning.evaluation import evaluation
from metagui.learning.evaluation.episode_log import EpisodeLog, EpisodeLogError
from metagui.learning.evaluation.episodes import run_policy_episode, run_scripted_episode
from metagui.learning.evaluation.evaluation import CHOSEN_CANDIDATE, SCRIPTED_DEMONSTRATOR, EvaluationSettings, evaluate
from metagui.learning.evaluation.nearest_neighbour import NEAREST_NEIGHBOUR, build_nearest_neighbour_policy
from metagui.learning.evaluation.success_rates import Episode, SuccessRate, summarise, wilson_interval
from metagui.learning.maml import maml
from metagui.learning.policy.features import encode
from tests.helpers.priors import UNTRAINED_MODEL as MODEL
from tests.helpers.priors import make_untrained_prior as _prior
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


HOVER = TaskProgram("hover", (Instruction("reach", "red cube", None, {"offset": (0.0, 0.0, 0.06)}),), family="reach")
PRESS = TaskProgram("press", (Instruction("press", "red cube"),), family="press")
FEW = EvaluationSettings(shots=(1,), scenes=2, candidates=(CHOSEN_CANDIDATE, "zero-step", NEAREST_NEIGHBOUR))


def _all(run: Generator[Episode, None, tuple[SuccessRate, ...]]) -> tuple[list[Episode], tuple[SuccessRate, ...]]:
    episodes = []
    while True:
        try:
            episodes.append(next(run))
        except StopIteration as finished:
            return episodes, finished.value


def test_the_nearest_neighbour_repeats_its_demonstration() -> None:
    takes = generate_example_takes()["put red on violet"]
    memory = build_nearest_neighbour_policy(takes)
    for click, arrays in zip(memory.skills, encode(takes[1]), strict=True):
        for row in (0, len(arrays) // 2, len(arrays) - 1):
            action, done = click.act(arrays.object_features[row], arrays.global_features[row])
            np.testing.assert_array_equal(action, arrays.actions[row])
            assert done == arrays.done[row]
            assert click.distance_to_reference(arrays.object_features[row], arrays.global_features[row]) == 0.0


def test_a_strict_run_ends_where_it_cannot_be_made_good() -> None:
    """Memories of going somewhere else are certain of having done, and are judged at once."""
    other = build_nearest_neighbour_policy(generate_example_takes()["above green"])
    success, outcome, achieved = run_policy_episode(HOVER, other, 3)
    assert (success, achieved) == (False, 0)
    assert outcome.startswith(("missed in click 1", "timed out in click 1"))
    assert run_scripted_episode(HOVER, 3) == (True, "done", 1)


def test_several_priors_are_measured_together_and_apart() -> None:
    first = _prior()
    second = replace(first, meta=maml.initialise(MODEL.initialise(1), MODEL.initial_inner_rates(), 5).detached_copy())
    episodes, success = _all(evaluate([first, second], [HOVER], FEW))
    assert first.id != second.id
    candidates = {(e.prior, e.candidate) for e in episodes if e.shots}
    assert candidates == {("", NEAREST_NEIGHBOUR)} | {(p.id, c) for p in (first, second) for c in FEW.candidates[:2]}
    count = {(s.prior, s.candidate): s.episodes for s in success if s.family == "reach"}
    assert count["", SCRIPTED_DEMONSTRATOR] == 2, "the script runs once, whatever the number of priors"
    assert count["", CHOSEN_CANDIDATE] == 2 * count[first.id, CHOSEN_CANDIDATE] == 4
    assert {s.family for s in success} == {"reach", "singles", "all"}


def test_a_killed_evaluation_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = {"seed": 0}
    path = tmp_path / "episodes.jsonl"
    whole, success = _all(evaluate([_prior()], [HOVER, PRESS], FEW))
    _all(evaluate([_prior()], [HOVER], FEW, log=EpisodeLog(path, measured)))
    with path.open("a") as file:
        file.write('{"program": "press", "epis')  # killed while writing
    ran = []

    def noted(program: TaskProgram, settings: GenerationSettings) -> list[Demonstration]:
        ran.append(program)
        return generate_takes(program, settings)

    monkeypatch.setattr(evaluation, "generate_takes", noted)
    again = _all(evaluate([_prior()], [HOVER, PRESS], FEW, log=EpisodeLog(path, measured)))
    assert ran == [PRESS]
    assert again == (whole, success)
    assert set(EpisodeLog(path, measured).episodes_by_program) == {"hover", "press"}
    with pytest.raises(EpisodeLogError, match="name another file"):
        EpisodeLog(path, {"seed": 1})
    (tmp_path / "letter").write_text("Dear reader")
    with pytest.raises(EpisodeLogError, match="no log of episodes"):
        EpisodeLog(tmp_path / "letter", measured)


def test_rows_and_intervals() -> None:
    families = ("reach", "sort", "press+push", "push+place+reach", "push new pair", "trace outside", "zigzag")
    assert tuple(get_evaluation_split(family) for family in families) == EVALUATION_SPLITS
    assert get_evaluation_split("my own") == "my own"
    episodes = [Episode("p", "my own", 1, CHOSEN_CANDIDATE, i, i < 3, "", 0) for i in range(4)]
    found = {s.family: s for s in summarise(episodes)}
    assert set(found) == {"my own", "all"}
    assert found["all"].rate == 0.75
    assert wilson_interval(100, 100) == pytest.approx((0.963, 1.0), abs=1e-3)
    assert wilson_interval(50, 100) == pytest.approx((0.404, 0.596), abs=1e-3)


def test_the_similarity_benchmark_counts_right() -> None:
    same = np.array([True, True, False, False])
    assert similarity.compute_auroc(np.array([0.1, 0.2, 0.3, 0.4]), same) == 1.0
    assert similarity.compute_auroc(np.array([0.1, 0.4, 0.2, 0.3]), same) == 0.5
    programs = similarity.draw_tasks(30, seed=4)
    assert (
        len({repr(program.instructions) for program in programs}) == len({program.name for program in programs}) == 30
    )
