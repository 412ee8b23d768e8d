"""What ``benchmarks.responsiveness`` makes of ticks and answers of the window."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

from PySide6.QtWidgets import QApplication, QWidget

from benchmarks.responsiveness import MISSED_BEAT_MS, Probe, make_figures


def test_figures_count_missed_deadlines_and_answers() -> None:
    ticks: list[Any] = [SimpleNamespace(lateness=n * 1e-3, missed_deadlines=n // 2) for n in range(5)]
    figures = {each.name: each for each in make_figures("idle", ticks, [0.0, 1.0, 2 * MISSED_BEAT_MS, -1.0])}
    assert figures["idle: control, p50"].value == 2.0
    assert figures["idle: control, largest"].value == 4.0
    assert figures["idle: control, missed"].value == 2
    assert figures["idle: window, missed"].value == 1
    assert figures["idle: window, missed"].is_met is False
    assert make_figures("idle", [], [])[0].is_met is True


def test_probe_notices_a_window_that_does_not_answer(qtbot: Any) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    probe = Probe(window)  # type: ignore[arg-type]
    probe.start()
    until = time.perf_counter() + 0.2
    while time.perf_counter() < until:  # holds up the event loop
        pass
    QApplication.processEvents()
    beats = probe.stop()[1]
    assert max(beats) >= 150.0
