"""Take screenshots of the window at every stage, light and dark: ``python -m benchmarks.screenshots OUT``.

A simulated user clicks through the whole workflow on a copy of the example tasks: browses, demonstrates a task three
times, adapts, compares, runs. ``--prior FILE`` uses another prior than the shipped one, ``--size 1280x800`` another
window size, ``--looks light`` one theme only. Needs an X server or ``QT_QPA_PLATFORM=offscreen``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from metagui.gui.theme.theme import ThemeChoice
    from tests.helpers.user import SimulatedUser

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Take all screenshots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--recordings", type=Path, default=ROOT / "recordings")
    parser.add_argument("--prior", type=Path)
    parser.add_argument("--size", default="1600x1000")
    parser.add_argument("--looks", default="light,dark")
    options = parser.parse_args()
    for look in options.looks.split(","):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(options.recordings, folder, dirs_exist_ok=True)
            os.environ["METAGUI_RECORDINGS"] = folder
            make_screenshots(options.out, cast("ThemeChoice", look), options.size, options.prior)


def make_screenshots(out: Path, look: ThemeChoice, size: str, prior: Path | None) -> None:
    """Click through the workflow with one theme."""
    from metagui import app

    app.prepare_process()
    from PySide6.QtCore import QSettings
    from PySide6.QtWidgets import QApplication

    from metagui.gui.theme.theme import Theme
    from tests.helpers.user import SimulatedUser

    application = QApplication.instance() or QApplication(sys.argv[:1])
    theme = Theme(look)
    theme.apply()
    settings = QSettings(str(Path(os.environ["METAGUI_RECORDINGS"]) / ".settings"), QSettings.Format.IniFormat)
    window = app.make_window(theme, settings, seed=12, prior=prior)
    window.resize(*(int(n) for n in size.split("x")))
    window.show()
    window.activateWindow()  # there may be no window manager to do it
    user = SimulatedUser(window)
    user.wait_until(window.isActiveWindow, "the window to be active")
    camera = Camera(user, out, look)
    browse(camera)
    demonstrate_three_times(camera)
    adapt_and_run(camera)
    print(f"longest pause {user.longest_pause * 1000:.0f} ms")
    window.close()
    user.save_screenshots()
    window.deleteLater()
    application.processEvents()


class Camera:
    """Takes numbered screenshots of a user's window."""

    def __init__(self, user: SimulatedUser, out: Path, look: ThemeChoice) -> None:
        self.user = user
        self._out, self._look = out, look
        self._count = 0

    def shoot(self, name: str) -> None:
        """Take the next screenshot."""
        self.user.pause(0.5)
        self._count += 1
        self.user.take_screenshot(self._out / f"{self._count:02}-{name}-{self._look}.png")
        print(f"{time.strftime('%H:%M:%S')} {self._look} {name}", flush=True)


def browse(camera: Camera) -> None:
    """Look at a take, at every view of the similarity panel and at the overlay of two takes."""
    from PySide6.QtCore import QPoint, Qt
    from PySide6.QtWidgets import QTreeView

    user = camera.user
    user.wait_until(lambda: user.read_state().startswith("Ready"), "the arm")
    user.wait_until(lambda: user.read_state() == "Ready", "the comparison")
    camera.shoot("start")
    tree = user.find_widget("Tasks and takes")
    assert isinstance(tree, QTreeView)
    user.select_task("red cube to yellow zone")
    user.press_key(Qt.Key.Key_Right)
    user.press_key(Qt.Key.Key_Down)
    camera.shoot("browse")
    for view in ("Heat map", "Map", "Distances", "Ranked"):
        user.press_button(view)
        camera.shoot(view.lower().replace(" ", "-"))
    user.press_button("Heat map")
    heat = user.find_widget("Heat map of distances between tasks")
    user.click(heat, QPoint(heat.width() // 2, heat.height() // 2))
    user.wait_until(lambda: user.can_read(", take "), "the overlay")
    camera.shoot("overlay")
    user.press_button("Ranked")


def demonstrate_three_times(camera: Camera) -> None:
    """Record three takes of a new task."""
    user = camera.user
    user.press_button("New task")
    user.type_text("blue onto yellow")
    for take in range(3):
        user.press_button("Record")
        user.wait_until(lambda: user.read_state().startswith("Recording"), "recording")
        user.hover("blue")
        if take == 0:
            camera.shoot("hover")
        user.click_object("blue")
        user.wait_until(lambda: user.find_button("Place").isChecked(), "the tool to advance")
        user.click_object("yellow")
        if take == 0:
            user.pause(2.0)
            camera.shoot("recording")
        user.press_button("Finish")
        saved = f"take {take + 1:03}"
        user.wait_until(lambda saved=saved: user.can_read(saved), "the take to be saved")  # type: ignore[misc]
        user.wait_until(lambda: user.read_state() == "Ready", "the arm")
    camera.shoot("saved")


def adapt_and_run(camera: Camera) -> None:
    """Adapt to the new task, run and measure the policy, show the shortcuts and turn the view."""
    from PySide6.QtCore import QPoint, Qt

    from tests.helpers.user import SCENE_VIEW_NAME

    user = camera.user
    user.press_button("Adapt")
    user.wait_until(lambda: user.read_state().endswith("adapting") or user.can_read("held-out"), "curves")
    user.pause(0.4)
    camera.shoot("adapting")
    user.wait_until(lambda: user.read_state() == "Ready", "the end of adapting")
    user.wait_until(lambda: user.find_button("Run").isEnabled(), "the policy")
    camera.shoot("adapted")
    user.press_button("Run")
    user.pause(1.6)
    camera.shoot("running")
    user.wait_until(lambda: user.read_state() == "Ready", "the run to end")
    camera.shoot("done")
    user.press_button("Success rate")
    user.pause(0.3)  # the view appears
    user.press_button("Measure success")
    user.wait_until(lambda: user.can_read("of 20"), "the success rate")
    camera.shoot("success")
    user.press_button("Curves")
    user.press_key(Qt.Key.Key_F1)
    camera.shoot("keys")
    user.press_key(Qt.Key.Key_Escape)
    user.drag(user.find_widget(SCENE_VIEW_NAME), QPoint(60, 60), QPoint(120, -40))
    camera.shoot("turned")


if __name__ == "__main__":
    main()
