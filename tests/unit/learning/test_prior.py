"""Tests of priors: files, compatibility, and a library's own prior."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from metagui.arms.arm import SceneObject
from metagui.learning import prior as priors
from metagui.learning.maml.training_state import MetaParameters
from metagui.learning.prior import Prior, PriorError, PriorMismatchError
from tests.helpers.priors import make_untrained_prior
from tests.helpers.short_training import encode_example_training_data, train_shortly
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from pathlib import Path

    from metagui.learning.training.training_data import TrainingData


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return encode_example_training_data()


def test_load_for_library_uses_its_own_prior(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = make_untrained_prior()
    shipped.save(tmp_path / "shipped")
    monkeypatch.setattr(priors, "shipped_path", lambda: tmp_path / "shipped")
    library = tmp_path / "library"
    assert priors.load_for_library(library).id == shipped.id
    moved = {name: tensor + 1.0 for name, tensor in shipped.meta.params.items()}
    own: Prior = replace(shipped, meta=replace(shipped.meta, params=moved))
    own.save(priors.library_prior_path(library))
    found = priors.load_for_library(library)
    assert found.id == own.id != shipped.id
    assert "problem" not in found.metadata
    priors.library_prior_path(library).write_bytes(b"no prior")
    fallen = priors.load_for_library(library)
    assert fallen.id == shipped.id
    assert "is not a prior" in fallen.metadata["problem"]
    assert "The shipped prior is used" in fallen.metadata["problem"]


def test_prior_save_stores_half_precision_where_exact(data: TrainingData, tmp_path: Path) -> None:
    _, prior = train_shortly(data, should_stop=lambda: True)
    exact = replace(prior, baseline={name: tensor + 1e-4 for name, tensor in prior.baseline.items()})
    prior.save(tmp_path / "half")
    exact.save(tmp_path / "exact")
    spared = 2 * sum(tensor.numel() for tensor in prior.baseline.values())
    assert (tmp_path / "exact").stat().st_size - (tmp_path / "half").stat().st_size > 0.9 * spared
    assert all(torch.equal(exact.baseline[n], t) for n, t in priors.load(tmp_path / "exact").baseline.items())


def test_prior_load_of_another_file_raises(tmp_path: Path) -> None:
    (tmp_path / "prior").write_bytes(b"x")
    with pytest.raises(PriorError, match="Nothing was changed"):
        priors.load(tmp_path / "prior")


def test_prior_check_names_other_joints_and_kinds(data: TrainingData) -> None:
    _, prior = train_shortly(data, should_stop=lambda: True)
    take = generate_example_takes()["press red"][0]
    prior.check_compatible(take.joint_names, take.objects)
    with pytest.raises(PriorMismatchError, match="joints"):
        prior.check_compatible(("hip", "knee"), take.objects)
    sphere = SceneObject("ball", "sphere", (0.02, 0.02, 0.02), (1.0, 1.0, 1.0))  # type: ignore[arg-type]
    with pytest.raises(PriorMismatchError, match="sphere"):
        prior.check_compatible(take.joint_names, (sphere,))


def test_prior_load_of_another_network_raises(data: TrainingData, tmp_path: Path) -> None:
    _, prior = train_shortly(data, should_stop=lambda: True)
    stale = dict(prior.meta.params) | {"policy.0.weight": torch.zeros(3, 3)}
    replace(prior, meta=MetaParameters(stale, prior.meta.log_rates)).save(tmp_path / "stale")
    with pytest.raises(PriorMismatchError, match="another network"):
        priors.load(tmp_path / "stale")
    assert (tmp_path / "stale").stat().st_mode & 0o044 == 0o044


def test_prior_load_drops_rates_of_retrieval_tensors(data: TrainingData, tmp_path: Path) -> None:
    _, prior = train_shortly(data)
    path = tmp_path / "prior"
    for more, fits in (("attention1", True), ("unknown", False)):
        rates = prior.meta.log_rates | {more: torch.zeros(5)}
        replace(prior, meta=MetaParameters(prior.meta.params, rates)).save(path)
        if fits:
            assert priors.load(path).id == prior.id
        else:
            with pytest.raises(PriorMismatchError, match="unknown"):
                priors.load(path)
