"""A user with an arm on a port: a real window, real mouse and keys, the emulated arm in another process."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QSettings, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox

from metagui.app import make_session, make_session_window
from metagui.arms.feetech.serial_port import UsbPort
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.so101 import so101_arm
from metagui.arms.so101.arm_registry import ArmRegistry
from metagui.demonstrations.storage.library import Library
from metagui.gui.theme.theme import Theme
from metagui.gui.window.main_window import MainWindow
from tests.helpers.priors import make_small_prior
from tests.helpers.qt import session_of
from tests.helpers.takes import generate_example_takes
from tests.helpers.user import SCENE_VIEW_NAME, SimulatedUser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.window


class Cable:
    """The emulated arm in another process: ``plug`` starts it, ``unplug`` ends it."""

    def __init__(self) -> None:
        self.device = ""
        self._process: subprocess.Popen[str] | None = None

    def plug(self) -> None:
        command = [sys.executable, "-m", "metagui", "virtual-arm", "--hands"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.device = self._process.stdout.readline().strip()

    def unplug(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            assert self._process.stdout is not None
            self._process.stdout.close()
        self._process, self.device = None, ""

    def list_ports(self) -> tuple[UsbPort, ...]:
        return (UsbPort(self.device, 0x1A86, 0x55D3, "S1", "virtual"),) if self.device else ()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tolerate late answers of the servos, because the machine that runs the tests may be busy."""
    monkeypatch.setattr(
        so101_arm, "SO101ArmSettings", partial(so101_arm.SO101ArmSettings, retries=9, max_feedback_age=4.0)
    )


@pytest.fixture
def cable() -> Iterator[Cable]:
    made = Cable()
    made.plug()
    yield made
    made.unplug()


@pytest.fixture
def person(qtbot: QtBot, tmp_path: Path, cable: Cable) -> Iterator[SimulatedUser]:
    library = Library(tmp_path / "library")
    for name in ("above red", "press red"):
        for take in generate_example_takes()[name][:2]:
            library.add_take(take)
    theme = Theme("light")
    theme.apply()
    book = ArmRegistry(tmp_path / "arms", ports=cable.list_ports)
    session = make_session(SimulatedArm, library, make_small_prior, seed=3, registry=book, list_ports=cable.list_ports)
    window = make_session_window(session, theme, QSettings(str(tmp_path / "s.ini"), QSettings.Format.IniFormat))
    qtbot.addWidget(window)
    window.resize(1280, 800)
    with qtbot.waitExposed(window):
        window.show()
    window.activateWindow()
    found = SimulatedUser(window)
    found.wait_until(lambda: found.read_state() == "Ready", 60, "the simulated arm")
    yield found
    window.close()


def pick(person: SimulatedUser, words: str) -> None:
    """Select the arm whose label contains ``words``."""
    box = person.find_widget("Arm")
    assert isinstance(box, QComboBox)
    person.wait_until(lambda: any(words in box.itemText(i) for i in range(box.count())), 10, words)
    box.setFocus(Qt.FocusReason.TabFocusReason)
    for _ in range(box.count()):
        if words in box.currentText():
            return
        person.press_key(Qt.Key.Key_Down)
        person.pause(0.1)
    raise AssertionError(f"{words!r} cannot be chosen")


def choose_mode(person: SimulatedUser, key: str) -> None:
    """Select a teaching mode by its key."""
    window = person.window
    assert isinstance(window, MainWindow)
    bar = window.arm_panel.mode_bar
    bar._entries[key].trigger()
    person.pause(0.1)


def joint_angles(person: SimulatedUser) -> np.ndarray:
    window = person.window
    assert isinstance(window, MainWindow)
    tick = session_of(window).arm.controller.latest_tick
    assert tick is not None
    return tick.observation.joints.positions


def test_connect_place_record_unplug_adapt_and_run(person: SimulatedUser, cable: Cable) -> None:
    window = person.window
    assert isinstance(window, MainWindow)
    pick(person, "pts/")
    person.press_button("Connect")
    person.wait_until(lambda: person.can_read("Connected /dev/"), 20, "the arm")
    person.wait_until(lambda: person.can_read("This arm has no camera"), 5, "what to do next")
    session_of(window).arm.connection.name_chosen_arm("bench")
    person.wait_until(lambda: person.can_read("called “bench”"), 10, "its name")

    person.press_button("Mark objects")
    person.wait_until(lambda: person.can_read("Drag cubes and zones"), 5, "how")
    person.leave_view()
    before = session_of(window).arm.controller.arm.observe_scene().positions
    person.drag(person.find_widget(SCENE_VIEW_NAME), person.find_object("blue"), QPoint(-70, 90))
    person.wait_until(lambda: person.can_read("blue cube is marked"), 5, "the mark")
    moved = np.linalg.norm(session_of(window).arm.controller.arm.observe_scene().positions - before, axis=1)
    assert (moved > 0.03).tolist() == [False, False, True, False, False, False]
    person.press_button("Mark objects")
    assert not person.can_read("This arm has no camera")
    here = next(entry for entry in window.arm_panel.placement_bar._menu.actions() if "violet" in entry.text())
    here.trigger()
    # The emulated hands may have left the gripper where no object can be placed.
    answers = "violet zone is marked", "violet zone cannot be placed"
    person.wait_until(lambda: any(map(person.can_read, answers)), 5, "the mark under the gripper")

    choose_mode(person, "hand")
    person.press_button("Guide by hand")
    person.wait_until(lambda: "torque off: guide it by hand" in person.read_state(), 10, "the torque to go off")
    start = joint_angles(person)
    window.actions_["countdown"].trigger()  # the hands lead at once
    person.press_button("Record")
    person.wait_until(lambda: person.read_state().startswith("Recording"), 10, "recording")
    person.wait_until(lambda: np.abs(joint_angles(person) - start).max() > 0.3, 20, "the hands")
    cable.unplug()
    person.wait_until(lambda: person.read_state() == "Error", 10, "the loss to be noticed")
    person.wait_until(lambda: person.can_read("Saved “led by hand”"), 20, "the take to be kept")
    person.wait_until(lambda: person.can_read("Looking for “bench”"), 10, "the search")

    cable.plug()
    person.wait_until(lambda: person.can_read("“bench” is back"), 30, "the arm to come back")
    person.wait_until(lambda: person.read_state() == "Ready", 10, "the arm")

    person.select_task("above red")
    person.press_button("Adapt to 2")
    person.wait_until(lambda: person.find_button("Run").isEnabled(), 60, "the policy")
    person.wait_until(lambda: person.read_state() == "Ready", 20, "the learner")
    person.press_button("Run")
    person.wait_until(lambda: person.read_state() == "Starting", 5, "the countdown")
    assert person.can_see("“above red” begins in 3") or person.can_see("“above red” begins in 2")
    person.press_key(Qt.Key.Key_Escape)
    person.wait_until(lambda: person.can_read("Cancelled before anything moved"), 5, "the end of the countdown")
    person.press_button("Run")
    person.wait_until(lambda: person.read_state() == "Running", 15, "the run")
    person.wait_until(lambda: person.can_read("limits in force"), 5, "the limits")
    person.press_button("Stop")
    person.wait_until(lambda: person.read_state() == "Ready", 5, "the arm to hold")
    assert person.can_read("the arm holds")


def test_keys_move_arm_only_while_the_view_has_focus(person: SimulatedUser) -> None:
    window = person.window
    assert isinstance(window, MainWindow)
    choose_mode(person, "keys")
    view = person.find_widget(SCENE_VIEW_NAME)
    person.wait_until(view.hasFocus, 5, "the focus")
    start = joint_angles(person)
    handle = window.windowHandle()
    QTest.keyPress(handle, Qt.Key.Key_Right)
    person.wait_until(lambda: np.abs(joint_angles(person) - start).max() > 0.1, 10, "the arm to move")
    QTest.keyRelease(handle, Qt.Key.Key_Right)
    person.pause(0.5)
    rest = joint_angles(person)
    window.actions_["search"].trigger()
    person.wait_until(lambda: person.can_read("Click the view"), 5, "what is missing")
    person.type_text("wdr")
    person.pause(0.3)
    np.testing.assert_allclose(joint_angles(person), rest, atol=0.03)
    choose_mode(person, "click")
    assert not person.can_read("Click the view")


def test_no_text_is_clipped_with_an_arm_on_a_port(person: SimulatedUser) -> None:
    from PySide6.QtWidgets import QAbstractButton, QLabel, QLineEdit

    from metagui.gui.widgets.eliding_label import ElidingLabel

    pick(person, "pts/")
    person.press_button("Connect")
    person.wait_until(lambda: person.can_read("This arm has no camera"), 20, "the arm")
    for key in ("click", "hand", "keys"):
        choose_mode(person, key)
        person.pause(0.2)
        clipped = [
            f"{type(w).__name__} {w.text()!r}: {w.width()} < {w.minimumSizeHint().width()}"
            for w in person.window.findChildren(QAbstractButton) + person.window.findChildren(QLabel)
            if w.isVisible()
            and not isinstance(w, ElidingLabel)
            and not isinstance(w.parent(), QLineEdit)
            and w.width() < w.minimumSizeHint().width()
        ]
        assert clipped == [], key
    assert person.window.width() == 1280
