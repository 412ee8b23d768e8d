"""A prior from a handful of takes in seconds: phases, checkpoints, files, and data that cannot be used."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from metagui.arms.arm import SceneObject
from metagui.learning import prior as priors
from metagui.learning.maml.maml import MetaSettings
from metagui.learning.maml.training_state import MetaParameters
from metagui.learning.policy.dataset import MIN_SEGMENT_DECISIONS, DatasetError, MetaDataset, build_dataset
from metagui.learning.policy.feature_layout import COARSE_SCALE_M, FINE_SCALE_M, KIND_FEATURES, OBJECT_INPUT_FEATURES
from metagui.learning.policy.features import HELD_COLUMN, encode
from metagui.learning.policy.policy import PolicyModel
from metagui.learning.policy.task_sampler import SamplingSettings, TaskSampler, show_zones_as_cubes
from metagui.learning.prior import Prior, PriorError, PriorMismatchError
from metagui.learning.similarity.siamese import SiameseSettings
from metagui.learning.training import dagger
from metagui.learning.training.pretraining import TrainingSettings, TrainingStep, split_tasks, train_prior
from metagui.learning.training.training_data import TrainingData, encode_takes
from tests.helpers.takes import EXAMPLE_PROGRAMS, generate_example_takes

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return encode_takes(take for takes in generate_example_takes().values() for take in takes)


def _settings() -> TrainingSettings:
    return TrainingSettings(
        encoder=MetaSettings(steps=4, inner_steps=0, report_every=2, batches_per_step=2),
        dagger=MetaSettings(steps=4, inner_steps=0, report_every=2),
        inner=MetaSettings(steps=4, inner_steps=2, report_every=2),
        baseline=MetaSettings(steps=4, inner_steps=0, report_every=2),
        siamese=SiameseSettings(steps=4, tasks_per_batch=4, takes_per_task=2, report_every=2),
        dagger_rounds=((1,), (1, 3)),
        held_out_fraction=0.3,
        validate_every=2,
    )


def _train(
    data: TrainingData, checkpoint: Path | None = None, should_stop: Callable[[], bool] = lambda: False
) -> tuple[list[TrainingStep], Prior]:
    training = train_prior(data, _settings(), checkpoint, should_stop, {"command": "test"})
    steps = []
    while True:
        try:
            steps.append(next(training))
        except StopIteration as finished:
            return steps, finished.value


def test_all_phases_make_a_prior_that_its_file_brings_back(data: TrainingData, tmp_path: Path) -> None:
    steps, prior = _train(data)
    assert list(dict.fromkeys(s.phase for s in steps)) == ["encoder", "inner steps", "multi-task rival", "similarity"]
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
    for group, other in ((prior.baseline, back.baseline), (prior.siamese_encoder.params, back.siamese_encoder.params)):
        assert all(torch.equal(group[name], other[name]) for name in group)


def test_a_run_that_was_killed_ends_with_the_same_prior(data: TrainingData, tmp_path: Path) -> None:
    _, whole = _train(data)
    training = train_prior(data, _settings(), tmp_path)
    for step in training:
        if step.phase == "inner steps" and step.step == 2:
            training.close()
            break
    steps, resumed = _train(data, tmp_path)
    assert resumed.id == whole.id
    assert "encoder" not in {s.phase for s in steps}


def test_policies_are_corrected_where_the_programs_are_known(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a run that was killed meanwhile ends with the same prior."""
    # Policies of four steps get nowhere, so that no law comes to its end.
    monkeypatch.setattr(dagger, "is_usable", lambda segment: len(segment) >= MIN_SEGMENT_DECISIONS)

    def train(folder: Path) -> Generator[TrainingStep, None, Prior]:
        return train_prior(data, _settings(), folder, programs=EXAMPLE_PROGRAMS, workers=1)

    def finished(steps: Generator[TrainingStep, None, Prior]) -> tuple[list[str], Prior]:
        phases = []
        while True:
            try:
                phases.append(next(steps).phase)
            except StopIteration as end:
                return list(dict.fromkeys(phases)), end.value

    phases, whole = finished(train(tmp_path / "whole"))
    rounds = ["corrections 1", "corrected 1", "corrections 2", "corrected 2"]
    assert phases == ["encoder", *rounds, "inner steps", "multi-task rival", "similarity"]
    training, _ = split_tasks(data.decisions, _settings().held_out_fraction, _settings().seed)
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


def test_policies_that_are_corrected_are_as_finished_ones(data: TrainingData, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[float] = []

    def corrections(model: PolicyModel, *_: object) -> Generator[int, None, None]:
        ran.append(model.entry_reached_gain)
        yield 1

    monkeypatch.setattr(dagger, "collect_corrections", corrections)
    phases = [step.phase for step in train_prior(data, _settings(), programs=EXAMPLE_PROGRAMS)]
    assert ran == [TrainingSettings().entry_reached_gain]
    assert "corrected 1" not in phases, "nothing was there to be learnt from"


def test_what_is_made_in_a_process_of_its_own_is_the_same(data: TrainingData, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    data.save(tmp_path / "data")
    kept = TrainingData.load(tmp_path / "data")  # coarser
    _, alone = _train(kept)
    phases: list[str] = []
    training = train_prior(kept, _settings(), tmp_path, metadata={"command": "test"}, data_folder=tmp_path / "data")
    while True:
        try:
            phases.append(next(training).phase)
        except StopIteration as finished:
            beside = finished.value
            break
    assert beside.id == alone.id
    assert beside.metadata == alone.metadata
    assert set(phases) == {"encoder", "inner steps", "multi-task rival", "similarity"}
    assert not multiprocessing.active_children()


def test_stopping_keeps_what_there_is(data: TrainingData) -> None:
    steps, prior = _train(data, should_stop=lambda: True)
    assert len(steps) < 6
    assert prior.meta.params


def test_training_data_comes_back_from_its_cache(data: TrainingData, tmp_path: Path) -> None:
    data.save(tmp_path)
    back = TrainingData.load(tmp_path)
    assert back.decisions.fingerprint() == data.decisions.fingerprint()
    assert list(back.trajectories) == list(data.trajectories)
    with pytest.raises(DatasetError, match="Make it again"):
        TrainingData.load(tmp_path / "nowhere")


def test_support_and_query_never_share_a_take(data: TrainingData) -> None:
    sampler = TaskSampler(data.decisions, range(len(data.decisions.task_names)), SamplingSettings(4, 16, 16))
    rng = np.random.default_rng(0)
    for task in range(len(sampler)):
        (support, _), (query, _) = sampler._sample_support_query(task, rng)
        shown, asked = (np.searchsorted(data.decisions.starts, rows, side="right") for rows in (support, query))
        assert not set(shown.tolist()) & set(asked.tolist())


def test_zones_in_disguise_pass_for_cubes_in_kind_and_height(data: TrainingData) -> None:
    anchors = torch.from_numpy(data.decisions.segments.object_features[None, :8])
    kinds = HELD_COLUMN - KIND_FEATURES
    zones = anchors[0, 0, :, kinds + 1] == 1
    passing = zones.clone()
    passing[zones.nonzero()[0]] = False
    seen = show_zones_as_cubes(anchors, passing[None])
    torch.testing.assert_close(seen[:, :, ~passing], anchors[:, :, ~passing])
    assert (seen[:, :, passing, kinds] == 1).all()
    assert (seen[:, :, passing, kinds + 1] == 0).all()
    torch.testing.assert_close(seen[:, :, passing, 2], anchors[:, :, passing, 2] + 0.0125 / COARSE_SCALE_M)
    box = OBJECT_INPUT_FEATURES + 2  # the height of its middle
    torch.testing.assert_close(seen[:, :, passing, box], anchors[:, :, passing, box] + 0.0125 / COARSE_SCALE_M)
    torch.testing.assert_close(
        seen[:, :, passing, 5], torch.tanh(seen[:, :, passing, 2] * (COARSE_SCALE_M / FINE_SCALE_M))
    )


def test_what_is_shown_and_what_is_asked_are_disguised_alike(data: TrainingData) -> None:
    draw = SamplingSettings(6, 32, 32, permute_objects=False, mirrored_fraction=0.0)
    kinds, across = [], []
    for share in (0.0, 1.0):
        sampler = TaskSampler(
            data.decisions, range(len(data.decisions.task_names)), replace(draw, zone_as_cube_fraction=share)
        )
        shown_, asked = sampler(np.random.default_rng(0))
        kinds += [side.object_features[:, 0, :, HELD_COLUMN - KIND_FEATURES : HELD_COLUMN] for side in (shown_, asked)]
        across += [side.object_features[..., :2] for side in (shown_, asked)]
    assert torch.equal(kinds[0], kinds[1])
    assert torch.equal(kinds[2], kinds[3])
    assert torch.equal(across[0], across[2])
    assert torch.equal(across[1], across[3])
    assert kinds[2][..., 1].sum() < kinds[0][..., 1].sum()


def test_what_is_not_studied_is_remembered(data: TrainingData) -> None:
    sampler = TaskSampler(data.decisions, range(len(data.decisions.task_names)), SamplingSettings(3, 32, 8, 12))
    support, _ = sampler(np.random.default_rng(0))
    model = PolicyModel(hidden=8, encoder=8, summary=8, context=4)
    params = model.initialise(0)
    some, all_ = model.start(params, support), model.start(params, replace(support, encoder_points=None))
    few = model.start(params, support.select_first(12))
    torch.testing.assert_close(some["attention1"], few["attention1"])
    assert not torch.allclose(some["attention1"], all_["attention1"])
    assert some["memory.keys"].shape[1] == 32
    torch.testing.assert_close(model.loss(some, support), model.loss(some, support.select_first(12)))
    assert not torch.allclose(model.loss(some, support), model.loss(some, replace(support, encoder_points=None)))


def test_a_prior_is_kept_in_half_precision(data: TrainingData, tmp_path: Path) -> None:
    _, prior = _train(data, should_stop=lambda: True)
    exact = replace(prior, baseline={name: tensor + 1e-4 for name, tensor in prior.baseline.items()})
    prior.save(tmp_path / "half")
    exact.save(tmp_path / "exact")
    spared = 2 * sum(tensor.numel() for tensor in prior.baseline.values())
    assert (tmp_path / "exact").stat().st_size - (tmp_path / "half").stat().st_size > 0.9 * spared
    assert all(torch.equal(exact.baseline[n], t) for n, t in priors.load(tmp_path / "exact").baseline.items())


def test_clicks_of_one_program_stay_on_one_side(data: TrainingData) -> None:
    training, held_out = split_tasks(data.decisions, 0.3, 0)
    programs = [{data.decisions.task_names[t].rsplit(" / ", 1)[0] for t in side} for side in (training, held_out)]
    assert not programs[0] & programs[1]
    assert len(training) + len(held_out) == len(data.decisions.task_names)


def test_nothing_to_learn_from_is_said() -> None:
    with pytest.raises(DatasetError, match="nothing to learn from"):
        build_dataset({"empty": []})
    one = build_dataset({"single": [encode(generate_example_takes()["press red"][0])]})
    with pytest.raises(DatasetError, match="two takes"):
        TaskSampler(one, [0])


def test_files_that_are_no_priors_are_refused(tmp_path: Path) -> None:
    (tmp_path / "prior").write_bytes(b"x")
    with pytest.raises(PriorError, match="Nothing was changed"):
        priors.load(tmp_path / "prior")


def test_a_prior_says_what_it_does_not_fit(data: TrainingData) -> None:
    _, prior = _train(data, should_stop=lambda: True)
    take = generate_example_takes()["press red"][0]
    prior.check_compatible(take.joint_names, take.objects)
    with pytest.raises(PriorMismatchError, match="joints"):
        prior.check_compatible(("hip", "knee"), take.objects)
    strange = SceneObject("ball", "sphere", 0.02, (1.0, 1.0, 1.0))  # type: ignore[arg-type]
    with pytest.raises(PriorMismatchError, match="sphere"):
        prior.check_compatible(take.joint_names, (strange,))


def test_a_prior_of_another_network_is_refused_in_words(data: TrainingData, tmp_path: Path) -> None:
    _, prior = _train(data, should_stop=lambda: True)
    stale = dict(prior.meta.params) | {"policy.0.weight": torch.zeros(3, 3)}
    replace(prior, meta=MetaParameters(stale, prior.meta.log_rates)).save(tmp_path / "stale")
    with pytest.raises(PriorMismatchError, match="another network"):
        priors.load(tmp_path / "stale")
    assert (tmp_path / "stale").stat().st_mode & 0o044 == 0o044


def test_a_prior_whose_inner_loop_adapted_more_is_taken(data: TrainingData, tmp_path: Path) -> None:
    _, prior = _train(data)
    path = tmp_path / "prior"
    for more, fits in (("attention1", True), ("nobody", False)):
        rates = prior.meta.log_rates | {more: torch.zeros(5)}
        replace(prior, meta=MetaParameters(prior.meta.params, rates)).save(path)
        if fits:
            assert priors.load(path).id == prior.id
        else:
            with pytest.raises(PriorMismatchError, match="nobody"):
                priors.load(path)
