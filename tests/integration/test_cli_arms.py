"""Tests of the commands for real arms, with the emulated arm as a new user's arm."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from typer.testing import CliRunner

from metagui.arms.emulator.emulated_arm import EmulatedArm
from metagui.arms.emulator.guided_sweep import sweep_by_hand
from metagui.arms.so101 import arm_registry
from metagui.arms.so101.arm_registry import ArmRegistry
from metagui.arms.so101.calibration import TickConversion
from metagui.arms.so101.so101_arm import SO101Arm
from metagui.cli import app
from tests.helpers.clocks import PATIENCE_S
from tests.helpers.in_process_port import Cable
from tests.helpers.terminals import open_patiently

if TYPE_CHECKING:
    from typer.testing import Result


CALIBRATIONS = Path(__file__).parents[1] / "data" / "calibrations"
"""Calibrations that owners of arms published."""


@pytest.fixture(autouse=True)
def own_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arm_registry, "user_config_path", lambda _: tmp_path / "config")


def run_command(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def cable(monkeypatch: pytest.MonkeyPatch) -> Cable:
    """Return the cable of a new arm; hands guide it a few steps at every reading while its torque is off."""
    made = Cable(EmulatedArm(mount_offsets=(3900, 20, 1000, 2000, 3000, 4000)), hand_periods=8)
    monkeypatch.setattr(arm_registry, "SerialPort", made.open_port)
    return made


def test_calibrate_by_hand_new_arm_moves(cable: Cable) -> None:
    cable.arm.follow_hand_path(sweep_by_hand(cable.arm.stops))
    result = run_command("calibrate", "--port", cable.device, "--name", "mine", "--json")
    assert result.exit_code == 0, result.stderr
    assert "Move every joint by hand from stop to stop" in result.stderr
    assert list(json.loads(result.stdout)) == [joint.name for joint in SO101Arm("").joints]
    calibration = ArmRegistry().load_calibration("mine")
    assert ArmRegistry().find_device("mine") == cable.device
    with SO101Arm(cable.device, calibration, open_port=cable.open_port) as driver:
        np.testing.assert_allclose(driver.observe().positions, cable.arm.read_joint_angles(), atol=0.015)


def test_calibrate_trim_corrects_zero_of_named_arm(cable: Cable) -> None:
    """Nothing moves and nothing is written to the servos: the correction belongs to the arm's name."""
    cable.arm.calibrate()
    registry = ArmRegistry()
    registry.register("mine", cable.device)
    registry.save_calibration("mine", cable.arm.compute_calibration())
    before = [bytes(servo.memory) for servo in cable.arm.servos]
    plain = TickConversion(cable.arm.compute_calibration()).to_angles(np.full(6, 2048.0))
    assert run_command("calibrate", "--name", "mine", "--trim", "elbow_flex=-2").exit_code == 0
    result = run_command("calibrate", "--name", "mine", "--trim", "wrist_roll=1.5", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["elbow_flex"] == pytest.approx(-2.0)
    calibration = registry.load_calibration("mine")
    assert calibration is not None
    moved = TickConversion(calibration).to_angles(np.full(6, 2048.0)) - plain
    np.testing.assert_allclose(np.degrees(moved), [0, 0, -2.0, 0, 1.5, 0], atol=1e-3)
    assert [bytes(servo.memory) for servo in cable.arm.servos] == before


@pytest.mark.parametrize("trim", ["elbow=1", "elbow_flex", "elbow_flex=much", "elbow_flex=50"])
def test_calibrate_trim_invalid_fails(cable: Cable, trim: str) -> None:
    ArmRegistry().register("mine", cable.device)
    ArmRegistry().save_calibration("mine", cable.arm.compute_calibration())
    assert run_command("calibrate", "--name", "mine", "--trim", trim).exit_code == 2
    assert run_command("calibrate", "--name", "mine").exit_code == 2, "a port is needed"
    assert ArmRegistry().load_calibration("mine") == cable.arm.compute_calibration()


def test_calibrate_completes_short_range_with_a_note(cable: Cable) -> None:
    result = run_command("calibrate", "--port", cable.device, "--import", CALIBRATIONS / "follower-b.json")
    assert result.exit_code == 0, result.stderr
    assert "wrist_flex stopped short of an end" in result.stderr


def test_calibrate_imports_lerobot_file(tmp_path: Path, cable: Cable) -> None:
    arm = cable.arm
    arm.compute_calibration().save(tmp_path / "lerobot.json")
    result = run_command("calibrate", "--port", cable.device, "--import", tmp_path / "lerobot.json")
    assert result.exit_code == 0, result.stderr
    with SO101Arm(cable.device, arm.compute_calibration(), open_port=cable.open_port) as driver:
        np.testing.assert_allclose(driver.observe().positions, arm.read_joint_angles(), atol=0.01)


def test_calibrate_doubtful_file_is_written_with_a_note(cable: Cable) -> None:
    result = run_command("calibrate", "--port", cable.device, "--import", CALIBRATIONS / "so100-follower.json")
    assert result.exit_code == 0, result.stderr
    assert "those of an SO-100" in result.stderr
    assert "wrist_roll has no stops" in result.stderr


def test_calibrate_file_with_unmoved_joints_fails(cable: Cable) -> None:
    """It was written once, and then the arm was not calibrated."""
    before = [bytes(servo.memory) for servo in cable.arm.servos]
    result = run_command("calibrate", "--port", cable.device, "--import", CALIBRATIONS / "follower-full-turns.json")
    assert result.exit_code == 1
    assert "shoulder_lift, elbow_flex, gripper" in result.stderr
    assert [bytes(servo.memory) for servo in cable.arm.servos] == before


def test_calibrate_invalid_input_fails(tmp_path: Path) -> None:
    result = run_command("calibrate", "--port", "/dev/ttyNOT")
    assert result.exit_code == 1
    assert "There is no port /dev/ttyNOT" in result.stderr
    (tmp_path / "bad.json").write_text("{}")
    result = run_command("calibrate", "--port", "/dev/ttyNOT", "--import", tmp_path / "bad.json")
    assert "is no calibration of this arm" in result.stderr
    result = run_command("calibrate", "--port", "/dev/ttyNOT", "--name", "a/b")
    assert "cannot name an arm" in result.stderr, "before anything is moved"


def test_arms_lists_ports_and_named_arms() -> None:
    result = run_command("arms", "--json")
    assert result.exit_code == 0
    assert isinstance(json.loads(result.stdout)["ports"], list)
    ArmRegistry().register("mine", "/dev/ttyNOT")
    assert "mine" in run_command("arms").stdout
    assert "not plugged in" in run_command("arms").stdout
    assert json.loads(run_command("arms", "--json").stdout)["elsewhere"][0]["name"] == "mine"


@pytest.mark.pty
def test_emulate_arm_serves_until_interrupted() -> None:
    command = [sys.executable, "-m", "metagui", "emulate-arm", "--seed", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            name = process.stdout.readline().strip()
            with SO101Arm(name, open_port=open_patiently) as driver:
                assert np.isfinite(driver.observe().positions).all()
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_S) == 0
            assert process.stderr is not None
            assert process.stderr.read() == ""
        finally:
            process.kill()
