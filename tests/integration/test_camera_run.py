"""A camera's stream over the emulated arm's table: nothing but pixels tells the commands where the objects are."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from typer.testing import CliRunner

from metagui.arms.emulator.emulated_arm import EmulatedArm
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.so101 import arm_registry
from metagui.cli import app
from metagui.cli.cameras import watching
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.programs.program import TaskProgram, save_programs
from metagui.demonstrations.storage.library import Library
from tests.helpers.clocks import wait_until
from tests.helpers.emulated_stream import EmulatedStream
from tests.helpers.in_process_port import Cable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typer.testing import Result

LIFT = TaskProgram("lift red", (Instruction("grasp", "red cube"),))
PLACES_M = {
    "red cube": (0.20, 0.05),
    "green cube": (0.17, -0.05),
    "blue cube": (0.23, -0.06),
    "yellow zone": (0.16, 0.10),
    "violet zone": (0.25, 0.02),
}
BEHIND_THE_ARM_M = (-0.12, 0.30)


@pytest.fixture
def emulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EmulatedArm:
    monkeypatch.setattr(arm_registry, "user_config_path", lambda _: tmp_path / "config")
    arm = EmulatedArm.make_ideal(SimulatedArm(1), (3900, 20, 1000, 2000, 3000, 4000))
    arm.calibrate()
    for name, (x, y) in PLACES_M.items():
        arm.place_object(name, x, y)
    return arm


@pytest.fixture
def port(emulated: EmulatedArm, monkeypatch: pytest.MonkeyPatch) -> str:
    cable = Cable(emulated)
    monkeypatch.setattr(arm_registry, "SerialPort", cable.open_port)
    return cable.device


@pytest.fixture
def stream(emulated: EmulatedArm) -> Iterator[EmulatedStream]:
    with EmulatedStream(emulated) as made:
        yield made


def record(tmp_path: Path, port: str, stream: EmulatedStream) -> Result:
    save_programs(tmp_path / "one.json", (LIFT,))
    options = ("--arm", port, "--camera", stream.url, "--program", tmp_path / "one.json", "--json")
    arguments = ("record", LIFT.name, *options, "--library", tmp_path / "library")
    return CliRunner().invoke(app, [str(each) for each in arguments])


def test_a_cube_that_is_moved_by_hand_on_the_arms_way_is_lifted(
    tmp_path: Path, emulated: EmulatedArm, port: str, stream: EmulatedStream
) -> None:
    start = np.array(emulated.read_joint_angles())

    def displace() -> None:
        wait_until(lambda: float(np.abs(np.array(emulated.read_joint_angles()) - start)[:4].max()) > 0.1)
        emulated.place_object("red cube", 0.20, 0.00)

    thread = threading.Thread(target=displace)
    thread.start()
    result = record(tmp_path, port, stream)
    assert result.exit_code == 0, result.stderr
    thread.join()
    assert result.exit_code == 0, result.stderr
    assert "red cube" in result.stderr
    take = Library(tmp_path / "library").load_take(LIFT.name, json.loads(result.stdout)["take"])
    assert take.object_positions[0, 0, :2] == pytest.approx(PLACES_M["red cube"], abs=0.003)
    assert emulated.observe_scene().positions[0, 2] > 0.03
    assert emulated.observe_scene().positions[0, 1] == pytest.approx(0.0, abs=0.02)


def test_a_needed_object_that_is_not_seen_is_named_and_nothing_moves(
    tmp_path: Path, emulated: EmulatedArm, port: str, stream: EmulatedStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "WAIT_S", 6.0)
    emulated.place_object("red cube", *BEHIND_THE_ARM_M)
    before = np.array(emulated.read_joint_angles())
    result = record(tmp_path, port, stream)
    assert result.exit_code == 1
    assert "The red cube is not seen by the camera. The arm did not move" in result.stderr
    assert np.abs(np.array(emulated.read_joint_angles()) - before).max() < 0.02


def test_a_camera_that_sees_no_table_says_why(
    tmp_path: Path, port: str, stream: EmulatedStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "WAIT_S", 6.0)
    stream.camera.faults.add("dark")
    result = record(tmp_path, port, stream)
    assert result.exit_code == 1
    assert "too dark" in result.stderr
    assert "The arm did not move" in result.stderr


def test_a_simulated_arm_needs_no_camera() -> None:
    result = CliRunner().invoke(app, ["record", "x", "--camera", "http://127.0.0.1:9/stream.mjpg"])
    assert result.exit_code == 1
    assert "leave out --camera" in result.stderr
