"""Tests of assigning ids to the servos of a new arm, each alone on the board."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from metagui.arms.emulator.emulated_bus import EmulatedBus, FaultInjector, TimedReply
from metagui.arms.emulator.emulated_servo import EmulatedServo
from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech.diagnosis import WrongServoError
from metagui.arms.so101 import arm_registry
from metagui.arms.so101.motor_setup import NotSingleServoError, assign_id
from metagui.cli import app
from tests.helpers.in_process_port import InProcessPort

if TYPE_CHECKING:
    from collections.abc import Iterable


class Board:
    """A board with servos; the next servo is connected when the last one has its id. Replaces EmulatedArm."""

    def __init__(
        self, plugged: Iterable[EmulatedServo], next_servos: Iterable[EmulatedServo] = (), echo: bool = False
    ) -> None:
        self.faults = FaultInjector(echo=echo)
        self.bus = EmulatedBus(tuple(plugged), self.faults)
        self.servos = self.bus.servos
        self.next_servos = deque(next_servos)

    def feed(self, data: bytes) -> list[TimedReply]:
        (servo, *_) = self.bus.servos
        if self.next_servos and servo.get_register(reg.ID) != 1 and data[2] == 0:  # the next search starts with id 0
            self.bus.servos = self.servos = (self.next_servos.popleft(),)
        return self.bus.feed(data)

    def advance(self) -> None:
        """Do nothing, as there is no physics."""


@pytest.mark.parametrize("echo", [False, True])
@pytest.mark.parametrize(("old", "new"), [(1, 6), (1, 1), (17, 2), (253, 3)])
def test_assign_id_single_servo_gets_locked_id(old: int, new: int, echo: bool) -> None:
    servo = EmulatedServo(old)
    assert assign_id(InProcessPort(Board([servo], echo=echo)), new) == old  # type: ignore[arg-type]
    assert servo.id == new
    assert servo.get_register(reg.LOCK) == 1
    servo.power_up()
    assert servo.id == new


@pytest.mark.parametrize("index", [1, 4, 7])
def test_assign_id_other_baud_rate_gets_the_arms(index: int) -> None:
    servo = EmulatedServo(1)
    servo.set_register(reg.BAUD_RATE, index)
    board = Board([servo])
    assert assign_id(InProcessPort(board), 5) == 1  # type: ignore[arg-type]
    assert (servo.id, servo.get_register(reg.BAUD_RATE), servo.get_register(reg.LOCK)) == (5, 0, 1)
    assert board.bus.baud == 1_000_000


def test_assign_id_several_or_no_servos_raises() -> None:
    """Nothing is written to any servo."""
    pair = [EmulatedServo(3), EmulatedServo(4)]
    with pytest.raises(NotSingleServoError, match="servos 3, 4 answer"):
        assign_id(InProcessPort(Board(pair)), 6)  # type: ignore[arg-type]
    board = Board(pair)
    board.faults.silent_ids = {3, 4}
    with pytest.raises(NotSingleServoError, match="No servo answers"):
        assign_id(InProcessPort(board), 6)  # type: ignore[arg-type]
    other = EmulatedServo(1)
    other.set_register(reg.MODEL_NUMBER, 1029)
    with pytest.raises(WrongServoError, match="model 1029"):
        assign_id(InProcessPort(Board([other])), 6)  # type: ignore[arg-type]
    assert [servo.id for servo in (*pair, other)] == [3, 4, 1]


def test_assign_id_lost_reply_is_repeated() -> None:
    board = Board([EmulatedServo(1)])
    board.faults.scripted_faults.extend(["none", "lost", "none", "lost", "none"])
    assert assign_id(InProcessPort(board), 4) == 1  # type: ignore[arg-type]


def test_setup_motors_assigns_all_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    servos = [EmulatedServo(1) for _ in range(6)]
    board = InProcessPort(Board(servos[:1], servos[1:]))  # type: ignore[arg-type]
    monkeypatch.setattr(arm_registry, "SerialPort", {"COM3": board}.get)
    result = CliRunner().invoke(app, ["setup-motors", "--port", "COM3"], input="\n" * 6)
    assert result.exit_code == 0, result.stderr
    assert [servo.id for servo in servos] == [6, 5, 4, 3, 2, 1]
    assert "Connect the motor of gripper alone" in result.stderr
    assert "gripper: id 6, was 1" in result.stdout


def test_setup_motors_one_joint_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    servo = EmulatedServo(1)
    board = InProcessPort(Board([servo]))  # type: ignore[arg-type]
    monkeypatch.setattr(arm_registry, "SerialPort", {"COM3": board}.get)
    result = CliRunner().invoke(app, ["setup-motors", "--port", "COM3", "--joint", "elbow_flex"], input="\n")
    assert result.exit_code == 0, result.stderr
    assert servo.id == 3
    wrong = CliRunner().invoke(app, ["setup-motors", "--port", "COM3", "--joint", "knee"])
    assert wrong.exit_code != 0
    assert "wrist_roll" in wrong.stderr
