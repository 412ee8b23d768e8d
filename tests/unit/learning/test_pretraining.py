"""Tests of making a prior from a few takes: phases, checkpoints, corrections, worker process."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from metagui.generators import run_to_end
from metagui.learning import prior as priors
from metagui.learning.policy.dataset import DatasetError, MetaDataset
from metagui.learning.training import dagger
from metagui.learning.training.pretraining import TrainingSettings, TrainingStep, split_tasks, train_prior
from metagui.learning.training.training_data import TrainingData
from tests.helpers.datasets import encode_example_people
from tests.helpers.short_training import encode_example_training_data, make_short_settings, train_shortly
from tests.helpers.takes import EXAMPLE_PROGRAMS

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from metagui.learning.policy.policy import PolicyModel
    from metagui.learning.prior import Prior


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return encode_example_training_data()


def test_train_prior_runs_all_phases_and_saves_the_prior(data: TrainingData, tmp_path: Path) -> None:
    steps, prior = train_shortly(data)
    assert list(dict.fromkeys(s.phase for s in steps)) == ["encoder", "inner steps", "multi-task rival"]
    assert all(np.isfinite(s.loss) for s in steps)
    validation = next(s.validation for s in steps if s.validation)
    assert np.isfinite([validation.before, validation.after, validation.other]).all()
    assert prior.metadata["command"] == "test"
    assert prior.model.entry_reached_gain == TrainingSettings().entry_reached_gain > 0.0
    assert prior.metadata["data"] == data.decisions.fingerprint()
    prior.save(tmp_path / "prior.safetensors")
    back = priors.load(tmp_path / "prior.safetensors")
    assert back.id == prior.id
    assert (back.model, back.metadata["validation"]) == (prior.model, prior.metadata["validation"])
    assert all(torch.equal(tensor, back.baseline[name]) for name, tensor in prior.baseline.items())


def test_train_prior_killed_and_resumed_ends_the_same(data: TrainingData, tmp_path: Path) -> None:
    _, whole = train_shortly(data)
    training = train_prior(data, make_short_settings(), tmp_path)
    for step in training:
        if step.phase == "inner steps" and step.step == 2:
            training.close()
            break
    steps, resumed = train_shortly(data, tmp_path)
    assert resumed.id == whole.id
    assert "encoder" not in {s.phase for s in steps}


def test_train_prior_with_programs_runs_dagger_and_resumes(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Policies of known programs are corrected, and a run killed meanwhile ends with the same prior."""
    # Policies of four training steps achieve nothing, so the expert never finishes.
    monkeypatch.setattr(dagger, "drop_stopped_tail", lambda segment: segment)

    def train(folder: Path) -> Generator[TrainingStep, None, Prior]:
        return train_prior(data, make_short_settings(), folder, programs=EXAMPLE_PROGRAMS, workers=1)

    def finished(steps: Generator[TrainingStep, None, Prior]) -> tuple[list[str], Prior]:
        phases: list[str] = []
        prior = run_to_end(steps, lambda step: phases.append(step.phase))
        return list(dict.fromkeys(phases)), prior

    phases, whole = finished(train(tmp_path / "whole"))
    rounds = ["corrections 1", "corrected 1", "corrections 2", "corrected 2"]
    assert phases == ["encoder", *rounds, "inner steps", "multi-task rival"]
    training, _ = split_tasks(data.decisions, make_short_settings().held_out_fraction, make_short_settings().seed)
    ran = [MetaDataset.load(tmp_path / "whole" / f"corrections-{turn}.npz") for turn in (1, 2)]
    assert all(set(found.task_indices.tolist()) <= set(training) for found in ran), "held-out tasks stay held out"
    assert whole.metadata["corrected"] == sum(len(found.segments) for found in ran)
    assert ran[0].fingerprint() != ran[1].fingerprint()
    for phase in rounds:
        killed = train(tmp_path / phase)
        next(step for step in killed if step.phase == phase)
        killed.close()
        assert finished(train(tmp_path / phase))[1].id == whole.id
    (tmp_path / "whole" / "corrections-2.npz").write_text("broken")
    with pytest.raises(DatasetError, match="remove it, and the same command"):
        finished(train(tmp_path / "whole"))


def test_corrections_use_the_finished_model(data: TrainingData, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[float] = []

    def corrections(model: PolicyModel, *_: object) -> Generator[int, None, None]:
        ran.append(model.entry_reached_gain)
        yield 1

    monkeypatch.setattr(dagger, "collect_corrections", corrections)
    phases = [step.phase for step in train_prior(data, make_short_settings(), programs=EXAMPLE_PROGRAMS)]
    assert ran == [TrainingSettings().entry_reached_gain]
    assert "corrected 1" not in phases, "there were no corrections to learn from"


def test_train_prior_with_worker_process_ends_the_same(data: TrainingData, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    data.save(tmp_path / "data")
    cached = TrainingData.load(tmp_path / "data")  # in half precision
    _, alone = train_shortly(cached)
    phases: list[str] = []
    training = train_prior(
        cached, make_short_settings(), tmp_path, metadata={"command": "test"}, data_folder=tmp_path / "data"
    )
    parallel = run_to_end(training, lambda step: phases.append(step.phase))
    assert parallel.id == alone.id
    assert parallel.metadata == alone.metadata
    assert set(phases) == {"encoder", "inner steps", "multi-task rival"}
    assert not multiprocessing.active_children()


def test_train_prior_stopped_returns_a_prior(data: TrainingData) -> None:
    steps, prior = train_shortly(data, should_stop=lambda: True)
    assert len(steps) < 6
    assert prior.meta.params


def test_training_data_saved_and_loaded_is_equal(data: TrainingData, tmp_path: Path) -> None:
    data.save(tmp_path)
    back = TrainingData.load(tmp_path)
    assert back.decisions.fingerprint() == data.decisions.fingerprint()
    with pytest.raises(DatasetError, match="Make it again"):
        TrainingData.load(tmp_path / "nowhere")


def test_split_tasks_separates_by_program(data: TrainingData) -> None:
    training, held_out = split_tasks(data.decisions, 0.3, 0)
    programs = [{data.decisions.task_names[t].rsplit(" / ", 1)[0] for t in side} for side in (training, held_out)]
    assert not programs[0] & programs[1]
    assert len(training) + len(held_out) == len(data.decisions.task_names)


def test_train_prior_continues_from_a_prior_with_people(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first phase is left out, the other models are kept, and people are in the support sets and corrections."""
    monkeypatch.setattr(dagger, "drop_stopped_tail", lambda segment: segment)
    start = priors.load_shipped()
    with_people = replace(data, people=encode_example_people())
    (tmp_path / "data").mkdir()
    with_people.save(tmp_path / "data")
    cached = TrainingData.load(tmp_path / "data")
    assert cached.people is not None
    phases: list[str] = []

    def train(given: TrainingData) -> Prior:
        training = train_prior(given, make_short_settings(), programs=EXAMPLE_PROGRAMS, workers=1, start=start)
        return run_to_end(training, lambda step: phases.append(step.phase))

    prior = train(cached)
    rounds = ["corrections 1", "corrected 1", "corrections 2", "corrected 2"]
    assert list(dict.fromkeys(phases)) == [*rounds, "inner steps"]
    assert all(torch.equal(tensor, prior.baseline[name]) for name, tensor in start.baseline.items())
    assert prior.metadata["start"] == start.id != prior.id
    assert prior.metadata["people"] == cached.people.fingerprint()
    assert train(replace(cached, people=None)).id != prior.id
