"""A person without a mouse at a real window: each flow with key events alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt

from metagui.demonstrations.demonstration import Segment
from metagui.gui.window.main_window import MainWindow
from tests.helpers.example_window import open_example_window
from tests.helpers.typist import ALT, CTRL, SHIFT, Typist

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.window


@pytest.fixture
def typist(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Typist]:
    with open_example_window(qtbot, tmp_path, monkeypatch, Typist) as found:
        yield found


def test_teach_by_keys_alone(typist: Typist) -> None:
    """New task, two steps, the take is saved; then the same in a new scene by itself."""
    typist.begin_take("by keys")
    typist.give_step("Grasp", "red cube")
    typist.wait_until(lambda: typist.find_button("Place").isChecked(), "the tool to move on")
    typist.give_step("Place", "yellow zone")
    steps = typist.session.teaching.steps
    assert [each.action for each in steps.instructions] == ["grasp", "place"]
    typist.press_key(Qt.Key.Key_F9)
    typist.wait_until(lambda: typist.was_shown("take 001") and typist.was_shown("Saved"), "the take to be saved")
    typist.wait_until(lambda: typist.read_state() == "Ready", "the arm")
    assert [each.status.value for each in steps.steps] == ["done", "done"]

    typist.press_key(Qt.Key.Key_R, CTRL | SHIFT)
    typist.wait_until(lambda: typist.was_shown("take 002"), "the second take to be recorded and saved by itself")
    takes = typist.session.library.usable_takes("by keys")
    assert len(takes) == 2


def test_boundaries_are_edited_by_keys(typist: Typist) -> None:
    """A take without clicks: B adds a boundary at the playhead and removes it, M brings the nearest one."""
    library = typist.session.library
    task = "red cube to yellow zone"
    stored = library.library.load_take(task, "001")
    half = len(stored) // 2
    name = library.library.add_take(
        replace(stored, task="led", segments=(Segment(0, half), Segment(half, len(stored))), teaching_method="hand")
    ).name
    library.refresh()
    typist.wait_until(lambda: library.find_task("led") is not None, "the task to be listed")
    typist.select_by_keys("led", 1)

    def starts() -> list[int]:
        typist.pause(0.1)
        return [segment.start for segment in library.library.load_take("led", name).segments]

    window = typist.window
    assert isinstance(window, MainWindow)
    typist.wait_until(lambda: window.arm_panel.player.take is not None, "the take on display")
    typist.tab_to("Joint angles against time")
    typist.press_key(Qt.Key.Key_Home)
    typist.press_key(Qt.Key.Key_Right, SHIFT)
    typist.press_key(Qt.Key.Key_B)
    typist.wait_until(lambda: len(starts()) == 3, "a boundary at the playhead")
    added = starts()[1]
    assert 0.4 < stored.time[added] - stored.time[0] < 0.6
    typist.press_key(Qt.Key.Key_B)
    typist.wait_until(lambda: starts() == [0, half], "the boundary to be removed again")
    typist.press_key(Qt.Key.Key_End)
    for _ in range(2):
        typist.press_key(Qt.Key.Key_Left, SHIFT)
    typist.press_key(Qt.Key.Key_M)
    typist.wait_until(lambda: starts() != [0, half], "the boundary at the playhead")
    typist.press_key(Qt.Key.Key_Z, CTRL)
    typist.wait_until(lambda: starts() == [0, half], "the undo")


def test_steps_are_changed_by_keys_and_recorded_again(typist: Typist) -> None:
    typist.begin_take("over the blue cube")
    for name in ("red cube", "yellow zone", "blue cube"):
        typist.give_step("Go to", name)
    steps = typist.session.teaching.steps
    typist.wait_until(lambda: not steps.is_busy, "the three steps")
    assert [each.status.value for each in steps.steps] == ["done"] * 3
    tick = typist.session.arm.controller.latest_tick
    blue = [each.name for each in typist.session.arm.controller.arm.objects].index("blue cube")
    assert tick is not None
    assert abs(tick.observation.tool_position - tick.observation.scene.positions[blue])[:2].max() < 0.01

    typist.tab_to("List of steps")
    typist.press_key(Qt.Key.Key_End)
    typist.press_key(Qt.Key.Key_Up, ALT)
    assert [each.object_name for each in steps.instructions] == ["red cube", "blue cube", "yellow zone"]
    typist.press_key(Qt.Key.Key_End)
    typist.press_key(Qt.Key.Key_Delete)
    assert [each.object_name for each in steps.instructions] == ["red cube", "blue cube"]
    typist.tab_to("Height of the listed step, mm")
    for _ in range(6):
        typist.press_key(Qt.Key.Key_Up)
    assert steps.instructions[1].parameters["offset"][2] == pytest.approx(0.08)
    typist.tab_to("Record these steps again")
    typist.press_key(Qt.Key.Key_Space)
    typist.wait_until(lambda: typist.was_shown("throws away the take"), "the question")
    typist.pause(0.1)
    assert typist.read_state().startswith("Recording"), "the take was thrown away without asking"
    assert typist.session.recording.controller.duration, "the take goes on"
    typist.press_key(Qt.Key.Key_Space)
    typist.wait_until(lambda: typist.was_shown("take 001"), "the take to be recorded again and saved")
    takes = typist.session.library.usable_takes("over the blue cube")
    assert len(takes) == 1, "the take that was being recorded was replaced"
