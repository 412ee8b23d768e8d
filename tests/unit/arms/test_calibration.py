"""Tests of calibration: any mounting of the horns, rejected sweeps and files, and LeRobot's format."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metagui.arms.emulator.emulated_arm import EmulatedArm
from metagui.arms.emulator.guided_sweep import sweep_by_hand
from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech.control_table import RAD_PER_TICK, TICKS_PER_TURN
from metagui.arms.kinematics import HOME_ANGLES_RAD, JOINTS, forward_kinematics
from metagui.arms.simulation.joint_drives import STIFF_DRIVES, DriveSettings
from metagui.arms.so101.calibration import (
    ArmCalibration,
    CalibrationError,
    JointCalibration,
    TickConversion,
    load,
    parse,
)
from metagui.arms.so101.calibration_checks import describe_doubts
from metagui.arms.so101.motors import ServoChain, open_for_setup
from metagui.arms.so101.range_of_motion import (
    SWEEP_PERIOD_S,
    JointSweep,
    Sweep,
    SweepError,
    SweepSettings,
    run_sweep,
)
from metagui.arms.so101.stops import MODEL_STOPS, REAL_STOPS, Stops
from tests.helpers.in_process_port import InProcessPort

# As LeRobot writes it: the wrist roll has no stops and gets a whole turn.
LEROBOT = """{
    "shoulder_pan": {"id": 1, "drive_mode": 0, "homing_offset": -1620, "range_min": 739, "range_max": 3463},
    "shoulder_lift": {"id": 2, "drive_mode": 0, "homing_offset": 903, "range_min": 824, "range_max": 3215},
    "elbow_flex": {"id": 3, "drive_mode": 0, "homing_offset": 1206, "range_min": 880, "range_max": 3098},
    "wrist_flex": {"id": 4, "drive_mode": 0, "homing_offset": -1383, "range_min": 853, "range_max": 3181},
    "wrist_roll": {"id": 5, "drive_mode": 0, "homing_offset": 1742, "range_min": 0, "range_max": 4095},
    "gripper": {"id": 6, "drive_mode": 0, "homing_offset": 1209, "range_min": 2023, "range_max": 3500}
}"""


def sweep_joint(start: int, travel: int, joint: int = 0) -> JointCalibration:
    """Sweep one joint from an encoder position over a travel, ticks; return its calibration."""
    sweep = Sweep((JOINTS[joint],))
    for position in [*range(start, start + travel, 40), start + travel]:
        sweep.add_reading([position % TICKS_PER_TURN])
    return sweep.compute_calibration((joint + 1,)).joints[0]


@given(st.integers(0, TICKS_PER_TURN - 1), st.sampled_from([2503, 2400, 2700]))
def test_sweep_any_horn_mounting_keeps_wrap_outside_travel(start: int, travel: int) -> None:
    joint = sweep_joint(start, travel)
    assert joint.find_problem() is None
    assert joint.range_max - joint.range_min == travel
    assert (joint.range_min + joint.range_max) / 2 == pytest.approx(TICKS_PER_TURN / 2, abs=1.5)
    for encoder in (start, start + travel // 3, start + travel):
        present = (encoder - joint.homing_offset) % TICKS_PER_TURN
        assert present == joint.range_min + encoder - start
    assert reg.HOMING_OFFSET.unpack(reg.HOMING_OFFSET.pack(joint.homing_offset)) == joint.homing_offset


def test_sweep_nearly_whole_turn_is_valid() -> None:
    for start in range(0, TICKS_PER_TURN, 7):
        joint = sweep_joint(start, TICKS_PER_TURN - 3, joint=4)
        assert joint.find_problem() is None
        assert (start - joint.homing_offset) % TICKS_PER_TURN == joint.range_min


@pytest.mark.parametrize(
    ("positions", "reason"),
    [
        ([2000, 2100], "shoulder_pan was moved by 9° of about 220°"),
        ([2000], "moved by 0°"),
        ([i * 50 % TICKS_PER_TURN for i in range(100)], "does its horn slip"),
        ([*range(1000, 2500, 50), *range(3600, 5000, 50)], "was moved by 119° of about 220°"),
        ([*range(1000, 2700, 50)], "was moved by 145° of about 220°"),
        ([], "nothing was read"),
    ],
)
def test_sweep_incomplete_raises_with_reason(positions: list[int], reason: str) -> None:
    sweep = Sweep(JOINTS[:1])
    for position in positions:
        sweep.add_reading([position % TICKS_PER_TURN])
    with pytest.raises(SweepError, match=reason):
        sweep.compute_calibration((1,))


@pytest.mark.parametrize(("joint", "kept"), [(0, True), (4, False)])
def test_sweep_interrupted_continues_if_unambiguous(joint: int, kept: bool) -> None:
    """The wrist roll may have turned by more than half a turn meanwhile, so only it starts again."""
    sweep = Sweep(JOINTS[joint : joint + 1])
    for position in range(3600, 5000, 50):
        sweep.add_reading([position % TICKS_PER_TURN])
    sweep.mark_interrupted()
    after = sweep.add_reading([5050 % TICKS_PER_TURN])[0]
    assert after.present == 5050
    assert after.travel == (5050 - 3600 if kept else 0)
    assert sweep.add_reading([5100 % TICKS_PER_TURN])[0].travel == after.travel + 50


def test_sweep_progress_is_relative_to_model() -> None:
    sweep = Sweep(JOINTS[:1])
    sweep.add_reading([4000])
    (joint,) = [sweep.add_reading([position % TICKS_PER_TURN])[0] for position in range(4000, 4000 + 1252, 50)][-1:]
    assert (joint.name, joint.lowest, joint.present, joint.travel) == ("shoulder_pan", 4000, 5250, 1250)
    assert joint.travel_fraction == pytest.approx(0.5, abs=0.01)
    assert joint.problem


def sweep_arm_by_hand(arm: EmulatedArm, chain: ServoChain) -> tuple[ArmCalibration, list[tuple[JointSweep, ...]]]:
    """Sweep the whole arm by hand; return the calibration and the progress at every reading."""
    arm.follow_hand_path(sweep_by_hand(arm.stops))
    progress = []
    steps = run_sweep(chain, sleep=lambda _: arm.advance())
    while True:
        try:
            progress.append(next(steps))
        except StopIteration as end:
            return end.value, progress


@pytest.mark.parametrize("mount_offsets", [(2048,) * 6, (100, 3000, 4000, 2048, 1500, 10)])
def test_run_sweep_full_travel_calibrates_angles(mount_offsets: tuple[int, ...]) -> None:
    arm = EmulatedArm.make_ideal(mount_offsets=mount_offsets)
    with open_for_setup("emulated", lambda _: InProcessPort(arm)) as chain:
        calibration, progress = sweep_arm_by_hand(arm, chain)
        assert all(joint.problem for joint in progress[0])
        assert all(joint.travel_fraction == pytest.approx(1.0, abs=0.02) for joint in progress[-1])
        chain.write_calibration(calibration)
        assert chain.read_calibration() == calibration
        assert not any(servo.torque_enabled for servo in arm.servos)
    conversion = TickConversion(calibration)
    ticks = np.array([servo.get_register(reg.PRESENT_POSITION) for servo in arm.servos])
    np.testing.assert_allclose(conversion.to_angles(ticks), arm.read_joint_angles(), atol=0.012)
    for joint, model in zip(conversion.joints, JOINTS, strict=True):
        assert joint.lower == pytest.approx(model.lower, abs=0.012)
        assert joint.upper == pytest.approx(model.upper, abs=0.012)


def test_run_sweep_real_stops_calibrates_angles() -> None:
    """With the middle of the travel as zero, the tool of such an arm would be 3 cm off."""
    arm = EmulatedArm(mount_offsets=(100, 3000, 4000, 2048, 1500, 10))
    with open_for_setup("emulated", lambda _: InProcessPort(arm)) as chain:
        calibration, _ = sweep_arm_by_hand(arm, chain)
    conversion, exact = TickConversion(calibration), TickConversion(arm.compute_calibration())
    encoders = np.array([values.homing_offset + 2048 for values in arm.compute_calibration().joints])
    angles, exact_angles = (
        each.to_angles((encoders - [values.homing_offset for values in calibration.joints]) % 4096)
        for each, calibration in ((conversion, calibration), (exact, arm.compute_calibration()))
    )
    play = DriveSettings().play
    np.testing.assert_allclose(angles, exact_angles, atol=play / 2 + 0.003)
    error = forward_kinematics(angles).position - forward_kinematics(exact_angles).position
    assert np.linalg.norm(error) < 0.003
    assert conversion.joints[2].upper == pytest.approx(REAL_STOPS[2].upper, abs=0.03)
    assert conversion.joints[0].upper == JOINTS[0].upper


def test_run_sweep_cancelled_changes_nothing() -> None:
    arm = EmulatedArm.make_ideal(mount_offsets=(900,) * 6)
    arm.calibrate()
    with open_for_setup("emulated", lambda _: InProcessPort(arm)) as chain:
        arm.follow_hand_path(sweep_by_hand(arm.stops))
        steps = run_sweep(chain, sleep=lambda _: arm.advance())
        for _ in range(80):
            next(steps)
        steps.close()
        assert chain.read_calibration() == arm.compute_calibration()
        calibration, _ = sweep_arm_by_hand(arm, chain)  # the sweep reads raw encoders, whatever the servos store
    for joint, exact in zip(calibration.joints, arm.compute_calibration().joints, strict=True):
        assert joint.homing_offset == pytest.approx(exact.homing_offset, abs=8)


def narrow_stops(fraction: float) -> tuple[Stops, ...]:
    """Return the model's stops, with shoulder_pan and elbow_flex stopping at a fraction of their travel."""
    narrow = (Stops(stops.lower * fraction, stops.upper * fraction) for stops in MODEL_STOPS)
    return tuple(
        each if joint.name in ("shoulder_pan", "elbow_flex") else stops
        for joint, stops, each in zip(JOINTS, MODEL_STOPS, narrow, strict=True)
    )


def test_run_sweep_short_joints_are_accepted_after_longer_wait() -> None:
    """An arm whose stops are nearer could never be calibrated; the person is told to check the zeros."""
    arm = EmulatedArm(stops=narrow_stops(0.8), drives=STIFF_DRIVES, mount_offsets=(100, 3000, 4000, 2048, 1500, 10))
    with open_for_setup("emulated", lambda _: InProcessPort(arm)) as chain:
        calibration, progress = sweep_arm_by_hand(arm, chain)
    travels = [[joint.travel for joint in joints] for joints in progress]
    quiet_readings = sum(each == travels[-1] for each in travels)
    assert quiet_readings * SWEEP_PERIOD_S == pytest.approx(SweepSettings().short_settle_time, abs=2 * SWEEP_PERIOD_S)
    problems = {joint.name: joint.problem for joint in progress[-2] if joint.problem}
    assert list(problems) == ["shoulder_pan", "elbow_flex"]
    assert "move it from stop to stop; if this is as far as it goes, wait 1 s" in str(problems["elbow_flex"])
    waits = [joints[2].wait for joints in progress]
    assert waits[0] is None, "while other joints are unfinished, waiting does not help"
    assert 10.0 in waits
    for index in (0, 2):
        assert calibration.joints[index].travel == pytest.approx(arm.compute_calibration().joints[index].travel, abs=9)
    (doubt,) = describe_doubts(calibration)
    assert doubt.startswith("shoulder_pan travels 80%, elbow_flex travels 80% of the model's range")
    assert "in a pose, or touch points" in doubt


def test_run_sweep_full_travel_ends_after_short_wait() -> None:
    arm = EmulatedArm.make_ideal()
    with open_for_setup("emulated", lambda _: InProcessPort(arm)) as chain:
        calibration, progress = sweep_arm_by_hand(arm, chain)
    done = next(i for i, joints in enumerate(progress) if not any(joint.problem for joint in joints))
    travels = [[joint.travel for joint in joints] for joints in progress]
    quiet_readings = sum(each == travels[-1] for each in travels[done:])
    assert quiet_readings * SWEEP_PERIOD_S == pytest.approx(SweepSettings().settle_time, abs=2 * SWEEP_PERIOD_S)
    assert describe_doubts(calibration) == []


def test_run_sweep_joint_far_too_short_does_not_end() -> None:
    arm, sweep = EmulatedArm(stops=narrow_stops(0.6), drives=STIFF_DRIVES), Sweep()
    with open_for_setup("emulated", lambda _: InProcessPort(arm)) as chain:
        arm.follow_hand_path(sweep_by_hand(arm.stops))
        steps = run_sweep(chain, sleep=lambda _: arm.advance(), resumed=sweep)
        while arm.is_hand_guided:
            progress = next(steps)
        for _ in range(round(2 * SweepSettings().short_settle_time / SWEEP_PERIOD_S)):
            progress = next(steps)
        steps.close()
    assert [joint.name for joint in progress if joint.problem] == ["shoulder_pan", "elbow_flex"]
    assert [joint.wait for joint in progress] == [None] * 6
    with pytest.raises(SweepError, match=r"shoulder_pan was moved by 13\d°.*; elbow_flex was moved by 11\d°"):
        sweep.compute_calibration()


def test_sweep_short_joint_that_moves_on_waits_again() -> None:
    sweep = Sweep(JOINTS[:1])
    for position in [*range(1000, 3000, 50), *[3000] * 300]:
        (joint,) = sweep.add_reading([position])
    assert joint.wait == pytest.approx(4.0, abs=2 * SWEEP_PERIOD_S)
    assert sweep.add_reading([3010])[0].wait == SweepSettings().short_settle_time
    for position in (*range(3050, 3400, 50), 3400):
        (joint,) = sweep.add_reading([position])
    assert (joint.problem, joint.wait, sweep.remaining_wait) == (None, None, SweepSettings().settle_time)


def test_sweep_wrist_roll_turned_round_says_what_to_do() -> None:
    """It has no stop on most arms, and its horn does not slip."""
    sweep = Sweep(JOINTS[4:5])
    for position in range(0, TICKS_PER_TURN + 400, 40):
        (joint,) = sweep.add_reading([position % TICKS_PER_TURN])
    assert joint.is_full_turn
    with pytest.raises(SweepError, match="has no stop; start again and turn it by less than one turn"):
        sweep.compute_calibration((5,))


def test_read_calibration_new_arm_raises() -> None:
    arm = EmulatedArm()
    with (
        open_for_setup("emulated", lambda _: InProcessPort(arm)) as chain,
        pytest.raises(CalibrationError, match=r"not calibrated.*not switched on"),
    ):
        chain.read_calibration()


def test_load_lerobot_file_round_trips(tmp_path: Path) -> None:
    path = tmp_path / "arms" / "mine.json"
    imported = parse(LEROBOT)
    imported.save(path)
    assert load(path) == imported
    assert json.loads(path.read_text()) == json.loads(LEROBOT)
    assert list(path.parent.iterdir()) == [path]
    arm = EmulatedArm()
    with open_for_setup("emulated", lambda _: InProcessPort(arm)) as chain:
        chain.write_calibration(imported)
        assert chain.read_calibration() == imported
    assert TickConversion(imported).mid_angles[4] == 0.0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"gripper": None}, "it names shoulder_pan"),
        ({"gripper": {"id": 6}}, "gripper must have id, drive_mode"),
        ({"gripper": {"id": 5, "drive_mode": 0, "homing_offset": 0, "range_min": 0, "range_max": 9}}, "same servo id"),
        ({"gripper": {"id": 6, "drive_mode": 0, "homing_offset": 3000, "range_min": 0, "range_max": 9}}, "beyond"),
        ({"gripper": {"id": 6, "drive_mode": 0, "homing_offset": 0, "range_min": 9, "range_max": 9}}, "range 9 … 9"),
        (
            {"gripper": {"id": 6, "drive_mode": 2, "homing_offset": 0, "range_min": 0, "range_max": 9}},
            "drive_mode is 2",
        ),
        ({"gripper": {"id": "6", "drive_mode": 0, "homing_offset": 0, "range_min": 0, "range_max": 9}}, "whole number"),
        ({"elbow": {}}, "but must name"),
    ],
)
def test_load_invalid_calibration_raises(tmp_path: Path, change: dict[str, object], reason: str) -> None:
    document = json.loads(LEROBOT) | change
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({name: values for name, values in document.items() if values is not None}))
    with pytest.raises(CalibrationError, match=reason):
        load(path)


@pytest.mark.parametrize("text", ["", "[]", "3", "{", '{"shoulder_pan": 3}', "\x00"])
def test_load_invalid_json_raises(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(CalibrationError, match=r"bad\.json is no calibration"):
        load(path)
    with pytest.raises(CalibrationError, match="it does not exist"):
        load(tmp_path / "absent.json")


def make_conversion(drive_mode: int = 0) -> TickConversion:
    joints = parse(LEROBOT).joints
    turned = tuple(JointCalibration(j.id, drive_mode, j.homing_offset, j.range_min, j.range_max) for j in joints)
    return TickConversion(ArmCalibration(turned))


@pytest.mark.parametrize("drive_mode", [0, 1])
def test_to_ticks_rounds_to_nearest(drive_mode: int) -> None:
    """LeRobot truncates, and reads 10.0° back as 9.934°."""
    conversion = make_conversion(drive_mode)
    for degrees in (10.0, -10.0, 33.3, 0.1):
        angles = np.full(6, math.radians(degrees))
        angles[5] = max(angles[5], 0.0)
        back = conversion.to_angles(np.array(conversion.to_ticks(angles)))
        np.testing.assert_allclose(back, angles, atol=RAD_PER_TICK / 2 + 1e-9)


@given(st.lists(st.floats(-1e9, 1e9), min_size=6, max_size=6), st.sampled_from([0, 1]))
@settings(max_examples=300)
def test_to_ticks_any_angles_stay_within_limits(angles: list[float], drive_mode: int) -> None:
    conversion = make_conversion(drive_mode)
    ticks = conversion.to_ticks(np.array(angles))
    back = conversion.to_angles(np.array(ticks))
    for joint, angle, tick, values in zip(conversion.joints, back, ticks, parse(LEROBOT).joints, strict=True):
        assert joint.lower - 1e-9 <= angle <= joint.upper + 1e-9
        assert values.range_min <= tick <= values.range_max


def test_conversion_mid_range_is_middle_of_real_stops() -> None:
    conversion = make_conversion()
    assert conversion.to_angles(conversion.mid_ticks)[0] == pytest.approx(math.radians(4.25))
    assert conversion.to_ticks(HOME_ANGLES_RAD)[0] == 2053
