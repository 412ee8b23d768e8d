"""The check pose page on an emulated arm over its cable, with real mouse and key events."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import QSettings, Qt
from PySide6.QtWidgets import QLabel, QWidget

from metagui.app import make_session, make_session_window
from metagui.arms.kinematics import JOINTS
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.so101.arm_registry import ArmRegistry
from metagui.demonstrations.storage.library import Library
from metagui.gui.core.app_state import ArmActivity
from metagui.gui.pose_check.zero_draft import CHECK_POSES, ZeroDraft
from metagui.gui.theme.theme import Theme
from tests.helpers.clocks import PATIENCE_MS
from tests.helpers.priors import make_small_prior
from tests.helpers.qt import presenter_of, session_of, until
from tests.helpers.usb_session import EmulatedUsbPort
from tests.helpers.user import SimulatedUser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from metagui.arms.arm import FloatArray
    from metagui.gui.pose_check.pose_page import PosePage
    from metagui.gui.window.main_window import MainWindow

ELBOW = 2
WRONG_TRIM_DEG = 5.0
"""Error of the elbow's zero in the arm's file, degrees."""


class PoseBench:
    """A window with an emulated arm called mine, whose elbow has a wrong zero, and the person in front of it."""

    def __init__(self, qtbot: QtBot, folder: Path) -> None:
        self.qtbot, self.port = qtbot, EmulatedUsbPort()
        self.registry = ArmRegistry(folder / "arms", self.port.list_ports, self.port.open_port)
        self.registry.register("mine", self.port.device)
        trims = tuple(math.radians(WRONG_TRIM_DEG) * (joint == ELBOW) for joint in range(len(JOINTS)))
        self.registry.save_calibration("mine", replace(self.port.arm.compute_calibration(), trims=trims))
        session = make_session(
            SimulatedArm,
            Library(folder / "library"),
            make_small_prior,
            seed=3,
            registry=self.registry,
            list_ports=self.port.list_ports,
        )
        theme = Theme("light")
        theme.apply()
        settings = QSettings(str(folder / "settings.ini"), QSettings.Format.IniFormat)
        self.window = make_session_window(session, theme, settings)
        qtbot.addWidget(self.window)
        self.window.resize(1280, 800)
        self.window.show()
        self.session = session
        self.person = SimulatedUser(self.window)
        session.messages.posted.connect(self.person.record_message)
        self.window.activateWindow()  # there may be no window manager to do it
        self.person.wait_until(self.window.isActiveWindow, "the window to be active")

    @property
    def page(self) -> PosePage:
        page = presenter_of(self.window).pose_check.page
        assert page is not None
        return page

    @property
    def is_open(self) -> bool:
        return presenter_of(self.window).pose_check.page is not None

    def wait_for_activity(self, activity: ArmActivity) -> None:
        until(self.qtbot, lambda: self.session.state.activity is activity)

    def connect_arm(self) -> None:
        self.wait_for_activity(ArmActivity.READY)
        until(self.qtbot, lambda: len(self.session.arm.connection.choices) == 2)
        self.session.arm.connection.choose("arm:mine")
        self.person.press_button("Connect")
        until(self.qtbot, lambda: not self.session.state.snapshot.simulated)
        self.wait_for_activity(ArmActivity.READY)

    def open_page(self) -> None:
        action = self.window.actions_["check_pose"]
        assert action.isEnabled(), action.toolTip()
        action.trigger()
        self.wait_for_activity(ArmActivity.CHECKING_POSE)
        assert self.window.isActiveWindow()

    def read_angles(self) -> FloatArray:
        """Return the angles that the program reads now, rad."""
        tick = self.session.arm.controller.latest_tick
        assert tick is not None
        return tick.observation.joints.positions

    def put_into_pose(self, pose: FloatArray) -> None:
        """Move the limp arm into a true pose by hand, one joint after the other, and keep it there."""
        arm = self.port.arm
        for joint, angle in enumerate(pose):
            path = np.linspace(arm.read_joint_angles()[joint], angle, 25)
            arm.follow_hand_path([(joint, float(each)) for each in path])
            until(self.qtbot, lambda: not arm.is_hand_guided)
            arm.move_joint_by_hand(joint, float(angle))
        for joint, angle in enumerate(pose):
            arm.move_joint_by_hand(joint, float(angle))
        until(self.qtbot, lambda: float(np.abs(np.array(arm.read_joint_angles()) - pose).max()) < 0.01)

    def press(self, widget: QWidget) -> None:
        self.qtbot.mouseClick(widget, Qt.MouseButton.LeftButton)


@pytest.fixture
def bench(qtbot: QtBot, tmp_path: Path) -> Iterator[PoseBench]:
    made = PoseBench(qtbot, tmp_path)
    yield made
    made.window.close()
    made.port.unplug()


def test_wrong_zero_is_seen_corrected_saved_and_used(bench: PoseBench) -> None:
    bench.connect_arm()
    bench.open_page()
    bench.press(bench.page.limp_button)
    until(bench.qtbot, lambda: bench.page.limp_button.text() == "Hold")
    assert not any(bench.port.read_torque())
    pose = CHECK_POSES[0].positions
    bench.put_into_pose(pose)
    row = bench.page.table.rows[ELBOW]
    until(bench.qtbot, lambda: row.difference_label.text() not in ("equal", "–"))
    others = [each for index, each in enumerate(bench.page.table.rows) if index != ELBOW]
    until(bench.qtbot, lambda: all(each.difference_label.text() == "equal" for each in others))
    assert not bench.page.save_button.isEnabled()
    bench.press(row.match_button)
    assert row.difference_label.text() == "equal"
    assert row.trim_box.value() == pytest.approx(0.0, abs=1.2)
    assert bench.registry.load_calibration("mine").trims[ELBOW] == pytest.approx(math.radians(5)), "only a preview"
    bench.press(bench.page.save_button)
    until(bench.qtbot, lambda: bench.person.was_shown("Saved the zeros"))
    bench.wait_for_activity(ArmActivity.CHECKING_POSE)
    until(bench.qtbot, lambda: not bench.page.save_button.isEnabled() and bench.is_open)
    until(bench.qtbot, lambda: all(bench.port.read_torque()))
    until(bench.qtbot, lambda: bench.session.arm.controller.latest_tick is not None)
    stored = bench.registry.load_calibration("mine").trims
    assert math.degrees((stored or (0.0,) * 6)[ELBOW]) == pytest.approx(0.0, abs=1.2)
    assert bench.read_angles()[ELBOW] == pytest.approx(bench.port.arm.read_joint_angles()[ELBOW], abs=math.radians(1.5))
    bench.press(bench.page.close_button)
    bench.wait_for_activity(ArmActivity.READY)
    until(bench.qtbot, lambda: not bench.is_open)


def test_trims_by_keys_are_previewed_reset_and_kept_when_closed(bench: PoseBench) -> None:
    bench.connect_arm()
    bench.open_page()
    box = bench.page.table.rows[ELBOW].trim_box
    until(bench.qtbot, lambda: bench.page.table.rows[ELBOW].arm_label.text() not in ("", "–"))
    before = float(bench.page.table.rows[ELBOW].arm_label.text().rstrip("°"))
    assert box.value() == WRONG_TRIM_DEG
    box.setFocus()
    for _ in range(4):
        bench.qtbot.keyClick(box, Qt.Key.Key_Down)
    assert box.value() == WRONG_TRIM_DEG - 2.0
    assert float(bench.page.table.rows[ELBOW].arm_label.text().rstrip("°")) == pytest.approx(before - 2.0, abs=0.5)
    bench.press(bench.page.close_button)
    until(bench.qtbot, lambda: not bench.is_open)
    assert bench.person.was_shown("not saved")
    bench.open_page()
    assert bench.page.table.rows[ELBOW].trim_box.value() == WRONG_TRIM_DEG - 2.0, "the draft is kept"
    bench.press(bench.page.reset_button)
    assert bench.page.table.rows[ELBOW].trim_box.value() == WRONG_TRIM_DEG
    assert not bench.page.save_button.isEnabled()


def test_arm_goes_slowly_to_the_pose_and_stop_holds_it(bench: PoseBench) -> None:
    bench.connect_arm()
    bench.open_page()
    bench.press(bench.page.move_button)
    until(bench.qtbot, lambda: "moves slowly" in bench.page.arm_sentence.text())
    start = bench.read_angles().copy()
    until(bench.qtbot, lambda: float(np.abs(bench.read_angles() - start).max()) > 0.1)
    bench.person.press_key(Qt.Key.Key_Escape)
    bench.person.wait_until(lambda: bench.person.was_shown("Stopped; the arm holds"), "Stop")
    until(bench.qtbot, lambda: bench.page.arm_sentence.text().startswith("The arm holds"))
    assert bench.is_open, "Stop does not throw the person out of the page"
    assert float(np.abs(bench.read_angles() - CHECK_POSES[0].positions).max()) > 0.1
    bench.press(bench.page.move_button)
    until(bench.qtbot, lambda: "moves slowly" in bench.page.arm_sentence.text())
    bench.qtbot.waitUntil(lambda: bench.page.arm_sentence.text().startswith("The arm holds"), timeout=4 * PATIENCE_MS)
    assert bench.read_angles() == pytest.approx(CHECK_POSES[0].positions, abs=0.08)


def test_page_holds_a_limp_arm_when_closed_and_closes_when_the_cable_is_pulled(bench: PoseBench) -> None:
    bench.connect_arm()
    bench.open_page()
    bench.press(bench.page.limp_button)
    until(bench.qtbot, lambda: not any(bench.port.read_torque()))
    bench.press(bench.page.close_button)
    until(bench.qtbot, lambda: all(bench.port.read_torque()))
    bench.wait_for_activity(ArmActivity.READY)
    until(bench.qtbot, lambda: not bench.is_open)
    bench.open_page()
    bench.port.unplug()
    bench.wait_for_activity(ArmActivity.ERROR)
    until(bench.qtbot, lambda: not bench.is_open)


def test_nothing_else_moves_the_arm_meanwhile_and_the_simulated_arm_has_no_page(bench: PoseBench) -> None:
    bench.wait_for_activity(ArmActivity.READY)
    actions = bench.window.actions_
    assert "exact zeros" in actions["check_pose"].toolTip()
    bench.connect_arm()
    bench.open_page()
    for key in ("record", "home", "limp", "connect", "calibrate", "check_pose"):
        assert not actions[key].isEnabled(), key
        assert "Close the check" in actions[key].toolTip(), key
    assert actions["stop"].isEnabled()


def test_named_arm_without_file_is_told_what_to_do(bench: PoseBench) -> None:
    bench.registry.calibration_path("mine").unlink()
    bench.connect_arm()
    bench.window.actions_["check_pose"].trigger()
    assert bench.person.was_shown("no calibration of its own")
    assert not bench.is_open
    assert session_of(bench.window).state.activity is ArmActivity.READY


@pytest.mark.parametrize("size", [(1024, 680), (1440, 900)])
def test_no_text_of_the_page_is_cut(bench: PoseBench, size: tuple[int, int]) -> None:
    window: MainWindow = bench.window
    window.resize(*size)
    bench.connect_arm()
    bench.open_page()
    bench.page.show_problem("The elbow differs by too much for a correction. Nothing was changed; calibrate again.")
    bench.person.pause(0.2)
    for label in bench.page.findChildren(QLabel):
        if label.isVisible() and not label.wordWrap():
            assert label.width() >= label.sizeHint().width(), label.text()
        elif label.isVisible():
            assert label.height() >= label.heightForWidth(label.width()), label.text()
    bottom = bench.page.save_button.mapTo(window, bench.page.save_button.rect().bottomLeft()).y()
    assert bottom < window.status_bar.y() + window.status_bar.height()
    for widget in bench.page.findChildren(QWidget):
        if widget.isVisible() and widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
            assert widget.accessibleName(), widget


def test_draft_refuses_what_only_a_calibration_can_correct() -> None:
    draft = ZeroDraft(())
    assert not draft.match(0, math.radians(20), 0.0)
    assert not draft.is_changed
    assert draft.match(0, math.radians(10), 0.0)
    assert draft.correct(np.zeros(6))[0] == pytest.approx(math.radians(10))
    draft.reset()
    assert not draft.is_changed
