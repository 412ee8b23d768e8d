"""Test that the batched meta-step has the gradients of a loop over tasks, through five second-order steps."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

_PATH = Path(__file__).parents[3] / "benchmarks" / "meta_step.py"
_SPEC = importlib.util.spec_from_file_location("meta_step", _PATH)
assert _SPEC is not None
assert _SPEC.loader is not None
meta_step: Any = importlib.util.module_from_spec(_SPEC)
sys.modules["meta_step"] = meta_step
_SPEC.loader.exec_module(meta_step)


@pytest.mark.parametrize("width", [64, 128])
def test_meta_step_gradients_equal_a_loop_over_tasks(width: int) -> None:
    support, query = meta_step.make_problem(tasks=4)
    ours = meta_step.make_batched_step(width, support, query, 5)()
    theirs = meta_step.make_sequential_step(width, support, query, 5, meta_step.SequentialLearner)()
    assert [a.shape for a in ours] == [b.shape for b in theirs]
    assert all(torch.isfinite(gradient).all() for gradient in ours)
    assert meta_step.compute_difference(ours, theirs) < 1e-5
    unadapted = meta_step.make_batched_step(width, support, query, 0)()
    assert meta_step.compute_difference(unadapted, theirs) > 1e-2, (
        "the inner steps must matter for this to mean anything"
    )
