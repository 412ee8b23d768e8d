"""A user with an arm on a port: a real window, real mouse and keys, the emulated arm in another process."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QSettings, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox

from metagui.app import make_session, make_session_window
from metagui.arms.feetech.serial_port import UsbPort
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.so101.arm_registry import ArmRegistry
from metagui.demonstrations.storage.library import Library
from metagui.gui.theme.theme import Theme
from metagui.gui.window.main_window import MainWindow
from tests.helpers.clocks import PATIENCE_MS, PATIENCE_S
from tests.helpers.priors import make_small_prior
from tests.helpers.qt import session_of
from tests.helpers.takes import generate_example_takes
from tests.helpers.terminals import open_patiently
from tests.helpers.user import SCENE_VIEW_NAME, SimulatedUser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

pytestmark = [pytest.mark.window, pytest.mark.pty]


class EmulatedArmProcess:
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
            self._process.wait(PATIENCE_S)
            assert self._process.stdout is not None
            self._process.stdout.close()
        self._process, self.device = None, ""

    def list_ports(self) -> tuple[UsbPort, ...]:
        return (UsbPort(self.device, 0x1A86, 0x55D3, "S1", "virtual"),) if self.device else ()


@pytest.fixture
def cable() -> Iterator[EmulatedArmProcess]:
    made = EmulatedArmProcess()
    made.plug()
    yield made
    made.unplug()


@pytest.fixture
def person(qtbot: QtBot, tmp_path: Path, cable: EmulatedArmProcess) -> Iterator[SimulatedUser]:
    library = Library(tmp_path / "library")
    for name in ("above red", "press red"):
        for take in generate_example_takes()[name][:2]:
            library.add_take(take)
    theme = Theme("light")
    theme.apply()
    book = ArmRegistry(tmp_path / "arms", cable.list_ports, open_patiently)
    session = make_session(SimulatedArm, library, make_small_prior, seed=3, registry=book, list_ports=cable.list_ports)
    window = make_session_window(session, theme, QSettings(str(tmp_path / "s.ini"), QSettings.Format.IniFormat))
    qtbot.addWidget(window)
    window.resize(1280, 800)
    with qtbot.waitExposed(window, timeout=PATIENCE_MS):
        window.show()
    window.activateWindow()
    found = SimulatedUser(window)
    session.messages.posted.connect(found.record_message)
    found.wait_until(lambda: found.read_state() == "Ready", "the simulated arm")
    yield found
    window.close()


def pick(person: SimulatedUser, words: str) -> None:
    """Select the arm whose label contains ``words``."""
    box = person.find_widget("Arm")
    assert isinstance(box, QComboBox)
    person.wait_until(lambda: any(words in box.itemText(i) for i in range(box.count())), words)
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


def wait_for_rest(person: SimulatedUser) -> np.ndarray:
    """Return the joint angles, rad, after 20 ticks without a change."""
    window = person.window
    assert isinstance(window, MainWindow)
    controller = session_of(window).arm.controller
    while True:
        before = controller.latest_tick
        assert before is not None
        person.wait_until(lambda tick=before: controller.latest_tick.index > tick.index + 20, "twenty ticks")  # type: ignore[misc,union-attr]
        now = joint_angles(person)
        if np.abs(now - before.observation.joints.positions).max() < 0.005:
            return now


def mark_by_keys(person: SimulatedUser) -> None:
    """Move the yellow zone by keys alone: 2 cm to the right, 1 mm on, 15 degrees."""
    window = person.window
    assert isinstance(window, MainWindow)
    arm = session_of(window).arm.controller.arm
    yellow = [each.name for each in arm.objects].index("yellow zone")
    before = arm.observe_scene()
    person.press_key(Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
    for _ in range(yellow + 1):
        person.press_key(Qt.Key.Key_N)
    person.wait_until(lambda: person.can_read("Yellow zone: "), "the place of the object")
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Q):
        person.press_key(key)
    person.press_key(Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    person.press_key(Qt.Key.Key_Return)
    person.wait_until(lambda: person.was_shown("yellow zone is marked"), "the mark by keys")
    moved = np.linalg.norm(arm.observe_scene().positions - before.positions, axis=1)
    np.testing.assert_allclose(moved, np.where(np.arange(len(moved)) == yellow, 0.021, 0.0), atol=0.001)
    assert abs(arm.observe_scene().yaws[yellow] - before.yaws[yellow]) > 0.2
    assert not person.can_read("Yellow zone: ")


def test_connect_place_record_unplug_adapt_and_run(person: SimulatedUser, cable: EmulatedArmProcess) -> None:
    window = person.window
    assert isinstance(window, MainWindow)
    pick(person, "pts/")
    person.press_button("Connect")
    person.wait_until(lambda: person.was_shown("Connected /dev/"), "the arm")
    person.wait_until(lambda: person.can_read("This arm has no camera"), "what to do next")
    session_of(window).arm.connection.name_chosen_arm("bench")
    person.wait_until(lambda: person.was_shown("called “bench”"), "its name")

    person.press_button("Mark objects")
    person.wait_until(lambda: person.can_read("Drag cubes and zones"), "how")
    person.leave_view()
    before = session_of(window).arm.controller.arm.observe_scene().positions
    person.drag(person.find_widget(SCENE_VIEW_NAME), person.find_object("blue"), QPoint(-70, 90))
    person.wait_until(lambda: person.was_shown("blue cube is marked"), "the mark")
    moved = np.linalg.norm(session_of(window).arm.controller.arm.observe_scene().positions - before, axis=1)
    assert (moved > 0.03).tolist() == [False, False, True, False, False, False]
    mark_by_keys(person)
    person.press_button("Mark objects")
    assert not person.can_read("This arm has no camera")
    here = next(entry for entry in window.arm_panel.placement_bar._menu.actions() if "violet" in entry.text())
    here.trigger()
    # The emulated hands may have left the gripper where no object can be placed.
    answers = "violet zone is marked", "violet zone cannot be placed"
    person.wait_until(lambda: any(map(person.was_shown, answers)), "the mark under the gripper")

    choose_mode(person, "hand")
    person.press_button("Guide by hand")
    person.wait_until(lambda: "torque off: guide it by hand" in person.read_state(), "the torque to go off")
    window.actions_["countdown"].trigger()  # the hands lead at once
    person.press_button("Record")
    person.wait_until(lambda: person.read_state().startswith("Recording"), "recording")
    start = joint_angles(person)
    person.wait_until(lambda: np.abs(joint_angles(person) - start).max() > 0.3, "the hands")
    recorder = session_of(window).arm.controller.recorder
    person.wait_until(lambda: recorder.sample_count > 50, "a second of recording")
    cable.unplug()
    person.wait_until(lambda: person.read_state() == "Error", "the loss to be noticed")
    person.wait_until(lambda: person.was_shown("Saved “led by hand”"), "the take to be kept")
    person.wait_until(lambda: person.can_read("Looking for “bench”"), "the search")

    cable.plug()
    person.wait_until(lambda: person.was_shown("“bench” is back"), "the arm to come back")
    person.wait_until(lambda: person.read_state() == "Ready", "the arm")

    person.select_task("above red")
    person.press_button("Adapt to 2")
    person.wait_until(lambda: person.find_button("Run").isEnabled(), "the policy")
    person.wait_until(lambda: person.read_state() == "Ready", "the learner")
    person.press_button("Run")
    person.wait_until(lambda: person.read_state() == "Starting", "the countdown")
    assert person.can_see("“above red” begins in 3") or person.can_see("“above red” begins in 2")
    person.press_key(Qt.Key.Key_Escape)
    person.wait_until(lambda: person.was_shown("Cancelled before anything moved"), "the end of the countdown")
    person.press_button("Run")
    person.wait_until(lambda: person.read_state() == "Running", "the run")
    person.wait_until(lambda: person.can_read("limits in force"), "the limits")
    person.press_button("Stop")
    person.wait_until(lambda: person.read_state() == "Ready", "the arm to hold")
    assert person.can_read("the arm holds")


def test_keys_move_arm_only_while_the_view_has_focus(person: SimulatedUser) -> None:
    window = person.window
    assert isinstance(window, MainWindow)
    choose_mode(person, "keys")
    view = person.find_widget(SCENE_VIEW_NAME)
    person.wait_until(view.hasFocus, "the focus")
    start = joint_angles(person)
    handle = window.windowHandle()
    QTest.keyPress(handle, Qt.Key.Key_Right)
    person.wait_until(lambda: np.abs(joint_angles(person) - start).max() > 0.1, "the arm to move")
    QTest.keyRelease(handle, Qt.Key.Key_Right)
    rest = wait_for_rest(person)
    window.actions_["search"].trigger()
    person.wait_until(lambda: person.can_read("Click the view"), "what is missing")
    person.type_text("wdr")
    np.testing.assert_allclose(wait_for_rest(person), rest, atol=0.03)
    choose_mode(person, "click")
    assert not person.can_read("Click the view")


def test_no_text_is_clipped_with_an_arm_on_a_port(person: SimulatedUser) -> None:
    from PySide6.QtWidgets import QAbstractButton, QLabel, QLineEdit

    from metagui.gui.widgets.eliding_label import ElidingLabel

    pick(person, "pts/")
    person.press_button("Connect")
    person.wait_until(lambda: person.can_read("This arm has no camera"), "the arm")
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
