"""Tests of the zeros of a calibration: ranges that stop short of an end, and corrections by eye."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from metagui.arms.emulator.emulated_arm import EmulatedArm
from metagui.arms.feetech.control_table import RAD_PER_TICK
from metagui.arms.feetech.serial_port import UsbPort
from metagui.arms.kinematics import JOINTS, forward_kinematics, inverse_kinematics
from metagui.arms.so101.arm_registry import ArmRegistry
from metagui.arms.so101.calibration import ArmCalibration, JointCalibration, TickConversion, load
from metagui.arms.so101.calibration_checks import import_calibration
from metagui.arms.so101.stops import (
    MAX_TRIM_RAD,
    REAL_STOPS,
    ArmModel,
    ZeroOrigin,
    Zeros,
    change_trims,
    complete_ranges,
    find_middle,
    load_zeros,
)
from metagui.arms.so101.zero_fit import TouchError, fit_zeros
from tests.helpers import poses
from tests.helpers.in_process_port import InProcessPort

FOLDER = Path(__file__).parents[2] / "data" / "calibrations"
WRIST = 3


def make_held_near_zero(joint: int, held_at: float, missing_low: float, missing_high: float) -> JointCalibration:
    """Return what LeRobot records for a joint that was held at an angle, and moved short of its ends, rad."""
    lower, upper = REAL_STOPS[joint]
    zero = 2047 - held_at / RAD_PER_TICK
    low, high = (lower + missing_low) / RAD_PER_TICK, (upper - missing_high) / RAD_PER_TICK
    return JointCalibration(joint + 1, 0, 0, round(zero + low), round(zero + high))


@pytest.mark.parametrize("joint", range(4))
@pytest.mark.parametrize("held_deg", [-4.0, 0.0, 4.0])
@pytest.mark.parametrize("missing_deg", [(0, 0), (2, 0), (0, 14), (25, 0), (0, 25)])
def test_find_middle_short_range_counts_from_reached_stop(
    joint: int, held_deg: float, missing_deg: tuple[float, float]
) -> None:
    """Half of the missing travel is the error that the middle of the range would have."""
    held = math.radians(held_deg)
    values = make_held_near_zero(joint, held, *map(math.radians, missing_deg))
    true = 2047 + (sum(REAL_STOPS[joint]) / 2 - held) / RAD_PER_TICK
    assert find_middle(values, REAL_STOPS[joint]) == pytest.approx(true, abs=math.radians(1.1) / RAD_PER_TICK)


def test_find_middle_reversed_joint() -> None:
    values = make_held_near_zero(WRIST, 0.05, 0.0, 0.4)
    mirrored = replace(values, drive_mode=1, range_min=4094 - values.range_max, range_max=4094 - values.range_min)
    middle = find_middle(values, REAL_STOPS[WRIST])
    assert find_middle(mirrored, REAL_STOPS[WRIST]) == pytest.approx(4094 - middle, abs=1)


def test_find_middle_centred_by_a_program_tells_nothing() -> None:
    values = JointCalibration(4, 0, 0, 2047 - 1000, 2047 + 1000)
    assert find_middle(values, REAL_STOPS[WRIST]) == 2047


def test_import_completes_ranges_that_stop_short() -> None:
    """The wrist of this arm was moved to 79 degrees; straight down, which grasping needs, is 95."""
    path = FOLDER / "follower-b.json"
    assert TickConversion(load(path)).joints[WRIST].upper < math.radians(80)
    calibration, doubts = import_calibration(path)
    assert TickConversion(calibration).joints[WRIST].upper == pytest.approx(JOINTS[WRIST].upper, abs=0.01)
    assert doubts[0].startswith("wrist_flex stopped short of an end")
    again, changed = complete_ranges(calibration, REAL_STOPS)
    assert (again, changed) == (calibration, ())
    assert all(joint.find_problem() is None for joint in calibration.joints)


@pytest.mark.parametrize("name", ["follower-wide-gripper", "with-byte-order-mark"])
def test_import_leaves_full_ranges(name: str) -> None:
    path = FOLDER / f"{name}.json"
    assert import_calibration(path)[0] == load(path)


def make_registry(folder: Path) -> ArmRegistry:
    return ArmRegistry(folder, lambda: (UsbPort("/dev/emulated", 1, 2, "3", "emulated"),))


def test_trims_are_stored_beside_the_calibration(tmp_path: Path) -> None:
    """LeRobot's file has no room for them, and must remain readable by LeRobot."""
    registry = make_registry(tmp_path)
    registry.register("left arm", "/dev/emulated")
    plain = EmulatedArm().compute_calibration()
    trims = change_trims((), {"elbow_flex": math.radians(-2.0), "gripper": math.radians(0.5)})
    registry.save_calibration("left arm", replace(plain, trims=trims))
    assert json.loads(registry.calibration_path("left arm").read_text()) == json.loads(plain.to_json())
    loaded = registry.load_calibration("left arm")
    assert loaded is not None
    assert loaded.joints == plain.joints
    np.testing.assert_allclose(loaded.trims, trims, atol=1e-4)
    registry.save_calibration("left arm", plain)
    assert registry.load_calibration("left arm") == plain


def test_trim_is_added_to_the_angle_and_keeps_the_stops() -> None:
    plain = EmulatedArm().compute_calibration()
    trimmed = ArmCalibration(plain.joints, change_trims((), {"elbow_flex": math.radians(3.0)}))
    ticks = np.full(6, 2048.0)
    difference = TickConversion(trimmed).to_angles(ticks) - TickConversion(plain).to_angles(ticks)
    np.testing.assert_allclose(difference, [0, 0, math.radians(3.0), 0, 0, 0])
    assert trimmed.is_same_in_servos(plain)
    for calibration in (plain, trimmed):
        conversion = TickConversion(calibration)
        assert conversion.min_ticks[2] >= plain.joints[2].range_min
        assert conversion.max_ticks[2] <= plain.joints[2].range_max


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"elbow": 0.1}, "there is no elbow"), ({"gripper": 0.5}, "more than 15°"), ({"gripper": math.nan}, "more than")],
)
def test_change_trims_invalid_raises(changes: dict[str, float], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        change_trims((), changes)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"gripper": "much"}', '{"arm": "so99", "gripper": 1}'])
def test_load_zeros_damaged_file_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "arm.json"
    path.write_text(text)
    assert load_zeros(path) == load_zeros(tmp_path / "missing.json") == Zeros()


@pytest.mark.parametrize("trim", ["40", "NaN"])
def test_load_zeros_impossible_trim_is_left_out(tmp_path: Path, trim: str) -> None:
    path = tmp_path / "arm.json"
    path.write_text(f'{{"arm": "so100", "gripper": {trim}, "elbow_flex": 1}}')
    assert load_zeros(path) == Zeros((), ArmModel.SO100, ZeroOrigin.STOPS)
    assert math.radians(40) > MAX_TRIM_RAD


# Calibrations of version 0.1


def register_old_arm(folder: Path, calibration: ArmCalibration) -> ArmRegistry:
    """Return a registry as version 0.1 left it: a calibration and nothing beside it."""
    registry = make_registry(folder)
    registry.register("left arm", "/dev/emulated")
    calibration.save(registry.calibration_path("left arm"))
    return registry


def test_old_calibration_is_told_once_with_its_corrections(tmp_path: Path) -> None:
    registry = register_old_arm(tmp_path, EmulatedArm().compute_calibration())
    assert registry.load_zeros("left arm").origin is ZeroOrigin.UNKNOWN
    (note,) = registry.take_notes("left arm")
    assert "calibrated by version 0.1" in note
    told = {name: float(change) for name, change in re.findall(r"(\w+) ([+-]\d+\.\d)°", note)}
    right = {"shoulder_pan": 4.25, "shoulder_lift": -1.75, "elbow_flex": -5.5, "wrist_flex": -0.75, "gripper": 6.4}
    assert told == pytest.approx(right, abs=0.11)
    assert registry.take_notes("left arm") == []
    assert registry.load_zeros("left arm").origin is ZeroOrigin.CORRECTED
    registry.save_calibration("left arm", EmulatedArm().compute_calibration())
    assert registry.load_zeros("left arm").origin is ZeroOrigin.STOPS


def test_old_calibration_of_an_so100_is_found_out(tmp_path: Path) -> None:
    """Also that its wrist roll was zeroed by eye."""
    registry = register_old_arm(tmp_path, load(FOLDER / "so100-follower.json"))
    calibration = registry.load_calibration("left arm")
    assert calibration is not None
    assert calibration.model is ArmModel.SO100
    notes = registry.take_notes("left arm")
    assert any("taken for an SO-100" in note for note in notes)
    assert any("wrist_roll has no stops" in note for note in notes)
    assert registry.load_calibration("left arm") == calibration
    assert registry.take_notes("left arm") == []


def test_calibration_without_a_change_is_not_told(tmp_path: Path) -> None:
    """The ideal emulated arm has the model's stops, with which both ways agree."""
    registry = register_old_arm(tmp_path, EmulatedArm.make_ideal().compute_calibration())
    assert registry.take_notes("left arm") == []
    registry = make_registry(tmp_path / "new")
    registry.register("left arm", "/dev/emulated")
    assert registry.take_notes("left arm") == []
    registry.save_calibration("left arm", EmulatedArm().compute_calibration())
    assert registry.take_notes("left arm") == []


def test_note_is_a_warning_of_the_connected_arm(tmp_path: Path) -> None:
    arm = EmulatedArm()
    arm.calibrate()
    registry = register_old_arm(tmp_path, arm.compute_calibration())
    registry.open_port = lambda _: InProcessPort(arm)
    with registry.make_arm("left arm") as driver:
        assert any("calibrated by version 0.1" in text for text in driver.list_warnings())
    with registry.make_arm("left arm") as driver:
        assert not any("calibrated by version 0.1" in text for text in driver.list_warnings())


# Touches


def measure_errors(offsets: np.ndarray) -> np.ndarray:
    """Return the errors of the tool over the workspace, m, for errors of the zeros (5,), rad."""
    radii, angles, heights = (0.14, 0.18, 0.22), (-1.0, -0.3, 0.4, 0.9), (0.015, 0.06, 0.1)
    points = [(0.0388 + r * math.cos(a), r * math.sin(a), z) for r in radii for a in angles for z in heights]
    reached = np.array([inverse_kinematics(np.array(point), 0.0) for point in points])
    return np.linalg.norm(forward_kinematics(reached + offsets).position - forward_kinematics(reached).position, axis=1)


FOUR_POINTS = np.array([(0.14, -0.10, 0.0), (0.14, 0.10, 0.0), (0.23, -0.10, 0.0), (0.23, 0.10, 0.0)])


@pytest.mark.parametrize("is_place_known", [True, False])
def test_fit_zeros_from_four_touches(is_place_known: bool) -> None:
    """Zeros wrong by 2.5° and play of 0.35°, both standard deviations; on a sheet, the pan's zero does not matter."""
    before, after = [], []
    sheet = (FOUR_POINTS - (0.05, 0.0, 0.0)) @ np.array([[0.98, 0.2, 0.0], [-0.2, 0.98, 0.0], [0.0, 0.0, 1.0]])
    true = np.array([poses.find_touch(point) for point in FOUR_POINTS])
    for seed in range(20):
        rng = np.random.default_rng(seed)
        zeros = np.radians([*(rng.normal(0.0, 2.5, 4) * (is_place_known, 1, 1, 1)), 0.0, 0.0])
        readings = true + zeros
        readings[:, :4] += np.radians(rng.normal(0.0, 0.35, (4, 4)))
        fit = fit_zeros(readings, FOUR_POINTS if is_place_known else sheet, is_place_known)
        fit.require_good()
        before.append(measure_errors(zeros[:5]))
        after.append(measure_errors((zeros + fit.corrections)[:5]))
    assert np.median(before) > 0.008
    assert np.median(after) < 0.0021
    assert np.percentile(np.concatenate(after), 95) < 0.0045


def test_fit_zeros_names_the_touch_that_missed() -> None:
    readings = np.array([poses.find_touch(point) for point in FOUR_POINTS])
    points = FOUR_POINTS.copy()
    points[2] += (0.06, 0.0, 0.0)
    with pytest.raises(TouchError, match=r"Touch 3 is still \d+ mm"):
        fit_zeros(readings, points).require_good()


def test_fit_zeros_few_touches_or_large_corrections_are_refused() -> None:
    readings = np.array([poses.find_touch(point) for point in FOUR_POINTS])
    with pytest.raises(TouchError, match="2 touches tell nothing"):
        fit_zeros(readings[:2], FOUR_POINTS[:2])
    fit = fit_zeros(readings, FOUR_POINTS)
    np.testing.assert_allclose(fit.add_to((0.1,) * 6), 0.1, atol=1e-4)
    with pytest.raises(TouchError, match=r"elbow_flex would be corrected by more than 15°"):
        replace(fit, corrections=(0.0, 0.0, 0.2, 0.0, 0.0, 0.0)).add_to((0.1,) * 6)
