"""Compare clicked with scripted demonstrations: ``xvfb-run python -m benchmarks.clicked`` prints both success rates.

A simulated user demonstrates tasks in the real window, three times each, in real time, and clicks anywhere on the
objects, not only at their centres. The scripted demonstrator demonstrates the same tasks. Policies adapted to both run
in the same unseen scenes. Takes about 15 minutes; ``--library DIR`` stores the clicked takes, and uses those that
exist. Needs an X server or ``QT_QPA_PLATFORM=offscreen``.
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
    from metagui.demonstrations.programs.program import TaskProgram
    from metagui.learning.prior import Prior
    from tests.helpers.user import SimulatedUser

CLICK_SEQUENCES: dict[str, tuple[tuple[str, str], ...]] = {
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
"""Buttons and the colours of the objects to click; an empty button keeps the current tool."""
EVALUATED_SHOTS = (1, 3)
"""Numbers of takes to adapt to."""
MIN_EDGE_DISTANCE_PX = 2
"""Minimum distance of a click from an object's edge, pixels."""


def main() -> None:
    """Record, adapt, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", type=Path, help="folder of clicked takes, which are used if they exist")
    parser.add_argument("--prior", type=Path)
    parser.add_argument("--scenes", type=int, default=10)
    parser.add_argument("--tasks", type=int, default=len(CLICK_SEQUENCES))
    options = parser.parse_args()
    names = list(CLICK_SEQUENCES)[: options.tasks]
    with tempfile.TemporaryDirectory() as folder:
        library = options.library or Path(folder)
        library.mkdir(parents=True, exist_ok=True)
        record_missing_takes(library, names, options.prior)
        compare_teachers(library, names, options.prior, options.scenes)


def record_missing_takes(library: Path, names: list[str], prior: Path | None) -> None:
    """Demonstrate every task without takes three times in the window."""
    from metagui.demonstrations.storage.library import Library

    missing = [name for name in names if name not in Library(library).list_tasks()]
    if not missing:
        return
    os.environ["METAGUI_RECORDINGS"] = str(library)
    from metagui import app

    app.prepare_process()
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
    user = _make_imprecise_user(window)
    user.wait_until(lambda: user.read_state() == "Ready" and user.find_button("Record").isEnabled(), "the arm")
    try:
        for name in missing:
            user.press_button("New task")
            user.type_text(name)
            for take in (1, 2, 3):
                demonstrate_task(user, CLICK_SEQUENCES[name], take)
                print(f"clicked {name!r}, take {take}", flush=True)
    except AssertionError:
        user.take_screenshot(library / ".failed.png")
        user.save_screenshots()
        raise
    window.close()
    window.deleteLater()
    application.processEvents()


def demonstrate_task(user: SimulatedUser, steps: tuple[tuple[str, str], ...], take: int) -> None:
    """Demonstrate a task once; each click waits until the previous instruction is done."""
    user.press_button("Record")
    user.wait_until(lambda: user.read_state().startswith("Recording"), "recording")
    for tool, colour in steps:
        if tool and not user.find_button(tool).isChecked():
            user.press_button(tool)
        user.click_object(colour)
        wait_until_at_rest(user)
    user.press_button("Finish")
    user.wait_until(lambda: user.can_read(f"take {take:03}") and user.can_read("Saved"), "the take to be saved")
    user.wait_until(lambda: user.read_state() == "Ready", "the arm")


def wait_until_at_rest(user: SimulatedUser) -> None:
    """Wait until the 3-D view does not change any more."""
    user.leave_view()
    before = user.grab_pixels(user.find_widget("3-D view of the arm"))
    for _ in range(100):
        user.pause(0.4)
        now = user.grab_pixels(user.find_widget("3-D view of the arm"))
        if np.abs(now - before).mean() < 0.01:
            return
        before = now
    raise AssertionError("the arm does not come to rest")


def _make_imprecise_user(window: QWidget) -> SimulatedUser:
    """Return a user that clicks objects anywhere except at their edges."""
    from PySide6.QtCore import QPoint

    from tests.helpers.user import HUE_RANGES_DEG, SCENE_VIEW_NAME, SimulatedUser, compute_hue_mask

    rng, user = np.random.default_rng(5), SimulatedUser(window)

    def find_random_point(colour: str) -> QPoint:
        seen = compute_hue_mask(user.grab_pixels(user.find_widget(SCENE_VIEW_NAME)), *HUE_RANGES_DEG[colour])
        near = [
            np.roll(seen, shift, axis) for axis in (0, 1) for shift in (-MIN_EDGE_DISTANCE_PX, MIN_EDGE_DISTANCE_PX)
        ]
        rows, columns = np.nonzero(np.logical_and.reduce([seen, *near]))
        assert len(rows), f"no {colour} object is visible"
        hit = int(rng.integers(len(rows)))
        return QPoint(int(columns[hit]), int(rows[hit]))

    user.find_object = find_random_point  # type: ignore[method-assign]
    return user


def compare_teachers(library: Path, names: list[str], prior: Path | None, scenes: int) -> None:
    """Adapt to clicked and to scripted takes, run both in the same unseen scenes, print the success rates."""
    from metagui.demonstrations.programs.program import TaskProgram
    from metagui.demonstrations.programs.scripted import GenerationSettings, generate_takes
    from metagui.demonstrations.storage.library import Library
    from metagui.learning import prior as priors
    from metagui.learning.evaluation.episodes import run_scripted_episode
    from metagui.learning.evaluation.success_rates import wilson_interval

    stored, start = Library(library), priors.load(prior) if prior else priors.load_shipped()
    achieved: dict[tuple[str, int], list[bool]] = {}
    for index, name in enumerate(names):
        clicked = stored.load_takes(name)
        program = TaskProgram(name, tuple(s.instruction for s in clicked[0].segments if s.instruction))
        assert all([s.instruction for s in take.segments] == list(program.instructions) for take in clicked), name
        demonstrations = {"clicked": clicked, "scripted": generate_takes(program, GenerationSettings(takes=3, seed=7))}
        rng = np.random.default_rng([99, index])
        feasible = [s for s in rng.integers(2**31, size=scenes).tolist() if run_scripted_episode(program, s)[0]]
        line = []
        for shots in EVALUATED_SHOTS:
            for teacher, takes in demonstrations.items():
                results = adapt_and_run(start, takes[:shots], program, feasible)
                achieved.setdefault((teacher, shots), []).extend(results)
                line.append(f"{teacher} {shots}: {sum(results)}/{len(results)}")
        print(f"{name:36} {'  '.join(line)}", flush=True)
    for (teacher, shots), results in achieved.items():
        low, high = wilson_interval(sum(results), len(results))
        print(f"{teacher:9} {shots} takes {np.mean(results):6.1%} ({low:.0%}-{high:.0%}) of {len(results)} runs")


def adapt_and_run(prior: Prior, takes: list[Demonstration], program: TaskProgram, scenes: list[int]) -> list[bool]:
    """Adapt to takes; return the success in every scene."""
    from metagui.learning.evaluation.episodes import run_policy_episode
    from metagui.learning.evaluation.evaluation import EvaluationSettings, adapt_all_candidates

    adapted = adapt_all_candidates(prior, takes, EvaluationSettings())
    return [run_policy_episode(program, adapted, scene)[0] for scene in scenes]


if __name__ == "__main__":
    main()
