"""Tests of the encoder's file: written and read, a library's own, other versions, damage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file

from metagui.learning.similarity.cache.encoder_identity import library_encoder_path
from metagui.learning.similarity.encoder_file import (
    OWN_KEY,
    CalibratedEncoder,
    EncoderFileError,
    load_encoder,
    load_encoder_for_library,
    load_shipped_encoder,
)
from metagui.learning.similarity.siamese_network import SiameseEncoder
from metagui.learning.similarity.verdicts import Logistic, VerdictCalibration

if TYPE_CHECKING:
    from pathlib import Path

CALIBRATION = VerdictCalibration(Logistic(12.0, 0.5), Logistic(11.0, 0.7), Logistic(10.0, 0.6), 0.4, 0.1, 60)


def _make(seed: int = 0, **about: object) -> CalibratedEncoder:
    return CalibratedEncoder(SiameseEncoder(width=8).initialise(seed), CALIBRATION, dict(about))


def test_encoder_saved_and_loaded_is_equal(tmp_path: Path) -> None:
    made = _make(command="test").to_half_precision()
    made.save(tmp_path / "new folder" / "encoder")
    found = load_encoder(tmp_path / "new folder" / "encoder")
    assert (found.calibration, found.about, found.encoder.sizes) == (
        CALIBRATION,
        {"command": "test"},
        made.encoder.sizes,
    )
    assert all(torch.equal(found.encoder.params[name], tensor) for name, tensor in made.encoder.params.items())
    _make().save(tmp_path / "exact")
    size = sum(tensor.numel() for tensor in made.encoder.params.values())
    difference = (tmp_path / "exact").stat().st_size - (tmp_path / "new folder" / "encoder").stat().st_size
    assert difference > 1.8 * size


def test_shipped_encoder_is_trained_and_calibrated() -> None:
    shipped = load_shipped_encoder()
    assert shipped.encoder.is_trained
    assert not shipped.is_own
    assert shipped.calibration is not None
    assert "calibrated on" in shipped.describe_calibration()


def test_library_uses_its_own_encoder(tmp_path: Path) -> None:
    shipped = load_encoder_for_library(tmp_path)
    assert "problem" not in shipped.about
    _make(1, **{OWN_KEY: "3 tasks"}).save(library_encoder_path(tmp_path))
    own = load_encoder_for_library(tmp_path)
    assert own.is_own
    assert own.encoder.width == 8


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"format": "1", "encoder": "[48, 24, 24]"}, "an earlier version"),
        ({"format": "3", "encoder": "{}"}, "a later version"),
        ({"format": "2", "encoder": "{}"}, "not an encoder"),
        ({"format": "2", "encoder": "no json"}, "not an encoder"),
        (
            {"format": "2", "encoder": '{"sizes": [8, 1, 1, 1, 1, 1], "calibration": null, "about": {}}'},
            "another network",
        ),
        ({"format": "2", "encoder": '{"sizes": [-8, "x"], "calibration": null, "about": {}}'}, "not an encoder"),
        ({"format": "2", "encoder": '{"sizes": [8], "calibration": {"task": 1}, "about": {}}'}, "not an encoder"),
        ({}, "not an encoder"),
    ],
)
def test_encoder_of_another_kind_is_refused(tmp_path: Path, metadata: dict[str, str], message: str) -> None:
    path = library_encoder_path(tmp_path)
    path.parent.mkdir()
    save_file({"conv.0.weight": torch.zeros(2, 2)}, path, metadata)
    with pytest.raises(EncoderFileError, match=message):
        load_encoder(path)
    found = load_encoder_for_library(tmp_path)
    assert message in found.about["problem"]
    assert "The shipped encoder is used until then" in found.about["problem"]


def test_file_that_is_no_encoder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("Dear reader")
    for name in ("letter", "missing"):
        with pytest.raises(EncoderFileError, match="not an encoder"):
            load_encoder(tmp_path / name)


def test_encoder_without_calibration_says_so() -> None:
    assert "only ranked" in CalibratedEncoder(SiameseEncoder(width=8).initialise(0)).describe_calibration()
