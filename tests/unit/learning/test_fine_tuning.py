"""Tests of fine-tuning on a library: held-out takes, comparison of priors, resumed runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from metagui.demonstrations.programs.program import load_programs
from metagui.demonstrations.programs.scripted import GenerationSettings, generate_takes
from metagui.generators import run_to_end
from metagui.learning.maml.maml import MetaSettings
from metagui.learning.policy.dataset import DatasetError
from metagui.learning.prior import load_shipped
from metagui.learning.training.fine_tuning import FineTuningResult, FineTuningSettings, FineTuningStep, fine_tune
from metagui.learning.training.fine_tuning_data import build_fine_tuning_data
from metagui.paths import resources_dir
from tests.helpers.priors import make_untrained_prior
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from metagui.learning.prior import Prior
    from metagui.learning.training.fine_tuning_data import FineTuningData


@pytest.fixture(scope="module")
def library_data() -> FineTuningData:
    return build_fine_tuning_data(generate_example_takes().values(), make_untrained_prior())


def _settings(steps: int = 40, lr: float = 2e-3) -> FineTuningSettings:
    return FineTuningSettings(
        encoder=MetaSettings(steps=steps, inner_steps=0, lr=lr, report_every=10),
        inner=MetaSettings(steps=10, inner_steps=2, lr=lr / 4, report_every=5),
        validate_every=10,
    )


def _train(
    library_data: FineTuningData,
    settings: FineTuningSettings,
    folder: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
    start: Prior | None = None,
) -> tuple[list[FineTuningStep], FineTuningResult]:
    start = start or make_untrained_prior()
    training = fine_tune(start, start, library_data, library_data, settings, folder, stop)
    steps: list[FineTuningStep] = []
    return steps, run_to_end(training, steps.append)


def test_data_holds_out_the_last_of_three_takes(library_data: FineTuningData) -> None:
    assert (library_data.task_count, library_data.held_out_task_count) == (6, 6)
    (data,) = library_data.training
    assert set(np.bincount(data.task_indices)) == {2}
    (trials,) = library_data.validation_batches
    assert len(trials[0].done) == len(data.task_names) == 7
    two = build_fine_tuning_data([takes[:2] for takes in generate_example_takes().values()], make_untrained_prior())
    assert (two.task_count, two.held_out_task_count, two.validation_batches) == (6, 0, ())


def test_data_segments_takes_and_names_unusable_tasks() -> None:
    bare = [replace(take, segments=()) for take in generate_example_takes()["put red on violet"]]
    library_data = build_fine_tuning_data([bare, generate_example_takes()["press red"][:1]], make_untrained_prior())
    assert [name.rsplit(" / ")[-1] for name in library_data.training[0].task_names] == ["1", "2"]
    assert "'press red' was left out" in library_data.notes[0]
    with pytest.raises(DatasetError, match="no task has two takes"):
        build_fine_tuning_data([generate_example_takes()["press red"][:1]], make_untrained_prior())


def test_fine_tune_trains_without_entry_reached_gain(library_data: FineTuningData) -> None:
    plain = make_untrained_prior()
    with_gain = replace(plain, model=replace(plain.model, entry_reached_gain=3.0))
    (steps, _), (again, result) = (
        _train(library_data, _settings(steps=10), start=start) for start in (plain, with_gain)
    )
    assert [step.loss for step in steps] == [step.loss for step in again]
    assert result.prior.model.entry_reached_gain == 3.0


def test_fine_tune_returns_the_best_prior_and_its_losses(library_data: FineTuningData) -> None:
    steps, result = _train(library_data, _settings())
    assert list(dict.fromkeys(step.phase for step in steps)) == ["encoder", "inner steps"]
    assert result.is_better
    assert result.finished
    assert result.after.own < 0.98 * result.before.own
    assert result.after.shipped <= 1.03 * result.before.shipped
    validated = [step.losses.own for step in steps if step.losses]
    assert result.after.own == pytest.approx(min(validated))
    assert result.prior.metadata["library"]["started_from"] == make_untrained_prior().id != result.prior.id


def test_fine_tune_without_gain_is_not_better(library_data: FineTuningData) -> None:
    _, result = _train(library_data, _settings(4, lr=0.0))
    assert not result.is_better
    assert "was not changed" in result.reason


def test_fine_tune_that_forgets_is_not_better(library_data: FineTuningData) -> None:
    _, result = _train(library_data, replace(_settings(), max_forgetting=-0.99))
    assert not result.is_better
    assert result.prior.id == make_untrained_prior().id


def test_fine_tune_that_forgets_interpolates_to_the_start(library_data: FineTuningData) -> None:
    programs = load_programs(resources_dir() / "programs" / "validation.json")[:3]
    others = build_fine_tuning_data(
        [generate_takes(program, GenerationSettings(takes=3, seed=1)) for program in programs], load_shipped()
    )
    settings = replace(_settings(20), library_fraction=1.0, interpolation_fractions=(1.0,))
    results = []
    for shares in ((1.0,), (1.0, 0.75, 0.5, 0.25, 0.1)):
        training = fine_tune(
            load_shipped(), load_shipped(), library_data, others, replace(settings, interpolation_fractions=shares)
        )
        results.append(run_to_end(training))
    whole, partly = results
    assert not whole.is_better
    assert partly.is_better
    assert partly.after.shipped <= 1.03 * partly.before.shipped


def test_fine_tune_stopped_and_resumed_ends_the_same(library_data: FineTuningData, tmp_path: Path) -> None:
    _, whole = _train(library_data, _settings(20))
    calls = iter([False] * 1 + [True] * 9)
    _, stopped = _train(library_data, _settings(20), tmp_path, lambda: next(calls))
    assert not stopped.finished
    steps, resumed = _train(library_data, _settings(20), tmp_path)
    assert resumed.finished
    assert (resumed.prior.id, resumed.after) == (whole.prior.id, whole.after)
    assert [step.phase for step in steps] == ["inner steps"] * 2


def test_fine_tune_with_too_small_a_library_raises() -> None:
    few = build_fine_tuning_data(
        [generate_example_takes()["press red"], generate_example_takes()["circle"]], make_untrained_prior()
    )
    with pytest.raises(DatasetError, match="2 tasks to learn from"):
        next(fine_tune(make_untrained_prior(), make_untrained_prior(), few, few))
