"""Tests of the emulator: it follows the protocol, called with bytes and by the vendor's SDK through a terminal."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
import scservo_sdk as sdk
import serial
from hypothesis import given, settings
from hypothesis import strategies as st

from metagui.arms.emulator.emulated_arm import EmulatedArm
from metagui.arms.emulator.emulated_bus import EmulatedBus
from metagui.arms.emulator.emulated_port import EmulatedPort, serve
from metagui.arms.emulator.emulated_servo import RECENTRE_COMMAND, EmulatedServo
from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech import protocol as frames
from metagui.arms.feetech.protocol import BROADCAST_ID, InstructionCode, Packet, PacketParser, ServoStatus, encode
from tests.helpers.clocks import PATIENCE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@pytest.fixture
def arm() -> EmulatedArm:
    return EmulatedArm.make_ideal()


@pytest.fixture
def servo() -> EmulatedServo:
    made = EmulatedServo(1)
    made.update_shaft(2048.0, 0.0, 0.0, 0.0)
    return made


def exchange(bus: EmulatedBus, packet: Packet) -> list[Packet]:
    received = b"".join(reply.data for reply in bus.feed(encode(packet)))
    return PacketParser().feed(received)


def unlock(servo: EmulatedServo) -> None:
    servo.write(reg.LOCK.address, b"\0")


def test_bus_ping_and_read_reply(arm: EmulatedArm) -> None:
    assert exchange(arm.bus, frames.build_ping(4)) == [Packet(4, 0, b"")]
    assert exchange(arm.bus, frames.build_ping(9)) == []
    assert exchange(arm.bus, frames.build_read(4, 3, 2)) == [Packet(4, 0, (777).to_bytes(2, "little"))]
    assert [p.id for p in exchange(arm.bus, frames.build_ping(BROADCAST_ID))] == [1, 2, 3, 4, 5, 6]


def test_bus_sync_read_replies_in_order(arm: EmulatedArm) -> None:
    replies = exchange(arm.bus, frames.build_sync_read((6, 9, 1, 3), 56, 15))
    assert [(p.id, len(p.parameters)) for p in replies] == [(6, 15), (1, 15), (3, 15)]


def test_bus_write_is_acknowledged(arm: EmulatedArm) -> None:
    """A write is acknowledged unless the status level suppresses it or it is a broadcast."""
    assert exchange(arm.bus, frames.build_write(2, 41, b"\x10")) == [Packet(2, 0, b"")]
    assert exchange(arm.bus, frames.build_write(BROADCAST_ID, 41, b"\x20")) == []
    assert [servo.get_register(reg.ACCELERATION) for servo in arm.servos] == [32] * 6
    unlock(arm.servos[1])
    arm.servos[1].write(reg.RESPONSE_STATUS_LEVEL.address, b"\0")
    assert exchange(arm.bus, frames.build_write(2, 41, b"\x30")) == []
    assert len(exchange(arm.bus, frames.build_read(2, 41, 1))) == 1


def test_bus_reg_write_executes_at_action(arm: EmulatedArm) -> None:
    for servo_id in (1, 2):
        assert exchange(arm.bus, Packet(servo_id, InstructionCode.REG_WRITE, bytes((42, 0, 4))))[0].id == servo_id
    assert [servo.torque_enabled for servo in arm.servos[:2]] == [False, False]
    assert exchange(arm.bus, Packet(BROADCAST_ID, InstructionCode.ACTION, b"")) == []
    assert [servo.get_register(reg.GOAL_POSITION) for servo in arm.servos[:3]] == [1024, 1024, 0]


def test_servo_goal_switches_torque_on(servo: EmulatedServo) -> None:
    assert servo.compute_push(0.02) is None
    servo.write(42, (2100).to_bytes(2, "little"))
    assert servo.torque_enabled
    assert servo.compute_push(0.005) == pytest.approx(17.0)  # at top speed, from where it was
    assert servo.compute_push(1.0) == pytest.approx(52.0)
    servo.write(40, b"\0")
    assert servo.compute_push(0.02) is None


def test_servo_locked_eeprom_and_feedback_are_read_only(servo: EmulatedServo) -> None:
    servo.write(9, b"\x64\x00")
    assert servo.get_register(reg.MIN_POSITION_LIMIT) == 0
    unlock(servo)
    servo.write(9, b"\x64\x00")
    assert servo.get_register(reg.MIN_POSITION_LIMIT) == 100
    before = servo.read(56, 15)
    servo.write(54, bytes(17))
    assert servo.read(56, 15) == before
    servo.write(3, b"\0\0")
    assert servo.get_register(reg.MODEL_NUMBER) == 777
    servo.power_up()
    assert (servo.get_register(reg.MIN_POSITION_LIMIT), servo.get_register(reg.LOCK), servo.torque_enabled) == (
        100,
        1,
        False,
    )


def test_servo_offset_phase_and_wrap(servo: EmulatedServo) -> None:
    unlock(servo)
    servo.write(31, reg.HOMING_OFFSET.pack(1000))
    servo.update_shaft(500.0, 0.0, 0.0, 0.0)
    assert servo.get_register(reg.PRESENT_POSITION) == 3596
    phase = servo.get_register(reg.PHASE)
    servo.write(18, bytes((phase | reg.MULTI_TURN_BIT,)))
    assert servo.get_register(reg.PRESENT_POSITION) == -500
    servo.write(40, bytes((RECENTRE_COMMAND,)))
    assert servo.get_register(reg.PRESENT_POSITION) == 2048


def test_servo_goal_beyond_wrap_turns_long_way(servo: EmulatedServo) -> None:
    servo.update_shaft(4000.0, 0.0, 0.0, 0.0)
    servo.write(42, (90).to_bytes(2, "little"))
    assert servo.compute_push(10.0) == pytest.approx(-3910.0)


def test_servo_goal_is_clipped_to_position_limits(servo: EmulatedServo) -> None:
    unlock(servo)
    servo.write(9, (2000).to_bytes(2, "little") + (2100).to_bytes(2, "little"))
    servo.write(42, (3000).to_bytes(2, "little"))
    assert servo.compute_push(10.0) == pytest.approx(52.0)


def test_servo_overload_ends_when_goal_reverses(servo: EmulatedServo) -> None:
    servo.write(42, (2500).to_bytes(2, "little"))
    for _ in range(110):
        servo.compute_push(0.02)
        servo.update_shaft(2048.0, 0.0, 1.0, 0.02)
    assert servo.status == ServoStatus.OVERLOAD
    assert servo.torque_fraction == 0.2
    servo.write(42, (2400).to_bytes(2, "little"))
    assert servo.overloaded
    servo.write(42, (2000).to_bytes(2, "little"))
    assert not servo.overloaded


def test_servo_heat_and_low_voltage_set_status(servo: EmulatedServo) -> None:
    """Heat switches the torque off, low voltage only sets its status bit."""
    servo.write(40, b"\x01")
    servo.voltage = 3.0
    servo.update_shaft(2048.0, 0.0, 0.0, 0.0)
    assert (servo.get_register(reg.PRESENT_VOLTAGE), servo.get_register(reg.STATUS), servo.torque_enabled) == (
        30,
        ServoStatus.VOLTAGE,
        True,
    )
    servo.temperature = 75.0
    servo.update_shaft(2048.0, 0.0, 0.0, 0.0)
    assert (servo.get_register(reg.PRESENT_TEMPERATURE), servo.torque_enabled) == (75, False)
    assert servo.status == ServoStatus.VOLTAGE | ServoStatus.OVERHEAT


def test_servo_load_heats_slowly(servo: EmulatedServo) -> None:
    for _ in range(60 * 50):
        servo.update_shaft(2048.0, 0.0, 1.0, 0.02)
    assert 40 < servo.temperature < 50


def test_emulated_arm_goals_move_simulation(arm: EmulatedArm) -> None:
    goals = {
        i + 1: reg.GOAL_POSITION.pack(servo.get_register(reg.PRESENT_POSITION)) for i, servo in enumerate(arm.servos)
    }
    goals[1] = reg.GOAL_POSITION.pack(2048 + 400)
    exchange(arm.bus, frames.build_sync_write(goals, 42))
    arm.advance(50)
    assert arm.read_joint_angles()[0] == pytest.approx(400 * reg.RAD_PER_TICK, abs=3e-3)
    assert arm.servos[0].get_register(reg.PRESENT_POSITION) == pytest.approx(2448, abs=2)


def test_emulated_arm_hand_moves_joints_without_torque(arm: EmulatedArm) -> None:
    arm.move_joint_by_hand(0, 0.5)
    arm.advance(30)
    assert arm.read_joint_angles()[0] == pytest.approx(0.5, abs=0.01)
    here = arm.servos[0].get_register(reg.PRESENT_POSITION)
    exchange(arm.bus, frames.build_write(1, 42, reg.GOAL_POSITION.pack(here)))
    arm.move_joint_by_hand(0, -0.5)
    arm.advance(30)
    assert arm.read_joint_angles()[0] == pytest.approx(0.5, abs=0.01)
    exchange(arm.bus, frames.build_write(1, 40, b"\0"))
    arm.move_joint_by_hand(0, None)
    arm.advance(30)
    assert arm.read_joint_angles()[0] == pytest.approx(0.5, abs=0.01)


def test_emulated_arm_stuck_joint_reports_load(arm: EmulatedArm) -> None:
    arm.stuck_joints.add(0)
    exchange(arm.bus, frames.build_write(1, 42, reg.GOAL_POSITION.pack(2500)))
    arm.advance(20)
    assert arm.read_joint_angles()[0] == pytest.approx(0.0, abs=0.01)
    assert arm.servos[0].get_register(reg.PRESENT_LOAD) == 1000


@pytest.mark.parametrize(
    ("fault", "seen"), [("lost", 0), ("partial", 0), ("corrupted", 0), ("garbage", 1), ("late", 1)]
)
def test_faults_scripted_affect_next_reply(arm: EmulatedArm, fault: str, seen: int) -> None:
    arm.faults.scripted_faults.append(fault)  # type: ignore[arg-type]
    replies = arm.feed(encode(frames.build_ping(1)))
    stream = PacketParser()
    assert len(stream.feed(b"".join(reply.data for reply in replies)) + stream.finish()) == seen
    assert exchange(arm.bus, frames.build_ping(1)) == [Packet(1, 0, b"")]


def test_faults_echo_and_silent_ids(arm: EmulatedArm) -> None:
    arm.faults.echo = True
    arm.faults.silent_ids.add(2)
    assert exchange(arm.bus, frames.build_ping(1)) == [frames.build_ping(1), Packet(1, 0, b"")]
    assert exchange(arm.bus, frames.build_ping(2)) == [frames.build_ping(2)]


@given(st.binary(max_size=60), st.lists(st.tuples(st.integers(0, 254), st.integers(0, 255), st.binary(max_size=12))))
@settings(max_examples=200)
def test_bus_random_bytes_do_not_fail(garbage: bytes, packets: list[tuple[int, int, bytes]]) -> None:
    bus = EmulatedBus([EmulatedServo(1), EmulatedServo(2)])
    bus.feed(b"".join(encode(Packet(*packet)) for packet in packets) + garbage)
    for servo in bus.servos:
        servo.compute_push(0.02)
        servo.update_shaft(100.0, 1.0, 0.1, 0.02)
    bus.feed(bytes(260))
    fresh = EmulatedBus([EmulatedServo(1)])
    assert exchange(fresh, frames.build_ping(1)) == [Packet(1, 0, b"")]


# Through a pseudo-terminal


class PatientHandler(sdk.PortHandler):
    """The vendor's port, waiting for replies as long as a busy machine takes."""

    def setPacketTimeout(self, packet_length: int) -> None:
        self.setPacketTimeoutMillis(1000 * PATIENCE_S)


@pytest.fixture
def port(arm: EmulatedArm) -> Iterator[EmulatedPort]:
    with EmulatedPort(arm) as opened:
        yield opened


@pytest.fixture
def handler(port: EmulatedPort) -> Iterator[sdk.PortHandler]:
    opened = PatientHandler(port.name)
    assert opened.openPort()
    assert opened.setBaudRate(1_000_000)
    yield opened
    opened.closePort()


def sync_read(handler: sdk.PortHandler, ids: Sequence[int]) -> dict[int, int]:
    group = sdk.GroupSyncRead(handler, sdk.PacketHandler(0), 56, 15)
    for servo_id in ids:
        assert group.addParam(servo_id)
    assert group.txRxPacket() == sdk.COMM_SUCCESS
    return {servo_id: group.getData(servo_id, 56, 2) for servo_id in ids}


@pytest.mark.pty
def test_port_vendor_sdk_pings_reads_and_writes(arm: EmulatedArm, handler: sdk.PortHandler) -> None:
    packets = sdk.PacketHandler(0)
    assert packets.ping(handler, 3) == (777, sdk.COMM_SUCCESS, 0)
    assert packets.read1ByteTxRx(handler, 3, 5) == (3, sdk.COMM_SUCCESS, 0)
    assert packets.write1ByteTxRx(handler, 3, 41, 254) == (sdk.COMM_SUCCESS, 0)
    assert packets.read1ByteTxRx(handler, 3, 41) == (254, sdk.COMM_SUCCESS, 0)
    assert packets.regWriteTxRx(handler, 3, 41, 1, [7]) == (sdk.COMM_SUCCESS, 0)
    assert packets.action(handler, 3) == sdk.COMM_SUCCESS
    assert packets.read1ByteTxRx(handler, 3, 41) == (7, sdk.COMM_SUCCESS, 0)
    arm.servos[2].voltage = 3.0
    assert packets.ping(handler, 3)[2] == ServoStatus.VOLTAGE


@pytest.mark.pty
def test_port_vendor_sdk_moves_arm(handler: sdk.PortHandler) -> None:
    before = sync_read(handler, range(1, 7))
    group = sdk.GroupSyncWrite(handler, sdk.PacketHandler(0), 42, 2)
    for servo_id, position in before.items():
        goal = position + (300 if servo_id == 1 else 0)
        assert group.addParam(servo_id, [goal & 0xFF, goal >> 8])
    assert group.txPacket() == sdk.COMM_SUCCESS
    wait_until(lambda: abs(sync_read(handler, range(1, 7))[1] - before[1] - 300) <= 3)


@pytest.mark.pty
def test_port_second_program_can_connect(port: EmulatedPort) -> None:
    for _ in range(2):
        with serial.Serial(port.name, 1_000_000, timeout=PATIENCE_S) as line:
            line.write(encode(frames.build_ping(1)))
            assert line.read(6) == encode(Packet(1, 0, b""))


@pytest.mark.pty
def test_port_late_reply_arrives_late(arm: EmulatedArm, port: EmulatedPort) -> None:
    arm.faults.scripted_faults.append("late")
    with serial.Serial(port.name, 1_000_000, timeout=PATIENCE_S) as line:
        before = time.perf_counter()
        line.write(encode(frames.build_ping(1)))
        assert line.read(6) == encode(Packet(1, 0, b""))
        assert time.perf_counter() - before >= arm.faults.late_delay


@pytest.mark.pty
def test_port_close_unplugs(arm: EmulatedArm) -> None:
    opened = EmulatedPort(arm)
    with serial.Serial(opened.name, 1_000_000, timeout=PATIENCE_S) as line:
        opened.close()
        opened.close()
        with pytest.raises(OSError, match=r"readiness|Input/output"):
            line.write(encode(frames.build_ping(1)) + line.read(6))


@pytest.mark.pty
def test_serve_ends_at_stop_event(arm: EmulatedArm) -> None:
    stop, names = threading.Event(), []
    server = threading.Thread(target=serve, args=(arm, names.append, stop))
    server.start()
    wait_until(lambda: names)
    stop.set()
    server.join(PATIENCE_S)
    assert names[0].startswith("/dev/")
    assert not server.is_alive()
