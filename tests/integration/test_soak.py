"""A short part of ``benchmarks.soak``: cycles of the whole program with faults lose nothing, and that it can fail."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks import soak, soak_faults
from benchmarks.soak import Reading, fit_slope, make_report, run_soak
from benchmarks.soak_faults import FAULTS, SoakFailure
from metagui.demonstrations.storage.library import Library

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the process's files and threads are read from /proc")


@pytest.fixture(autouse=True)
def _private_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("METAGUI_CACHE", str(tmp_path))  # which the soak sets, too


def test_short_soak_survives_faults_and_leaves_no_files_or_threads() -> None:
    faults = {name: FAULTS[name] for name in ("clock jump", "kill")}
    readings, counts = run_soak(minutes=60, seed=1, max_cycles=2, faults=faults)
    assert set(counts.values()) == {1}
    assert readings[-1].files <= readings[0].files
    assert readings[-1].threads <= readings[0].threads


def test_lost_take_ends_the_soak(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the jump of the clock a take is hidden on purpose."""
    monkeypatch.setattr(soak, "run_cycle", lambda workshop: workshop.library.mkdir(exist_ok=True))
    real = Library.list_takes
    monkeypatch.setattr(Library, "list_takes", lambda this, task: real(this, task)[:-1])
    with pytest.raises(SoakFailure, match="is not listed"):
        run_soak(minutes=60, seed=1, max_cycles=1, faults={"clock jump": soak_faults.jump_clock})


def test_growth_is_reported_with_its_interval() -> None:
    flat = [Reading(n / 60, 400.0 + n % 2, 5, 1) for n in range(30)]
    growing = [Reading(n / 60, 400.0 + n, 5 + n, 1 + n) for n in range(30)]
    for readings, is_met in ((flat, True), (growing, False)):
        figures = {each.name: each for each in make_report(readings, {"kill": 30}, 30, 0).figures}
        assert figures["growth of the memory"].is_met is is_met
        assert figures["more file descriptors at the end"].is_met is is_met
        assert figures["more threads at the end"].is_met is is_met
    slope, low, high = fit_slope([0.0, 1.0, 2.0, 3.0], [1.0, 3.1, 4.9, 7.0])
    assert low < 2.0 < high
    assert slope == pytest.approx(1.98)
    assert math.isnan(fit_slope([0.0, 1.0], [1.0, 2.0])[0])
