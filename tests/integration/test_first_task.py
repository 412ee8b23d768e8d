"""From the first start to a taught arm that runs a task of one's own, by keys alone and by mouse, and their number."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from metagui.gui.similarity.neighbour_list import RankingTable
from metagui.gui.window.main_window import MainWindow
from tests.helpers.example_window import EXAMPLES, open_example_window
from tests.helpers.qt import session_of
from tests.helpers.typist import CTRL, SHIFT, Typist
from tests.helpers.user import SimulatedUser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from PySide6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot

SHIPPED = EXAMPLES.parent / "resources" / "prior" / "prior.safetensors"
pytestmark = [pytest.mark.window, pytest.mark.skipif(not SHIPPED.is_file(), reason="no prior is shipped")]
MAX_ACTIONS = 25
"""Clicks and keys, from the first start to the run of a task of one's own."""
NAME = "grasp red cube → place on yellow zone"
"""Name that the program gives the task by its steps."""
TAKES = 3


class CountingTypist(Typist):
    """A person who uses keys only, and counts them."""

    count = 0

    def press_key(self, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        self.count += 1
        super().press_key(key, modifier)

    def type_text(self, text: str) -> None:
        self.count += len(text)
        super().type_text(text)


class CountingUser(SimulatedUser):
    """A person who uses the mouse only, and counts the clicks."""

    count = 0

    def click(self, widget: QWidget, position: QPoint, right: bool = False) -> None:
        self.count += 1
        super().click(widget, position, right)


@pytest.fixture
def typist(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CountingTypist]:
    with open_example_window(qtbot, tmp_path, monkeypatch, CountingTypist) as found:
        yield found


@pytest.fixture
def person(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CountingUser]:
    with open_example_window(qtbot, tmp_path, monkeypatch, CountingUser) as found:
        yield found


def wait_for_take(person: SimulatedUser, take: int) -> None:
    person.wait_until(lambda: person.was_shown(f"take {take:03}") and person.was_shown("Saved"), f"take {take}")
    person.wait_until(lambda: person.read_state() == "Ready", "the arm")


def wait_for_run(person: SimulatedUser) -> None:
    person.wait_until(lambda: person.read_state().startswith("Running"), "the run")
    person.wait_until(lambda: person.read_state() == "Ready", "the run to end")
    assert person.was_shown(NAME)


def test_record_adapt_compare_and_run_by_keys_alone(
    typist: CountingTypist, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_mouse(*_: object) -> None:
        raise AssertionError("the mouse was used")

    for name in ("mouseClick", "mouseMove", "mousePress", "mouseRelease", "mouseDClick"):
        monkeypatch.setattr(QTest, name, no_mouse)
    teach_by_keys(typist)
    typist.press_key(Qt.Key.Key_Return, CTRL)
    typist.wait_until(lambda: typist.was_shown(f"Adapted “{NAME}”"), "adapting")
    typist.wait_until(lambda: typist.find_button("Run").isEnabled(), "the policy")
    until_adapted = typist.count
    look_at_similarity(typist)
    typist.count = until_adapted
    typist.press_key(Qt.Key.Key_E, CTRL)
    wait_for_run(typist)
    with capsys.disabled():
        sys.stdout.write(f"\nkeys from the first start to a run: {typist.count}\n")
    assert typist.count <= MAX_ACTIONS


def teach_by_keys(typist: CountingTypist) -> None:
    """Record a take from the form of steps, and two more in new scenes."""
    typist.press_key(Qt.Key.Key_N, CTRL)
    typist.press_key(Qt.Key.Key_F9)
    typist.wait_until(lambda: typist.read_state().startswith("Recording"), "recording")
    typist.press_key(Qt.Key.Key_4, CTRL)
    typist.press_key(Qt.Key.Key_Tab)
    typist.press_key(Qt.Key.Key_Return)
    typist.wait_until(lambda: typist.find_button("Place").isChecked(), "the tool to move on")
    typist.press_key(Qt.Key.Key_Y)
    typist.press_key(Qt.Key.Key_Return)
    typist.press_key(Qt.Key.Key_F9)
    wait_for_take(typist, 1)
    for take in range(2, TAKES + 1):
        typist.press_key(Qt.Key.Key_R, CTRL | SHIFT)
        wait_for_take(typist, take)


def look_at_similarity(typist: CountingTypist) -> None:
    """Look at the ranking, two takes side by side, the heat map and the map of all takes."""
    window = typist.window
    assert isinstance(window, MainWindow)
    (ranking,) = window.findChildren(RankingTable)
    typist.press_key(Qt.Key.Key_3, CTRL)
    typist.tab_to("Ranked")
    typist.wait_until(lambda: ranking.ranking.rowCount() > 0, "the ranking")
    typist.tab_to("Tasks ranked by similarity")
    typist.press_key(Qt.Key.Key_Down)
    typist.press_key(Qt.Key.Key_Return)
    typist.wait_until(lambda: typist.can_read(", take "), "both demonstrations")
    typist.tab_to("Back to the comparison")
    typist.press_key(Qt.Key.Key_Space)

    go_to_view(typist, "Ranked", 1)
    typist.tab_to("Heat map of distances between tasks")
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Right, Qt.Key.Key_Plus, Qt.Key.Key_0):
        typist.press_key(key)
    assert "Return shows both" in typist.focus.accessibleDescription()
    typist.press_key(Qt.Key.Key_Return)
    typist.wait_until(lambda: typist.can_read(", take "), "both demonstrations")
    typist.tab_to("Back to the comparison")
    typist.press_key(Qt.Key.Key_Space)

    go_to_view(typist, "Heat map", 1)
    typist.tab_to("Map of all takes")
    typist.press_key(Qt.Key.Key_Right)
    found = typist.focus.accessibleDescription()
    assert "Return selects it" in found
    typist.press_key(Qt.Key.Key_Return)
    snapshot = typist.session.state.snapshot
    typist.wait_until(lambda: typist.session.state.snapshot.take is not None, "the take to be selected")
    assert found.startswith(f"{typist.session.state.snapshot.task}, take {typist.session.state.snapshot.take}"), (
        snapshot
    )
    typist.select_by_keys(NAME)


def go_to_view(typist: CountingTypist, present: str, steps: int) -> None:
    """Choose another view of the comparison by the arrow keys, as in every group of buttons."""
    typist.tab_to(present)
    for _ in range(steps):
        typist.press_key(Qt.Key.Key_Right)


def test_record_adapt_and_run_by_mouse(person: CountingUser, capsys: pytest.CaptureFixture[str]) -> None:
    person.press_button("New task")
    person.press_button("Record")
    person.wait_until(lambda: person.read_state().startswith("Recording"), "recording")
    person.click_object("red")
    person.wait_until(lambda: person.find_button("Place").isChecked(), "the tool to move on")
    person.click_object("yellow")
    person.press_button("Finish")
    wait_for_take(person, 1)
    person.press_button("Steps")
    for take in range(2, TAKES + 1):
        person.press_button("The same in a new scene")
        wait_for_take(person, take)
    person.press_button(f"Adapt to {TAKES}")
    person.wait_until(lambda: person.was_shown(f"Adapted “{NAME}”"), "adapting")
    person.wait_until(lambda: person.find_button("Run").isEnabled(), "the policy")
    person.press_button("Run")
    wait_for_run(person)
    with capsys.disabled():
        sys.stdout.write(f"\nclicks from the first start to a run: {person.count}\n")
    assert person.count <= MAX_ACTIONS
    assert isinstance(person.window, MainWindow)
    assert len(session_of(person.window).library.usable_takes(NAME)) == TAKES
