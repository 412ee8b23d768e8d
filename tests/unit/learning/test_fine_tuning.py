"""Training on a person's library: takes are held out, the better prior is kept and the worse one not, runs resume."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from metagui.cli.output import follow
from metagui.demonstrations.programs.program import load_programs
from metagui.demonstrations.programs.scripted import GenerateSettings, takes_of
from metagui.learning import prior as priors
from metagui.learning.maml.maml import MetaSettings
from metagui.learning.policy.dataset import DatasetError
from metagui.learning.prior import shipped
from metagui.learning.similarity.siamese import Encoder
from metagui.learning.training.fine_tuning import LibraryResult, LibrarySettings, LibraryStep, train_on_library
from metagui.learning.training.fine_tuning_data import lesson_from
from metagui.paths import resources_dir
from tests.helpers.takes import shown
from tests.unit.learning.test_adaptation import _prior

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from metagui.learning.prior import Prior
    from metagui.learning.training.fine_tuning_data import Lesson


@pytest.fixture(scope="module")
def lesson() -> Lesson:
    return lesson_from(shown().values(), _prior())


def _settings(steps: int = 40, lr: float = 2e-3) -> LibrarySettings:
    return LibrarySettings(
        encoder=MetaSettings(steps=steps, inner_steps=0, lr=lr, report_every=10),
        inner=MetaSettings(steps=10, inner_steps=2, lr=lr / 4, report_every=5),
        judge_every=10,
    )


def _train(
    lesson: Lesson,
    settings: LibrarySettings,
    folder: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
    start: Prior | None = None,
) -> tuple[list[LibraryStep], LibraryResult]:
    start = start or _prior()
    training = train_on_library(start, start, lesson, lesson, settings, folder, stop)
    steps = []
    while True:
        try:
            steps.append(next(training))
        except StopIteration as finished:
            return steps, finished.value


def test_the_last_of_three_takes_is_held_out_and_never_learnt_from(lesson: Lesson) -> None:
    assert (lesson.tasks, lesson.judged) == (6, 6)
    (data,) = lesson.training
    assert set(np.bincount(data.tasks)) == {2}
    (trials,) = lesson.trials
    assert len(trials[0].done) == len(data.names) == 7
    two = lesson_from([takes[:2] for takes in shown().values()], _prior())
    assert (two.tasks, two.judged, two.trials) == (6, 0, ())


def test_takes_without_clicks_are_cut_and_what_cannot_be_used_is_named() -> None:
    bare = [replace(take, segments=()) for take in shown()["put red on violet"]]
    lesson = lesson_from([bare, shown()["press red"][:1]], _prior())
    assert [name.rsplit(" / ")[-1] for name in lesson.training[0].names] == ["1", "2"]
    assert "'press red' was left out" in lesson.notes[0]
    with pytest.raises(DatasetError, match="no task has two takes"):
        lesson_from([shown()["press red"][:1]], _prior())


def test_training_goes_on_without_what_finished_policies_add(lesson: Lesson) -> None:
    plain = _prior()
    told = replace(plain, model=replace(plain.model, reached=3.0))
    (steps, _), (again, result) = (_train(lesson, _settings(steps=10), start=start) for start in (plain, told))
    assert [step.loss for step in steps] == [step.loss for step in again]
    assert result.prior.model.reached == 3.0


def test_a_better_prior_is_kept_with_its_numbers(lesson: Lesson) -> None:
    steps, result = _train(lesson, _settings())
    assert list(dict.fromkeys(step.phase for step in steps)) == ["encoder", "inner steps"]
    assert result.better
    assert result.finished
    assert result.after.own < 0.98 * result.before.own
    assert result.after.shipped <= 1.03 * result.before.shipped
    judged = [step.judgement.own for step in steps if step.judgement]
    assert result.after.own == pytest.approx(min(judged))
    assert result.prior.metadata["library"]["started_from"] == _prior().id != result.prior.id


def test_what_is_no_gain_is_not_used(lesson: Lesson) -> None:
    _, result = _train(lesson, _settings(4, lr=0.0))
    assert not result.better
    assert "stays as it was" in result.reason


def test_forgetting_is_no_gain_either(lesson: Lesson) -> None:
    _, result = _train(lesson, replace(_settings(), forgotten=-0.99))
    assert not result.better
    assert result.prior.id == _prior().id


def test_a_prior_that_forgets_goes_back_until_it_does_not(lesson: Lesson) -> None:
    programs = load_programs(resources_dir() / "programs" / "validation.json")[:3]
    others = lesson_from([takes_of(program, GenerateSettings(takes=3, seed=1)) for program in programs], shipped())
    settings = replace(_settings(20), own=1.0, shares=(1.0,))
    results = []
    for shares in ((1.0,), (1.0, 0.75, 0.5, 0.25, 0.1)):
        training = train_on_library(shipped(), shipped(), lesson, others, replace(settings, shares=shares))
        results.append(follow(training, lambda _: None))
    whole, partly = results
    assert not whole.better
    assert partly.better
    assert partly.after.shipped <= 1.03 * partly.before.shipped


def test_a_stopped_run_goes_on_to_the_same_end(lesson: Lesson, tmp_path: Path) -> None:
    _, whole = _train(lesson, _settings(20))
    calls = iter([False] * 1 + [True] * 9)
    _, stopped = _train(lesson, _settings(20), tmp_path, lambda: next(calls))
    assert not stopped.finished
    steps, resumed = _train(lesson, _settings(20), tmp_path)
    assert resumed.finished
    assert (resumed.prior.id, resumed.after) == (whole.prior.id, whole.after)
    assert [step.phase for step in steps] == ["inner steps"] * 2


def test_too_small_a_library_is_said() -> None:
    few = lesson_from([shown()["press red"], shown()["circle"]], _prior())
    with pytest.raises(DatasetError, match="2 tasks to learn from"):
        next(train_on_library(_prior(), _prior(), few, few))


def test_a_library_has_a_prior_and_an_encoder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    anchors = len(shown()["circle"][0].anchors)
    shipped = replace(_prior(calibration={"slope": 1.0}), encoder=Encoder().initial(anchors, 0))
    shipped.save(tmp_path / "shipped")
    monkeypatch.setattr(priors, "shipped_path", lambda: tmp_path / "shipped")
    library = tmp_path / "library"
    assert priors.of_library(library).id == shipped.id
    moved = {name: tensor + 1.0 for name, tensor in shipped.meta.params.items()}
    own: Prior = replace(shipped, meta=replace(shipped.meta, params=moved))
    own.save(priors.own_path(library))
    trained = Encoder().initial(anchors, 1)
    priors.save_encoder(library, trained)
    found = priors.of_library(library)
    assert found.id == own.id != shipped.id
    assert torch.equal(found.encoder.params["head.0.weight"], trained.params["head.0.weight"])
    assert found.metadata["calibration"] is None
    assert "problem" not in found.metadata
    priors.own_path(library).write_bytes(b"no prior")
    fallen = priors.of_library(library)
    assert fallen.id == shipped.id
    assert "is not a prior" in fallen.metadata["problem"]
    assert "What is shipped is used" in fallen.metadata["problem"]
