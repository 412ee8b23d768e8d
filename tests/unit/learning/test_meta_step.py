"""Test that the meta-step has the gradients of other ways to compute it, through five second-order steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from benchmarks import meta_step
from benchmarks.meta_step_baselines import make_plain_loop, make_torch_func
from benchmarks.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.meta_step_baselines import MetaProblem


@pytest.mark.parametrize("make_other", [make_plain_loop, make_torch_func])
@pytest.mark.parametrize("width", [64, 128])
def test_meta_step_gradients_equal_those_of_others(
    width: int, make_other: Callable[[MetaProblem], Callable[[], list[torch.Tensor]]]
) -> None:
    problem = meta_step.make_problem(width, tasks=4)
    ours, theirs = meta_step.make_metagui_step(problem)(), make_other(problem)()
    assert [a.shape for a in ours] == [b.shape for b in theirs]
    assert all(torch.isfinite(gradient).all() for gradient in ours)
    assert meta_step.compute_difference(ours, theirs) < meta_step.MAX_DIFFERENCE
    unadapted = meta_step.make_metagui_step(meta_step.make_problem(width, tasks=4, steps=0))()
    assert meta_step.compute_difference(unadapted, theirs) > 1e-2, (
        "the inner steps must matter for this to mean anything"
    )


def test_meta_step_report_has_ratio_share_and_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another library that fails is named with the reason, and does not end the measurement."""

    def fail(_: MetaProblem) -> Callable[[], list[torch.Tensor]]:
        raise ImportError("not for this Python")

    monkeypatch.setattr(meta_step, "BASELINES", {"torch.func": make_torch_func, "other": fail})
    report = Report("meta_step")
    meta_step.measure(64, 2, 1, 3, report)
    assert report.skipped == {"other": "ImportError: not for this Python"}
    figures = {figure.name.partition(": ")[2]: figure for figure in report.figures}
    assert set(figures) == {
        "metagui",
        "torch.func",
        "torch.func / metagui",
        "share of the arithmetic limit",
        "difference of gradients",
    }
    assert 0.0 < figures["share of the arithmetic limit"].value < 100.0
    assert figures["difference of gradients"].is_met
