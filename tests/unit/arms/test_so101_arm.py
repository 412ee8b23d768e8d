"""The USB driver against the virtual arm: exact, patient, and never able to hurt."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from metagui.arms.arm import Arm, Command, NotConnectedError
from metagui.arms.control.loop import ControlLoop
from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech.bus import ServoSilentError
from metagui.arms.feetech.control_table import TICK
from metagui.arms.feetech.protocol import BROADCAST, Instruction, Packet
from metagui.arms.kinematics import HOME, JOINTS
from metagui.arms.so101.calibration import Calibration, CalibrationError, JointCalibration
from metagui.arms.so101.motors import WrongServoError
from metagui.arms.so101.so101_arm import FeetechArm, HotError, TorqueLostError
from tests.helpers.emulated_bench import MOUNTS, Bench, move, virtual_arm


def test_it_is_an_arm_readable_before_it_is_connected(setup: Bench) -> None:
    assert isinstance(setup.arm, Arm)
    assert [joint.name for joint in setup.arm.joints] == [joint.name for joint in JOINTS]
    for call in (setup.arm.observe, setup.arm.hold, setup.arm.guide, lambda: setup.arm.command(Command(HOME))):
        with pytest.raises(NotConnectedError, match="Press Connect"):
            call()
    setup.arm.disconnect()


def test_it_wakes_up_where_it_is(connected: Bench) -> None:
    assert all(connected.torque())
    before = connected.virtual.angles()
    state = connected.arm.observe()
    np.testing.assert_allclose(state.positions, before, atol=TICK)
    np.testing.assert_allclose(state.temperatures, 28.0)
    np.testing.assert_allclose(state.voltages, 7.4)
    connected.virtual.advance(20)
    np.testing.assert_allclose(connected.virtual.angles(), before, atol=3e-3)


def test_units_are_exact(connected: Bench) -> None:
    servo = connected.virtual.servos[0]
    servo.sense(MOUNTS[0] + 300.0, -250.0, -0.5, 0.0)
    servo.temperature, servo.voltage = 41.0, 6.8
    servo.sense(MOUNTS[0] + 300.0, -250.0, -0.5, 0.0)
    state = connected.arm.observe()
    assert state.positions[0] == pytest.approx(300 * 2 * math.pi / 4096, abs=TICK / 2)
    assert state.velocities[0] == pytest.approx(-250 * 2 * math.pi / 4096)
    assert (state.loads[0], state.temperatures[0], state.voltages[0]) == (-0.5, 41.0, 6.8)


def test_a_command_arrives_and_says_what_was_sent(connected: Bench) -> None:
    target = HOME + (0.3, 0.2, -0.1, -0.2, 0.5, 0.1)
    move(connected.arm, target)
    sent = connected.arm.command(Command(target)).positions
    np.testing.assert_allclose(sent, target, atol=TICK / 2 + 1e-9)
    np.testing.assert_allclose(connected.virtual.angles(), target, atol=4e-3)


def test_goals_stay_within_limits_and_speed(connected: Bench) -> None:
    far = Command(np.full(6, 100.0))
    first = connected.arm.command(far).positions
    assert np.all(np.abs(first - HOME) <= [joint.max_velocity * 1.5 * 0.1 + TICK for joint in JOINTS])
    move(connected.arm, far.positions, ticks=200)
    sent = connected.arm.command(far).positions
    np.testing.assert_allclose(sent, [joint.upper for joint in connected.arm.joints], atol=TICK)


def test_a_stale_target_after_leading_by_hand_does_not_snap(connected: Bench) -> None:
    """Even if the gate was not started anew, as it should be."""
    connected.arm.guide()
    connected.virtual.guide(0, 1.2)
    connected.virtual.advance(60)
    connected.virtual.guide(0, None)
    connected.arm.hold()
    connected.arm.observe()
    assert connected.arm.command(Command(HOME)).positions[0] > 0.6


@pytest.mark.parametrize("bad", [np.full(6, np.nan), np.array([0, 0, np.inf, 0, 0, 0]), np.zeros(5), np.zeros((2, 6))])
def test_nonsense_makes_it_hold(connected: Bench, bad: Any) -> None:
    here = connected.arm.observe().positions
    held = connected.arm.command(Command(bad)).positions
    np.testing.assert_allclose(held, here, atol=TICK)


def test_one_exchange_reads_everything(connected: Bench) -> None:
    seen: list[Packet] = []
    connected.virtual.bus.log = seen.append
    connected.arm.observe()
    assert seen == [Packet(BROADCAST, Instruction.SYNC_READ, bytes((56, 15, 1, 2, 3, 4, 5, 6)))]
    connected.arm.command(Command(HOME))
    assert [packet.code for packet in seen] == [Instruction.SYNC_READ, Instruction.SYNC_WRITE]


def test_settings_are_written_once(setup: Bench) -> None:
    with setup.arm:
        pass
    gripper = setup.virtual.servos[5]
    assert [s.get(reg.P_GAIN) for s in setup.virtual.servos] == [16] * 6
    assert (gripper.get(reg.MAX_TORQUE), gripper.get(reg.OVERLOAD_TORQUE), gripper.get(reg.LOCK)) == (500, 25, 1)
    seen: list[Packet] = []
    setup.virtual.bus.log = seen.append
    with setup.arm:
        pass
    written = {p.params[0] for p in seen if p.code == Instruction.WRITE}
    assert written == {reg.TORQUE_ENABLE.address, reg.ACCELERATION.address}


# Connecting to what is not our arm


def test_arms_that_are_not_switched_on(setup: Bench) -> None:
    setup.virtual.faults.silent.add(4)
    with pytest.raises(ServoSilentError, match="servo 4"):
        setup.arm.connect()
    setup.virtual.faults.silent.clear()
    setup.virtual.servos[3].set(reg.MODEL_NUMBER, 1029)
    with pytest.raises(WrongServoError, match="1029"):
        setup.arm.connect()
    setup.virtual.servos[3].set(reg.MODEL_NUMBER, 777)
    other = virtual_arm((2048,) * 6).calibration()
    with pytest.raises(CalibrationError, match=r"shoulder_pan.* differ"):
        FeetechArm("virtual", other, open_port=setup.open).connect()
    assert not any(setup.torque())
    assert not setup.arm.connected


def test_an_arm_outside_its_range_or_hot_is_not_switched_on(setup: Bench) -> None:
    setup.virtual.servos[0].set(reg.MIN_POSITION, 2900)
    with pytest.raises(CalibrationError, match=r"shoulder_pan stands .* outside"):
        setup.arm.connect()
    setup.virtual.servos[0].set(reg.MIN_POSITION, setup.calibration.joints[0].range_min)
    setup.virtual.servos[2].temperature = 80.0
    setup.virtual.advance()
    with pytest.raises(HotError, match="Servo 3 is too hot"):
        setup.arm.connect()
    assert not any(setup.torque())


def test_a_reversed_joint_turns_the_other_way(setup: Bench) -> None:
    joints = setup.calibration.joints
    turned = (JointCalibration(1, 1, joints[0].homing_offset, joints[0].range_min, joints[0].range_max), *joints[1:])
    arm = FeetechArm("virtual", Calibration(turned), open_port=setup.open)
    with arm:
        move(arm, HOME + (0.4, 0, 0, 0, 0, 0))
        assert setup.virtual.angles()[0] == pytest.approx(-0.4, abs=4e-3)
        assert arm.observe().positions[0] == pytest.approx(0.4, abs=4e-3)


# Leading by hand, holding, leaving


def test_nothing_is_written_while_a_person_leads(connected: Bench) -> None:
    connected.arm.guide()
    seen: list[Packet] = []
    connected.virtual.bus.log = seen.append
    connected.virtual.guide(0, 0.7)
    connected.virtual.advance(40)
    state = connected.arm.observe()
    sent = connected.arm.command(Command(np.zeros(6)))
    connected.arm.command(Command(np.full(6, np.nan)))
    assert {packet.code for packet in seen} == {Instruction.SYNC_READ}
    np.testing.assert_allclose(sent.positions, state.positions, atol=0.01)  # within the limits
    assert sent.positions[0] == pytest.approx(0.7, abs=0.02)
    assert not any(connected.torque())
    connected.arm.hold()
    assert all(connected.torque())
    connected.virtual.advance(20)
    assert connected.virtual.angles()[0] == pytest.approx(0.7, abs=0.02)


def test_an_exception_leaves_it_holding(setup: Bench) -> None:
    def broken() -> None:
        with setup.arm:
            move(setup.arm, HOME + 0.3, ticks=3)
            where.extend(setup.virtual.angles())
            raise ZeroDivisionError

    where: list[float] = []
    with pytest.raises(ZeroDivisionError):
        broken()
    assert not setup.arm.connected
    assert all(setup.torque())
    setup.virtual.advance(40)
    np.testing.assert_allclose(setup.virtual.angles(), where, atol=0.01)


def test_torque_is_released_only_when_asked(setup: Bench) -> None:
    setup.arm.connect()
    setup.arm.disconnect(release=True)
    assert not any(setup.torque())


def test_a_hot_servo_does_not_jump_once_it_has_cooled(connected: Bench) -> None:
    servo = connected.virtual.servos[1]
    servo.temperature = 90.0
    connected.virtual.advance()
    assert not servo.torque
    here = connected.virtual.angles()[1]
    with pytest.raises(TorqueLostError, match="Servo 2 went limp"):
        connected.arm.observe()
    move(connected.arm, HOME + 0.2, ticks=5)
    assert connected.arm.complaints() == ["shoulder_lift is too hot"]
    servo.temperature = 30.0
    connected.arm.command(Command(HOME + 0.2))
    assert connected.virtual.angles()[1] == pytest.approx(here, abs=0.02)


def test_a_dip_of_the_supply_is_noticed_and_held(connected: Bench) -> None:
    arm, servo = connected.arm, connected.virtual.servos[1]
    servo.power_up()
    connected.virtual.guide(1, HOME[1] - 0.3)
    connected.virtual.advance(20)
    here = connected.virtual.angles()[1]
    loop = ControlLoop(arm, connected.virtual)
    loop.set_controller(None)
    with pytest.raises(TorqueLostError, match="Servo 2 went limp"):
        loop.run_inline(None, 2 * arm.settings.torque_check)
    assert all(connected.torque())
    connected.virtual.advance(20)
    assert connected.virtual.angles()[1] == pytest.approx(here, abs=0.02)
    arm.disconnect()
    arm.connect()
    loop.run_inline(None, 2 * arm.settings.torque_check)


def test_complaints_in_words(connected: Bench) -> None:
    connected.virtual.servos[5].overloaded = True
    connected.virtual.servos[0].voltage = 3.0
    connected.virtual.advance()
    connected.arm.observe()
    assert connected.arm.complaints() == ["shoulder_pan has the wrong voltage", "gripper is overloaded"]
