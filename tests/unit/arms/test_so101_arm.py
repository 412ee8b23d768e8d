"""Tests of the USB driver with the emulated arm: exact units, safe goals, hand guiding and faults."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from metagui.arms.arm import Arm, Command, ConnectionLostError, NotConnectedError
from metagui.arms.control.loop import ControlLoop
from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech.bus import ServoSilentError
from metagui.arms.feetech.control_table import RAD_PER_TICK
from metagui.arms.feetech.diagnosis import WrongServoError
from metagui.arms.feetech.protocol import BROADCAST_ID, InstructionCode, Packet
from metagui.arms.kinematics import HOME_ANGLES_RAD, JOINTS
from metagui.arms.so101.calibration import ArmCalibration, CalibrationError, JointCalibration
from metagui.arms.so101.live_servos import OverheatedError, TorqueLostError
from metagui.arms.so101.so101_arm import SO101Arm
from tests.helpers.emulated_bench import BENCH_MOUNT_OFFSETS, EmulatedBench, make_emulated_arm, send_target


def test_so101_disconnected_raises(setup: EmulatedBench) -> None:
    assert isinstance(setup.arm, Arm)
    assert [joint.name for joint in setup.arm.joints] == [joint.name for joint in JOINTS]
    for call in (
        setup.arm.observe,
        setup.arm.hold,
        setup.arm.start_hand_guiding,
        lambda: setup.arm.command(Command(HOME_ANGLES_RAD)),
    ):
        with pytest.raises(NotConnectedError, match="Press Connect"):
            call()
    setup.arm.disconnect()


def test_so101_connect_holds_present_position(connected: EmulatedBench) -> None:
    assert all(connected.read_torque())
    before = connected.emulated_arm.read_joint_angles()
    state = connected.arm.observe()
    np.testing.assert_allclose(state.positions, before, atol=RAD_PER_TICK)
    np.testing.assert_allclose(state.temperatures, 28.0)
    np.testing.assert_allclose(state.voltages, 7.4)
    connected.emulated_arm.advance(20)
    np.testing.assert_allclose(connected.emulated_arm.read_joint_angles(), before, atol=3e-3)


def test_so101_observe_converts_units(connected: EmulatedBench) -> None:
    servo = connected.emulated_arm.servos[0]
    servo.update_shaft(BENCH_MOUNT_OFFSETS[0] + 300.0, -250.0, -0.5, 0.0)
    servo.temperature, servo.voltage = 41.0, 6.8
    servo.update_shaft(BENCH_MOUNT_OFFSETS[0] + 300.0, -250.0, -0.5, 0.0)
    state = connected.arm.observe()
    assert state.positions[0] == pytest.approx(300 * 2 * math.pi / 4096, abs=RAD_PER_TICK / 2)
    assert state.velocities[0] == pytest.approx(-250 * 2 * math.pi / 4096)
    assert (state.loads[0], state.temperatures[0], state.voltages[0]) == (-0.5, 41.0, 6.8)


def test_so101_command_returns_sent_targets(connected: EmulatedBench) -> None:
    target = HOME_ANGLES_RAD + (0.3, 0.2, -0.1, -0.2, 0.5, 0.1)
    send_target(connected.arm, target)
    sent = connected.arm.command(Command(target)).positions
    np.testing.assert_allclose(sent, target, atol=RAD_PER_TICK / 2 + 1e-9)
    np.testing.assert_allclose(connected.emulated_arm.read_joint_angles(), target, atol=4e-3)


def test_so101_goals_respect_limits_and_speed(connected: EmulatedBench) -> None:
    far = Command(np.full(6, 100.0))
    first = connected.arm.command(far).positions
    assert np.all(
        np.abs(first - HOME_ANGLES_RAD) <= [joint.max_velocity * 1.5 * 0.1 + RAD_PER_TICK for joint in JOINTS]
    )
    send_target(connected.arm, far.positions, ticks=200)
    sent = connected.arm.command(far).positions
    np.testing.assert_allclose(sent, [joint.upper for joint in connected.arm.joints], atol=RAD_PER_TICK)


def test_so101_stale_target_after_guiding_is_slow(connected: EmulatedBench) -> None:
    """This holds even if the safety gate was not reset after hand guiding."""
    connected.arm.start_hand_guiding()
    connected.emulated_arm.move_joint_by_hand(0, 1.2)
    connected.emulated_arm.advance(60)
    connected.emulated_arm.move_joint_by_hand(0, None)
    connected.arm.hold()
    connected.arm.observe()
    assert connected.arm.command(Command(HOME_ANGLES_RAD)).positions[0] > 0.6


@pytest.mark.parametrize("bad", [np.full(6, np.nan), np.array([0, 0, np.inf, 0, 0, 0]), np.zeros(5), np.zeros((2, 6))])
def test_so101_invalid_command_holds(connected: EmulatedBench, bad: Any) -> None:
    present = connected.arm.observe().positions
    held = connected.arm.command(Command(bad)).positions
    np.testing.assert_allclose(held, present, atol=RAD_PER_TICK)


def test_so101_observe_uses_one_exchange(connected: EmulatedBench) -> None:
    seen: list[Packet] = []
    connected.emulated_arm.bus.on_packet = seen.append
    connected.arm.observe()
    assert seen == [Packet(BROADCAST_ID, InstructionCode.SYNC_READ, bytes((56, 15, 1, 2, 3, 4, 5, 6)))]
    connected.arm.command(Command(HOME_ANGLES_RAD))
    assert [packet.code for packet in seen] == [InstructionCode.SYNC_READ, InstructionCode.SYNC_WRITE]


def test_so101_settings_are_written_once(setup: EmulatedBench) -> None:
    with setup.arm:
        pass
    gripper = setup.emulated_arm.servos[5]
    assert [s.get_register(reg.P_COEFFICIENT) for s in setup.emulated_arm.servos] == [16] * 6
    assert (
        gripper.get_register(reg.MAX_TORQUE_LIMIT),
        gripper.get_register(reg.OVERLOAD_TORQUE),
        gripper.get_register(reg.LOCK),
    ) == (500, 25, 1)
    seen: list[Packet] = []
    setup.emulated_arm.bus.on_packet = seen.append
    with setup.arm:
        pass
    written = {p.parameters[0] for p in seen if p.code == InstructionCode.WRITE}
    assert written == {reg.TORQUE_LIMIT.address, reg.ACCELERATION.address}


# Arms that must not be switched on


def test_so101_wrong_servos_stay_off(setup: EmulatedBench) -> None:
    setup.emulated_arm.faults.silent_ids.add(4)
    with pytest.raises(ServoSilentError, match="servo 4"):
        setup.arm.connect()
    setup.emulated_arm.faults.silent_ids.clear()
    setup.emulated_arm.servos[3].set_register(reg.MODEL_NUMBER, 1029)
    with pytest.raises(WrongServoError, match="1029"):
        setup.arm.connect()
    setup.emulated_arm.servos[3].set_register(reg.MODEL_NUMBER, 777)
    other = make_emulated_arm((2048,) * 6).compute_calibration()
    with pytest.raises(CalibrationError, match=r"shoulder_pan.* differ"):
        SO101Arm("emulated", other, open_port=setup.open_port).connect()
    assert not any(setup.read_torque())
    assert not setup.arm.connected


def test_so101_outside_range_or_hot_stays_off(setup: EmulatedBench) -> None:
    setup.emulated_arm.servos[0].set_register(reg.MIN_POSITION_LIMIT, 2900)
    with pytest.raises(CalibrationError, match=r"shoulder_pan is .* outside"):
        setup.arm.connect()
    setup.emulated_arm.servos[0].set_register(reg.MIN_POSITION_LIMIT, setup.calibration.joints[0].range_min)
    setup.emulated_arm.servos[2].temperature = 80.0
    setup.emulated_arm.advance()
    with pytest.raises(OverheatedError, match="Servo 3 is too hot"):
        setup.arm.connect()
    assert not any(setup.read_torque())


def test_so101_drive_mode_reverses_joint(setup: EmulatedBench) -> None:
    joints = setup.calibration.joints
    turned = (JointCalibration(1, 1, joints[0].homing_offset, joints[0].range_min, joints[0].range_max), *joints[1:])
    arm = SO101Arm("emulated", ArmCalibration(turned), open_port=setup.open_port)
    with arm:
        send_target(arm, HOME_ANGLES_RAD + (0.4, 0, 0, 0, 0, 0))
        assert setup.emulated_arm.read_joint_angles()[0] == pytest.approx(-0.4, abs=4e-3)
        assert arm.observe().positions[0] == pytest.approx(0.4, abs=4e-3)


# Hand guiding, holding, disconnecting


def test_so101_hand_guiding_writes_nothing(connected: EmulatedBench) -> None:
    connected.arm.start_hand_guiding()
    seen: list[Packet] = []
    connected.emulated_arm.bus.on_packet = seen.append
    connected.emulated_arm.move_joint_by_hand(0, 0.7)
    connected.emulated_arm.advance(40)
    state = connected.arm.observe()
    sent = connected.arm.command(Command(np.zeros(6)))
    connected.arm.command(Command(np.full(6, np.nan)))
    assert {packet.code for packet in seen} == {InstructionCode.SYNC_READ}
    np.testing.assert_allclose(sent.positions, state.positions, atol=0.01)  # within the limits
    assert sent.positions[0] == pytest.approx(0.7, abs=0.02)
    assert not any(connected.read_torque())
    connected.arm.hold()
    assert all(connected.read_torque())
    connected.emulated_arm.advance(20)
    assert connected.emulated_arm.read_joint_angles()[0] == pytest.approx(0.7, abs=0.02)


def test_so101_exception_leaves_arm_holding(setup: EmulatedBench) -> None:
    def broken() -> None:
        with setup.arm:
            send_target(setup.arm, HOME_ANGLES_RAD + 0.3, ticks=3)
            where.extend(setup.emulated_arm.read_joint_angles())
            raise ZeroDivisionError

    where: list[float] = []
    with pytest.raises(ZeroDivisionError):
        broken()
    assert not setup.arm.connected
    assert all(setup.read_torque())
    setup.emulated_arm.advance(40)
    np.testing.assert_allclose(setup.emulated_arm.read_joint_angles(), where, atol=0.01)


def test_so101_disconnect_disables_torque_on_request(setup: EmulatedBench) -> None:
    setup.arm.connect()
    setup.arm.disconnect(disable_torque=True)
    assert not any(setup.read_torque())


def test_so101_cooled_servo_does_not_jump(connected: EmulatedBench) -> None:
    servo = connected.emulated_arm.servos[1]
    servo.temperature = 90.0
    connected.emulated_arm.advance()
    assert not servo.torque_enabled
    present = connected.emulated_arm.read_joint_angles()[1]
    with pytest.raises(TorqueLostError, match="Servo 2 lost its torque"):
        connected.arm.observe()
    send_target(connected.arm, HOME_ANGLES_RAD + 0.2, ticks=5)
    assert "shoulder_lift is too hot (90 °C)" in connected.arm.observe().alarm
    servo.temperature = 30.0
    connected.arm.command(Command(HOME_ANGLES_RAD + 0.2))
    assert connected.emulated_arm.read_joint_angles()[1] == pytest.approx(present, abs=0.02)


def test_so101_supply_dip_is_detected_and_held(connected: EmulatedBench) -> None:
    arm, servo = connected.arm, connected.emulated_arm.servos[1]
    servo.power_up()
    connected.emulated_arm.move_joint_by_hand(1, HOME_ANGLES_RAD[1] - 0.3)
    connected.emulated_arm.advance(20)
    present = connected.emulated_arm.read_joint_angles()[1]
    loop = ControlLoop(arm, connected.emulated_arm)
    loop.set_controller(None)
    with pytest.raises(TorqueLostError, match="Servo 2 lost its torque"):
        loop.run_inline(None, 2 * arm.settings.torque_check_interval)
    assert all(connected.read_torque())
    connected.emulated_arm.advance(20)
    assert connected.emulated_arm.read_joint_angles()[1] == pytest.approx(present, abs=0.02)
    arm.disconnect()
    arm.connect()
    loop.run_inline(None, 2 * arm.settings.torque_check_interval)


@pytest.mark.parametrize(("torque_off", "text"), [(False, "hold their last position"), (True, "support the arm")])
def test_so101_unplugged_says_what_the_arm_does(connected: EmulatedBench, torque_off: bool, text: str) -> None:
    if torque_off:
        connected.arm.start_hand_guiding()
    connected.port.unplugged = True
    with pytest.raises(ConnectionLostError) as lost:
        connected.arm.observe()
    assert text in str(lost.value)
    assert ("hold" in str(lost.value)) is not torque_off
    assert str(lost.value).count("torque") <= 1


@pytest.mark.parametrize("torque_off", [False, True])
def test_so101_silent_servo_says_what_the_arm_does(connected: EmulatedBench, torque_off: bool) -> None:
    if torque_off:
        connected.arm.start_hand_guiding()
    connected.emulated_arm.faults.silent_ids |= {3}
    with pytest.raises(ConnectionLostError) as lost:
        _observe_often(connected)
    assert ("hold" in str(lost.value)) is not torque_off
    connected.emulated_arm.faults.silent_ids.clear()


def _observe_often(bench: EmulatedBench) -> None:
    for _ in range(200):
        bench.arm.observe()
