"""The tables of the page on alarms hold: every row is carried out on an emulated arm and compared with its words."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from metagui.arms.arm import ArmError, Command
from metagui.arms.control.loop import ControlLoop
from metagui.arms.emulator.latency import LATENCY_PROFILES
from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech.protocol import InstructionCode, Packet, ServoStatus
from metagui.arms.kinematics import HOME_ANGLES_RAD
from metagui.arms.so101.motors import GAIN_SETTINGS, GRIPPER_SETTINGS, POSITION_SETTINGS
from metagui.arms.so101.so101_arm import SO101Arm
from tests.helpers.emulated_bench import EmulatedBench
from tests.helpers.markdown import read_table
from tests.helpers.slow_line import SlowPort

if TYPE_CHECKING:
    from metagui.arms.arm import Observation

TESTS = Path(__file__).parents[2]
FAULTS = read_table("alarms.md", "## Motors, supply and line")
PORT_FAULTS = read_table("alarms.md", "## Port")
SETTING_ADDRESSES = {
    register.address for register in (*POSITION_SETTINGS, *GAIN_SETTINGS, *GRIPPER_SETTINGS, reg.PHASE, reg.LOCK)
}
"""Registers that are set before an arm is switched on."""
MOVING_TICKS = 120
"""Number of ticks for which an arm moves with a fault."""


@dataclass
class Sway:
    """Moves the shoulder pan to and fro. Implements Controller."""

    amplitude: float = 0.6

    def decide(self, observation: Observation) -> Command:
        """Return a target that changes slowly."""
        target = HOME_ANGLES_RAD.copy()
        target[0] = self.amplitude * np.sin(observation.time)
        return Command(target)


class Provocation(EmulatedBench):
    """An emulated arm and its driver, with the names that the code of a row uses."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.options: dict[str, Any] = {"register_file": folder / "registers.json"}
        self.writes: list[Packet] = []
        self.emulated_arm.bus.on_packet = self._note_packet

    def _note_packet(self, packet: Packet) -> None:
        if packet.code in (InstructionCode.WRITE, InstructionCode.SYNC_WRITE):
            self.writes.append(packet)

    def provoke(self, code: str) -> None:
        """Run the code of a row."""
        names = {
            "arm": self.emulated_arm, "servos": self.emulated_arm.servos, "faults": self.emulated_arm.faults,
            "port": self.port, "reg": reg, "ServoStatus": ServoStatus,
            "named": self.name, "delay": self.delay, "kill": self.kill, "move_outside": self.move_outside,
        }  # fmt: skip
        exec(compile(ast.parse(code), "alarms.md", "exec"), names)
        self.emulated_arm.advance()

    def name(self, owner: str | None = None) -> None:
        """Give the arm a name and a stored calibration; ``owner`` has the one in the servos."""
        self.options |= {"calibration": self.calibration, "name": "left arm", "find_owner": lambda _: owner}

    def delay(self, profile: str) -> None:
        """Connect the arm through an adapter with a latency."""
        port: Any = SlowPort(self.emulated_arm, LATENCY_PROFILES[profile])
        self.port, self.clock = port, port.clock

    def kill(self) -> None:
        """Connect the arm, as a program does that is killed then."""
        self.make_arm().connect()
        self.writes.clear()

    def move_outside(self, joint: int) -> None:
        """Bring a joint out of its calibrated range."""
        servo = self.emulated_arm.servos[joint]
        servo.set_register(reg.MIN_POSITION_LIMIT, servo.get_register(reg.PRESENT_POSITION) + 500)

    def make_arm(self) -> SO101Arm:
        """Return the driver."""
        return SO101Arm("emulated", open_port=lambda _: self.port, clock=self.clock, **self.options)


def run(bench: Provocation, row: dict[str, str]) -> tuple[list[str], SO101Arm]:
    """Carry out a row; return the texts that a user sees, and the arm."""
    code = row["On the emulated arm"]
    if row["While"] == "connecting":
        bench.provoke(code)
    arm = bench.make_arm()
    try:
        arm.connect()
    except ArmError as error:
        return [str(error)], arm
    texts = arm.list_warnings()
    loop = ControlLoop(arm, bench.emulated_arm)
    loop.set_controller(Sway())
    try:
        for index in range(MOVING_TICKS):
            if row["While"] == "moving" and index == 20:
                bench.provoke(code)
            alarm = loop.step_once().alarm
            texts += [alarm] if alarm else []
    except ArmError as error:
        texts.append(str(error))
    return texts, arm


@pytest.mark.parametrize("row", FAULTS, ids=lambda row: f"{row['Fault']} while {row['While']}")
def test_alarm_table_row(row: dict[str, str], tmp_path: Path) -> None:
    bench = Provocation(tmp_path)
    texts, arm = run(bench, row)
    assert any(row["You see"] in text for text in texts) if row["You see"] else not texts, texts
    assert not any("Nothing was written" in text for text in texts) or not bench.writes
    CHECKS[row["The arm"]](bench, arm)
    bench.emulated_arm.faults.silent_ids.clear()
    if arm.connected:
        arm.disconnect()


def check_off(bench: Provocation, arm: SO101Arm) -> None:
    assert not arm.connected
    assert not any(bench.read_torque())
    for packet in bench.writes:  # gains and limits may have been set
        assert packet.code == InstructionCode.WRITE
        assert packet.parameters[0] in SETTING_ADDRESSES


def check_going_on(bench: Provocation, arm: SO101Arm) -> None:
    assert arm.connected
    bench.writes.clear()
    loop = ControlLoop(arm, bench.emulated_arm)
    loop.set_controller(Sway())
    loop.step_once()
    assert bench.writes
    assert all(bench.read_torque())


def check_holding(bench: Provocation, arm: SO101Arm) -> None:
    before = bench.emulated_arm.read_joint_angles()
    bench.emulated_arm.advance(30)
    assert all(bench.read_torque())
    np.testing.assert_allclose(bench.emulated_arm.read_joint_angles(), before, atol=0.03)


def check_others_holding(bench: Provocation, arm: SO101Arm) -> None:
    before = np.array(bench.emulated_arm.read_joint_angles())
    bench.emulated_arm.advance(30)
    holding = np.array(bench.read_torque())
    assert holding.sum() == len(holding) - 1
    np.testing.assert_allclose(np.array(bench.emulated_arm.read_joint_angles())[holding], before[holding], atol=0.03)


CHECKS = {
    "stays off": check_off,
    "goes on": check_going_on,
    "holds": check_holding,
    "others hold": check_others_holding,
}


def test_alarm_table_names_every_fault_bit() -> None:
    """Every status bit of a servo and every fault that the emulated line can inject has a row."""
    code = " ".join(row["On the emulated arm"] for row in FAULTS)
    for what in ("ANGLE", "OVERCURRENT", "overloaded", "voltage", "temperature", "stuck_joints", "unplugged"):
        assert what in code
    for fault in ("lost", "late", "corrupted", "partial", "garbage", "echo", "silent_ids"):
        assert f"faults.{fault}" in code


@pytest.mark.parametrize("row", PORT_FAULTS, ids=lambda row: row["Fault"])
def test_alarm_table_port_row_has_its_test(row: dict[str, str]) -> None:
    """The test exists, and the message that it is about exists in the package."""
    sources = [path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py")]
    assert any(f"def {row['Test']}(" in source for source in sources), row["Test"]
    package = "\n".join(path.read_text(encoding="utf-8") for path in (TESTS.parent / "metagui").rglob("*.py"))
    assert row["You see"].split(" …")[0] in package
