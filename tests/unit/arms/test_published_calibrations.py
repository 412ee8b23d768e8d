"""Tests of calibrations that owners of real arms published: each is read, refused or doubted with the right reason."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from metagui.arms.emulator.emulated_arm import EmulatedArm
from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech.control_table import RAD_PER_TICK
from metagui.arms.kinematics import JOINTS
from metagui.arms.simulation.joint_drives import STIFF_DRIVES
from metagui.arms.so101.calibration import CalibrationError, NotCalibratedError, TickConversion, load
from metagui.arms.so101.calibration_checks import describe_doubts, guess_model, import_calibration
from metagui.arms.so101.motors import open_for_setup
from metagui.arms.so101.so101_arm import SO101Arm
from metagui.arms.so101.stops import MODEL_STOPS, REAL_STOPS, SO100_STOPS, ArmModel, Stops, choose_stops
from tests.helpers.in_process_port import InProcessPort

FOLDER = Path(__file__).parents[2] / "data" / "calibrations"
FOLLOWERS = ("follower-a", "follower-b", "follower-wide-gripper")
READABLE = (*FOLLOWERS, "so100-follower", "with-byte-order-mark", "wrist-roll-zeroed-by-eye")
HELD_CUBE_RAD = 0.092
"""Angle of the model's gripper that holds a cube of 25 mm."""


def load_published(name: str) -> TickConversion:
    """Load a published calibration."""
    return TickConversion(load(FOLDER / f"{name}.json"))


@pytest.mark.parametrize("name", READABLE)
def test_load_published_file_fits_the_servos(name: str) -> None:
    calibration = load(FOLDER / f"{name}.json")
    with open_for_setup("emulated", lambda _: InProcessPort(EmulatedArm())) as chain:
        chain.write_calibration(calibration)
        assert chain.read_calibration() == calibration


def test_load_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    path = FOLDER / "with-byte-order-mark.json"
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    plain = tmp_path / "plain.json"
    load(path).save(plain)
    assert load(plain) == load(path)
    assert not plain.read_bytes().startswith(b"\xef")


def test_load_old_lerobot_format_is_named() -> None:
    with pytest.raises(CalibrationError, match=r"LeRobot's format of before June 2025.*; calibrate again, or"):
        load(FOLDER / "old-list-format.json")


def test_load_full_turns_are_refused_with_joints() -> None:
    with pytest.raises(CalibrationError, match="shoulder_lift, elbow_flex, gripper have a whole turn"):
        load(FOLDER / "follower-full-turns.json")


def test_connect_servos_with_full_turns_names_joints() -> None:
    """Another program wrote the ranges; one joint without a range is enough, unless it is the wrist roll."""
    arm = EmulatedArm()
    arm.calibrate()
    arm.servos[5].set_register(reg.MIN_POSITION_LIMIT, 0)
    arm.servos[5].set_register(reg.MAX_POSITION_LIMIT, 4095)
    with pytest.raises(NotCalibratedError, match="no ranges: gripper"):
        SO101Arm("emulated", open_port=lambda _: InProcessPort(arm)).connect()


@pytest.mark.parametrize("name", READABLE)
def test_describe_doubts_recognises_so100(name: str) -> None:
    calibration = load(FOLDER / f"{name}.json")
    assert (guess_model(calibration) is ArmModel.SO100) == (name == "so100-follower")
    assert any("SO-100" in doubt for doubt in describe_doubts(calibration)) == (name == "so100-follower")


@pytest.mark.parametrize("name", READABLE)
def test_describe_doubts_names_wrist_zeroed_by_eye(name: str) -> None:
    doubts = describe_doubts(load(FOLDER / f"{name}.json"))
    wrist = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8-sig"))["wrist_roll"]
    assert any(doubt.startswith("wrist_roll has no stops") for doubt in doubts) == (wrist["range_max"] == 4095)


@pytest.mark.parametrize("name", ["follower-a", "follower-wide-gripper"])
def test_describe_doubts_accepts_real_travels(name: str) -> None:
    assert describe_doubts(load(FOLDER / f"{name}.json")) == []


@pytest.mark.parametrize("name", [*FOLLOWERS, "with-byte-order-mark"])
def test_conversion_gripper_counts_from_closed_end(name: str) -> None:
    """The jaws open further than the model's; with the middle as zero they read 6 to 12 degrees too little."""
    calibration = load(FOLDER / f"{name}.json")
    conversion = TickConversion(calibration)
    gripper = calibration.joints[5]
    closed = conversion.to_angles(np.full(6, gripper.range_min))[5]
    assert closed == pytest.approx(REAL_STOPS[5].lower)
    held = gripper.range_min + (HELD_CUBE_RAD - REAL_STOPS[5].lower) / RAD_PER_TICK
    assert conversion.to_angles(np.full(6, held))[5] == pytest.approx(HELD_CUBE_RAD)
    assert conversion.joints[5].upper == pytest.approx(JOINTS[5].upper)


def test_observe_wrist_roll_is_continuous_across_wrap() -> None:
    """The angle is the stored one again when the torque is on, as the goals are."""
    arm = EmulatedArm()
    arm.calibrate()
    roll = arm.servos[4]
    roll.set_register(reg.MIN_POSITION_LIMIT, 0)
    roll.set_register(reg.MAX_POSITION_LIMIT, 4095)
    driver = SO101Arm("emulated", open_port=lambda _: InProcessPort(arm))
    driver.connect()
    driver.start_hand_guiding()
    angles = []
    for position in [*range(2048, 4300, 30), *range(4300, 2048, -30)]:
        roll.update_shaft(position, 0.0, 0.0, 0.0)
        angles.append(driver.observe().positions[4])
    assert np.abs(np.diff(angles)).max() < 31 * RAD_PER_TICK
    assert max(angles) > math.pi
    assert angles[-1] == pytest.approx(angles[0], abs=0.1)


@pytest.mark.parametrize("name", [*FOLLOWERS, "with-byte-order-mark"])
def test_choose_stops_published_arm_has_real_ones(name: str) -> None:
    assert choose_stops([joint.travel for joint in load(FOLDER / f"{name}.json").joints]) == REAL_STOPS


@pytest.mark.parametrize("stops", [MODEL_STOPS, REAL_STOPS])
def test_choose_stops_emulated_arm_has_its_own(stops: tuple[Stops, ...]) -> None:
    arm = EmulatedArm(stops=stops, drives=STIFF_DRIVES)
    arm.calibrate()
    assert choose_stops([joint.travel for joint in arm.compute_calibration().joints]) == stops
    with SO101Arm("emulated", open_port=lambda _: InProcessPort(arm)) as driver:
        np.testing.assert_allclose(driver.observe().positions, arm.read_joint_angles(), atol=2e-3)


# SO-100


def test_import_so100_has_its_stops_unless_told_otherwise() -> None:
    path = FOLDER / "so100-follower.json"
    guessed, doubts = import_calibration(path)
    assert guessed.model is ArmModel.SO100
    assert guessed.stops == SO100_STOPS
    assert any("taken for an SO-100" in doubt for doubt in doubts)
    assert any(doubt.startswith("shoulder_lift, elbow_flex, wrist_flex travel further") for doubt in doubts)
    chosen, doubts = import_calibration(path, ArmModel.SO101)
    assert chosen.model is ArmModel.SO101
    assert chosen.stops == REAL_STOPS
    assert not any("SO-100" in doubt for doubt in doubts)


def test_swept_so100_is_recognised_and_its_angles_are_true() -> None:
    arm = EmulatedArm(stops=SO100_STOPS, drives=STIFF_DRIVES, mount_offsets=(3900, 20, 1000, 2000, 3000, 4000))
    arm.calibrate()
    calibration = arm.compute_calibration()
    assert guess_model(calibration) is ArmModel.SO100
    assert guess_model(EmulatedArm().compute_calibration()) is ArmModel.SO101
    with SO101Arm("emulated", open_port=lambda _: InProcessPort(arm)) as driver:
        np.testing.assert_allclose(driver.observe().positions, arm.read_joint_angles(), atol=2e-3)
        assert any("taken for an SO-100" in text for text in driver.list_warnings())
    wrong = TickConversion(calibration).to_angles(np.full(6, 2048.0))
    right = TickConversion(replace(calibration, model=ArmModel.SO100)).to_angles(np.full(6, 2048.0))
    assert np.degrees(np.abs(wrong - right).max()) > 3.0
