"""What a calibration says of each joint: while it is led about, and beside the model."""

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


def swept(*travels: int) -> tuple[JointSweep, ...]:
    watched = Sweep()
    for step in range(0, max(travels) + 40, 40):
        shown = watched.add_reading([min(step, travel) % 4096 for travel in travels])
    return shown


def test_what_is_missing_is_said_joint_by_joint() -> None:
    full = [round((joint.upper - joint.lower) / reg.RAD_PER_TICK) for joint in JOINTS]
    assert describe_shortcomings(travels_from_sweep(swept(*full))) == ""
    shown = travels_from_sweep(swept(full[0], 10, 1000, *full[3:5], 2 * full[5]))
    assert [joint.status_text for joint in shown] == [
        "done", "not moved yet", "93° to go", "done", "done", "too far: does its horn slip?",
    ]  # fmt: skip
    words = describe_shortcomings(shown)
    assert "hardly moved: shoulder lift; elbow flex: 93° to go; gripper: too far" in words
    assert shown[0].position == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("range_min", "range_max", "words"),
    [
        (0, 4095, "a whole turn: the model's limits hold"),
        (1000, 2252, "as the model"),
        (1000, 2200, "5° less: it stays within these"),
        (1000, 2400, "13° more: the model's limits hold"),
        (1000, 1500, "66° less: angles will be off"),
        (1000, 3000, "66° more: angles will be off"),
    ],
)
def test_a_calibration_is_compared_with_the_model(range_min: int, range_max: int, words: str) -> None:
    joints = EmulatedArm().compute_calibration().joints
    gripper = replace(joints[5], range_min=range_min, range_max=range_max)
    assert compare_with_model(ArmCalibration((*joints[:5], gripper)))[5].status_text == words
