"""Training on a person's library: takes are held out, the better prior is kept and the worse one not, runs resume."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from metagui.cli.output import run_to_end
from metagui.demonstrations.programs.program import load_programs
from metagui.demonstrations.programs.scripted import GenerationSettings, generate_takes
from metagui.learning import prior as priors
from metagui.learning.maml.maml import MetaSettings
from metagui.learning.policy.dataset import DatasetError
from metagui.learning.prior import load_shipped
from metagui.learning.similarity.siamese import SiameseEncoder
from metagui.learning.training.fine_tuning import FineTuningResult, FineTuningSettings, FineTuningStep, fine_tune
from metagui.learning.training.fine_tuning_data import build_fine_tuning_data
from metagui.paths import resources_dir
from tests.helpers.priors import make_untrained_prior as _prior
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from metagui.learning.prior import Prior
    from metagui.learning.training.fine_tuning_data import FineTuningData


@pytest.fixture(scope="module")
def lesson() -> FineTuningData:
    return build_fine_tuning_data(generate_example_takes().values(), _prior())


def _settings(steps: int = 40, lr: float = 2e-3) -> FineTuningSettings:
    return FineTuningSettings(
        encoder=MetaSettings(steps=steps, inner_steps=0, lr=lr, report_every=10),
        inner=MetaSettings(steps=10, inner_steps=2, lr=lr / 4, report_every=5),
        validate_every=10,
    )


def _train(
    lesson: FineTuningData,
    settings: FineTuningSettings,
    folder: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
    start: Prior | None = None,
) -> tuple[list[FineTuningStep], FineTuningResult]:
    start = start or _prior()
    training = fine_tune(start, start, lesson, lesson, settings, folder, stop)
    steps = []
    while True:
        try:
            steps.append(next(training))
        except StopIteration as finished:
            return steps, finished.value


def test_the_last_of_three_takes_is_held_out_and_never_learnt_from(lesson: FineTuningData) -> None:
    assert (lesson.task_count, lesson.held_out_task_count) == (6, 6)
    (data,) = lesson.training
    assert set(np.bincount(data.task_indices)) == {2}
    (trials,) = lesson.validation_batches
    assert len(trials[0].done) == len(data.task_names) == 7
    two = build_fine_tuning_data([takes[:2] for takes in generate_example_takes().values()], _prior())
    assert (two.task_count, two.held_out_task_count, two.validation_batches) == (6, 0, ())


def test_takes_without_clicks_are_cut_and_what_cannot_be_used_is_named() -> None:
    bare = [replace(take, segments=()) for take in generate_example_takes()["put red on violet"]]
    lesson = build_fine_tuning_data([bare, generate_example_takes()["press red"][:1]], _prior())
    assert [name.rsplit(" / ")[-1] for name in lesson.training[0].task_names] == ["1", "2"]
    assert "'press red' was left out" in lesson.notes[0]
    with pytest.raises(DatasetError, match="no task has two takes"):
        build_fine_tuning_data([generate_example_takes()["press red"][:1]], _prior())


def test_training_goes_on_without_what_finished_policies_add(lesson: FineTuningData) -> None:
    plain = _prior()
    told = replace(plain, model=replace(plain.model, entry_reached_gain=3.0))
    (steps, _), (again, result) = (_train(lesson, _settings(steps=10), start=start) for start in (plain, told))
    assert [step.loss for step in steps] == [step.loss for step in again]
    assert result.prior.model.entry_reached_gain == 3.0


def test_a_better_prior_is_kept_with_its_numbers(lesson: FineTuningData) -> None:
    steps, result = _train(lesson, _settings())
    assert list(dict.fromkeys(step.phase for step in steps)) == ["encoder", "inner steps"]
    assert result.is_better
    assert result.finished
    assert result.after.own < 0.98 * result.before.own
    assert result.after.shipped <= 1.03 * result.before.shipped
    judged = [step.losses.own for step in steps if step.losses]
    assert result.after.own == pytest.approx(min(judged))
    assert result.prior.metadata["library"]["started_from"] == _prior().id != result.prior.id


def test_what_is_no_gain_is_not_used(lesson: FineTuningData) -> None:
    _, result = _train(lesson, _settings(4, lr=0.0))
    assert not result.is_better
    assert "stays as it was" in result.reason


def test_forgetting_is_no_gain_either(lesson: FineTuningData) -> None:
    _, result = _train(lesson, replace(_settings(), max_forgetting=-0.99))
    assert not result.is_better
    assert result.prior.id == _prior().id


def test_a_prior_that_forgets_goes_back_until_it_does_not(lesson: FineTuningData) -> None:
    programs = load_programs(resources_dir() / "programs" / "validation.json")[:3]
    others = build_fine_tuning_data(
        [generate_takes(program, GenerationSettings(takes=3, seed=1)) for program in programs], load_shipped()
    )
    settings = replace(_settings(20), library_fraction=1.0, interpolation_fractions=(1.0,))
    results = []
    for shares in ((1.0,), (1.0, 0.75, 0.5, 0.25, 0.1)):
        training = fine_tune(
            load_shipped(), load_shipped(), lesson, others, replace(settings, interpolation_fractions=shares)
        )
        results.append(run_to_end(training, lambda _: None))
    whole, partly = results
    assert not whole.is_better
    assert partly.is_better
    assert partly.after.shipped <= 1.03 * partly.before.shipped


def test_a_stopped_run_goes_on_to_the_same_end(lesson: FineTuningData, tmp_path: Path) -> None:
    _, whole = _train(lesson, _settings(20))
    calls = iter([False] * 1 + [True] * 9)
    _, stopped = _train(lesson, _settings(20), tmp_path, lambda: next(calls))
    assert not stopped.finished
    steps, resumed = _train(lesson, _settings(20), tmp_path)
    assert resumed.finished
    assert (resumed.prior.id, resumed.after) == (whole.prior.id, whole.after)
    assert [step.phase for step in steps] == ["inner steps"] * 2


def test_too_small_a_library_is_said() -> None:
    few = build_fine_tuning_data([generate_example_takes()["press red"], generate_example_takes()["circle"]], _prior())
    with pytest.raises(DatasetError, match="2 tasks to learn from"):
        next(fine_tune(_prior(), _prior(), few, few))


def test_a_library_has_a_prior_and_an_encoder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    anchors = len(generate_example_takes()["circle"][0].objects)
    shipped = replace(_prior(calibration={"slope": 1.0}), siamese_encoder=SiameseEncoder().initialise(anchors, 0))
    shipped.save(tmp_path / "shipped")
    monkeypatch.setattr(priors, "shipped_path", lambda: tmp_path / "shipped")
    library = tmp_path / "library"
    assert priors.load_for_library(library).id == shipped.id
    moved = {name: tensor + 1.0 for name, tensor in shipped.meta.params.items()}
    own: Prior = replace(shipped, meta=replace(shipped.meta, params=moved))
    own.save(priors.library_prior_path(library))
    trained = SiameseEncoder().initialise(anchors, 1)
    priors.save_library_encoder(library, trained)
    found = priors.load_for_library(library)
    assert found.id == own.id != shipped.id
    assert torch.equal(found.siamese_encoder.params["head.0.weight"], trained.params["head.0.weight"])
    assert found.metadata["calibration"] is None
    assert "problem" not in found.metadata
    priors.library_prior_path(library).write_bytes(b"no prior")
    fallen = priors.load_for_library(library)
    assert fallen.id == shipped.id
    assert "is not a prior" in fallen.metadata["problem"]
    assert "What is shipped is used" in fallen.metadata["problem"]
