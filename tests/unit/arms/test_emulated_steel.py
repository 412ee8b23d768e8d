"""Tests that the emulated arm is as unkind as a real one: play, sag, power-up, operating modes, resets, voltages."""

from __future__ import annotations

import math

import numpy as np
import pytest

from metagui.arms.emulator.emulated_arm import EmulatedArm
from metagui.arms.emulator.emulated_bus import EmulatedBus
from metagui.arms.emulator.emulated_servo import EmulatedServo
from metagui.arms.emulator.guided_sweep import sweep_by_hand
from metagui.arms.emulator.servo_motion import OperatingMode
from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech import protocol as frames
from metagui.arms.feetech.protocol import InstructionCode, Packet, PacketParser, ServoStatus, encode
from metagui.arms.kinematics import HOME_ANGLES_RAD, JOINTS
from metagui.arms.simulation.joint_drives import DriveSettings
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.so101.stops import MODEL_STOPS, REAL_STOPS

STRETCHED_RAD = np.array([0.0, 1.2, -0.9, -0.3, 0.0, 0.4])
"""A pose in which the forearm lies forward, far from the table."""


def exchange(bus: EmulatedBus, packet: Packet) -> list[Packet]:
    return PacketParser().feed(b"".join(reply.data for reply in bus.feed(encode(packet))))


def write(bus: EmulatedBus, servo_id: int, register: reg.Register, value: int) -> list[Packet]:
    return exchange(bus, frames.build_write(servo_id, register.address, register.pack(value)))


def place(arm: EmulatedArm, angles: np.ndarray, periods: int = 80) -> None:
    """Move the arm to joint angles by hand, and keep the hands on it."""
    for joint, angle in enumerate(angles.tolist()):
        arm.move_joint_by_hand(joint, angle)
    arm.advance(periods)


def switch_on(arm: EmulatedArm) -> None:
    """Switch the torque on without writing a goal, then let go."""
    for servo in arm.servos:
        write(arm.bus, servo.id, reg.TORQUE_ENABLE, 1)
    for joint in range(len(JOINTS)):
        arm.move_joint_by_hand(joint, None)


def read_encoder_angles(arm: EmulatedArm) -> np.ndarray:
    """Return the angles that the encoders measure, rad."""
    return np.array([(servo.position - 2048) * reg.RAD_PER_TICK for servo in arm.servos])


def test_emulated_arm_has_real_stops_by_default() -> None:
    assert EmulatedArm().stops == REAL_STOPS
    assert EmulatedArm.make_ideal().stops == MODEL_STOPS


def test_emulated_arm_leaves_other_arms_unchanged() -> None:
    """The compiled model is shared; each emulated arm has stops and drives of its own."""
    plain = SimulatedArm()
    before = plain.model.jnt_range.copy(), plain.model.actuator_gainprm.copy(), plain.model.body_gravcomp.copy()
    EmulatedArm()
    after = SimulatedArm().model
    for old, new in zip(before, (after.jnt_range, after.actuator_gainprm, after.body_gravcomp), strict=True):
        np.testing.assert_array_equal(old, new)


def test_emulated_arm_torque_after_power_up_holds_pose() -> None:
    """Drivers that switch the torque on without writing a goal must not slam the arm to position 0."""
    arm = EmulatedArm()
    place(arm, HOME_ANGLES_RAD)
    arm.power_up()
    switch_on(arm)
    arm.advance(50)
    np.testing.assert_allclose(arm.read_joint_angles()[:5], HOME_ANGLES_RAD[:5], atol=math.radians(2))


def test_servo_goal_written_before_torque_off_is_kept() -> None:
    """Without a new power-up the old goal remains: switching on may jump, so drivers must write one first."""
    servo = EmulatedServo(1)
    servo.update_shaft(2048.0, 0.0, 0.0, 0.0)
    servo.write(reg.GOAL_POSITION.address, reg.GOAL_POSITION.pack(2100))
    servo.write(reg.TORQUE_ENABLE.address, b"\0")
    servo.write(reg.TORQUE_ENABLE.address, b"\1")
    assert servo.get_register(reg.GOAL_POSITION) == 2100


def test_emulated_arm_sags_under_its_weight() -> None:
    """The shoulder of a stretched arm stands below its goal, and the motor reports the load."""
    arm = EmulatedArm()
    place(arm, STRETCHED_RAD)
    switch_on(arm)
    arm.advance(80)
    sag = np.array(arm.read_joint_angles()) - STRETCHED_RAD
    assert math.radians(0.5) < sag[1] < math.radians(3)
    assert arm.servos[1].get_register(reg.PRESENT_LOAD) < -100
    assert abs(sag[0]) < math.radians(0.6)


def test_emulated_arm_play_is_not_measured() -> None:
    """A load moves a link by one degree from side to side, while the encoder measures only the drive's compliance."""
    arm = EmulatedArm()
    place(arm, HOME_ANGLES_RAD)
    switch_on(arm)
    differences = []
    for torque in (0.2, -0.2):
        arm.hand_torques[0] = torque
        arm.advance(60)
        differences.append(arm.read_joint_angles()[0] - read_encoder_angles(arm)[0])
    assert differences[0] - differences[1] == pytest.approx(DriveSettings().play, rel=0.05)


def test_emulated_arm_limp_sinks_unless_held() -> None:
    arm = EmulatedArm()
    place(arm, STRETCHED_RAD)
    held = arm.read_joint_angles()[1]
    arm.advance(20)
    assert arm.read_joint_angles()[1] == pytest.approx(held, abs=0.01)
    for joint in range(len(JOINTS)):
        arm.move_joint_by_hand(joint, None)
    arm.advance(30)
    assert arm.read_joint_angles()[1] > held + 0.1


def test_emulated_arm_torque_limit_bounds_force() -> None:
    """With a small torque limit a hand moves the joint; with the full one it does not."""
    moved = []
    for limit in (1000, 20):
        arm = EmulatedArm()
        place(arm, HOME_ANGLES_RAD)
        switch_on(arm)
        write(arm.bus, 1, reg.TORQUE_LIMIT, limit)
        arm.hand_torques[0] = 0.5
        arm.advance(30)
        moved.append(abs(arm.read_joint_angles()[0]))
    assert moved[0] < math.radians(2) < moved[1]


@pytest.mark.parametrize("speed", [100, 400, 1000])
def test_servo_velocity_reading_is_true(speed: int) -> None:
    """The emulator used to report half of low speeds: the speed at the end of a step, not the mean."""
    arm = EmulatedArm.make_ideal()
    arm.calibrate()
    write(arm.bus, 1, reg.GOAL_VELOCITY, speed)
    write(arm.bus, 1, reg.GOAL_POSITION, 3000)
    arm.advance(10)
    before, readings = arm.servos[0].position, []
    for _ in range(10):
        arm.advance()
        readings.append(arm.servos[0].get_register(reg.PRESENT_VELOCITY))
    true = (arm.servos[0].position - before) / 0.2
    assert true == pytest.approx(speed, rel=0.1)
    assert np.mean(readings) == pytest.approx(true, rel=0.02)


def test_simulated_arm_velocity_is_mean_of_period() -> None:
    arm = SimulatedArm()
    arm.connect()
    before = arm.observe().positions
    command = type("C", (), {"positions": before + np.array([0.02, 0, 0, 0, 0, 0])})
    arm.command(command)  # type: ignore[arg-type]
    state = arm.observe()
    np.testing.assert_allclose(state.velocities, (state.positions - before) / 0.02)


def test_bus_id_change_is_acknowledged_under_old_id() -> None:
    bus = EmulatedBus([EmulatedServo(1)])
    write(bus, 1, reg.LOCK, 0)
    assert [reply.id for reply in write(bus, 1, reg.ID, 7)] == [1]
    assert exchange(bus, frames.build_ping(1)) == []
    assert [reply.id for reply in exchange(bus, frames.build_ping(7))] == [7]


def test_bus_baud_change_silences_servo_until_host_follows() -> None:
    bus = EmulatedBus([EmulatedServo(1)])
    write(bus, 1, reg.LOCK, 0)
    assert len(write(bus, 1, reg.BAUD_RATE, 4)) == 1
    assert exchange(bus, frames.build_ping(1)) == []
    bus.baud = reg.BAUD_RATES[4]
    assert len(exchange(bus, frames.build_ping(1))) == 1


def test_bus_reset_restores_factory_settings_except_id() -> None:
    bus = EmulatedBus([EmulatedServo(4)])
    servo = bus.servos[0]
    write(bus, 4, reg.LOCK, 0)
    write(bus, 4, reg.HOMING_OFFSET, -500)
    write(bus, 4, reg.MAX_TORQUE_LIMIT, 500)
    write(bus, 4, reg.TORQUE_ENABLE, 1)
    assert len(exchange(bus, Packet(4, InstructionCode.RESET, b""))) == 1
    values = [servo.get_register(r) for r in (reg.ID, reg.HOMING_OFFSET, reg.MAX_TORQUE_LIMIT, reg.LOCK)]
    assert values == [4, 0, 1000, 1]
    assert not servo.torque_enabled


def test_bus_reboot_keeps_eeprom_and_forgets_ram() -> None:
    bus = EmulatedBus([EmulatedServo(1)])
    servo = bus.servos[0]
    write(bus, 1, reg.LOCK, 0)
    write(bus, 1, reg.MAX_TORQUE_LIMIT, 600)
    write(bus, 1, reg.TORQUE_LIMIT, 100)
    exchange(bus, Packet(1, InstructionCode.REBOOT, b""))
    assert (servo.get_register(reg.MAX_TORQUE_LIMIT), servo.get_register(reg.TORQUE_LIMIT)) == (600, 600)


def run_servo(servo: EmulatedServo, seconds: float, turned: float = 2048.0) -> float:
    """Let a servo turn its shaft without a load; return the angle counted on across turns, ticks."""
    for _ in range(round(seconds / 0.02)):
        turned += servo.compute_push(0.02) or 0.0
        servo.update_shaft(turned, 0.0, 0.0, 0.02)
    return turned


def make_servo(mode: OperatingMode) -> EmulatedServo:
    servo = EmulatedServo(1)
    servo.update_shaft(2048.0, 0.0, 0.0, 0.0)
    servo.set_register(reg.OPERATING_MODE, mode)
    return servo


@pytest.mark.parametrize("velocity", [500, -500])
def test_servo_wheel_mode_turns_on_and_on(velocity: int) -> None:
    servo = make_servo(OperatingMode.WHEEL)
    servo.write(reg.GOAL_VELOCITY.address, reg.GOAL_VELOCITY.pack(velocity))
    servo.write(reg.TORQUE_ENABLE.address, b"\1")
    turned = run_servo(servo, 20.0)
    assert turned - 2048 == pytest.approx(20 * velocity, rel=0.01)
    assert 0 <= servo.get_register(reg.PRESENT_POSITION) < reg.TICKS_PER_TURN
    servo.write(reg.GOAL_VELOCITY.address, reg.GOAL_VELOCITY.pack(0))
    assert run_servo(servo, 1.0, turned) == pytest.approx(turned, abs=1)


def test_servo_wheel_mode_does_not_wind_up_when_blocked() -> None:
    servo = make_servo(OperatingMode.WHEEL)
    servo.write(reg.GOAL_VELOCITY.address, reg.GOAL_VELOCITY.pack(500))
    servo.write(reg.TORQUE_ENABLE.address, b"\1")
    for _ in range(200):
        assert abs(servo.compute_push(0.02) or 0.0) <= 40.0


def test_servo_step_mode_moves_relative_to_last_goal() -> None:
    servo = make_servo(OperatingMode.STEP)
    turned = 2048.0
    for steps in (3000, 3000, -1000):
        servo.write(reg.GOAL_POSITION.address, reg.GOAL_POSITION.pack(steps))
        turned = run_servo(servo, 3.0, turned)
    assert turned == pytest.approx(2048 + 5000, abs=2)


def test_servo_open_loop_mode_pushes_with_duty_cycle() -> None:
    servo = make_servo(OperatingMode.OPEN_LOOP)
    servo.write(reg.GOAL_PWM.address, reg.GOAL_PWM.pack(-500))
    servo.write(reg.TORQUE_ENABLE.address, b"\1")
    assert servo.compute_push(0.02) == pytest.approx(-20.0)


@pytest.mark.parametrize("motors", [1, 5, 6, 7, 12])
def test_emulated_arm_number_of_motors(motors: int) -> None:
    arm = EmulatedArm(motors=motors)
    arm.calibrate()
    assert [reply.id for reply in exchange(arm.bus, frames.build_ping(254))] == list(range(1, motors + 1))
    last = arm.servos[-1]
    before = last.position
    write(arm.bus, motors, reg.GOAL_POSITION, round(before) + 150)
    arm.advance(40)
    assert last.position == pytest.approx(before + 150, abs=15)


@pytest.mark.parametrize(
    ("motor_voltage", "supply", "alarm"),
    [(7.4, None, False), (7.4, 12.0, True), (12.0, None, False), (12.0, 3.5, True)],
)
def test_servo_voltage_class_decides_alarm(motor_voltage: float, supply: float | None, alarm: bool) -> None:
    arm = EmulatedArm()
    arm.set_voltages(motor_voltage, supply)
    servo = arm.servos[0]
    assert bool(servo.status & ServoStatus.VOLTAGE) == alarm
    assert servo.get_register(reg.PRESENT_VOLTAGE) == round((supply or motor_voltage) * 10)


def test_sweep_by_hand_reaches_every_stop() -> None:
    """The encoder misses only the play; the hand does not push a joint beyond its stops."""
    arm = EmulatedArm()
    arm.follow_hand_path(sweep_by_hand(arm.stops))
    lowest, highest = np.full(6, np.inf), np.full(6, -np.inf)
    while arm.is_hand_guided:
        arm.advance()
        lowest = np.minimum(lowest, read_encoder_angles(arm))
        highest = np.maximum(highest, read_encoder_angles(arm))
    stops = np.array(REAL_STOPS)
    np.testing.assert_allclose(lowest, stops[:, 0], atol=math.radians(1))
    np.testing.assert_allclose(highest, stops[:, 1], atol=math.radians(1))
