"""A user at a real window with real mouse and key events, the example tasks and the shipped prior."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QPoint, Qt

from metagui.gui.learning.loss_panel import LossAxes
from metagui.gui.similarity.neighbour_list import RankingTable
from metagui.gui.window.main_window import MainWindow
from metagui.learning.adaptation.task_policy import TaskPolicy
from metagui.learning.policy import feature_layout
from tests.helpers.example_window import EXAMPLES, open_example_window
from tests.helpers.qt import session_of
from tests.helpers.user import SCENE_VIEW_NAME, SimulatedUser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.window
SHIPPED = EXAMPLES.parent / "resources" / "prior" / "prior.safetensors"
PRIOR = pytest.mark.skipif(not SHIPPED.is_file(), reason="no prior is shipped")
ATTEMPTS = 4
"""Number of runs in new scenes, of which one has to succeed: a policy is not perfect."""


@pytest.fixture
def person(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedUser]:
    with open_example_window(qtbot, tmp_path, monkeypatch, SimulatedUser) as found:
        yield found


def teach(person: SimulatedUser, take: int) -> None:
    """Record one take in which the red cube is placed on the yellow zone."""
    person.press_button("Record")
    person.wait_until(lambda: person.read_state().startswith("Recording"), "recording")
    person.click_object("red")
    person.wait_until(lambda: person.find_button("Place").isChecked(), "the tool to move on")
    person.click_object("yellow")
    person.press_button("Finish")
    person.wait_until(lambda: person.was_shown(f"take {take:03}") and person.was_shown("Saved"), "the take to be saved")
    person.wait_until(lambda: person.read_state() == "Ready", "the arm")


def count_curve_points(person: SimulatedUser) -> int:
    """Count the points on the loss curves."""
    shown = [item.xData for item in person.window.findChild(LossAxes).getPlotItem().listDataItems()]
    return sum(len(steps) for steps in shown if steps is not None)


@PRIOR
def test_record_three_takes_adapt_and_run(person: SimulatedUser) -> None:
    person.press_button("New task")
    person.type_text("my red on yellow")
    for take in (1, 2, 3):
        teach(person, take)
    assert person.can_read("from your other takes")
    (ranking,) = (each for each in person.window.findChildren(RankingTable) if each.isVisible())
    person.wait_until(lambda: ranking.ranking.find_row("red cube to yellow zone") == 0, "the most similar task")
    assert ranking.ranking.rows[0].grade in ("same", "kind")

    person.longest_work = 0.0
    person.press_button("Adapt to 3 demonstrations")
    seen: set[int] = set()
    person.wait_until(lambda: seen.add(count_curve_points(person)) or person.was_shown("Adapted “my red"), "adapting")
    assert len(seen) > 4, "curve points did not appear while it ran"
    assert person.longest_work < 1.0, "the window did not answer"

    for _ in range(ATTEMPTS):
        person.wait_until(lambda: person.find_button("Run").isEnabled(), "the policy")
        person.messages.clear()
        person.press_button("Run")
        person.wait_until(lambda: person.read_state().startswith("Running"), "the run")
        person.wait_until(lambda: person.read_state() == "Ready", "the run to end")
        if person.was_shown("achieved in a new scene"):
            return
    raise AssertionError("no run succeeded")


@PRIOR
def test_policy_of_another_version_is_reported_and_relearnt(
    person: SimulatedUser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, other = "press the blue cube", "hover over the red cube"
    for task in (old, other):
        person.select_task(task)
        person.press_button("Adapt to 3 demonstrations")
        person.wait_until(lambda task=task: person.was_shown(f"Adapted “{task}”"), "adapting")  # type: ignore[misc]
    path = tmp_path / "recordings" / old / "adapted.safetensors"
    with monkeypatch.context() as earlier:
        adapted = TaskPolicy.load(path)
        earlier.setattr("metagui.learning.policy.feature_layout.VERSION", feature_layout.VERSION - 1)
        adapted.save(path)
    person.select_task(old)
    person.wait_until(lambda: person.can_read("cannot be read. Press Adapt"), "the place of the curves to say so")
    assert person.can_read("another version of the program. The takes are safe")
    curves = person.window.findChild(LossAxes)
    assert not curves.isVisible(), "another task's curves are still there"
    assert person.find_button("Adapt to 3 demonstrations (from the message)").isEnabled()
    person.messages.clear()
    person.press_button("Adapt to 3 demonstrations")
    person.wait_until(curves.isVisible, "new curves")
    person.wait_until(lambda: person.was_shown(f"Adapted “{old}”"), "adapting")
    assert not person.can_read("another version of the program"), "the resolved error is still shown"


def test_mouse_rotates_view_and_shows_hints(person: SimulatedUser) -> None:
    view = person.find_widget(SCENE_VIEW_NAME)
    person.leave_view()
    before = person.grab_pixels(view)
    person.drag(view, QPoint(40, 40), QPoint(150, -30))
    person.leave_view()
    person.wait_until(lambda: (person.grab_pixels(view) != before).mean() > 0.05, "the new view")
    person.press_button("Reset view")
    person.hover("green")
    person.wait_until(lambda: person.can_read("Grasp green cube"), "the hint")
    person.press_button("Place")
    person.hover("yellow")
    person.wait_until(lambda: person.can_read("grasp a cube first"), "the reason")
    person.click_object("yellow")
    person.wait_until(lambda: person.was_shown("The arm stays where it is"), "the message")


def test_escape_stops_and_saves_the_take(person: SimulatedUser) -> None:
    person.press_button("Record")
    person.click_object("red")
    assert isinstance(person.window, MainWindow)
    recorder = session_of(person.window).arm.controller.recorder
    person.wait_until(lambda: recorder.sample_count > 50, "the arm to move for a second")
    person.press_key(Qt.Key.Key_Escape)
    person.wait_until(lambda: person.read_state() == "Ready", "the arm to hold")
    person.wait_until(lambda: person.was_shown("Saved"), "what was recorded to be kept")
    person.press_button("Undo")
    person.wait_until(lambda: person.find_button("Redo").isEnabled(), "the undo")


@PRIOR
def test_heat_map_click_overlays_two_takes(person: SimulatedUser) -> None:
    person.press_button("Heat map")
    name = "Heat map of distances between tasks"
    person.wait_until(lambda: person.can_see(name), "the comparison")
    heat = person.find_widget(name)
    person.click(heat, QPoint(heat.width() * 2 // 3, heat.height() // 3))
    person.wait_until(lambda: person.can_read(", take "), "both demonstrations")
    person.press_button("Back")
    assert heat.isVisible()
