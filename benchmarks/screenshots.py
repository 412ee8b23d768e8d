"""Makes the pictures of the window at every stage, light and dark: ``python -m benchmarks.screenshots OUT``.

Someone clicks through the whole flow on a copy of the example tasks: looks around, teaches a task three times,
adapts, compares, runs. With ``--prior FILE`` another prior than the shipped one is used, with ``--size 1280x800``
another window, with ``--looks light`` one look only. Wants an X server or ``QT_QPA_PLATFORM=offscreen``.
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

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--recordings", type=Path, default=ROOT / "recordings")
    parser.add_argument("--prior", type=Path)
    parser.add_argument("--size", default="1600x1000")
    parser.add_argument("--looks", default="light,dark")
    chosen = parser.parse_args()
    for look in chosen.looks.split(","):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(chosen.recordings, folder, dirs_exist_ok=True)
            os.environ["METAGUI_RECORDINGS"] = folder
            make_screenshots(chosen.out, cast("ThemeChoice", look), chosen.size, chosen.prior)


def make_screenshots(out: Path, look: ThemeChoice, size: str, prior: Path | None) -> None:
    """Click through the flow in one look."""
    from metagui import app

    app.prepare_process()
    from PySide6.QtCore import QPoint, QSettings, Qt
    from PySide6.QtWidgets import QApplication, QTreeView

    from metagui.gui.theme.theme import Theme
    from tests.helpers.user import SCENE_VIEW_NAME, SimulatedUser

    application = QApplication.instance() or QApplication(sys.argv[:1])
    theme = Theme(look)
    theme.apply()
    settings = QSettings(str(Path(os.environ["METAGUI_RECORDINGS"]) / ".settings"), QSettings.Format.IniFormat)
    window = app.make_window(theme, settings, seed=12, prior=prior)
    window.resize(*(int(n) for n in size.split("x")))
    window.show()
    window.activateWindow()  # there may be no window manager to do it
    person, taken = SimulatedUser(window), []
    person.wait_until(window.isActiveWindow, 10, "the window to be active")

    def shoot(name: str) -> None:
        person.pause(0.5)
        taken.append(name)
        person.take_screenshot(out / f"{len(taken):02}-{name}-{look}.png")
        print(f"{time.strftime('%H:%M:%S')} {look} {name}", flush=True)

    person.wait_until(lambda: person.read_state().startswith("Ready"), 60, "the arm")
    person.wait_until(lambda: person.read_state() == "Ready", 60, "the comparison")
    shoot("start")
    tree = person.find_widget("Tasks and takes")
    assert isinstance(tree, QTreeView)
    person.select_task("red cube to yellow zone")
    person.press_key(Qt.Key.Key_Right)
    person.press_key(Qt.Key.Key_Down)
    shoot("browse")
    for view in ("Heat map", "Map", "Distances", "Ranked"):
        person.press_button(view)
        shoot(view.lower().replace(" ", "-"))
    person.press_button("Heat map")
    heat = person.find_widget("Heat map of distances between tasks")
    person.click(heat, QPoint(heat.width() // 2, heat.height() // 2))
    person.wait_until(lambda: person.can_read(", take "), 10, "the overlay")
    shoot("overlay")
    person.press_button("Ranked")
    person.press_button("New task")
    person.type_text("blue onto yellow")
    for take in range(3):
        person.press_button("Record")
        person.wait_until(lambda: person.read_state().startswith("Recording"), 10, "recording")
        person.hover("blue")
        if take == 0:
            shoot("hover")
        person.click_object("blue")
        person.wait_until(lambda: person.find_button("Place").isChecked(), 5, "the tool to advance")
        person.click_object("yellow")
        if take == 0:
            person.pause(2.0)
            shoot("recording")
        person.press_button("Finish")
        saved = f"take {take + 1:03}"
        person.wait_until(lambda saved=saved: person.can_read(saved), 40, "the take to be saved")  # type: ignore[misc]
        person.wait_until(lambda: person.read_state() == "Ready", 10, "the arm")
    shoot("saved")
    person.press_button("Adapt")
    person.wait_until(lambda: person.read_state().endswith("adapting") or person.can_read("held-out"), 20, "curves")
    person.pause(0.4)
    shoot("adapting")
    person.wait_until(lambda: person.read_state() == "Ready", 120, "the end of adapting")
    person.wait_until(lambda: person.find_button("Run").isEnabled(), 10, "the policy")
    shoot("adapted")
    person.press_button("Run")
    person.pause(1.6)
    shoot("running")
    person.wait_until(lambda: person.read_state() == "Ready", 90, "the run to end")
    shoot("done")
    person.press_key(Qt.Key.Key_F1)
    shoot("keys")
    person.press_key(Qt.Key.Key_Escape)
    person.drag(person.find_widget(SCENE_VIEW_NAME), QPoint(60, 60), QPoint(120, -40))
    shoot("turned")
    print(f"longest pause {person.longest_pause * 1000:.0f} ms")
    window.close()
    person.save_screenshots()
    window.deleteLater()
    application.processEvents()


if __name__ == "__main__":
    main()
