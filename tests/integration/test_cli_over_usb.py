"""Tests of ``record``, ``run`` and ``replay`` on a real arm, for which the emulated arm is plugged in."""

from __future__ import annotations

import json
import os
import signal
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from typer.testing import CliRunner

from metagui.arms.emulator.emulated_arm import EmulatedArm
from metagui.arms.feetech.protocol import InstructionCode, Packet
from metagui.arms.kinematics import HOME_ANGLES_RAD
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.so101 import arm_registry
from metagui.cli import app
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.programs.program import TaskProgram, save_programs
from metagui.demonstrations.recording import replay
from metagui.demonstrations.storage.library import Library
from tests.helpers.clocks import wait_until
from tests.helpers.in_process_port import Cable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

ABOVE = TaskProgram("above red", (Instruction("reach", "red cube", None, {"offset": (0.0, 0.0, 0.05)}),))


@pytest.fixture(autouse=True)
def own_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arm_registry, "user_config_path", lambda _: tmp_path / "config")


@pytest.fixture
def emulated() -> EmulatedArm:
    arm = EmulatedArm(SimulatedArm(1), (3900, 20, 1000, 2000, 3000, 4000))
    arm.calibrate()
    return arm


@pytest.fixture
def port(emulated: EmulatedArm, monkeypatch: pytest.MonkeyPatch) -> str:
    cable = Cable(emulated)
    monkeypatch.setattr(arm_registry, "SerialPort", cable.open_port)
    return cable.device


def run_command(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def run_json(*arguments: object) -> dict:
    result = run_command(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def run_json_with_thread(act: Callable[[], None], *arguments: object) -> dict:
    """Run a command while a thread calls ``act``."""
    thread = threading.Thread(target=act)
    thread.start()
    try:
        return run_json(*arguments)
    finally:
        thread.join()


def test_record_program_and_replay_on_arm(tmp_path: Path, emulated: EmulatedArm, port: str) -> None:
    save_programs(tmp_path / "one.json", (ABOVE,))
    options = ("--arm", port, "--object", "red cube=0.20,0.05,30", "--library", tmp_path / "library")
    document = run_json("record", "above red", "--program", tmp_path / "one.json", *options)
    assert (document["arm"], document["teaching_method"]) == ("SO-101", "clicks")
    assert (document["success"], document["segments"]) == (True, 1)
    take = Library(tmp_path / "library").load_take("above red", document["take"])
    np.testing.assert_allclose(take.object_positions[0, 0, :2], (0.20, 0.05), atol=1e-3)
    assert all(servo.torque_enabled for servo in emulated.servos)
    assert run_json("replay", "above red", document["take"], *options)["progress"] == 1.0
    np.testing.assert_allclose(emulated.read_joint_angles()[:5], take.joint_positions[-1, :5], atol=0.03)


def test_replay_blocked_arm_is_given_up(tmp_path: Path, port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    save_programs(tmp_path / "one.json", (ABOVE,))
    options = ("--arm", port, "--library", tmp_path / "library")
    program = ("--program", tmp_path / "one.json", "--object", "red cube=0.20,0.05,30")
    document = run_json("record", "above red", *program, *options)
    monkeypatch.setattr(replay, "MAX_REPLAY_LAG_RAD", 1e-6)  # every arm is a little behind: this one is blocked
    result = run_command("replay", "above red", document["take"], *options, "--json")
    assert result.exit_code != 0
    document = json.loads(result.stdout)
    assert document["progress"] < 1.0
    assert "rad behind for 3 s" in document["blocked"]
    assert f"The arm could not follow: {document['blocked']}" in " ".join(result.stderr.split())


def test_record_by_hand_until_ctrl_c(tmp_path: Path, emulated: EmulatedArm, port: str) -> None:
    held = threading.Event()
    emulated.bus.on_packet = lambda _: held.set() if all(servo.torque_enabled for servo in emulated.servos) else None

    def guide() -> None:
        try:
            wait_until(lambda: held.is_set() and not any(servo.torque_enabled for servo in emulated.servos))
            emulated.follow_hand_path([(0, float(angle)) for angle in np.linspace(0.0, 0.5, 40)])
            wait_until(lambda: not emulated.is_hand_guided)
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    options = ("--arm", port, "--by", "hand", "--library", tmp_path / "library")
    document = run_json_with_thread(guide, "record", "wave", *options)
    assert document["teaching_method"] == "hand"
    take = Library(tmp_path / "library").load_take("wave", document["take"])
    assert np.ptp(take.joint_positions[:, 0]) > 0.3
    assert all(servo.torque_enabled for servo in emulated.servos)


def test_record_with_leader_follows(tmp_path: Path, emulated: EmulatedArm, port: str) -> None:
    emulated.move_joint_by_hand(0, 0.4)
    readings: list[Packet] = []
    emulated.bus.on_packet = lambda packet: (
        readings.append(packet) if packet.code == InstructionCode.SYNC_READ else None
    )

    def interrupt() -> None:
        try:
            wait_until(lambda: len(readings) > 60)
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    options = ("--by", "leader", "--leader", port, "--library", tmp_path / "library")
    document = run_json_with_thread(interrupt, "record", "follow", *options)
    assert (document["arm"], document["teaching_method"]) == ("simulated SO-101", "leader")
    take = Library(tmp_path / "library").load_take("follow", document["take"])
    assert take.joint_positions[-1, 0] - HOME_ANGLES_RAD[0] == pytest.approx(0.4, abs=0.05)
    assert not any(servo.torque_enabled for servo in emulated.servos)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("record", "x"), "Name its file with --program"),
        (("record", "x", "--by", "hand"), "Only a real arm can be guided by hand"),
        (("record", "x", "--by", "leader"), "Name it with --leader"),
        (("record", "x", "--arm", "/dev/ttyNOT", "--by", "hand"), "There is no port /dev/ttyNOT"),
        (("record", "x", "--arm", "/dev/ttyNOT", "--object", "red cube=here"), "must be a name and numbers"),
        (("record", "x", "--arm", "/dev/ttyNOT", "--object", "red cube=9,9"), "not on the table"),
    ],
)
def test_record_invalid_request_states_reason(tmp_path: Path, arguments: tuple[str, ...], reason: str) -> None:
    result = run_command(*arguments, "--library", tmp_path)
    assert result.exit_code == 1
    assert reason in result.stderr
