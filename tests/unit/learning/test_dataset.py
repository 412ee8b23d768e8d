"""Tests of the data set for meta-learning: its file, and takes that cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from metagui.learning.policy.dataset import DatasetError, build_dataset
from metagui.learning.policy.features import encode
from metagui.learning.policy.task_sampler import TaskSampler
from tests.helpers.datasets import encode_example_takes
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from pathlib import Path


def test_dataset_save_failing_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(file: object, **arrays: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez", fails)
    with pytest.raises(OSError, match="No space"):
        encode_example_takes().save(tmp_path / "corrections.npz")
    assert not list(tmp_path.iterdir())


def test_dataset_without_usable_takes_raises() -> None:
    with pytest.raises(DatasetError, match="nothing to learn from"):
        build_dataset({"empty": []})
    one = build_dataset({"single": [encode(generate_example_takes()["press red"][0])]})
    with pytest.raises(DatasetError, match="two takes"):
        TaskSampler(one, [0])
