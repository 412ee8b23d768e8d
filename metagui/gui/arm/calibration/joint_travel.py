"""What a calibration knows of each joint, in words and shares: while it is moved, and compared with the model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from metagui.arms.feetech.control_table import RAD_PER_TICK
from metagui.arms.kinematics import JOINTS
from metagui.arms.so101.calibration import CONTINUOUS_RANGE_TICKS, ArmCalibration, JointCalibration
from metagui.arms.so101.range_of_motion import SweepSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import Joint
    from metagui.arms.so101.range_of_motion import JointSweep

TravelStatus = Literal["waiting", "moving", "done", "wrong"]
EQUAL_TRAVEL_FRACTION = 0.03
"""Travels that differ by no more than this share count as equal."""
_SWEEP_SETTINGS = SweepSettings()


@dataclass(frozen=True)
class JointTravel:
    """One joint's travel beside the model's, and what there is to say about it."""

    name: str
    travel: float
    """Degrees from end to end; 0 while nothing is known."""
    expected: float
    """The model's travel, degrees."""
    position: float | None
    """Where in its travel the joint is now, from 0 to 1."""
    status: TravelStatus
    status_text: str

    @property
    def fraction(self) -> float:
        """The travel as a share of the model's."""
        return self.travel / self.expected

    @property
    def sentence(self) -> str:
        """All of it for who cannot see it."""
        return f"{self.name}: {self.travel:.0f}° of {self.expected:.0f}°, {self.status_text}"


def make_unmoved_travels() -> tuple[JointTravel, ...]:
    """Return the joints before anything was moved."""
    return tuple(
        JointTravel(_display_name(joint), 0.0, _model_travel_deg(joint), None, "waiting", "not moved yet")
        for joint in JOINTS
    )


def travels_from_sweep(joint_sweeps: Sequence[JointSweep]) -> tuple[JointTravel, ...]:
    """Return how far each joint was moved, and what is missing."""
    return tuple(_travel_from_sweep(joint) for joint in joint_sweeps)


def _travel_from_sweep(joint_sweep: JointSweep) -> JointTravel:
    travel, expected = _ticks_to_degrees(joint_sweep.travel), _ticks_to_degrees(joint_sweep.expected_travel)
    place = (joint_sweep.present - joint_sweep.lowest) / joint_sweep.travel if joint_sweep.travel else 0.5
    missing = _SWEEP_SETTINGS.min_fraction * expected - travel
    mood: TravelStatus = "moving"
    if not joint_sweep.problem:
        mood, words = "done", "done"
    elif missing <= 0:
        mood, words = "wrong", "too far: does its horn slip?"
    elif travel < 2.0:
        mood, words = "waiting", "not moved yet"
    else:
        words = f"{math.ceil(missing)}° to go"
    return JointTravel(joint_sweep.name.replace("_", " "), travel, expected, place, mood, words)


def describe_shortcomings(joints: Sequence[JointTravel]) -> str:
    """Say why a sweep is not complete, joint by joint; nothing if it is."""
    hardly = [joint.name for joint in joints if joint.status == "waiting"]
    others = [f"{joint.name}: {joint.status_text}" for joint in joints if joint.status in ("moving", "wrong")]
    parts = [f"hardly moved: {', '.join(hardly)}"] if hardly else []
    if not parts and not others:
        return ""
    return f"Not finished yet ({'; '.join(parts + others)}). Nothing was written; lead these from stop to stop."


def compare_with_model(calibration: ArmCalibration) -> tuple[JointTravel, ...]:
    """Return each joint's calibrated travel beside the model's."""
    return tuple(
        _compare_joint_with_model(joint, values) for joint, values in zip(JOINTS, calibration.joints, strict=True)
    )


def _compare_joint_with_model(joint: Joint, values: JointCalibration) -> JointTravel:
    ticks = values.range_max - values.range_min
    travel, expected = _ticks_to_degrees(ticks), _model_travel_deg(joint)
    more = travel - expected
    mood: TravelStatus = "done"
    if ticks >= CONTINUOUS_RANGE_TICKS:
        words = "a whole turn: the model's limits hold"
    elif travel < _SWEEP_SETTINGS.min_fraction * expected:
        mood, words = "wrong", f"{-more:.0f}° less: angles will be off"
    elif travel > _SWEEP_SETTINGS.max_fraction * expected:
        mood, words = "wrong", f"{more:.0f}° more: angles will be off"
    elif abs(more) <= EQUAL_TRAVEL_FRACTION * expected:
        words = "as the model"
    elif more < 0:
        words = f"{-more:.0f}° less: it stays within these"
    else:
        words = f"{more:.0f}° more: the model's limits hold"
    return JointTravel(_display_name(joint), travel, expected, None, mood, words)


def _display_name(joint: Joint) -> str:
    return joint.name.replace("_", " ")


def _model_travel_deg(joint: Joint) -> float:
    return math.degrees(joint.upper - joint.lower)


def _ticks_to_degrees(ticks: int) -> float:
    return math.degrees(ticks * RAD_PER_TICK)
