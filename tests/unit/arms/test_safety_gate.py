"""Tests of the safety gate: for any command and any feedback, the result cannot damage the arm."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metagui.arms.arm import Command, Joint, JointState
from metagui.arms.control.monitors import HealthSettings, StallSettings
from metagui.arms.control.safety_gate import SafetyError, SafetyGate, SafetySettings
from metagui.arms.kinematics import HOME_ANGLES_RAD, JOINTS

PERIOD = 0.02
NAN = np.full(len(JOINTS), np.nan)
STEP = JOINTS[0].max_velocity * PERIOD


def state(positions=HOME_ANGLES_RAD, loads=NAN, temperatures=NAN, voltages=NAN):
    parts = [np.array(part, dtype=float) for part in (positions, NAN, loads, temperatures, voltages)]
    return JointState(0.0, parts[0], parts[1], parts[2], parts[3], parts[4], 0.0, 0)


def at_joint(joint, value, others=0.0):
    array = np.full(len(JOINTS), others)
    array[joint] = value
    return array


def settle(gate, requested, ticks=400, **reported):
    for _ in range(ticks):
        sent = gate.filter_command(requested, state(**reported))
    return sent.positions


hostile_number = st.one_of(
    st.floats(width=64), st.floats(-3, 3), st.sampled_from([math.nan, math.inf, -math.inf, 1e308, -0.0])
)
hostile_array = st.lists(hostile_number, min_size=len(JOINTS), max_size=len(JOINTS)).map(np.array)
any_command = st.one_of(
    st.none(),
    hostile_array.map(Command),
    st.lists(hostile_number, max_size=9).map(lambda values: Command(np.array(values, dtype=float))),
)
tick = st.tuples(
    any_command,
    st.builds(state, hostile_array, hostile_array, hostile_array, hostile_array),
    hostile_number,
    st.booleans(),
)


@given(st.lists(tick, min_size=1, max_size=40), st.booleans())
def test_gate_any_input_respects_limits_and_clamp(ticks, clamp):
    """The result is finite, within the limits, and not faster than the velocity clamp."""
    gate = SafetyGate(JOINTS, PERIOD, SafetySettings(velocity_clamp=clamp))
    last = gate.filter_command(None, state()).positions
    for requested, reported, age, hold in ticks:
        sent = gate.filter_command(requested, reported, age, hold).positions
        assert sent.shape == (len(JOINTS),)
        assert np.all(np.isfinite(sent))
        for joint, target, before in zip(JOINTS, sent, last, strict=True):
            assert joint.lower <= target <= joint.upper
            assert not clamp or abs(target - before) <= joint.max_velocity * PERIOD + 1e-12
        last = sent


@given(hostile_array, any_command)
def test_gate_first_target_is_near_present_pose(present, requested):
    """Otherwise nothing is sent."""
    gate = SafetyGate(JOINTS, PERIOD)
    try:
        sent = gate.filter_command(requested, state(present)).positions
    except SafetyError:
        assert gate.sent is None
        return
    tolerance = SafetySettings().start_tolerance
    assert np.all(np.abs(sent - present) <= tolerance + SafetySettings().ease_in * np.array(4.0 * PERIOD) + 1e-12)


@given(st.lists(st.floats(-1, 1), min_size=6, max_size=6))
def test_gate_valid_target_is_reached(fractions):
    middles = [(j.lower + j.upper) / 2 for j in JOINTS]
    halves = [(j.upper - j.lower) / 2 for j in JOINTS]
    goal = np.array(middles) + np.array(halves) * np.array(fractions)
    goal = np.clip(goal, [j.lower for j in JOINTS], [j.upper for j in JOINTS])
    gate = SafetyGate(JOINTS, PERIOD)
    np.testing.assert_array_equal(settle(gate, Command(goal)), goal)
    assert gate.report.limited == 0


def test_gate_eases_in_then_full_speed():
    gate = SafetyGate(JOINTS, PERIOD)
    first = gate.filter_command(Command(HOME_ANGLES_RAD + at_joint(0, 0.05)), state()).positions
    assert first[0] - HOME_ANGLES_RAD[0] == pytest.approx(SafetySettings().ease_in * STEP)
    settle(gate, Command(HOME_ANGLES_RAD + at_joint(0, 0.05)), ticks=10)
    after = gate.filter_command(Command(HOME_ANGLES_RAD + at_joint(0, 1.0)), state()).positions
    assert after[0] - HOME_ANGLES_RAD[0] - 0.05 == pytest.approx(STEP)


def test_gate_ease_in_ends_for_distant_target():
    gate = SafetyGate(JOINTS, PERIOD)
    sent = [gate.filter_command(Command(HOME_ANGLES_RAD + at_joint(0, 1.9)), state()).positions[0] for _ in range(27)]
    steps = np.diff(sent)
    assert np.all(np.diff(steps) >= -1e-12)
    assert steps[0] < 0.4 * STEP
    assert steps[-1] > 0.6 * STEP


def test_gate_invalid_command_keeps_last_target():
    gate = SafetyGate(JOINTS, PERIOD)
    before = settle(gate, Command(HOME_ANGLES_RAD + at_joint(1, 0.2)))
    for bad in (
        at_joint(2, math.nan),
        at_joint(2, math.inf),
        HOME_ANGLES_RAD[:5],
        np.append(HOME_ANGLES_RAD, 0.0),
        np.zeros(0),
    ):
        np.testing.assert_array_equal(gate.filter_command(Command(bad), state()).positions, before)
    assert gate.report.refused == 5


def test_gate_stale_command_keeps_last_target():
    gate = SafetyGate(JOINTS, PERIOD)
    before = settle(gate, Command(HOME_ANGLES_RAD))
    np.testing.assert_array_equal(
        gate.filter_command(Command(HOME_ANGLES_RAD + 0.1), state(), age=0.11).positions, before
    )
    np.testing.assert_array_equal(
        gate.filter_command(Command(HOME_ANGLES_RAD + 0.1), state(), age=math.nan).positions, before
    )
    assert gate.filter_command(Command(HOME_ANGLES_RAD + 0.1), state(), age=0.09).positions[0] > before[0]
    assert gate.report.stale == 2


def test_gate_target_beyond_limit_is_clipped():
    gate = SafetyGate(JOINTS, PERIOD)
    sent = settle(gate, Command(HOME_ANGLES_RAD + at_joint(0, 9.0)), ticks=60)
    assert sent[0] == JOINTS[0].upper
    assert gate.report.limited == gate.report.ticks == 60


def test_gate_hold_stops_but_keeps_squeezing():
    gate = SafetyGate(JOINTS, PERIOD)
    settle(gate, Command(HOME_ANGLES_RAD + at_joint(0, 0.3) + at_joint(5, -0.3)))
    where = HOME_ANGLES_RAD + at_joint(0, 0.25) + at_joint(5, -0.25)
    for _ in range(20):
        sent = gate.filter_command(Command(HOME_ANGLES_RAD + 1.0), state(where), hold=True).positions
    assert sent[0] == pytest.approx(where[0])
    assert sent[5] == pytest.approx(HOME_ANGLES_RAD[5] - 0.3)


def test_gate_hold_does_not_follow_sagging_arm():
    gate = SafetyGate(JOINTS, PERIOD)
    gate.filter_command(None, state())
    for sag in np.linspace(0, 0.2, 30):
        sent = gate.filter_command(None, state(HOME_ANGLES_RAD - at_joint(1, sag)), hold=True).positions
    np.testing.assert_allclose(sent, HOME_ANGLES_RAD)


def test_gate_unknown_pose_raises():
    gate = SafetyGate(JOINTS, PERIOD)
    with pytest.raises(SafetyError, match=r"elbow_flex cannot be read.*Check its cable"):
        gate.filter_command(Command(HOME_ANGLES_RAD), state(HOME_ANGLES_RAD + at_joint(2, math.nan)))
    assert gate.sent is None


def test_gate_start_outside_limits():
    """A joint far outside its limits raises an error, one just outside moves back inside."""
    gate = SafetyGate(JOINTS, PERIOD)
    with pytest.raises(SafetyError, match=r"shoulder_pan stands at 2\.20 rad, outside its limits -1\.92 to 1\.92"):
        gate.filter_command(None, state(at_joint(0, 2.2)))
    assert gate.filter_command(None, state(at_joint(0, 1.95))).positions[0] == JOINTS[0].upper


def test_gate_stalled_joint_gives_way_until_retreat():
    gate = SafetyGate(JOINTS, PERIOD)
    stuck = HOME_ANGLES_RAD + at_joint(1, 0.2)
    pushing = Command(HOME_ANGLES_RAD + at_joint(1, 0.5))
    sent = settle(gate, pushing, ticks=100, positions=stuck, loads=at_joint(1, 1.0))
    assert sent[1] == pytest.approx(stuck[1])
    assert gate.report.stalled == 1
    assert "shoulder_lift pushed against something" in str(gate.alarm)
    assert settle(gate, pushing, positions=stuck)[1] == pytest.approx(stuck[1])
    assert settle(gate, Command(HOME_ANGLES_RAD))[1] == pytest.approx(HOME_ANGLES_RAD[1])
    assert gate.alarm is None
    assert settle(gate, pushing)[1] == pytest.approx(HOME_ANGLES_RAD[1] + 0.5)


@pytest.mark.parametrize(
    "reported",
    [
        {"loads": at_joint(1, 0.5)},
        {"loads": NAN},
        {"positions": HOME_ANGLES_RAD + at_joint(1, 0.45), "loads": at_joint(1, 1.0)},
    ],
)
def test_gate_no_stall_without_load_and_error(reported):
    gate = SafetyGate(JOINTS, PERIOD)
    assert settle(gate, Command(HOME_ANGLES_RAD + at_joint(1, 0.5)), **reported)[1] == pytest.approx(
        HOME_ANGLES_RAD[1] + 0.5
    )
    assert gate.report.stalled == 0


def test_gate_short_push_is_no_stall():
    gate = SafetyGate(JOINTS, PERIOD)
    settle(gate, Command(HOME_ANGLES_RAD + at_joint(1, 0.5)), ticks=20)
    settle(gate, Command(HOME_ANGLES_RAD + at_joint(1, 0.5)), ticks=20, loads=at_joint(1, 1.0))
    settle(gate, Command(HOME_ANGLES_RAD + at_joint(1, 0.5)), ticks=1)
    settle(gate, Command(HOME_ANGLES_RAD + at_joint(1, 0.5)), ticks=20, loads=at_joint(1, 1.0))
    assert gate.report.stalled == 0


def test_gate_gripper_with_object_keeps_squeezing():
    gate = SafetyGate(JOINTS, PERIOD)
    holding = HOME_ANGLES_RAD.copy()
    holding[5] = 0.11
    requested = HOME_ANGLES_RAD.copy()
    requested[5] = -0.15
    sent = settle(gate, Command(requested), positions=holding, loads=at_joint(5, -1.0))
    assert sent[5] == pytest.approx(0.11 - StallSettings().squeeze)
    assert gate.alarm is None
    assert settle(gate, Command(HOME_ANGLES_RAD))[5] == pytest.approx(HOME_ANGLES_RAD[5])


def test_gate_hot_servo_holds_until_cooled():
    gate = SafetyGate(JOINTS, PERIOD)
    settle(gate, Command(HOME_ANGLES_RAD))
    requested = Command(HOME_ANGLES_RAD + at_joint(0, 0.5))
    for _ in range(HealthSettings().fault_ticks):
        sent = gate.filter_command(requested, state(temperatures=at_joint(5, 71.0, others=30.0)))
    assert gate.alarm == "The arm holds: gripper is at 71 °C (limit 70). Let it cool; it moves again by itself."
    held = settle(gate, requested, temperatures=at_joint(5, 66.0, others=30.0))
    np.testing.assert_allclose(held, np.where(np.arange(6) == 0, held, sent.positions))
    assert abs(held[0] - HOME_ANGLES_RAD[0]) < 0.01
    assert settle(gate, requested, temperatures=at_joint(5, 64.0, others=30.0))[0] == pytest.approx(
        HOME_ANGLES_RAD[0] + 0.5
    )
    assert gate.alarm is None


@pytest.mark.parametrize("volts", [3.9, 15.0])
def test_gate_wrong_voltage_holds(volts):
    """A single wrong reading does not hold the arm."""
    gate = SafetyGate(JOINTS, PERIOD)
    gate.filter_command(None, state(voltages=at_joint(3, volts, others=7.4)))
    assert gate.alarm is None
    settle(gate, None, ticks=20, voltages=at_joint(3, volts, others=7.4))
    assert f"wrist_flex gets {volts} V" in str(gate.alarm)


def test_gate_reset_starts_at_present_pose():
    gate = SafetyGate(JOINTS, PERIOD)
    settle(gate, Command(HOME_ANGLES_RAD + 0.3))
    gate.reset()
    np.testing.assert_allclose(gate.filter_command(None, state(HOME_ANGLES_RAD)).positions, HOME_ANGLES_RAD)


def test_gate_any_number_of_joints():
    joints = (Joint("a", -1, 1, 1.0), Joint("b", -1, 1, 1.0))
    none = np.full(2, np.nan)
    resting = JointState(0.0, np.zeros(2), none, none, none, none, 0.0, 0)
    sent = SafetyGate(joints, PERIOD).filter_command(Command(np.ones(2)), resting)
    np.testing.assert_allclose(sent.positions, 0.3 * 0.02)
    assert not sent.positions.flags.writeable
