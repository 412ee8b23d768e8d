"""Measures the start of the window: ``python -m benchmarks.startup``.

Each run starts the program in a process of its own, with the example tasks or a given library, and prints the times
since the process began: the window painted for the first time; tasks and 3-D view shown; the arm ready, so that a take
can be recorded; and the longest time after the first paint for which no events were processed. It needs an X server
or ``QT_QPA_PLATFORM=offscreen``; other processes make every figure larger. ``--check`` exits with 1 above a bar.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

    from metagui.gui.window.main_window import MainWindow

ROOT = Path(__file__).resolve().parents[1]
BARS_S = {"first paint": 1.0, "tasks and view": 2.0, "arm ready": None, "longest stall": 0.1, "processor": None}
"""Figures, each with the time that its median must not exceed, s."""
HEARTBEAT_MS = 5
OBSERVED_S = 3.0
"""Time after the arm is ready for which the window is watched, s."""
PATIENCE_S = 120.0


def main() -> int:
    """Print the median and the maximum of every figure; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--library", type=Path, default=ROOT / "recordings", help="library that is copied and opened")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a median exceeds its bar")
    parser.add_argument("--child", type=float, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child is not None:
        print(json.dumps(measure_start(chosen.child)))
        return 0
    results = [_run_child(chosen.library) for _ in range(chosen.runs)]
    is_missed = False
    for name, bar in BARS_S.items():
        values = [result[name] for result in results]
        median = statistics.median(values)
        is_missed |= bar is not None and median > bar
        verdict = "" if bar is None else f"   bar {bar:.1f}: {'met' if median <= bar else 'MISSED'}"
        print(f"{name:16} median {median:7.3f} s   max {max(values):7.3f} s{verdict}")
    return int(chosen.check and is_missed)


def _run_child(library: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "recordings"
        shutil.copytree(library, copy, ignore=shutil.ignore_patterns(".*"))
        environment = os.environ | {"METAGUI_RECORDINGS": str(copy), "METAGUI_CACHE": f"{folder}/cache"}
        environment |= {"XDG_CONFIG_HOME": folder}
        command = [sys.executable, "-m", "benchmarks.startup", "--child", str(time.time())]
        done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
        out: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return out


def measure_start(started: float) -> dict[str, float]:
    """Start the program in this process, which began at ``started`` (time.time()); return the figures, s."""
    from metagui import app

    app.prepare_process()
    from PySide6.QtCore import QSettings
    from PySide6.QtWidgets import QApplication

    from metagui.gui.theme.theme import Theme

    application = QApplication([])
    theme = Theme("light")
    theme.apply()
    settings = QSettings(str(Path(os.environ["METAGUI_CACHE"]) / "settings.ini"), QSettings.Format.IniFormat)
    window = app.make_window(theme, settings)
    window.show()
    out = _watch(application, window, started)
    window.close()
    return out


def _watch(application: QApplication, window: MainWindow, started: float) -> dict[str, float]:
    """Process events until the arm is ready and for some time more; return the figures, s."""
    from PySide6.QtCore import QEvent, QObject

    class PaintWatch(QObject):
        painted = False

        def eventFilter(self, watched: QObject, event: QEvent) -> bool:
            PaintWatch.painted |= event.type() == QEvent.Type.Paint
            return False

    watch = PaintWatch()
    application.installEventFilter(watch)
    figures = dict.fromkeys(BARS_S, 0.0)
    before, until = time.time(), started + PATIENCE_S
    while before < until:
        application.processEvents()
        now = time.time()
        if figures["first paint"]:
            figures["longest stall"] = max(figures["longest stall"], now - before)
        elif PaintWatch.painted:
            figures["first paint"] = now - started
        if not figures["tasks and view"] and _is_filled(window):
            figures["tasks and view"] = now - started
        if not figures["arm ready"] and "Ready" in window.status_bar.state_label.text():
            figures["arm ready"], figures["processor"] = now - started, time.process_time()
            until = now + OBSERVED_S
        before = now
        time.sleep(HEARTBEAT_MS / 1000)
    return figures


def _is_filled(window: MainWindow) -> bool:
    model = window.task_list.tree.model()
    return model is not None and model.rowCount() > 0 and window.arm_panel.view.has_picture


if __name__ == "__main__":
    sys.exit(main())
