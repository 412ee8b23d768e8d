"""The calibration page on the real virtual arm: what a person may do at every moment, and what it leaves behind."""

from __future__ import annotations

import json
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit, QPushButton

from metagui.arms.emulator.emulated_arm import EmulatedArm
from metagui.arms.emulator.guided_sweep import sweep_by_hand
from metagui.arms.emulator.emulated_port import EmulatedPort
from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech.serial_port import SerialPort, UsbPort
from metagui.arms.so101.arm_registry import ArmRegistry
from metagui.arms.so101.calibration import ArmCalibration
from metagui.arms.so101.so101_arm import SO101Arm
from metagui.gui.arm.calibration.joint_travel import compare_with_model, describe_shortcomings, make_unmoved_travels
from metagui.gui.arm.calibration.wizard import CalibrationWizard
from metagui.gui.arm.calibration.wizard_page import CalibrationStage
from metagui.gui.theme.theme import Theme
from tests.helpers.user import SimulatedUser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from metagui.gui.theme.theme import ThemeChoice

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
PATIENCE = 30_000


class Desk:
    """A new virtual arm on a cable, a book, and the page; ``said`` is what the page told the window."""

    def __init__(self, qtbot: QtBot, folder: Path) -> None:
        self.qtbot = qtbot
        self.arm = EmulatedArm(mount_offsets=(3900, 20, 1000, 2000, 3000, 4000))
        self.arm.servos[0].write(reg.TORQUE_ENABLE.address, b"\x01")
        self.sent: list[object] = []
        self.arm.bus.on_packet = self.sent.append
        self.port = EmulatedPort(self.arm, physics=False)
        self.plugged = [self.usb()]
        self.registry = ArmRegistry(folder / "arms", lambda: tuple(self.plugged))
        self.message_posted: list[tuple[str, str]] = []
        self.before = self.is_eeprom()
        self.page: CalibrationWizard | None = None

    def usb(self) -> UsbPort:
        return UsbPort(self.port.name, 0x1A86, 0x55D3, "5A46")

    def eeprom(self) -> list[list[int]]:
        kept = (reg.HOMING_OFFSET, reg.MIN_POSITION_LIMIT, reg.MAX_POSITION_LIMIT)
        return [[servo.get_register(register) for register in kept] for servo in self.arm.servos]

    def open(self, theme: Theme) -> CalibrationWizard:
        self.page = page = CalibrationWizard(theme, self.port.name, self.registry)
        self.qtbot.addWidget(page)
        page.finished.connect(lambda name: self.message_posted.append(("finished", name)))
        page.cancelled.connect(lambda words: self.message_posted.append(("cancelled", words)))
        page.resize(1100, 700)
        page.show()
        return page

    def press(self, button: QPushButton) -> None:
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def reach(self, stage: CalibrationStage) -> None:
        self.qtbot.waitUntil(lambda: self.page.stage is stage, timeout=PATIENCE)

    def sweep(self) -> None:
        """Let hands move what is not done yet, and press Finish."""
        with self.hands():
            self.qtbot.waitUntil(self.done, timeout=PATIENCE)
        self.press(self.page.primary_button)
        self.reach(CalibrationStage.CHECK)

    def sweeps(self) -> Iterator[tuple[int, float]]:
        """Whole sweeps only: hands that let go where 93 % are enough would put the middle a degree or more aside."""
        while not self.done():
            yield from sweep_by_hand()

    def done(self) -> bool:
        return not describe_shortcomings(self.page._travels or make_unmoved_travels())

    @contextmanager
    def hands(self) -> Iterator[None]:
        """Let hands lead the joints from stop to stop until all are done, in quick time."""
        over = threading.Event()
        self.arm.follow_hand_path(self.sweeps())

        def hurry() -> None:
            seen = 0
            while not over.wait(0.001):  # a few steps a reading, however busy the machine is
                if len(self.sent) > seen and self.arm.is_hand_guided:
                    seen = len(self.sent)
                    self.arm.advance(6)

        time = threading.Thread(target=hurry)
        time.start()
        try:
            yield
        finally:
            over.set()
            time.join()

    def complains(self, words: str) -> bool:
        return words in self.page._problem_label.text() and self.page._problem_label.isVisible()

    def unplug(self) -> None:
        self.port.close()
        self.plugged.clear()

    def plug_in(self) -> None:
        self.port = EmulatedPort(self.arm, physics=False)
        self.plugged[:] = [self.usb()]


@pytest.fixture
def desk(qtbot: QtBot, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(qtbot, tmp_path)
    try:
        yield made
    finally:
        if made.page is not None:
            made.page.end()
        made.port.close()


@pytest.fixture
def page(desk: Desk) -> CalibrationWizard:
    theme = Theme("light")
    theme.apply()
    return desk.open(theme)


def test_a_new_arm_is_calibrated_and_named(desk: Desk, page: CalibrationWizard) -> None:
    assert "hold it before you go on" in page._sentence.text()
    assert desk.sent == []
    assert desk.arm.servos[0].torque_enabled
    desk.press(page.primary_button)
    desk.qtbot.waitUntil(lambda: bool(page._travels), timeout=PATIENCE)
    assert not any(servo.torque_enabled for servo in desk.arm.servos)
    desk.press(page.primary_button)
    assert desk.complains("hardly moved: shoulder pan, shoulder lift, elbow flex, wrist flex, wrist roll, gripper")
    with desk.hands():
        desk.reach(CalibrationStage.CHECK)
    assert desk.is_eeprom() == desk.before
    assert page._calibration is not None
    assert [joint.status_text for joint in compare_with_model(page._calibration)] == ["as the model"] * 6
    assert page.name_field.text() == "SO-101"
    page.name_field.selectAll()
    desk.qtbot.keyClicks(page.name_field, "left arm")
    desk.press(page.primary_button)
    desk.qtbot.waitUntil(lambda: bool(desk.message_posted), timeout=PATIENCE)
    assert desk.message_posted == [("finished", "left arm")]
    assert desk.registry.find_device("left arm") == desk.port.name
    with SO101Arm(desk.port.name, desk.registry.load_calibration("left arm")) as driver:
        np.testing.assert_allclose(driver.observe().positions, desk.arm.read_joint_angles(), atol=0.015)


@pytest.mark.parametrize("stage", [CalibrationStage.HOLD, CalibrationStage.SWEEP, CalibrationStage.CHECK])
def test_cancelling_changes_nothing(desk: Desk, page: CalibrationWizard, stage: CalibrationStage) -> None:
    if stage is not CalibrationStage.HOLD:
        desk.press(page.primary_button)
        desk.qtbot.waitUntil(lambda: bool(page._travels), timeout=PATIENCE)
    if stage is CalibrationStage.CHECK:
        desk.run_sweep()
    desk.press(page.cancel_button)
    desk.qtbot.waitUntil(lambda: bool(desk.message_posted), timeout=PATIENCE)
    ((kind, words),) = desk.message_posted
    assert (kind, "nothing was written" in words) == ("cancelled", True)
    assert ("limp" in words) == (stage is not CalibrationStage.HOLD)
    assert desk.is_eeprom() == desk.before
    assert not desk.registry.folder.exists()
    SerialPort(desk.port.name).close()  # it is free


def test_a_pulled_cable_is_told_and_gone_on_from(desk: Desk, page: CalibrationWizard) -> None:
    desk.press(page.primary_button)
    with desk.hands():
        desk.qtbot.waitUntil(lambda: any(joint.status == "done" for joint in page._travels), timeout=PATIENCE)
        before = {joint.name for joint in page._travels if joint.status == "done"}
        desk.unplug()
        desk.reach(CalibrationStage.LOST)
        assert desk.complains("The port has vanished")
        desk.press(page.primary_button)
        desk.reach(CalibrationStage.SWEEP)
        desk.reach(CalibrationStage.LOST)
        assert desk.complains("The arm is not plugged in; ports on USB: none")
    desk.plug_in()
    seen = len(desk.sent)
    desk.press(page.primary_button)
    desk.qtbot.waitUntil(lambda: len(desk.sent) > seen + 40, timeout=PATIENCE)
    assert {joint.name for joint in page._travels if joint.status == "done"} == before
    desk.run_sweep()
    assert page._calibration is not None
    assert [joint.status_text for joint in compare_with_model(page._calibration)] == ["as the model"] * 6


def test_an_arm_that_is_not_there_is_explained_and_can_be_tried_again(desk: Desk, page: CalibrationWizard) -> None:
    desk.arm.faults.silent_ids.add(3)
    desk.press(page.primary_button)
    desk.reach(CalibrationStage.SWEEP)
    desk.reach(CalibrationStage.HOLD)
    assert desk.complains("ervo 3")
    desk.arm.faults.silent_ids.clear()
    desk.press(page.primary_button)
    desk.qtbot.waitUntil(lambda: bool(page._travels), timeout=PATIENCE)
    assert not desk.complains("")


def test_starting_over_forgets_what_was_moved(desk: Desk, page: CalibrationWizard) -> None:
    desk.press(page.primary_button)
    with desk.hands():
        desk.qtbot.waitUntil(lambda: any(joint.status == "done" for joint in page._travels), timeout=PATIENCE)
    desk.press(page.secondary_button)
    desk.qtbot.waitUntil(lambda: {joint.status for joint in page._travels} == {"waiting"}, timeout=PATIENCE)
    assert page.stage is CalibrationStage.SWEEP


def lerobots(desk: Desk, tmp_path: Path, **change: int) -> str:
    """Write a LeRobot file of the arm, its gripper changed."""
    exact = desk.arm.compute_calibration()
    gripper = replace(exact.joints[5], **change)
    path = tmp_path / "follower.json"
    ArmCalibration((*exact.joints[:5], gripper)).save(path)
    return str(path)


def test_a_lerobot_calibration_is_chosen_checked_and_written(
    desk: Desk, page: CalibrationWizard, tmp_path: Path
) -> None:
    desk.press(page.secondary_button)
    dialog = page.findChild(QFileDialog)
    dialog.fileSelected.emit(lerobots(desk, tmp_path))
    dialog.close()
    assert page.stage is CalibrationStage.CHECK
    assert "follower.json" in page._sentence.text()
    assert "hold the arm" in page._sentence.text()
    assert desk.arm.servos[0].torque_enabled
    assert desk.is_eeprom() == desk.before
    desk.press(page.primary_button)
    desk.qtbot.waitUntil(lambda: bool(desk.message_posted), timeout=PATIENCE)
    assert desk.message_posted == [("finished", "SO-101")]
    assert desk.registry.load_calibration("SO-101") == desk.arm.compute_calibration()
    assert desk.is_eeprom() != desk.before


def test_what_is_no_calibration_is_refused(desk: Desk, page: CalibrationWizard, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(json.dumps({"elbow": {}}))
    page.import_file(str(path))
    assert page.stage is CalibrationStage.HOLD
    assert desk.complains("is no calibration of this arm")


def test_a_file_that_does_not_fit_the_model_is_doubted(desk: Desk, page: CalibrationWizard, tmp_path: Path) -> None:
    page.import_file(lerobots(desk, tmp_path, range_min=1900, range_max=2200))
    assert desk.complains("does not fit this arm")
    assert "angles will be off" in page.bars._rows[5].accessibleName()
    desk.press(page.secondary_button)
    assert page.stage is CalibrationStage.HOLD
    assert not desk.complains("")


def test_a_failed_write_says_so_and_can_be_repeated(desk: Desk, page: CalibrationWizard, tmp_path: Path) -> None:
    page.import_file(lerobots(desk, tmp_path))
    desk.unplug()
    desk.press(page.primary_button)
    desk.reach(CalibrationStage.CHECK)
    assert desk.complains("not plugged in")
    desk.plug_in()
    desk.press(page.primary_button)
    desk.qtbot.waitUntil(lambda: bool(desk.message_posted), timeout=PATIENCE)
    assert desk.registry.find_device("SO-101") == desk.port.name


def test_a_book_that_cannot_be_written_is_told(desk: Desk, page: CalibrationWizard, tmp_path: Path) -> None:
    page.import_file(lerobots(desk, tmp_path))
    desk.registry.folder.touch()  # where a folder should be
    desk.press(page.primary_button)
    desk.reach(CalibrationStage.CHECK)
    desk.qtbot.waitUntil(lambda: desk.complains("its copy cannot be written"), timeout=PATIENCE)
    assert desk.message_posted == []


def test_names_are_checked_while_they_are_typed(desk: Desk, tmp_path: Path, qapp: QApplication) -> None:
    desk.registry.register("SO-101", "/dev/ttyACM7")
    page = desk.open(Theme("light"))
    page.import_file(lerobots(desk, tmp_path))
    assert page.name_field.text() == "SO-101 2"
    page.name_field.setText("a/b")
    assert not page.primary_button.isEnabled()
    assert desk.complains("'a/b' cannot name an arm")
    assert "cannot name" in page.primary_button.toolTip()
    page.name_field.setText("SO-101")
    assert page.primary_button.isEnabled()
    assert "takes the place" in page._name_hint.text()


def test_a_known_arm_keeps_its_name(desk: Desk, qapp: QApplication) -> None:
    desk.registry.register("left arm", desk.port.name)
    assert desk.open(Theme("light")).name_field.text() == "left arm"


def test_a_broken_book_is_told_at_once(desk: Desk, qapp: QApplication) -> None:
    desk.registry.folder.mkdir()
    (desk.registry.folder / "arms.json").write_text("[{")
    desk.open(Theme("light"))
    assert desk.complains("is damaged")


def test_going_away_in_the_middle_leaves_nothing_running(desk: Desk, page: CalibrationWizard) -> None:
    desk.press(page.primary_button)
    desk.qtbot.waitUntil(lambda: bool(page._travels), timeout=PATIENCE)
    page.end()
    SerialPort(desk.port.name).close()
    desk.qtbot.wait(50)  # what the thread still sent is heard by nobody
    assert desk.message_posted == []


def test_everything_has_a_name_and_fits(desk: Desk, page: CalibrationWizard) -> None:
    for stage in CalibrationStage:
        page.show_stage(stage)
        QApplication.processEvents()
        for widget in [*page.findChildren(QPushButton), *page.findChildren(QLineEdit)]:
            if widget.isVisible():
                assert widget.accessibleName(), stage
                assert widget.width() >= widget.minimumSizeHint().width()
        assert page.minimumSizeHint().width() <= 1000
    assert page.bars._rows[0].accessibleName() == "shoulder pan: 0° of 220°, not moved yet"


@pytest.mark.parametrize("look", ["light", "dark"])
def test_bars_show_how_far_and_where(desk: Desk, look: ThemeChoice, qapp: QApplication) -> None:
    theme = Theme(look)
    theme.apply()
    page = desk.open(theme)
    page.show_stage(CalibrationStage.SWEEP)
    one = make_unmoved_travels()
    page.bars.show_travels(
        (
            replace(one[0], travel=220.0, status="done", status_text="done", position=0.0),
            replace(one[1], travel=100.0, status="moving", status_text="86° to go", position=1.0),
            *one[2:],
        )
    )
    eyes = SimulatedUser(page)
    for row, colour, share in ((0, theme.colours.success, 1.0), (1, theme.colours.accent, 0.5), (2, "", 0.0)):
        widget = page.bars._rows[row]
        middle = eyes.grab_pixels(widget)[widget.height() // 2]
        wanted = tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5)) if colour else (-1, -1, -1)
        filled = int((np.abs(middle - wanted).sum(axis=1) < 12).sum())
        trough = widget.width() - widget._name_width() - widget._degrees_width() - widget._status_width() - 16
        assert filled == pytest.approx(share * trough, abs=26), row  # less the knob


@pytest.mark.window
def test_the_keyboard_is_enough(desk: Desk, page: CalibrationWizard) -> None:
    person = SimulatedUser(page)
    page.activateWindow()
    person.wait_until(page.isActiveWindow, 10)
    person.press_key(Qt.Key.Key_Return)
    with desk.hands():
        person.wait_until(lambda: page.stage is CalibrationStage.CHECK, 30)
    person.type_text(" B")
    person.press_key(Qt.Key.Key_Return)
    person.wait_until(lambda: bool(desk.message_posted), 10)
    assert desk.message_posted == [("finished", "SO-101 B")]
    again = desk.open(Theme("light"))
    again.activateWindow()
    person = SimulatedUser(again)
    person.wait_until(again.isActiveWindow, 10)
    person.press_key(Qt.Key.Key_Escape)
    assert desk.message_posted[-1][0] == "cancelled"
    page.end()
