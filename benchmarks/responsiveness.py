"""Lateness of the control loop and of the window: ``python -m benchmarks.responsiveness``.

The real window with the simulated arm is driven through its states: idle, recording, adapting (with the rehearsal),
running, training the encoder of similar tasks. In every state the lateness of the control loop's ticks is read from the
loop, and the window's event loop is asked by a timer every 10 ms for the time since the last answer. Both are measured
on the machine as it is, and with two busy processes beside it. Without an X server, ``QT_QPA_PLATFORM=offscreen``.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.report import Figure, Report, add_json_option, print_report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from metagui.arms.control.tick import Tick
    from metagui.gui.window.main_window import MainWindow
    from tests.helpers.user import SimulatedUser

ROOT = Path(__file__).resolve().parents[1]
HEART_BEAT_MS = 10
MISSED_BEAT_MS = 100.0
"""Time without an answer of the event loop after which the window feels stuck, ms."""
TASK = "red cube to yellow zone"
BUSY_LOOP = "while True: pass"


class Probe:
    """Collects the lateness of ticks and of the event loop's answers while ``measure`` is entered."""

    def __init__(self, window: MainWindow) -> None:
        from PySide6.QtCore import Qt, QTimer

        self._ticks: list[Tick] = []
        self._beats: list[float] = []
        self._last = time.perf_counter()
        self._timer = QTimer(window, interval=HEART_BEAT_MS, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)

    def on_tick(self, tick: Tick) -> None:
        """Keep a tick; called in the control thread."""
        self._ticks.append(tick)

    def _beat(self) -> None:
        now = time.perf_counter()
        self._beats.append((now - self._last) * 1e3 - HEART_BEAT_MS)
        self._last = now

    def start(self) -> None:
        """Forget what was collected and start."""
        self._ticks.clear()
        self._beats.clear()
        self._last = time.perf_counter()
        self._timer.start()

    def stop(self) -> tuple[list[Tick], list[float]]:
        """Stop; return ticks and lateness of the answers, ms."""
        self._timer.stop()
        return list(self._ticks), list(self._beats)


def make_figures(title: str, ticks: list[Tick], beats: list[float]) -> list[Figure]:
    """Return median, p99 and maximum of both, and how many deadlines and beats were missed."""
    found = []
    lateness = np.array([tick.lateness for tick in ticks]) * 1e3
    for name, values in (("control", lateness), ("window", np.maximum(beats, 0.0))):
        if not len(values):
            continue
        for statistic, value in zip(("p50", "p99"), np.percentile(values, (50, 99)), strict=True):
            found.append(Figure(f"{title}: {name}, {statistic}", float(value), "ms", count=len(values)))
        found.append(Figure(f"{title}: {name}, largest", float(values.max()), "ms", count=len(values)))
    if ticks:
        missed = ticks[-1].missed_deadlines - ticks[0].missed_deadlines
        found.append(Figure(f"{title}: control, missed", missed, "", count=len(ticks), bar=0))
    stuck = int((np.array(beats) > MISSED_BEAT_MS).sum())
    return [*found, Figure(f"{title}: window, missed", stuck, "", count=len(beats), bar=0)]


@contextlib.contextmanager
def run_busy_loops(count: int) -> Iterator[None]:
    """Run processes beside this one that use a core each, at the usual priority."""
    loops = [subprocess.Popen([sys.executable, "-c", BUSY_LOOP]) for _ in range(count)]
    try:
        yield
    finally:
        for process in loops:
            process.kill()
            process.wait()


def make_states(user: SimulatedUser, seconds: float) -> dict[str, Callable[[], None]]:
    """Return what the window does in every state."""

    def idle() -> None:
        user.pause(seconds)

    def record() -> None:
        user.press_button("Record")
        user.wait_until(lambda: user.read_state().startswith("Recording"), "recording")
        user.pause(seconds)
        user.press_button("Finish")
        user.wait_until(lambda: user.read_state() == "Ready", "the arm")

    def adapt() -> None:
        user.press_button("Adapt")
        user.wait_until(lambda: user.read_state() != "Ready", "adapting")
        user.wait_until(lambda: user.read_state() == "Ready", "the end of adapting")

    def run() -> None:
        user.press_button("Run")
        user.wait_until(lambda: user.read_state() != "Ready", "the run")
        user.wait_until(lambda: user.read_state() == "Ready", "the run to end")

    def train() -> None:
        user.press_button("Train the encoder")
        user.wait_until(lambda: user.read_state() != "Ready", "training")
        user.pause(seconds)
        user.press_button("Stop")
        user.wait_until(lambda: user.read_state() == "Ready", "the end of training")

    return {"idle": idle, "recording": record, "adapting": adapt, "running": run, "training": train}


def measure(report: Report, load: str, seconds: float, root: Path) -> None:
    """Measure every state of a window whose library is ``root``."""
    from metagui import app

    app.prepare_process()
    from PySide6.QtCore import QSettings
    from PySide6.QtWidgets import QApplication

    from metagui.arms.simulation.simulated_arm import SimulatedArm
    from metagui.demonstrations.storage.library import Library
    from metagui.gui.theme.theme import Theme
    from tests.helpers.user import SimulatedUser

    application = QApplication.instance() or QApplication(sys.argv[:1])
    theme = Theme("light")
    theme.apply()
    settings = QSettings(str(root / ".settings"), QSettings.Format.IniFormat)
    session = app.make_session(SimulatedArm, Library(root), partial(app.load_prior, None, root), seed=12)
    window = app.make_session_window(session, theme, settings)
    window.resize(1280, 800)
    window.show()
    user = SimulatedUser(window)
    user.wait_until(lambda: user.read_state() == "Ready", "the arm")
    user.select_task(TASK)
    user.pause(1.0)
    probe, loop = Probe(window), session.arm.controller.loop
    assert loop is not None
    loop.add_sink(probe.on_tick)
    for name, act in make_states(user, seconds).items():
        probe.start()
        try:
            act()
        except AssertionError as error:
            report.skipped[f"{load}, {name}"] = str(error)[:200]
        else:
            report.figures += make_figures(f"{load}, {name}", *probe.stop())
    report.settings[f"{load}, real-time priority refused"] = loop.priority_refusal
    loop.remove_sink(probe.on_tick)
    window.close()
    window.deleteLater()
    application.processEvents()


def main() -> None:
    """Measure without and with busy loops, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="time in states that have no end of their own")
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 2], help="numbers of busy processes beside it")
    add_json_option(parser)
    given = parser.parse_args()
    report = Report("responsiveness", settings={"seconds": given.seconds, "seed": 12})
    for count in given.busy:
        with tempfile.TemporaryDirectory() as folder, run_busy_loops(count):
            root = Path(folder) / "library"
            shutil.copytree(ROOT / "recordings", root)
            os.environ["METAGUI_CACHE"] = str(Path(folder) / "cache")
            measure(report, f"{count} busy loops" if count else "as it is", given.seconds, root)
    print_report(report, given.json)


if __name__ == "__main__":
    main()
