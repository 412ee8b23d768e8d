"""Tests of task policies and their files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from metagui.learning.adaptation.task_policy import TaskPolicy, TaskPolicyError
from tests.helpers.priors import adapt_untrained_prior
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from pathlib import Path


def test_task_policy_saved_and_loaded_is_equal(tmp_path: Path) -> None:
    _, adapted = adapt_untrained_prior(generate_example_takes()["press red"])
    adapted.save(tmp_path / "adapted.safetensors")
    back = TaskPolicy.load(tmp_path / "adapted.safetensors")
    assert (back.task, back.object_names, back.provenance) == (adapted.task, adapted.object_names, adapted.provenance)
    for a, b in zip(adapted.skills, back.skills, strict=True):
        assert (a.choice, a.reason, a.held_out, a.decisions) == (b.choice, b.reason, b.held_out, b.decisions)
        assert all(np.array_equal(a.params[name], b.params[name]) for name in a.params)
    (tmp_path / "broken").write_bytes(b"no")
    with pytest.raises(TaskPolicyError, match="Adapt the task again"):
        TaskPolicy.load(tmp_path / "broken")
