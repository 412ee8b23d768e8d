"""The calibration wizard on an emulated arm: what each stage allows, and the state it leaves."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit, QPushButton

from metagui.arms.emulator.emulated_arm import EmulatedArm
from metagui.arms.emulator.guided_sweep import sweep_by_hand
from metagui.arms.feetech import control_table as reg
from metagui.arms.so101.arm_registry import ArmRegistry
from metagui.arms.so101.calibration import ArmCalibration
from metagui.arms.so101.range_of_motion import Sweep, SweepSettings
from metagui.arms.so101.so101_arm import SO101Arm
from metagui.arms.so101.stops import ArmModel, Stops
from metagui.gui.arm.calibration import wizard
from metagui.gui.arm.calibration.joint_travel import compare_with_model, describe_shortcomings, make_unmoved_travels
from metagui.gui.arm.calibration.wizard import CalibrationWizard
from metagui.gui.arm.calibration.wizard_page import STAGE_TEXTS, CalibrationStage
from metagui.gui.theme.theme import Theme
from tests.helpers.clocks import PATIENCE_MS
from tests.helpers.in_process_port import Cable
from tests.helpers.user import SimulatedUser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot

    from metagui.gui.theme.theme import ThemeChoice

CALIBRATIONS = Path(__file__).parents[2] / "data" / "calibrations"
"""Calibrations that owners of arms published."""


class WizardBench:
    """An uncalibrated emulated arm on a cable, an empty registry, and the wizard's page.

    ``messages`` are the signals of the page with their texts, ``packets`` what it sent to the servos.
    """

    def __init__(self, qtbot: QtBot, folder: Path) -> None:
        self.qtbot = qtbot
        self.arm = EmulatedArm.make_ideal(mount_offsets=(3900, 20, 1000, 2000, 3000, 4000))
        self.arm.servos[0].write(reg.TORQUE_ENABLE.address, b"\x01")
        self.packets: list[object] = []
        self.arm.bus.on_packet = self.packets.append
        self.cable = Cable(self.arm, hand_periods=6)
        self.registry = ArmRegistry(folder / "arms", self.cable.list_ports, self.cable.open_port)
        self.messages: list[tuple[str, str]] = []
        self.eeprom_before = self.read_eeprom()
        self.page: CalibrationWizard | None = None

    def read_eeprom(self) -> list[list[int]]:
        registers = (reg.HOMING_OFFSET, reg.MIN_POSITION_LIMIT, reg.MAX_POSITION_LIMIT)
        return [[servo.get_register(register) for register in registers] for servo in self.arm.servos]

    def open(self, theme: Theme) -> CalibrationWizard:
        self.page = page = CalibrationWizard(theme, self.cable.device, self.registry)
        self.qtbot.addWidget(page)
        page.finished.connect(lambda name: self.messages.append(("finished", name)))
        page.cancelled.connect(lambda text: self.messages.append(("cancelled", text)))
        page.resize(1100, 700)
        page.show()
        return page

    def press(self, button: QPushButton) -> None:
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def wait_for_stage(self, stage: CalibrationStage) -> None:
        self.qtbot.waitUntil(lambda: self.page.stage is stage, timeout=PATIENCE_MS)

    def run_sweep(self) -> None:
        """Move the joints that are not done yet, and press Finish."""
        with self.guide_joints():
            self.qtbot.waitUntil(self.is_complete, timeout=PATIENCE_MS)
        self.press(self.page.primary_button)
        self.wait_for_stage(CalibrationStage.CHECK)

    def make_hand_path(self) -> Iterator[tuple[int, float]]:
        """Sweep whole ranges: stopping at the required 93 % would shift the middle by a degree or more."""
        while not self.is_complete():
            yield from sweep_by_hand(self.arm.stops)

    def is_complete(self) -> bool:
        return not describe_shortcomings(self.page.travels or make_unmoved_travels())

    @contextmanager
    def guide_joints(self) -> Iterator[None]:
        """Move the joints from stop to stop, a few steps per reading, until all are done."""
        self.arm.follow_hand_path(self.make_hand_path())
        try:
            yield
        finally:
            self.arm.follow_hand_path(())

    def shows_problem(self, text: str) -> bool:
        return text in self.page.problem_label.text() and self.page.problem_label.isVisible()


@pytest.fixture
def bench(qtbot: QtBot, tmp_path: Path) -> Iterator[WizardBench]:
    out = WizardBench(qtbot, tmp_path)
    yield out
    if out.page is not None:
        out.page.end()


@pytest.fixture
def page(bench: WizardBench) -> CalibrationWizard:
    theme = Theme("light")
    theme.apply()
    return bench.open(theme)


def test_wizard_new_arm_is_calibrated_and_named(bench: WizardBench, page: CalibrationWizard) -> None:
    assert "hold it before you continue" in page.sentence_label.text()
    assert bench.packets == []
    assert bench.arm.servos[0].torque_enabled
    bench.press(page.primary_button)
    bench.qtbot.waitUntil(lambda: bool(page.travels), timeout=PATIENCE_MS)
    assert not any(servo.torque_enabled for servo in bench.arm.servos)
    bench.press(page.primary_button)
    assert bench.shows_problem("hardly moved: shoulder pan, shoulder lift, elbow flex, wrist flex, wrist roll, gripper")
    with bench.guide_joints():
        bench.wait_for_stage(CalibrationStage.CHECK)
    assert bench.read_eeprom() == bench.eeprom_before
    assert page.calibration is not None
    assert [joint.status_text for joint in compare_with_model(page.calibration)] == ["as expected"] * 6
    assert page.name_field.text() == "SO-101"
    page.name_field.selectAll()
    bench.qtbot.keyClicks(page.name_field, "left arm")
    bench.press(page.primary_button)
    bench.qtbot.waitUntil(lambda: bool(bench.messages), timeout=PATIENCE_MS)
    assert bench.messages == [("finished", "left arm")]
    assert bench.registry.find_device("left arm") == bench.cable.device
    calibration = bench.registry.load_calibration("left arm")
    with SO101Arm(bench.cable.device, calibration, open_port=bench.cable.open_port) as driver:
        np.testing.assert_allclose(driver.observe().positions, bench.arm.read_joint_angles(), atol=0.015)


@pytest.mark.parametrize("stage", [CalibrationStage.HOLD, CalibrationStage.SWEEP, CalibrationStage.CHECK])
def test_wizard_cancelled_writes_nothing(bench: WizardBench, page: CalibrationWizard, stage: CalibrationStage) -> None:
    """Cancelling at any stage leaves servos and registry unchanged, and closes the port."""
    if stage is not CalibrationStage.HOLD:
        bench.press(page.primary_button)
        bench.qtbot.waitUntil(lambda: bool(page.travels), timeout=PATIENCE_MS)
    if stage is CalibrationStage.CHECK:
        bench.run_sweep()
    bench.press(page.cancel_button)
    bench.qtbot.waitUntil(lambda: bool(bench.messages), timeout=PATIENCE_MS)
    ((kind, text),) = bench.messages
    assert (kind, "nothing was written" in text) == ("cancelled", True)
    assert ("torque is off" in text) == (stage is not CalibrationStage.HOLD)
    assert bench.read_eeprom() == bench.eeprom_before
    assert not bench.registry.folder.exists()
    bench.cable.open_port(bench.cable.device).close()  # the port is free


def test_wizard_cable_pulled_keeps_travel_and_resumes(bench: WizardBench, page: CalibrationWizard) -> None:
    bench.press(page.primary_button)
    with bench.guide_joints():
        bench.qtbot.waitUntil(lambda: any(joint.status == "done" for joint in page.travels), timeout=PATIENCE_MS)
        before = {joint.name for joint in page.travels if joint.status == "done"}
        bench.cable.unplug()
        bench.wait_for_stage(CalibrationStage.LOST)
        assert bench.shows_problem("The port has vanished")
        bench.press(page.primary_button)
        bench.wait_for_stage(CalibrationStage.SWEEP)
        bench.wait_for_stage(CalibrationStage.LOST)
        assert bench.shows_problem("The arm is not plugged in; ports on USB: none")
    bench.cable.plug()
    packet_count = len(bench.packets)
    bench.press(page.primary_button)
    bench.qtbot.waitUntil(lambda: len(bench.packets) > packet_count + 40, timeout=PATIENCE_MS)
    assert {joint.name for joint in page.travels if joint.status == "done"} == before
    bench.run_sweep()
    assert page.calibration is not None
    assert [joint.status_text for joint in compare_with_model(page.calibration)] == ["as expected"] * 6


def test_wizard_short_joint_ends_with_doubt(
    bench: WizardBench, page: CalibrationWizard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stops of this arm's base are nearer than the model's; the wait is shortened here."""
    stops = list(bench.arm.stops)
    stops[0] = Stops(0.8 * stops[0].lower, 0.8 * stops[0].upper)
    bench.arm.stops = tuple(stops)
    bench.arm.simulated.set_limits(*np.array(bench.arm.stops).T)
    monkeypatch.setattr(wizard, "Sweep", partial(Sweep, settings=SweepSettings(short_settle_time=0.5)))
    page.begin()
    assert "wait 10 s" in STAGE_TEXTS[CalibrationStage.SWEEP].sentence
    bench.press(page.primary_button)
    with bench.guide_joints():
        bench.wait_for_stage(CalibrationStage.CHECK)
    assert bench.shows_problem("shoulder_pan travels 80% of the model's range")
    assert bench.shows_problem("compare the arm with the model in a pose")
    assert page.primary_button.isEnabled()


@pytest.mark.parametrize("file", ["follower-a", "follower-b", "follower-wide-gripper", "with-byte-order-mark"])
def test_wizard_file_of_real_arm_has_no_wrong_travel(page: CalibrationWizard, file: str) -> None:
    """The travels of real arms differ from the model's, and are not to be doubted for that."""
    page.import_file(str(CALIBRATIONS / f"{file}.json"))
    statuses = [row.travel.status for row in page.bars.rows]
    assert statuses == ["done"] * 6
    assert [row.travel.status_text for row in page.bars.rows[:4]] == ["as expected"] * 4


def test_wizard_servo_silent_shows_problem_and_retries(bench: WizardBench, page: CalibrationWizard) -> None:
    bench.arm.faults.silent_ids.add(3)
    bench.press(page.primary_button)
    bench.wait_for_stage(CalibrationStage.SWEEP)
    bench.wait_for_stage(CalibrationStage.HOLD)
    assert bench.shows_problem("ervo 3")
    bench.arm.faults.silent_ids.clear()
    bench.press(page.primary_button)
    bench.qtbot.waitUntil(lambda: bool(page.travels), timeout=PATIENCE_MS)
    assert not bench.shows_problem("")


def test_wizard_started_over_forgets_travel(bench: WizardBench, page: CalibrationWizard) -> None:
    bench.press(page.primary_button)
    with bench.guide_joints():
        bench.qtbot.waitUntil(lambda: any(joint.status == "done" for joint in page.travels), timeout=PATIENCE_MS)
    bench.press(page.secondary_button)
    bench.qtbot.waitUntil(lambda: {joint.status for joint in page.travels} == {"waiting"}, timeout=PATIENCE_MS)
    assert page.stage is CalibrationStage.SWEEP


def save_lerobot_file(bench: WizardBench, tmp_path: Path, **change: int) -> str:
    """Write a LeRobot file of the arm, with changed values of the gripper."""
    exact = bench.arm.compute_calibration()
    gripper = replace(exact.joints[5], **change)
    path = tmp_path / "follower.json"
    ArmCalibration((*exact.joints[:5], gripper)).save(path)
    return str(path)


def test_wizard_lerobot_file_is_checked_and_written(
    bench: WizardBench, page: CalibrationWizard, tmp_path: Path
) -> None:
    bench.press(page.secondary_button)
    dialog = page.findChild(QFileDialog)
    dialog.fileSelected.emit(save_lerobot_file(bench, tmp_path))
    dialog.close()
    assert page.stage is CalibrationStage.CHECK
    assert "follower.json" in page.sentence_label.text()
    assert "hold the arm" in page.sentence_label.text()
    assert bench.arm.servos[0].torque_enabled
    assert bench.read_eeprom() == bench.eeprom_before
    bench.press(page.primary_button)
    bench.qtbot.waitUntil(lambda: bool(bench.messages), timeout=PATIENCE_MS)
    assert bench.messages == [("finished", "SO-101")]
    assert bench.registry.load_calibration("SO-101") == bench.arm.compute_calibration()
    assert bench.read_eeprom() != bench.eeprom_before


def test_wizard_file_not_calibration_is_refused(bench: WizardBench, page: CalibrationWizard, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(json.dumps({"elbow": {}}))
    page.import_file(str(path))
    assert page.stage is CalibrationStage.HOLD
    assert bench.shows_problem("is no calibration of this arm")


def test_wizard_file_unlike_model_shows_warning(bench: WizardBench, page: CalibrationWizard, tmp_path: Path) -> None:
    page.import_file(save_lerobot_file(bench, tmp_path, range_min=1900, range_max=2200))
    assert bench.shows_problem("does not fit this arm")
    assert "angles will be off" in page.bars.rows[5].accessibleName()
    bench.press(page.secondary_button)
    assert page.stage is CalibrationStage.HOLD
    assert not bench.shows_problem("")


@pytest.mark.parametrize(("file", "problem"), [("so100-follower", "SO-100"), ("follower-b", "held by eye")])
def test_wizard_doubtful_file_shows_doubt(page: CalibrationWizard, bench: WizardBench, file: str, problem: str) -> None:
    page.import_file(str(CALIBRATIONS / f"{file}.json"))
    assert page.stage is CalibrationStage.CHECK
    assert bench.shows_problem(problem)


def test_wizard_model_is_guessed_and_can_be_chosen(page: CalibrationWizard, bench: WizardBench) -> None:
    page.import_file(str(CALIBRATIONS / "so100-follower.json"))
    assert page.calibration is not None
    assert page.calibration.model is ArmModel.SO100
    assert page.model_field.currentText() == "SO-100"
    assert bench.shows_problem("taken for an SO-100")
    page.model_field.setCurrentIndex(page.model_field.findData(ArmModel.SO101))
    page.model_field.activated.emit(page.model_field.currentIndex())
    assert page.calibration.model is ArmModel.SO101
    assert not bench.shows_problem("taken for")
    bench.press(page.primary_button)
    bench.qtbot.waitUntil(lambda: bool(bench.messages), timeout=PATIENCE_MS)
    stored = bench.registry.load_calibration("SO-101")
    assert stored is not None
    assert stored.model is ArmModel.SO101


def test_wizard_write_failed_can_be_repeated(bench: WizardBench, page: CalibrationWizard, tmp_path: Path) -> None:
    page.import_file(save_lerobot_file(bench, tmp_path))
    bench.cable.unplug()
    bench.press(page.primary_button)
    bench.wait_for_stage(CalibrationStage.CHECK)
    assert bench.shows_problem("not plugged in")
    bench.cable.plug()
    bench.press(page.primary_button)
    bench.qtbot.waitUntil(lambda: bool(bench.messages), timeout=PATIENCE_MS)
    assert bench.registry.find_device("SO-101") == bench.cable.device


def test_wizard_registry_read_only_shows_problem(bench: WizardBench, page: CalibrationWizard, tmp_path: Path) -> None:
    page.import_file(save_lerobot_file(bench, tmp_path))
    bench.registry.folder.touch()  # a file in place of the folder
    bench.press(page.primary_button)
    bench.wait_for_stage(CalibrationStage.CHECK)
    bench.qtbot.waitUntil(lambda: bench.shows_problem("its copy cannot be written"), timeout=PATIENCE_MS)
    assert bench.messages == []


def test_wizard_name_is_checked_while_typed(bench: WizardBench, tmp_path: Path, qapp: QApplication) -> None:
    bench.registry.register("SO-101", "/dev/ttyACM7")
    page = bench.open(Theme("light"))
    page.import_file(save_lerobot_file(bench, tmp_path))
    assert page.name_field.text() == "SO-101 2"
    page.name_field.setText("a/b")
    assert not page.primary_button.isEnabled()
    assert bench.shows_problem("'a/b' cannot name an arm")
    assert "cannot name" in page.primary_button.toolTip()
    page.name_field.setText("SO-101")
    assert page.primary_button.isEnabled()
    assert "replaces the other arm" in page.name_hint.text()


def test_wizard_known_arm_keeps_its_name(bench: WizardBench, qapp: QApplication) -> None:
    bench.registry.register("left arm", bench.cable.device)
    assert bench.open(Theme("light")).name_field.text() == "left arm"


def test_wizard_registry_corrupt_shows_problem(bench: WizardBench, qapp: QApplication) -> None:
    bench.registry.folder.mkdir()
    (bench.registry.folder / "arms.json").write_text("[{")
    bench.open(Theme("light"))
    assert bench.shows_problem("is damaged")


def test_wizard_ended_during_sweep_stops_thread(bench: WizardBench, page: CalibrationWizard) -> None:
    bench.press(page.primary_button)
    bench.qtbot.waitUntil(lambda: bool(page.travels), timeout=PATIENCE_MS)
    page.end()
    bench.cable.open_port(bench.cable.device).close()
    QApplication.processEvents()  # signals that the thread has still queued are ignored
    assert bench.messages == []


def test_page_widgets_have_names_and_fit(bench: WizardBench, page: CalibrationWizard) -> None:
    for stage in CalibrationStage:
        page.show_stage(stage)
        QApplication.processEvents()
        for widget in [*page.findChildren(QPushButton), *page.findChildren(QLineEdit)]:
            if widget.isVisible():
                assert widget.accessibleName(), stage
                assert widget.width() >= widget.minimumSizeHint().width()
        assert page.minimumSizeHint().width() <= 1000
    assert page.bars.rows[0].accessibleName() == "shoulder pan: 0° of 220°, not moved yet"


@pytest.mark.parametrize("choice", ["light", "dark"])
def test_joint_bars_show_travel_and_position(bench: WizardBench, choice: ThemeChoice, qapp: QApplication) -> None:
    theme = Theme(choice)
    theme.apply()
    page = bench.open(theme)
    page.show_stage(CalibrationStage.SWEEP)
    travels = make_unmoved_travels()
    page.bars.show_travels(
        (
            replace(travels[0], travel=220.0, status="done", status_text="done", position=0.0),
            replace(travels[1], travel=100.0, status="moving", status_text="86° to go", position=1.0),
            *travels[2:],
        )
    )
    user = SimulatedUser(page)
    for row, colour, fraction in ((0, theme.colours.success, 1.0), (1, theme.colours.accent, 0.5), (2, "", 0.0)):
        widget = page.bars.rows[row]
        middle = user.grab_pixels(widget)[widget.height() // 2]
        expected = tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5)) if colour else (-1, -1, -1)
        filled = int((np.abs(middle - expected).sum(axis=1) < 12).sum())
        assert filled == pytest.approx(fraction * widget.bar_area().width(), abs=26), row  # less the knob


@pytest.mark.window
def test_wizard_is_usable_by_keyboard_alone(bench: WizardBench, page: CalibrationWizard) -> None:
    user = SimulatedUser(page)
    page.activateWindow()
    user.wait_until(page.isActiveWindow)
    user.press_key(Qt.Key.Key_Return)
    with bench.guide_joints():
        user.wait_until(lambda: page.stage is CalibrationStage.CHECK)
    user.type_text(" B")
    user.press_key(Qt.Key.Key_Return)
    user.wait_until(lambda: bool(bench.messages))
    assert bench.messages == [("finished", "SO-101 B")]
    again = bench.open(Theme("light"))
    again.activateWindow()
    user = SimulatedUser(again)
    user.wait_until(again.isActiveWindow)
    user.press_key(Qt.Key.Key_Escape)
    assert bench.messages[-1][0] == "cancelled"
    page.end()
