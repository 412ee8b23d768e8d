"""Tests of the commands for real arms, with the emulated arm as a new user's arm."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from metagui.arms.emulator.emulated_arm import EmulatedArm
from metagui.arms.emulator.guided_sweep import sweep_by_hand
from metagui.arms.feetech import control_table as reg
from metagui.arms.kinematics import forward_kinematics, inverse_kinematics
from metagui.arms.so101 import arm_registry, range_of_motion
from metagui.arms.so101.arm_registry import ArmRegistry
from metagui.arms.so101.calibration import TickConversion
from metagui.arms.so101.range_of_motion import Sweep, SweepSettings
from metagui.arms.so101.so101_arm import SO101Arm
from metagui.arms.so101.stops import REAL_STOPS, SO100_STOPS, ArmModel, Stops
from metagui.cameras.mat import find_mat
from metagui.cli import app, motor_tools
from tests.helpers.clocks import PATIENCE_S
from tests.helpers.in_process_port import Cable
from tests.helpers.poses import find_touch
from tests.helpers.terminals import open_patiently

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def touch_by_hand(cable: Cable, monkeypatch: pytest.MonkeyPatch, points: Sequence[Sequence[float]]) -> None:
    """Let each prompt be answered when a hand has brought the closed tips of the arm to the next point."""
    left = list(points)

    def answer(*arguments: object, **options: object) -> str:
        for joint, angle in enumerate(find_touch([*left.pop(0)[:2], 0.0]).tolist()):
            cable.arm.move_joint_by_hand(joint, angle)
        cable.arm.advance(100)
        return ""

    monkeypatch.setattr(typer, "prompt", answer)


def test_calibrate_by_touches_corrects_the_zeros(cable: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    cable.arm.calibrate()
    true, registry = cable.arm.compute_calibration(), ArmRegistry()
    registry.register("mine", cable.device)
    wrong = (0.03, 0.04, -0.05, 0.03, 0.0, 0.0)
    registry.save_calibration("mine", replace(true, trims=wrong))
    points = [(0.14, -0.10), (0.14, 0.10), (0.23, -0.10), (0.23, 0.10)]
    touch_by_hand(cable, monkeypatch, points)
    options = [word for x, y in points for word in ("--touch", f"{x},{y}")]
    result = run_command("calibrate", "--name", "mine", *options, "--json")
    assert result.exit_code == 0, result.stderr
    calibration = registry.load_calibration("mine")
    assert calibration is not None
    poses = np.array([inverse_kinematics(np.array([x, y, z]), 0.0) for x, y in points for z in (0.015, 0.08)])
    before, after = (
        forward_kinematics(poses + trims[:5]).position - forward_kinematics(poses).position
        for trims in (wrong, calibration.trims)
    )
    assert np.linalg.norm(after, axis=1).max() < 0.004 < np.linalg.norm(before, axis=1).min(), "the play remains"
    assert "mm off at most; now" in result.stderr


def test_calibrate_by_the_crosses_of_a_mat(cable: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mat lies askew; the shoulder pan keeps its zero, which such a mat cannot tell."""
    cable.arm.calibrate()
    registry, wrong = ArmRegistry(), (0.0, 0.04, 0.05, -0.03, 0.0, 0.0)
    registry.register("mine", cable.device)
    registry.save_calibration("mine", replace(cable.arm.compute_calibration(), trims=wrong))
    turn = np.array([[0.995, 0.0998], [-0.0998, 0.995]])
    crosses = find_mat("A4").crosses[:, :2] @ turn + (0.168, 0.003)
    touch_by_hand(cable, monkeypatch, crosses.tolist())
    result = run_command("calibrate", "--name", "mine", "--touch", "a4")
    assert result.exit_code == 0, result.stderr
    calibration = registry.load_calibration("mine")
    assert calibration is not None
    assert calibration.trims[0] == 0.0
    poses = np.array([inverse_kinematics(np.array([*cross, 0.03]), 0.0) for cross in crosses])
    before, after = (
        np.linalg.norm((forward_kinematics(poses + t[:5]).position - forward_kinematics(poses).position), axis=1).max()
        for t in (wrong, calibration.trims)
    )
    assert after < 0.006 < before


def test_calibrate_by_wrong_touches_changes_nothing(cable: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    cable.arm.calibrate()
    registry = ArmRegistry()
    registry.register("mine", cable.device)
    registry.save_calibration("mine", cable.arm.compute_calibration())
    touch_by_hand(cable, monkeypatch, [(0.14, -0.10), (0.14, 0.10), (0.23, -0.10), (0.23, 0.0)])
    wrong = ["0.14,-0.10", "0.14,0.10", "0.23,-0.10", "0.23,0.10"]
    options = [word for point in wrong for word in ("--touch", point)]
    result = run_command("calibrate", "--name", "mine", *options)
    assert result.exit_code == 1
    assert "after the fit, so no zero was changed" in result.stderr
    assert registry.load_calibration("mine") == cable.arm.compute_calibration()
    assert run_command("calibrate", "--name", "mine", "--touch", "here").exit_code == 2
    assert run_command("calibrate", "--name", "mine", "--touch", "0.2,0.1").exit_code == 1


def test_arms_tells_model_and_zeros(cable: Cable) -> None:
    registry = ArmRegistry()
    for name in ("new", "none", "old", "trimmed"):
        registry.register(name, f"/dev/{name}")
    calibration = cable.arm.compute_calibration()
    calibration.save(registry.calibration_path("old"))
    registry.save_calibration("new", replace(calibration, model=ArmModel.SO100))
    registry.save_calibration("trimmed", replace(calibration, trims=(0.0, 0.0, 0.1, 0.1, 0.0, 0.0)))
    assert json.loads(run_command("arms", "--json").stdout)["calibrations"] == {
        "new": "SO-100",
        "none": "none",
        "old": "SO-101, zeros corrected since it was calibrated",
        "trimmed": "SO-101, 2 zeros trimmed",
    }


@pytest.mark.parametrize(("answer", "model"), [("y", ArmModel.SO100), ("n", ArmModel.SO101)])
def test_calibrate_asks_for_the_model(
    cable: Cable, monkeypatch: pytest.MonkeyPatch, answer: str, model: ArmModel
) -> None:
    """Only a terminal can answer; else the model is guessed."""
    monkeypatch.setattr(motor_tools, "_is_terminal", lambda: True)
    words = ["calibrate", "--port", cable.device, "--name", "mine", "--import", CALIBRATIONS / "so100-follower.json"]
    result = CliRunner().invoke(app, [*map(str, words)], input=f"{answer}\n")
    assert result.exit_code == 0, result.output
    found = ArmRegistry().load_calibration("mine")
    assert found is not None
    assert found.model is model
    assert "taken for" not in result.stderr


@pytest.mark.parametrize(("option", "model"), [([], ArmModel.SO100), (["--model", "so101"], ArmModel.SO101)])
def test_calibrate_stores_the_model(cable: Cable, option: list[str], model: ArmModel) -> None:
    words = ["calibrate", "--port", cable.device, "--name", "mine", "--import", CALIBRATIONS / "so100-follower.json"]
    assert run_command(*words, *option).exit_code == 0
    found = ArmRegistry().load_calibration("mine")
    assert found is not None
    assert found.model is model
    assert found.joints == ArmRegistry().make_arm("mine").calibration.joints  # type: ignore[union-attr]


def test_calibrate_swept_so100_is_recognised(cable: Cable) -> None:
    cable.arm = EmulatedArm(mount_offsets=(3900, 20, 1000, 2000, 3000, 4000), stops=SO100_STOPS)
    cable.arm.follow_hand_path(sweep_by_hand(cable.arm.stops))
    result = run_command("calibrate", "--port", cable.device, "--name", "mine", "--json")
    assert result.exit_code == 0, result.stderr
    assert "taken for an SO-100" in result.stderr
    with ArmRegistry().make_arm("mine") as driver:
        np.testing.assert_allclose(driver.observe().positions[:5], cable.arm.read_joint_angles()[:5], atol=0.03)


def test_calibrate_swept_short_joint_is_written_with_a_note(cable: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop of this arm is nearer than the model's; the wait is shortened here."""
    pan, *others = REAL_STOPS
    stops = (Stops(0.7 * pan.lower, 0.7 * pan.upper), *others)
    cable.arm = EmulatedArm(mount_offsets=(3900, 20, 1000, 2000, 3000, 4000), stops=stops)
    sweep = Sweep(settings=SweepSettings(short_settle_time=0.3))
    monkeypatch.setattr(range_of_motion, "run_sweep", partial(range_of_motion.run_sweep, resumed=sweep))
    cable.arm.follow_hand_path(sweep_by_hand(cable.arm.stops))
    result = run_command("calibrate", "--port", cable.device, "--name", "mine", "--json")
    assert result.exit_code == 0, result.stderr
    assert "shoulder_pan travels 76% of the model's range" in " ".join(result.stderr.split())
    with ArmRegistry().make_arm("mine") as driver:
        np.testing.assert_allclose(driver.observe().positions[1:], cable.arm.read_joint_angles()[1:], atol=0.015)


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
    assert "taken for an SO-100" in result.stderr
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


def test_arms_details_lists_every_motor(cable: Cable) -> None:
    cable.arm.servos[2].set_register(reg.MODEL_NUMBER, 999)
    cable.arm.servos[4].set_register(reg.BAUD_RATE, 1)
    cable.arm.servos[5].overloaded = True
    cable.arm.advance()
    before = [bytes(servo.memory[:56]) for servo in cable.arm.servos]
    result = run_command("arms", "--details", "--port", cable.device, "--json")
    assert result.exit_code == 0, result.stderr
    motors = json.loads(result.stdout)["motors"][cable.device]
    assert [motor["id"] for motor in motors] == [1, 2, 3, 4, 5, 6]
    assert [motor["baud"] for motor in motors] == [1_000_000] * 4 + [500_000, 1_000_000]
    assert [motor["model"] for motor in motors][:3] == ["777 (STS3215)", "777 (STS3215)", "999"]
    assert motors[5]["status"] == "overload"
    assert motors[0]["status"] == "ok"
    assert motors[0]["voltage"] == pytest.approx(7.4)
    assert [bytes(servo.memory[:56]) for servo in cable.arm.servos] == before, "an inspection writes nothing"
    table = run_command("arms", "--port", cable.device)
    assert "elbow_flex" in table.stdout
    assert "overload" in table.stdout


def test_arms_details_two_motors_with_one_id(cable: Cable) -> None:
    cable.arm.servos[5].set_register(reg.ID, 1)
    result = run_command("arms", "--port", cable.device, "--json")
    motors = json.loads(result.stdout)["motors"][cable.device]
    assert "two motors have this id" in motors[0]["status"]


SAG_TICKS = 15
"""Distance by which a joint may sag from its goal, ticks."""


def connect_and_leave(cable: Cable) -> list[list[int]]:
    """Let an arm hold; return its torque limits and goals."""
    cable.arm.calibrate()
    with SO101Arm(cable.device, open_port=cable.open_port):
        pass
    return [[servo.get_register(register) for servo in cable.arm.servos] for register in (reg.TORQUE_LIMIT, reg.LOCK)]


def test_relax_lets_go_gently_and_leaves_registers(cable: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    before = connect_and_leave(cable)
    limits: list[int] = []

    def sleep(_seconds: float) -> None:
        limits.append(cable.arm.servos[1].get_register(reg.TORQUE_LIMIT))
        assert cable.arm.servos[1].torque_enabled

    monkeypatch.setattr(motor_tools.time, "sleep", sleep)
    result = run_command("relax", "--arm", cable.device, "--seconds", "2")
    assert result.exit_code == 0, result.stderr
    assert "2 …\n1 …\n" in result.stderr
    assert limits[:3] == [1000, 1000, 975]
    assert limits[2:] == sorted(limits[2:], reverse=True)
    assert limits[-1] == 0
    assert not any(servo.torque_enabled for servo in cable.arm.servos)
    assert [[servo.get_register(r) for servo in cable.arm.servos] for r in (reg.TORQUE_LIMIT, reg.LOCK)] == before


@pytest.mark.parametrize("at", [1, 20])
def test_relax_cancelled_holds(cable: Cable, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """In the countdown nothing was changed; while the torque falls, the arm holds where it is then."""
    before = connect_and_leave(cable)
    count = 0

    def sleep(_seconds: float) -> None:
        nonlocal count
        count += 1
        if count == at:
            raise KeyboardInterrupt

    monkeypatch.setattr(motor_tools.time, "sleep", sleep)
    result = run_command("relax", "--arm", cable.device)
    assert result.exit_code == 1
    assert "Cancelled. The arm holds where it is." in str(result.exception) + result.stderr
    assert all(servo.torque_enabled for servo in cable.arm.servos)
    assert [[servo.get_register(r) for servo in cable.arm.servos] for r in (reg.TORQUE_LIMIT, reg.LOCK)] == before
    for servo in cable.arm.servos:
        assert abs(servo.get_register(reg.GOAL_POSITION) - servo.get_register(reg.PRESENT_POSITION)) <= SAG_TICKS


def test_relax_with_a_silent_motor_relaxes_the_others(cable: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    connect_and_leave(cable)
    cable.arm.faults.silent_ids.add(3)
    monkeypatch.setattr(motor_tools.time, "sleep", lambda _: None)
    result = run_command("relax", "--arm", cable.device)
    assert result.exit_code == 0, result.stderr
    assert "Servo 3" in result.stderr
    assert [servo.torque_enabled for servo in cable.arm.servos] == [False, False, True, False, False, False]
