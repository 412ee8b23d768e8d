"""Tests of adapters that deliver late: no reply to another question is accepted, and no wrong register is written."""

from __future__ import annotations

import random

import pytest

from metagui.arms.emulator.emulated_arm import EmulatedArm
from metagui.arms.emulator.emulated_bus import FaultInjector
from metagui.arms.emulator.latency import LatencyProfile
from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech.bus import MAX_REPLY_TIMEOUT_S, ServoBus
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.so101.motors import SERVO_IDS
from metagui.arms.so101.so101_arm import SO101Arm
from tests.helpers.emulated_bench import BENCH_MOUNT_OFFSETS
from tests.helpers.slow_line import SLOW_LINES, SlowPort

TRANSACTION_COUNT = 1500
"""Number of transactions per profile."""
CONNECTION_COUNT = 25
"""Number of connections per profile."""
WRITTEN_REGISTERS = (reg.P_COEFFICIENT, reg.MAX_POSITION_LIMIT, reg.HOMING_OFFSET, reg.TORQUE_LIMIT, reg.ACCELERATION)

profiles = pytest.mark.parametrize("profile", SLOW_LINES, ids=lambda profile: profile.name)


@pytest.fixture(scope="module")
def simulated() -> SimulatedArm:
    """Return a simulated arm, which takes longer to make than thousands of transactions."""
    return SimulatedArm()


def make_arm(simulated: SimulatedArm, **faults: float) -> EmulatedArm:
    """Return an emulated arm with line faults."""
    return EmulatedArm(simulated, BENCH_MOUNT_OFFSETS, FaultInjector(**faults))  # type: ignore[arg-type]


@profiles
@pytest.mark.parametrize("damaged", [0.0, 0.02])
@pytest.mark.parametrize("is_patient", [True, False])
def test_bus_slow_line_returns_no_wrong_value(
    simulated: SimulatedArm, profile: LatencyProfile, damaged: float, is_patient: bool
) -> None:
    """Without patience, the timeout is that of a quick adapter again at every transaction, so many replies are late."""
    arm = make_arm(simulated, lost=0.01, corrupted=damaged, partial=damaged)
    rng = random.Random(3)
    bus = ServoBus(SlowPort(arm, profile), retries=9 if is_patient else 60)
    bus.probe(SERVO_IDS)
    for number in range(TRANSACTION_COUNT):
        for servo in arm.servos:
            servo.set_register(reg.LOCK, 0)
            servo.set_register(reg.GOAL_VELOCITY, rng.randrange(30000))
        servo = rng.choice(arm.servos)
        bus.port.reply_timeout = bus.port.reply_timeout if is_patient else 0.01
        choice = number % 4
        if choice == 0:
            assert bus.read(servo.id, reg.GOAL_VELOCITY) == servo.get_register(reg.GOAL_VELOCITY)
        elif choice == 1:
            replies = bus.sync_read(SERVO_IDS, reg.GOAL_VELOCITY.address, 2)
            stored = {each.id: each.get_register(reg.GOAL_VELOCITY) for each in arm.servos}
            assert {servo_id: reg.GOAL_VELOCITY.unpack(reply.data) for servo_id, reply in replies.items()} == stored
        elif choice == 2:
            register, value = rng.choice(WRITTEN_REGISTERS), rng.randrange(250)
            before = {each.id: bytes(each.memory) for each in arm.servos}
            bus.write(servo.id, register, value)
            assert servo.get_register(register) == value
            servo.set_register(register, register.unpack(before[servo.id][register.address :][: register.size]))
            servo.write(register.address, b"")  # reports follow the registers again
            assert {each.id: bytes(each.memory) for each in arm.servos} == before
        else:
            assert bus.ping(servo.id)
    assert bus.counters.retries < TRANSACTION_COUNT / 5 or not is_patient


@profiles
def test_so101_slow_line_connects_and_reads_truth(simulated: SimulatedArm, profile: LatencyProfile) -> None:
    for seed in range(CONNECTION_COUNT):
        emulated = make_arm(simulated, lost=0.01, seed=seed)
        emulated.calibrate()
        port = SlowPort(emulated, profile, seed)
        arm = SO101Arm("slow", emulated.compute_calibration(), open_port=lambda _, port=port: port)  # type: ignore[misc]
        before = [bytes(servo.memory[:40]) for servo in emulated.servos]
        arm.connect()
        assert arm.observe().positions == pytest.approx(emulated.read_joint_angles(), abs=2e-3)
        arm.disconnect()
        changed = {
            address
            for servo, memory in zip(emulated.servos, before, strict=True)
            for address in range(40)
            if servo.memory[address] != memory[address]
        }
        assert changed <= {16, 17, 18, 21, 22, 23, 28, 29, 36}


def test_bus_late_replies_raise_timeout(simulated: SimulatedArm) -> None:
    bus = ServoBus(SlowPort(make_arm(simulated), LatencyProfile("FTDI", 0.016, 0.016)))
    assert bus.port.reply_timeout == 0.01
    bus.probe(SERVO_IDS)
    assert bus.latency == pytest.approx(0.016, abs=0.001)
    assert 0.02 < bus.port.reply_timeout < 0.04


def test_bus_replies_that_become_late_raise_timeout(simulated: SimulatedArm) -> None:
    port = SlowPort(make_arm(simulated), SLOW_LINES[0])
    bus = ServoBus(port)
    bus.probe(SERVO_IDS)
    port.profile = LatencyProfile("later", 0.03, 0.03)
    for number in range(50):
        assert set(bus.sync_read(SERVO_IDS, reg.ID.address, 1)) == set(SERVO_IDS) or number < 4
    assert 0.03 < bus.port.reply_timeout <= MAX_REPLY_TIMEOUT_S
    assert bus.counters.late > 0
    port.profile = SLOW_LINES[0]
    for _ in range(20):
        port.arm.faults.scripted_faults.append("lost")
        bus.read(1, reg.ID)
    assert bus.port.reply_timeout == 0.01
