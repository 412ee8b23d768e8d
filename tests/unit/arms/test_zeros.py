"""Tests of the zeros of a calibration: ranges that stop short of an end, and corrections by eye."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from metagui.arms.emulator.emulated_arm import EmulatedArm
from metagui.arms.feetech.control_table import RAD_PER_TICK
from metagui.arms.feetech.serial_port import UsbPort
from metagui.arms.kinematics import JOINTS
from metagui.arms.so101.arm_registry import ArmRegistry
from metagui.arms.so101.calibration import ArmCalibration, JointCalibration, TickConversion, load
from metagui.arms.so101.calibration_checks import import_calibration
from metagui.arms.so101.stops import MAX_TRIM_RAD, REAL_STOPS, change_trims, complete_ranges, find_middle, load_trims

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


@pytest.mark.parametrize("text", ["", "[]", "{", '{"gripper": "much"}', '{"gripper": 40}', '{"gripper": NaN}'])
def test_load_trims_damaged_file_has_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "arm.json"
    path.write_text(text)
    assert load_trims(path) == ()
    assert load_trims(tmp_path / "missing.json") == ()
    assert math.radians(40) > MAX_TRIM_RAD
