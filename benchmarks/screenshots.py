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
    from metagui.gui.theme.theme import Choice

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
            make(chosen.out, cast("Choice", look), chosen.size, chosen.prior)


def make(out: Path, look: Choice, size: str, prior: Path | None) -> None:
    """Click through the flow in one look."""
    from metagui import app

    app.prepare()
    from PySide6.QtCore import QPoint, QSettings, Qt
    from PySide6.QtWidgets import QApplication, QTreeView

    from metagui.gui.theme.theme import Theme
    from tests.helpers.user import VIEW, Person

    application = QApplication.instance() or QApplication(sys.argv[:1])
    theme = Theme(look)
    theme.apply()
    settings = QSettings(str(Path(os.environ["METAGUI_RECORDINGS"]) / ".settings"), QSettings.Format.IniFormat)
    window = app.make_window(theme, settings, seed=12, prior=prior)
    window.resize(*(int(n) for n in size.split("x")))
    window.show()
    window.activateWindow()  # there may be no window manager to do it
    person, taken = Person(window), []
    person.wait_until(window.isActiveWindow, 10, "the window to be active")

    def shoot(name: str) -> None:
        person.pause(0.5)
        taken.append(name)
        person.keep_picture(out / f"{len(taken):02}-{name}-{look}.png")
        print(f"{time.strftime('%H:%M:%S')} {look} {name}", flush=True)

    person.wait_until(lambda: person.state().startswith("Ready"), 60, "the arm")
    person.wait_until(lambda: person.state() == "Ready", 60, "the comparison")
    shoot("start")
    tree = person.named("Tasks and takes")
    assert isinstance(tree, QTreeView)
    person.choose_task("red cube to yellow zone")
    person.key(Qt.Key.Key_Right)
    person.key(Qt.Key.Key_Down)
    shoot("browse")
    for view in ("Heat map", "Map", "Distances", "Ranked"):
        person.press(view)
        shoot(view.lower().replace(" ", "-"))
    person.press("Heat map")
    heat = person.named("Heat map of distances between tasks")
    person.click(heat, QPoint(heat.width() // 2, heat.height() // 2))
    person.wait_until(lambda: person.reads(", take "), 10, "the overlay")
    shoot("overlay")
    person.press("Ranked")
    person.press("New task")
    person.type("blue onto yellow")
    for take in range(3):
        person.press("Record")
        person.wait_until(lambda: person.state().startswith("Recording"), 10, "recording")
        person.hover("blue")
        if take == 0:
            shoot("hover")
        person.click_thing("blue")
        person.wait_until(lambda: person.button("Place").isChecked(), 5, "the tool to advance")
        person.click_thing("yellow")
        if take == 0:
            person.pause(2.0)
            shoot("recording")
        person.press("Finish")
        saved = f"take {take + 1:03}"
        person.wait_until(lambda saved=saved: person.reads(saved), 40, "the take to be saved")  # type: ignore[misc]
        person.wait_until(lambda: person.state() == "Ready", 10, "the arm")
    shoot("saved")
    person.press("Adapt")
    person.wait_until(lambda: person.state().endswith("adapting") or person.reads("held-out"), 20, "curves")
    person.pause(0.4)
    shoot("adapting")
    person.wait_until(lambda: person.state() == "Ready", 120, "the end of adapting")
    person.wait_until(lambda: person.button("Run").isEnabled(), 10, "the policy")
    shoot("adapted")
    person.press("Run")
    person.pause(1.6)
    shoot("running")
    person.wait_until(lambda: person.state() == "Ready", 90, "the run to end")
    shoot("done")
    person.key(Qt.Key.Key_F1)
    shoot("keys")
    person.key(Qt.Key.Key_Escape)
    person.drag(person.named(VIEW), QPoint(60, 60), QPoint(120, -40))
    shoot("turned")
    print(f"longest pause {person.longest_pause * 1000:.0f} ms")
    window.close()
    person.write_pictures()
    window.deleteLater()
    application.processEvents()


if __name__ == "__main__":
    main()
