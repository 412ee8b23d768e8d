"""Tests of the care for motors: registers stay as found, grip force, overloads, supply, no needless write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from metagui.arms.arm import Command
from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech.protocol import InstructionCode, Packet
from metagui.arms.kinematics import HOME_ANGLES_RAD
from metagui.arms.so101.live_servos import LEFTOVER_WARNING
from metagui.arms.so101.protection.supply import WrongSupplyError
from metagui.arms.so101.so101_arm import SO101Arm
from tests.helpers.emulated_bench import EmulatedBench, send_target

if TYPE_CHECKING:
    from pathlib import Path

    from metagui.arms.emulator.emulated_arm import EmulatedArm

RAM = (reg.ACCELERATION, reg.GOAL_VELOCITY, reg.TORQUE_LIMIT)
GRIPPER = 5


def make_arm(bench: EmulatedBench, file: Path | None) -> SO101Arm:
    """Return the driver of an emulated arm, whose registers are kept in a file."""
    return SO101Arm("emulated", open_port=bench.open_port, clock=bench.clock, register_file=file)


def read_ram(arm: EmulatedArm) -> list[list[int]]:
    """Return the registers that a connection may change, per servo."""
    return [[servo.get_register(register) for register in RAM] for servo in arm.servos]


def set_ram(arm: EmulatedArm) -> None:
    """Give every servo values that are not the usual ones, as another program might have left them."""
    for index, servo in enumerate(arm.servos):
        for register, value in zip(RAM, (20 + index, 300 + index, 700 + index), strict=True):
            servo.set_register(register, value)


def count_writes(packets: list[Packet]) -> int:
    """Return the number of registers that packets write, each servo's counted."""
    count = 0
    for packet in packets:
        if packet.code == InstructionCode.WRITE:
            count += 1
        elif packet.code == InstructionCode.SYNC_WRITE:
            count += (len(packet.parameters) - 2) // (packet.parameters[1] + 1)
    return count


# Registers


def test_registers_are_as_found_after_disconnect(setup: EmulatedBench, tmp_path: Path) -> None:
    set_ram(setup.emulated_arm)
    before = read_ram(setup.emulated_arm)
    with make_arm(setup, tmp_path / "arm.json"):
        assert [ram[:2] for ram in read_ram(setup.emulated_arm)] == [[254, 0]] * 6
    assert read_ram(setup.emulated_arm) == before
    assert not list(tmp_path.iterdir())


def test_registers_are_as_found_after_error(setup: EmulatedBench, tmp_path: Path) -> None:
    set_ram(setup.emulated_arm)
    before = read_ram(setup.emulated_arm)

    def fail() -> None:
        with make_arm(setup, tmp_path / "arm.json") as arm:
            send_target(arm, HOME_ANGLES_RAD + 0.2, ticks=3)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert read_ram(setup.emulated_arm) == before


@pytest.mark.parametrize("is_damaged", [False, True])
def test_registers_left_by_a_kill_are_repaired(setup: EmulatedBench, tmp_path: Path, is_damaged: bool) -> None:
    """A killed program never disconnects; the next start sets the torque limit back, and the rest at its end."""
    set_ram(setup.emulated_arm)
    before = read_ram(setup.emulated_arm)
    file = tmp_path / "arm.json"
    make_arm(setup, file).connect()
    setup.emulated_arm.servos[2].set_register(reg.TORQUE_LIMIT, 100)
    if is_damaged:
        file.write_bytes(b"\x00[")
    arm = make_arm(setup, file)
    arm.connect()
    assert (LEFTOVER_WARNING in arm.list_warnings()) != is_damaged
    if not is_damaged:
        assert setup.emulated_arm.servos[2].get_register(reg.TORQUE_LIMIT) == 702
    arm.disconnect()
    assert (read_ram(setup.emulated_arm) == before) != is_damaged


def test_registers_after_a_power_cycle_are_left(setup: EmulatedBench, tmp_path: Path) -> None:
    """The supply was switched off after the kill: the servos have their own values again."""
    set_ram(setup.emulated_arm)
    make_arm(setup, tmp_path / "arm.json").connect()
    for servo in setup.emulated_arm.servos:
        servo.power_up()
    before = read_ram(setup.emulated_arm)
    with make_arm(setup, tmp_path / "arm.json") as arm:
        assert arm.list_warnings() == []
    assert read_ram(setup.emulated_arm) == before


def test_registers_need_no_disk(setup: EmulatedBench, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    with make_arm(setup, tmp_path / "file" / "arm.json") as arm:
        arm.observe()


def test_connect_writes_only_what_is_needed(setup: EmulatedBench) -> None:
    """A second connection writes one goal and one acceleration per servo, and the end gives both back."""
    with setup.arm:
        pass
    setup.emulated_arm.servos[GRIPPER].set_register(reg.TORQUE_LIMIT, 500)  # as after the next power-up
    seen: list[Packet] = []
    setup.emulated_arm.bus.on_packet = seen.append
    setup.arm.connect()
    assert count_writes(seen) == 12
    seen.clear()
    for _ in range(200):
        setup.arm.observe()
    assert count_writes(seen) == 0
    for _ in range(200):
        setup.arm.observe()
        setup.arm.command(Command(HOME_ANGLES_RAD))
    assert count_writes(seen) == 200 * 6
    seen.clear()
    setup.arm.disconnect()
    assert count_writes(seen) == 12


def test_hand_guiding_writes_only_torque(connected: EmulatedBench) -> None:
    seen: list[Packet] = []
    connected.emulated_arm.bus.on_packet = seen.append
    connected.arm.start_hand_guiding()
    for _ in range(50):
        connected.arm.observe()
        connected.arm.command(Command(HOME_ANGLES_RAD))
    assert count_writes(seen) == 6


# Grip


def squeeze(bench: EmulatedBench, seconds: float) -> list[float]:
    """Close the jaws on something hard; return the largest torque limit of each second."""
    target = HOME_ANGLES_RAD.copy()
    target[GRIPPER] = -0.15
    limits = []
    for _ in range(round(seconds)):
        send_target(bench.arm, target, ticks=50)
        limits.append(bench.emulated_arm.servos[GRIPPER].get_register(reg.TORQUE_LIMIT) / 1000)
    return limits


def test_grip_is_bounded_relaxed_and_kept(connected: EmulatedBench) -> None:
    servo = connected.emulated_arm.servos[GRIPPER]
    assert servo.get_register(reg.TORQUE_LIMIT) == 500
    connected.emulated_arm.stuck_joints.add(GRIPPER)
    limits = squeeze(connected, 6)
    assert limits[2:] == [0.2] * 4
    goal = servo.get_register(reg.GOAL_POSITION)
    assert goal < servo.get_register(reg.PRESENT_POSITION) - 50  # the jaws go on closing
    connected.emulated_arm.stuck_joints.clear()
    send_target(connected.arm, HOME_ANGLES_RAD + 0.3, ticks=60)
    assert servo.get_register(reg.TORQUE_LIMIT) == 500
    assert connected.emulated_arm.read_joint_angles()[GRIPPER] == pytest.approx(HOME_ANGLES_RAD[GRIPPER] + 0.3, abs=0.1)


def test_hold_keeps_a_gentle_grip(connected: EmulatedBench) -> None:
    connected.emulated_arm.stuck_joints.add(GRIPPER)
    squeeze(connected, 1)
    connected.arm.hold()
    servo = connected.emulated_arm.servos[GRIPPER]
    assert servo.get_register(reg.PRESENT_POSITION) - servo.get_register(reg.GOAL_POSITION) == 20


# Overload and supply


def test_overload_is_named_and_cleared(connected: EmulatedBench) -> None:
    servo = connected.emulated_arm.servos[GRIPPER]
    servo.overloaded = True
    connected.emulated_arm.advance()
    for _ in range(3):
        state = connected.arm.observe()
    assert "The gripper is overloaded" in state.alarm
    assert connected.arm.overloaded == {"gripper"}
    assert state.statuses.tolist() == [0, 0, 0, 0, 0, 32]
    torque = []
    connected.emulated_arm.bus.on_packet = lambda _: torque.append(
        [s.torque_enabled for s in connected.emulated_arm.servos]
    )
    connected.arm.clear_overload()
    assert not servo.overloaded
    assert all(all(others[:GRIPPER]) for others in torque)  # the other joints never let go
    assert connected.arm.observe().alarm == ""
    assert connected.arm.overloaded == frozenset()
    assert servo.torque_enabled


def test_overload_is_cleared_at_connect(setup: EmulatedBench) -> None:
    with setup.arm:
        pass
    servo = setup.emulated_arm.servos[1]
    servo.overloaded = True
    setup.emulated_arm.advance()
    with setup.arm:
        assert not servo.overloaded
        assert servo.torque_enabled


def test_alarm_needs_several_readings_and_stays_for_a_moment(connected: EmulatedBench) -> None:
    servo = connected.emulated_arm.servos[0]
    servo.voltage = 3.0
    connected.emulated_arm.advance()
    texts = [connected.arm.observe().alarm for _ in range(4)]
    assert [bool(text) for text in texts] == [False, False, True, True]
    assert "supply of shoulder_pan is outside the motor's limits (3.0 V)" in texts[-1]
    servo.voltage = 7.4
    connected.emulated_arm.advance()
    assert connected.arm.observe().alarm
    connected.clock.advance(3.0)
    assert not connected.arm.observe().alarm


def test_supply_of_12_v_for_7_v_motors_stays_off(setup: EmulatedBench) -> None:
    for servo in setup.emulated_arm.servos:
        servo.voltage = 12.1
    setup.emulated_arm.advance()
    seen: list[Packet] = []
    setup.emulated_arm.bus.on_packet = seen.append
    with pytest.raises(WrongSupplyError, match=r"made for 7.4 V, but the supply has 12.1 V.*Switch its supply off now"):
        setup.arm.connect()
    assert count_writes(seen) == 0
    assert not any(setup.read_torque())


@pytest.mark.parametrize(("volts", "is_weak"), [(5.1, True), (12.0, False)])
def test_supply_of_5_v_for_12_v_motors_is_warned_of(setup: EmulatedBench, volts: float, is_weak: bool) -> None:
    for servo in setup.emulated_arm.servos:
        servo.set_register(reg.MAX_VOLTAGE_LIMIT, 140)
        servo.voltage = volts
    setup.emulated_arm.advance()
    with setup.arm:
        assert any("made for 12 V, but the supply has 5.1 V" in text for text in setup.arm.list_warnings()) == is_weak
        assert np.isfinite(setup.arm.observe().positions).all()
