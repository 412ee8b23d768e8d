"""Travel of each joint as text: during the sweep, and compared with the model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from metagui.arms.emulator.emulated_arm import EmulatedArm
from metagui.arms.feetech import control_table as reg
from metagui.arms.kinematics import JOINTS
from metagui.arms.so101.calibration import ArmCalibration
from metagui.arms.so101.range_of_motion import Sweep
from metagui.gui.arm.calibration.joint_travel import compare_with_model, describe_shortcomings, travels_from_sweep

if TYPE_CHECKING:
    from metagui.arms.so101.range_of_motion import JointSweep


def record_sweep(*travels: int) -> tuple[JointSweep, ...]:
    """Return the sweep of joints that were moved by ``travels`` ticks."""
    sweep = Sweep()
    for step in range(0, max(travels) + 40, 40):
        joints = sweep.add_reading([min(step, travel) % 4096 for travel in travels])
    return joints


def test_describe_shortcomings_names_every_incomplete_joint() -> None:
    full = [round((joint.upper - joint.lower) / reg.RAD_PER_TICK) for joint in JOINTS]
    assert describe_shortcomings(travels_from_sweep(record_sweep(*full))) == ""
    travels = travels_from_sweep(record_sweep(full[0], 10, 1000, *full[3:5], 2 * full[5]))
    assert [joint.status_text for joint in travels] == [
        "done", "not moved yet", "93° to go", "done", "done", "too far: does its horn slip?",
    ]  # fmt: skip
    text = describe_shortcomings(travels)
    assert "hardly moved: shoulder lift; elbow flex: 93° to go; gripper: too far" in text
    assert travels[0].position == pytest.approx(1.0)


def test_travels_from_sweep_short_joint_says_how_long_to_wait() -> None:
    """Only when waiting helps: the other joints have been moved."""
    full = [round((joint.upper - joint.lower) / reg.RAD_PER_TICK) for joint in JOINTS]
    short = round(0.8 * full[0])
    assert travels_from_sweep(record_sweep(short, 10, *full[2:]))[0].status_text == "29° to go"
    (joint, *others) = travels_from_sweep(record_sweep(short, *full[1:]))
    assert joint.status_text == "29° to go, or wait 10 s"
    assert "shoulder pan: 29° to go, or wait 10 s" in describe_shortcomings([joint, *others])
    turned = travels_from_sweep(record_sweep(*full[:4], 4200, full[5]))[4]
    assert (turned.status, turned.status_text) == ("wrong", "full turn: start over")


@pytest.mark.parametrize(
    ("range_min", "range_max", "text"),
    [
        (0, 4095, "full turn: model limits used"),
        (1000, 2430, "as expected"),
        (1000, 2300, "11° less: own limits used"),
        (1000, 2590, "14° more: model limits used"),
        (1000, 1900, "47° less: angles will be off"),
        (1000, 3100, "59° more: angles will be off"),
    ],
)
def test_compare_with_model_describes_difference(range_min: int, range_max: int, text: str) -> None:
    joints = EmulatedArm().compute_calibration().joints
    gripper = replace(joints[5], range_min=range_min, range_max=range_max)
    assert compare_with_model(ArmCalibration((*joints[:5], gripper)))[5].status_text == text
