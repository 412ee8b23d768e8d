"""Tests of the USB driver with line faults and random operations: it retries, and never damages an arm."""

from __future__ import annotations

import itertools
import math
import os
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metagui.arms.arm import ArmError, Command
from metagui.arms.emulator.emulated_arm import EmulatedArm
from metagui.arms.emulator.emulated_port import EmulatedPort
from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech.bus import ServoBus, ServoRefusedError
from metagui.arms.feetech.control_table import RAD_PER_TICK
from metagui.arms.kinematics import HOME_ANGLES_RAD
from metagui.arms.so101.feedback import ServosLostError
from metagui.arms.so101.motors import open_for_setup
from metagui.arms.so101.so101_arm import SO101Arm
from tests.helpers.emulated_bench import BENCH_MOUNT_OFFSETS, EmulatedBench, WriteMonitor
from tests.helpers.terminals import open_patiently

if TYPE_CHECKING:
    from metagui.arms.emulator.emulated_bus import Fault


@pytest.mark.parametrize("fault", ["lost", "late", "corrupted", "partial", "garbage"])
def test_so101_damaged_reply_is_requested_again(connected: EmulatedBench, fault: Fault) -> None:
    expected = connected.arm.observe()
    for index in range(6):
        before: list[Fault] = ["none"] * index
        connected.emulated_arm.faults.scripted_faults.extend([*before, fault])
        state = connected.arm.observe()
        np.testing.assert_array_equal(state.positions, expected.positions)
        assert state.retries == (fault != "garbage")
    assert not connected.emulated_arm.faults.scripted_faults


def test_so101_many_faults_are_tolerated(connected: EmulatedBench) -> None:
    faults = connected.emulated_arm.faults
    faults.lost = faults.late = faults.corrupted = faults.partial = faults.garbage = 0.08
    expected = connected.emulated_arm.read_joint_angles()
    for _ in range(60):
        np.testing.assert_allclose(connected.arm.observe().positions, expected, atol=3e-3)
    assert connected.arm.counters.retries > 10
    assert connected.arm.counters.discarded > 10
    faults.lost = faults.late = faults.corrupted = faults.partial = faults.garbage = 0.0


@pytest.mark.parametrize("ids", [(3,), (1, 2, 3, 4, 5, 6)])
def test_so101_silent_servo_is_tolerated_then_lost(ids: tuple[int, ...]) -> None:
    setup = EmulatedBench(max_feedback_age=0.25)
    setup.arm.connect()
    expected = setup.arm.observe().positions
    setup.emulated_arm.faults.silent_ids.update(ids)
    started, ticks = setup.clock(), 0
    error = None
    while error is None and setup.clock() - started < 5:
        try:
            np.testing.assert_array_equal(setup.arm.observe().positions, expected)
            setup.arm.command(Command(HOME_ANGLES_RAD))
            ticks += 1
        except ServosLostError as raised:
            error = raised
    assert "No answer from servo" in str(error)
    assert ticks > 3
    assert setup.clock() - started > 0.25
    assert setup.arm.connected
    setup.emulated_arm.faults.silent_ids.clear()
    np.testing.assert_allclose(setup.arm.observe().positions, setup.emulated_arm.read_joint_angles(), atol=RAD_PER_TICK)
    setup.arm.disconnect()


def test_so101_thread_delayed_after_reply_is_not_lost() -> None:
    """A second passes at every look at the clock, but every servo answers."""
    setup = EmulatedBench()
    with SO101Arm("emulated", open_port=setup.open_port, clock=itertools.count(100.0).__next__) as arm:
        np.testing.assert_allclose(arm.observe().positions, setup.emulated_arm.read_joint_angles(), atol=RAD_PER_TICK)


def test_so101_servo_without_reply_keeps_goal(connected: EmulatedBench) -> None:
    before = connected.read_goals()
    faults: list[Fault] = ["none", "lost", "none", "none", "none", "none", "lost", "lost"]
    connected.emulated_arm.faults.scripted_faults.extend(faults)
    connected.arm.observe()
    connected.arm.command(Command(HOME_ANGLES_RAD + 0.1))
    assert [after != first for after, first in zip(connected.read_goals(), before, strict=True)][:3] == [
        True,
        False,
        True,
    ]


@pytest.mark.pty
@pytest.mark.parametrize("baud", [None, 1_000_000])
def test_bus_echo_is_detected(baud: int | None) -> None:
    emulated = EmulatedArm(mount_offsets=BENCH_MOUNT_OFFSETS)
    emulated.faults.echo = True
    with EmulatedPort(emulated, baud, physics=False) as port, open_for_setup(port.name, open_patiently) as chain:
        assert chain.bus.echo
        chain.write_calibration(emulated.compute_calibration())
        assert chain.read_calibration() == emulated.compute_calibration()
        assert len(chain.read_feedback()) == 6
        assert chain.bus.read(2, reg.ID) == 2


def test_bus_endless_noise_is_given_up() -> None:
    class EndlessNoise:
        reply_timeout = 0.01
        clock = staticmethod(time.perf_counter)

        def write(self, data: bytes) -> None: ...
        def set_baud(self, baud: int) -> None: ...
        def close(self) -> None: ...
        def discard(self) -> int:
            return 4

        def read(self, size: int) -> bytes:
            return os.urandom(size)

    bus = ServoBus(EndlessNoise())
    bus.ping(1)  # it returns; noise may be a valid reply by chance, the limit of the checksum
    assert len(bus.sync_read(range(1, 7), 56, 15)) < 6


def test_bus_write_refused_raises(connected: EmulatedBench) -> None:
    connected.emulated_arm.servos[0].set_register(reg.MIN_POSITION_LIMIT, 0)  # it is locked
    with (
        open_for_setup("emulated", connected.open_port) as chain,
        pytest.raises(ServoRefusedError, match="reports 0 as its lowest"),
    ):
        chain.bus.write(1, reg.MIN_POSITION_LIMIT, 55)


# Random commands, states and line faults

number = st.one_of(st.floats(-3, 3), st.floats(), st.sampled_from([math.nan, math.inf, -math.inf, 1e300]))
fault = st.sampled_from(["none", "none", "none", "lost", "late", "corrupted", "partial", "garbage"])
step = st.one_of(
    st.tuples(st.just("command"), st.lists(number, min_size=5, max_size=7)),
    st.tuples(st.just("command"), st.lists(st.floats(-2, 2), min_size=6, max_size=6)),
    st.tuples(st.sampled_from(["hold", "guide", "advance", "unplug", "plug", "release"]), st.none()),
    st.tuples(st.just("hand"), st.tuples(st.integers(0, 5), st.floats(-3, 3))),
    st.tuples(st.just("heat"), st.tuples(st.integers(0, 5), st.sampled_from([20.0, 95.0]))),
    st.tuples(st.just("silence"), st.sets(st.integers(1, 6), max_size=2)),
    st.tuples(st.just("faults"), st.lists(fault, max_size=20)),
)


@given(st.lists(step, max_size=25))
@settings(max_examples=150, deadline=None)
def test_so101_random_operations_are_safe(steps: list[tuple[str, Any]]) -> None:
    setup = EmulatedBench(max_feedback_age=0.02)
    setup.emulated_arm.bus.on_packet = WriteMonitor(setup)
    setup.emulated_arm.faults.late_delay = 0.01
    arm = setup.arm
    for what, value in [("plug", None), *steps, ("faults", ()), ("silence", ()), ("end", None)]:
        try:
            perform(setup, what, value)
            if arm.connected:
                arm.observe()
        except ArmError:
            continue
    for servo in setup.emulated_arm.servos:
        servo.temperature = 25.0
    setup.emulated_arm.advance()
    was_plugged = arm.connected
    arm.disconnect()
    assert not was_plugged or all(setup.read_torque())


def perform(setup: EmulatedBench, what: str, value: Any) -> None:
    """Perform one operation on the arm, the line or the driver."""
    arm, emulated = setup.arm, setup.emulated_arm
    if what == "command":
        sent = arm.command(Command(np.array(value)))
        assert np.isfinite(sent.positions).all()
    elif what in ("hold", "guide"):
        getattr(arm, {"guide": "start_hand_guiding"}.get(what, what))()
    elif what == "advance":
        emulated.advance(3)
    elif what == "hand":
        emulated.move_joint_by_hand(*value)
    elif what == "heat":
        emulated.faults.scripted_faults.clear()  # heat lasts longer than any silence of a servo
        emulated.faults.silent_ids.clear()
        emulated.servos[value[0]].temperature = value[1]
        emulated.advance()
        arm.observe()
    elif what == "silence":
        emulated.faults.silent_ids = set(value)
    elif what == "faults":
        emulated.faults.scripted_faults.clear()
        emulated.faults.scripted_faults.extend(value)
    elif what == "release":
        arm.disconnect(disable_torque=True)
    else:
        setup.port.unplugged = what == "unplug"
        if what == "plug":
            arm.connect()
