"""Taught by clicking against taught by script: ``xvfb-run python -m benchmarks.clicked`` prints both success rates.

Someone shows tasks in the real window, three times each, in real time, clicking anywhere on the things that are
meant, not on their middles. The same tasks are then shown by the scripted demonstrator. Both are adapted to and run
in the same unseen scenes. Takes about a quarter of an hour; ``--library DIR`` keeps the clicked takes, and uses those
that are there. Wants an X server or ``QT_QPA_PLATFORM=offscreen``.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

ROOT = Path(__file__).resolve().parents[1]

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.programs.program import ClickProgram
    from metagui.learning.prior import Prior
    from tests.helpers.user import Person

TASKS: dict[str, tuple[tuple[str, str], ...]] = {
    "hover over green": (("Go to", "green"),),
    "lift blue": (("Grasp", "blue"),),
    "red onto violet": (("Grasp", "red"), ("Place", "violet")),
    "blue onto yellow": (("Grasp", "blue"), ("Place", "yellow")),
    "stack green on red": (("Grasp", "green"), ("Place", "red")),
    "press red": (("Press", "red"),),
    "push green to violet": (("Push", "green"), ("", "violet")),
    "push blue to yellow": (("Push", "blue"), ("", "yellow")),
    "circle above yellow": (("Trace", "yellow"),),
    "press blue, circle green": (("Press", "blue"), ("Trace", "green")),
    "stack blue on green, go to violet": (("Grasp", "blue"), ("Place", "green"), ("Go to", "violet")),
    "sort red and green": (("Grasp", "red"), ("Place", "yellow"), ("Grasp", "green"), ("Place", "violet")),
}
"""Buttons and the colours of things to click; without a button the tool in hand goes on."""
CHECKED_SHOTS = (1, 3)
RIM = 2
"""Nearer to a thing's edge than this nobody clicks on purpose, pixels."""


def main() -> None:
    """Record, adapt, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", type=Path, help="where clicked takes are kept, and taken from if there are any")
    parser.add_argument("--prior", type=Path)
    parser.add_argument("--scenes", type=int, default=10)
    parser.add_argument("--tasks", type=int, default=len(TASKS))
    options = parser.parse_args()
    names = list(TASKS)[: options.tasks]
    with tempfile.TemporaryDirectory() as folder:
        library = options.library or Path(folder)
        library.mkdir(parents=True, exist_ok=True)
        record(library, names, options.prior)
        compare(library, names, options.prior, options.scenes)


def record(library: Path, names: list[str], prior: Path | None) -> None:
    """Show every task that has no takes yet three times in the window."""
    from metagui.demonstrations.storage.library import Library

    missing = [name for name in names if name not in Library(library).tasks()]
    if not missing:
        return
    os.environ["METAGUI_RECORDINGS"] = str(library)
    from metagui import app

    app.prepare()
    from PySide6.QtCore import QSettings
    from PySide6.QtWidgets import QApplication

    from metagui.gui.theme.theme import Theme

    application = QApplication.instance() or QApplication(sys.argv[:1])
    theme = Theme("light")
    theme.apply()
    settings = QSettings(str(library / ".settings"), QSettings.Format.IniFormat)
    window = app.make_window(theme, settings, seed=21, prior=prior)
    window.resize(1440, 900)
    window.show()
    window.activateWindow()  # there may be no window manager to do it
    person = _imprecise(window)
    person.wait_until(lambda: person.state() == "Ready" and person.button("Record").isEnabled(), 90, "the arm")
    try:
        for name in missing:
            person.press("New task")
            person.type(name)
            for take in (1, 2, 3):
                show(person, TASKS[name], take)
                print(f"clicked {name!r}, take {take}", flush=True)
    except AssertionError:
        person.keep_picture(library / ".failed.png")
        person.write_pictures()
        raise
    window.close()
    window.deleteLater()
    application.processEvents()


def show(person: Person, steps: tuple[tuple[str, str], ...], take: int) -> None:
    """Show a task once, each click when the arm has done the one before."""
    person.press("Record")
    person.wait_until(lambda: person.state().startswith("Recording"), 10, "recording")
    for tool, colour in steps:
        if tool and not person.button(tool).isChecked():
            person.press(tool)
        person.click_thing(colour)
        watch(person)
    person.press("Finish")
    person.wait_until(lambda: person.reads(f"take {take:03}") and person.reads("Saved"), 60, "the take to be saved")
    person.wait_until(lambda: person.state() == "Ready", 30, "the arm")


def watch(person: Person) -> None:
    """Look until the arm has come to rest."""
    person.leave_view()
    before = person.picture(person.named("3-D view of the arm"))
    for _ in range(100):
        person.pause(0.4)
        now = person.picture(person.named("3-D view of the arm"))
        if np.abs(now - before).mean() < 0.01:
            return
        before = now
    raise AssertionError("the arm does not come to rest")


def _imprecise(window: QWidget) -> Person:
    """Return a person who hits anything of a thing's colour but its very rim, not its middle."""
    from PySide6.QtCore import QPoint

    from tests.helpers.user import HUES, VIEW, Person, _hue_mask

    rng, person = np.random.default_rng(5), Person(window)

    def somewhere(colour: str) -> QPoint:
        seen = _hue_mask(person.picture(person.named(VIEW)), *HUES[colour])
        near = [np.roll(seen, shift, axis) for axis in (0, 1) for shift in (-RIM, RIM)]
        rows, columns = np.nonzero(np.logical_and.reduce([seen, *near]))
        assert len(rows), f"nothing {colour} is to be seen"
        hit = int(rng.integers(len(rows)))
        return QPoint(int(columns[hit]), int(rows[hit]))

    person.where = somewhere  # type: ignore[method-assign]
    return person


def compare(library: Path, names: list[str], prior: Path | None, scenes: int) -> None:
    """Adapt to clicked and to scripted takes, run both in the same unseen scenes, print success."""
    from metagui.demonstrations.programs.program import ClickProgram
    from metagui.demonstrations.programs.scripted import GenerateSettings, takes_of
    from metagui.demonstrations.storage.library import Library
    from metagui.learning import prior as priors
    from metagui.learning.evaluation.episodes import script_in_scene
    from metagui.learning.evaluation.success_rates import wilson

    shelf, start = Library(library), priors.load(prior) if prior else priors.shipped()
    won: dict[tuple[str, int], list[bool]] = {}
    for index, name in enumerate(names):
        clicked = shelf.load_all(name)
        program = ClickProgram(name, tuple(s.click for s in clicked[0].segments if s.click))
        assert all([s.click for s in take.segments] == list(program.clicks) for take in clicked), name
        shown = {"clicked": clicked, "scripted": takes_of(program, GenerateSettings(takes=3, seed=7))}
        rng = np.random.default_rng([99, index])
        tried = [s for s in rng.integers(2**31, size=scenes).tolist() if script_in_scene(program, s)[0]]
        line = []
        for shots in CHECKED_SHOTS:
            for teacher, takes in shown.items():
                results = run(start, takes[:shots], program, tried)
                won.setdefault((teacher, shots), []).extend(results)
                line.append(f"{teacher} {shots}: {sum(results)}/{len(results)}")
        print(f"{name:36} {'  '.join(line)}", flush=True)
    for (teacher, shots), results in won.items():
        low, high = wilson(sum(results), len(results))
        print(f"{teacher:9} {shots} takes {np.mean(results):6.1%} ({low:.0%}-{high:.0%}) of {len(results)} runs")


def run(prior: Prior, takes: list[Demonstration], program: ClickProgram, scenes: list[int]) -> list[bool]:
    """Adapt to some takes and run in some scenes."""
    from metagui.learning.evaluation.episodes import run_in_scene
    from metagui.learning.evaluation.evaluation import EvaluateSettings, adapted_to

    adapted = adapted_to(prior, takes, EvaluateSettings())
    return [run_in_scene(program, adapted, scene)[0] for scene in scenes]


if __name__ == "__main__":
    main()
