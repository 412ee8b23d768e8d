"""Travel of each joint for the calibration wizard: as text and fractions, during the sweep and after it. Qt-free."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from metagui.arms.feetech.control_table import RAD_PER_TICK
from metagui.arms.kinematics import JOINTS
from metagui.arms.so101.calibration import CONTINUOUS_RANGE_TICKS, ArmCalibration, JointCalibration
from metagui.arms.so101.calibration_checks import FULL_TRAVEL_FRACTION, TRAVEL_FRACTION_RANGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import Joint
    from metagui.arms.so101.range_of_motion import JointSweep

TravelStatus = Literal["waiting", "moving", "done", "wrong"]
EQUAL_TRAVEL_FRACTION = 0.03
"""Largest difference at which two travels count as equal, as a fraction of the model's."""


@dataclass(frozen=True)
class JointTravel:
    """The travel of one joint compared with the model's, and a status text."""

    name: str
    travel: float
    """Travel from stop to stop, degrees; 0 while unknown."""
    expected: float
    """Travel of the model, degrees."""
    position: float | None
    """Current position within the travel, from 0 to 1; None if unknown."""
    status: TravelStatus
    status_text: str

    @property
    def fraction(self) -> float:
        """Travel as a fraction of the model's."""
        return self.travel / self.expected

    @property
    def sentence(self) -> str:
        """Name, travel and status as text, for screen readers and the tooltip."""
        return f"{self.name}: {self.travel:.0f}° of {self.expected:.0f}°, {self.status_text}"


def make_unmoved_travels() -> tuple[JointTravel, ...]:
    """Return the travel of every joint before any has moved."""
    return tuple(
        JointTravel(_display_name(joint), 0.0, _model_travel_deg(joint), None, "waiting", "not moved yet")
        for joint in JOINTS
    )


def travels_from_sweep(joint_sweeps: Sequence[JointSweep]) -> tuple[JointTravel, ...]:
    """Return the travel of every joint in a sweep, the degrees it still needs, and how long a short one waits."""
    return tuple(_travel_from_sweep(joint) for joint in joint_sweeps)


def _travel_from_sweep(joint_sweep: JointSweep) -> JointTravel:
    travel, expected = _ticks_to_degrees(joint_sweep.travel), _ticks_to_degrees(joint_sweep.expected_travel)
    position = (joint_sweep.present - joint_sweep.lowest) / joint_sweep.travel if joint_sweep.travel else 0.5
    missing = FULL_TRAVEL_FRACTION * expected - travel
    status: TravelStatus = "moving"
    if not joint_sweep.problem:
        status, text = "done", "done"
    elif joint_sweep.is_full_turn:
        status, text = "wrong", "full turn: start over"
    elif missing <= 0:
        status, text = "wrong", "too far: does its horn slip?"
    elif travel < 2.0:
        status, text = "waiting", "not moved yet"
    else:
        text = f"{math.ceil(missing)}° to go"
        if joint_sweep.wait is not None:
            text += f", or wait {math.ceil(joint_sweep.wait)} s"
    return JointTravel(joint_sweep.name.replace("_", " "), travel, expected, position, status, text)


def describe_shortcomings(joints: Sequence[JointTravel]) -> str:
    """Return why a sweep is not complete, for each joint; empty if it is complete."""
    unmoved = [joint.name for joint in joints if joint.status == "waiting"]
    others = [f"{joint.name}: {joint.status_text}" for joint in joints if joint.status in ("moving", "wrong")]
    parts = [f"hardly moved: {', '.join(unmoved)}"] if unmoved else []
    if not parts and not others:
        return ""
    return f"Not finished yet ({'; '.join(parts + others)}). Nothing was written; move these joints from stop to stop."


def compare_with_model(calibration: ArmCalibration) -> tuple[JointTravel, ...]:
    """Return the calibrated travel of every joint, compared with that of the model or of a usual real arm."""
    stops = calibration.stops
    return tuple(
        _compare_joint_with_stops(joint, values, math.degrees(stop.upper - stop.lower))
        for joint, values, stop in zip(JOINTS, calibration.joints, stops, strict=True)
    )


def _compare_joint_with_stops(joint: Joint, values: JointCalibration, expected: float) -> JointTravel:
    ticks = values.range_max - values.range_min
    travel = _ticks_to_degrees(ticks)
    excess = travel - expected
    status: TravelStatus = "done"
    if ticks >= CONTINUOUS_RANGE_TICKS:
        text = "full turn: model limits used"
    elif travel < TRAVEL_FRACTION_RANGE[0] * expected:
        status, text = "wrong", f"{-excess:.0f}° less: angles will be off"
    elif travel > TRAVEL_FRACTION_RANGE[1] * expected:
        status, text = "wrong", f"{excess:.0f}° more: angles will be off"
    elif abs(excess) <= EQUAL_TRAVEL_FRACTION * expected:
        text = "as expected"
    elif excess < 0:
        text = f"{-excess:.0f}° less: own limits used"
    else:
        text = f"{excess:.0f}° more: model limits used"
    return JointTravel(_display_name(joint), travel, expected, None, status, text)


def _display_name(joint: Joint) -> str:
    return joint.name.replace("_", " ")


def _model_travel_deg(joint: Joint) -> float:
    return math.degrees(joint.upper - joint.lower)


def _ticks_to_degrees(ticks: int) -> float:
    return math.degrees(ticks * RAD_PER_TICK)
