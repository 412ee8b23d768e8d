"""Conversion between joint angles and the units of LeRobot's data sets, which no file states.

LeRobot's SO-101 stores degrees about the middle of each joint's calibrated range, or -100 to 100 over that range; its
gripper always counts from 0, closed, to 100, open. Both depend on the arm's calibration. Without one, the range of
motion of metagui's model takes its place, and degrees count from the model's zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast, get_args

import numpy as np

from metagui.arms.feetech.control_table import RAD_PER_TICK, TICKS_PER_TURN
from metagui.arms.kinematics import JOINTS
from metagui.arms.so101.calibration import TickConversion
from metagui.demonstrations.formats.exchange import ExchangeError, JointUnit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import FloatArray
    from metagui.arms.so101.calibration import ArmCalibration

UNIT_DESCRIPTIONS = {
    "degrees": "degrees about the middle of the range; the gripper from 0 (closed) to 100 (open)",
    "normalized": "-100 to 100 over the range; the gripper from 0 (closed) to 100 (open)",
    "radians": "radians from the model's zero",
}
"""Text on every unit."""
JOINT_NAMES = tuple(joint.name for joint in JOINTS)
_MAX_PLAUSIBLE = {"degrees": 400.0, "normalized": 150.0, "radians": 7.0}
"""Largest value that an arm can have in each unit."""
_SO101_ROBOTS = ("so100", "so101", "so_follower", "so-100", "so-101")
POSITION_SUFFIX = ".pos"
"""Ending of the names of joints in LeRobot's data sets."""


@dataclass(frozen=True)
class JointScale:
    """Linear relation of stored values and angles: value = (angle - offset) * scale + zero, per joint."""

    unit: JointUnit
    offset: FloatArray
    """(J,) angles at ``zero``, rad."""
    scale: FloatArray
    """(J,) values per rad."""
    zero: FloatArray
    """(J,) values at ``offset``."""

    def to_values(self, angles: FloatArray) -> FloatArray:
        """Return the stored values (..., J) of angles (..., J), rad."""
        values: FloatArray = (angles - self.offset) * self.scale + self.zero
        return values

    def to_angles(self, values: FloatArray) -> FloatArray:
        """Return the angles (..., J), rad, of stored values (..., J)."""
        angles: FloatArray = (values - self.zero) / self.scale + self.offset
        return angles

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        arrays = {name: getattr(self, name).tolist() for name in ("offset", "scale", "zero")}
        formula = "value = (angle in rad - offset) * scale + zero"
        return {"unit": self.unit, "description": UNIT_DESCRIPTIONS[self.unit], "formula": formula, **arrays}


def make_joint_scale(
    joint_names: Sequence[str], unit: JointUnit, calibration: ArmCalibration | None = None
) -> JointScale:
    """Return the relation for an arm's joints. Raises ExchangeError for joints whose range is not known."""
    count = len(joint_names)
    if unit == "radians":
        return JointScale(unit, np.zeros(count), np.ones(count), np.zeros(count))
    if tuple(joint_names) != JOINT_NAMES:
        raise ExchangeError(
            f"The joints {', '.join(joint_names)} are not an SO-101's, so their range of motion is not known. Nothing "
            "was written or imported; use the unit radians."
        )
    if calibration is not None:
        return _make_calibrated_scale(unit, calibration)
    lower, upper = np.array([[joint.lower, joint.upper] for joint in JOINTS]).T
    middle, half = (lower + upper) / 2, (upper - lower) / 2
    scale, zero = 100.0 / half, np.zeros(count)
    if unit == "degrees":
        middle[:-1], scale[:-1] = 0.0, math.degrees(1.0)
    scale[-1], zero[-1] = 50.0 / half[-1], 50.0
    return JointScale(unit, middle, scale, zero)


def _make_calibrated_scale(unit: JointUnit, calibration: ArmCalibration) -> JointScale:
    """Return the relation that LeRobot's motor bus applies with a calibration."""
    conversion = TickConversion(calibration)
    travel = np.array([joint.travel for joint in calibration.joints], dtype=np.float64)
    zero = np.zeros(len(travel))
    scale = 200.0 / travel / RAD_PER_TICK  # LeRobot turns the sign of an inverted joint back
    if unit == "degrees":
        scale = conversion.signs * 360.0 / (TICKS_PER_TURN - 1) / RAD_PER_TICK
    scale[-1], zero[-1] = 100.0 / travel[-1] / RAD_PER_TICK, 50.0
    middle = np.array([(joint.range_min + joint.range_max) / 2 for joint in calibration.joints])
    return JointScale(unit, conversion.to_angles(middle), scale, zero)


def parse_unit(text: str) -> JointUnit:
    """Return the unit of that name. Raises ExchangeError with the valid names."""
    for unit in get_args(JointUnit):
        if unit == text:
            return cast("JointUnit", unit)
    raise ExchangeError(f"There is no unit {text!r}; there are {', '.join(get_args(JointUnit))}. Nothing was done.")


def check_plausible(values: FloatArray, unit: JointUnit) -> None:
    """Raise ExchangeError if stored values (N, J) cannot be in a unit."""
    largest = float(np.abs(values[:, :-1]).max(initial=0.0))
    if largest > _MAX_PLAUSIBLE[unit]:
        raise ExchangeError(
            f"The joint values go to {largest:.1f}, which cannot be {UNIT_DESCRIPTIONS[unit]}. Nothing was imported; "
            f"choose another unit ({suggest_unit(values)})."
        )


def suggest_unit(values: FloatArray) -> str:
    """Return a text on the unit that stored values (N, J) suggest."""
    body, gripper = values[:, :-1], values[:, -1:]
    largest = float(np.abs(body).max(initial=0.0))
    if largest <= _MAX_PLAUSIBLE["radians"] and float(np.abs(gripper).max(initial=0.0)) <= _MAX_PLAUSIBLE["radians"]:
        return f"values up to {largest:.2f} suggest radians"
    if largest > 100.0:
        return f"values up to {largest:.0f} suggest degrees"
    return (
        f"values up to {largest:.0f} are degrees or normalized; LeRobot recorded normalized values until it had degrees"
    )


def to_joint_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return joint names without LeRobot's ending."""
    return tuple(name.removesuffix(POSITION_SUFFIX).removeprefix("main_") for name in names)


def is_so101(robot_type: str) -> bool:
    """Return whether LeRobot's robot type has the joints of an SO-101."""
    return any(name in robot_type.lower() for name in _SO101_ROBOTS)
