"""Calibration of an arm: the relation between servo positions and joint angles, from the travel of every joint.

A homing offset is chosen *after* the sweep, so that a servo's wrap from 4095 to 0 is opposite to the middle of the
travel, however the horn was mounted. The file has LeRobot's format, so that a user's existing file works.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from metagui.arms.arm import ArmError, FloatArray, Joint
from metagui.arms.feetech.control_table import RAD_PER_TICK, TICKS_PER_TURN
from metagui.arms.kinematics import JOINTS
from metagui.arms.so101.stops import ArmModel, choose_stops, find_middle
from metagui.atomic_write import write_atomically
from metagui.checked_json import FileReasonError, read_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from metagui.arms.so101.stops import Stops

MID_TURN_TICKS = TICKS_PER_TURN // 2
"""Half a turn, ticks."""
MAX_HOMING_OFFSET_TICKS = MID_TURN_TICKS - 1
"""Largest homing offset that a servo can store, ticks."""
CONTINUOUS_RANGE_TICKS = 4000
"""Smallest range of a joint without stops, ticks; the middle of its range is the angle zero."""


_GRIPPER = "gripper"
_FREE_JOINT = "wrist_roll"
"""The joint that may have the range of a whole turn."""


class CalibrationError(ArmError):
    """A calibration cannot be read, or does not match the arm."""


class NotCalibratedError(CalibrationError):
    """The arm has no calibration, or not that of its file; calibrating it fixes that."""


@dataclass(frozen=True)
class JointCalibration:
    """Calibration of one joint, with LeRobot's field names."""

    id: int
    """Id of the servo."""
    drive_mode: int
    """1 if the servo turns against the joint's direction, else 0."""
    homing_offset: int
    """Offset that the servo subtracts from its encoder, ticks."""
    range_min: int
    """Lowest position of the travel, ticks, after the offset."""
    range_max: int
    """Highest position of the travel, ticks, after the offset."""

    @property
    def is_unlimited(self) -> bool:
        """Return whether the range is a whole turn, as if the joint had no stops."""
        return self.travel >= CONTINUOUS_RANGE_TICKS

    @property
    def travel(self) -> int:
        """Length of the range, ticks."""
        return self.range_max - self.range_min

    def find_problem(self) -> str | None:
        """Return the reason why the values are invalid, None if they are valid."""
        if any(type(value) is not int for value in asdict(self).values()):
            return "every value must be a whole number"
        if not 0 <= self.id <= 253:
            return f"there is no servo id {self.id}"
        if self.drive_mode not in (0, 1):
            return f"drive_mode is {self.drive_mode}, not 0 or 1"
        if abs(self.homing_offset) > MAX_HOMING_OFFSET_TICKS:
            return f"homing_offset {self.homing_offset} is beyond ±{MAX_HOMING_OFFSET_TICKS}"
        if not 0 <= self.range_min < self.range_max < TICKS_PER_TURN:
            return f"the range {self.range_min} … {self.range_max} is not within 0 … {TICKS_PER_TURN - 1}"
        return None


@dataclass(frozen=True)
class ArmCalibration:
    """Calibration of all joints."""

    joints: tuple[JointCalibration, ...]
    """The joints in bus order."""
    trims: tuple[float, ...] = ()
    """Corrections that are added to the joint angles, rad, by eye; empty for none. Not part of LeRobot's file."""
    model: ArmModel = ArmModel.SO101
    """Model of the arm, which determines its stops. Not part of LeRobot's file."""

    @property
    def stops(self) -> tuple[Stops, ...]:
        """Angles of the joints' stops, rad."""
        return choose_stops([joint.travel for joint in self.joints], self.model)

    def find_unlimited(self) -> list[str]:
        """Return the names of the joints that have stops but no range; LeRobot does not limit the wrist roll."""
        pairs = zip(JOINTS, self.joints, strict=True)
        return [joint.name for joint, values in pairs if joint.name != _FREE_JOINT and values.is_unlimited]

    def require_same_in_servos(self, servo_calibration: ArmCalibration) -> None:
        """Raise NotCalibratedError unless the servos hold this calibration; they do not store the directions."""
        different = self._find_different(servo_calibration)
        if different:
            raise NotCalibratedError(
                f"The servos hold another calibration than this arm's file ({', '.join(different)} differ), so the arm "
                "was not switched on. Write the file's to the arm, or calibrate again."
            )

    def is_same_in_servos(self, servo_calibration: ArmCalibration) -> bool:
        """Return whether the servos hold this calibration."""
        return not self._find_different(servo_calibration)

    def _find_different(self, servo_calibration: ArmCalibration) -> list[str]:
        """Return the names of the joints that differ; servos do not store the directions."""
        pairs = zip(JOINTS, self.joints, servo_calibration.joints, strict=True)
        return [joint.name for joint, own, stored in pairs if replace(own, drive_mode=0) != stored]

    def to_json(self, joints: Sequence[Joint] = JOINTS) -> str:
        """Return LeRobot's JSON text."""
        document = {joint.name: asdict(values) for joint, values in zip(joints, self.joints, strict=True)}
        return json.dumps(document, indent=4)

    def save(self, path: Path) -> None:
        """Write the file atomically, replacing an older one. Raises OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, self.to_json().encode("utf-8"), replace=True)


def load(path: Path, joints: Sequence[Joint] = JOINTS) -> ArmCalibration:
    """Load a calibration file of metagui or LeRobot. Raises CalibrationError."""
    try:
        return _parse_document(read_json(path), joints)
    except (FileReasonError, CalibrationError) as error:
        raise CalibrationError(
            f"{path} is no calibration of this arm: {error}. Nothing was changed; calibrate, or choose another file."
        ) from error


def parse(text: str, joints: Sequence[Joint] = JOINTS) -> ArmCalibration:
    """Parse LeRobot's JSON text. Raises ValueError or CalibrationError, which names the invalid joint."""
    return _parse_document(json.loads(text), joints)


def _parse_document(document: Any, joints: Sequence[Joint]) -> ArmCalibration:
    """Return the calibration of a JSON value. Raises CalibrationError, which names the invalid joint."""
    names = [joint.name for joint in joints]
    if isinstance(document, dict) and isinstance(document.get("homing_offset"), list):
        raise CalibrationError(
            "it has LeRobot's format of before June 2025, without the ranges of the joints; calibrate again, or import "
            "a file that a newer LeRobot wrote"
        )
    if not isinstance(document, dict) or set(document) != set(names):
        found = ", ".join(document)[:200] if isinstance(document, dict) else "no joints"
        raise CalibrationError(f"it names {found or 'nothing'}, but must name {', '.join(names)}")
    found_joints = tuple(_parse_joint(name, document[name]) for name in names)
    if len({joint.id for joint in found_joints}) < len(found_joints):
        raise CalibrationError("two joints have the same servo id")
    calibration = ArmCalibration(found_joints)
    unlimited = calibration.find_unlimited()
    if unlimited:
        raise CalibrationError(
            f"{', '.join(unlimited)} have a whole turn as their range, so they were not moved from stop to stop when "
            "it was made"
        )
    return calibration


def _parse_joint(name: str, values: Any) -> JointCalibration:
    try:
        joint = JointCalibration(**values)
    except TypeError as error:
        raise CalibrationError(f"{name} must have id, drive_mode, homing_offset, range_min, range_max") from error
    problem = joint.find_problem()
    if problem:
        raise CalibrationError(f"{name}: {problem}")
    return joint


def _mid_angle(values: JointCalibration, name: str, stops: Stops) -> float:
    """Return the angle in the middle between the stops, rad, for the gripper in the middle of its range.

    A gripper counts from its closed end, because jaws differ in how far they open: 1418 to 1590 ticks on real arms.
    """
    if values.is_unlimited:
        return 0.0
    if name == _GRIPPER:
        return stops.lower + values.travel * RAD_PER_TICK / 2
    return (stops.lower + stops.upper) / 2


def _mid_ticks(values: JointCalibration, name: str, stops: Stops) -> float:
    """Return the position that has the angle of ``_mid_angle``, ticks."""
    return (values.range_min + values.range_max) / 2 if name == _GRIPPER else find_middle(values, stops)


class TickConversion:
    """Converts servo positions to joint angles and back; arrays have one entry per joint.

    The middle of a joint's calibrated range is the middle between its stops, which are not symmetric on a real arm; the
    gripper counts from its closed end. The scale is that of the encoder.
    ``joints`` has the limits that are within both the model's and the calibrated range.
    """

    def __init__(self, calibration: ArmCalibration, joints: Sequence[Joint] = JOINTS) -> None:
        values = calibration.joints
        stops = calibration.stops
        self.signs = np.array([-1.0 if v.drive_mode else 1.0 for v in values])
        self.mid_ticks = np.array(
            [_mid_ticks(v, j.name, stop) for v, j, stop in zip(values, joints, stops, strict=True)]
        )
        self.mid_angles = np.array(
            [_mid_angle(v, j.name, stop) for v, j, stop in zip(values, joints, stops, strict=True)]
        )
        self.mid_angles += calibration.trims or 0.0
        self._is_continuous = np.array([v.is_unlimited for v in values])
        ends = self.to_angles(np.array([[v.range_min for v in values], [v.range_max for v in values]]))
        lower = np.maximum(ends.min(axis=0), [joint.lower for joint in joints])
        upper = np.minimum(ends.max(axis=0), [joint.upper for joint in joints])
        self.joints = tuple(
            Joint(j.name, float(low), float(up), j.max_velocity)
            for j, low, up in zip(joints, lower, upper, strict=True)
        )
        edges = np.sort(self._to_exact_ticks(np.stack([lower, upper])), axis=0)
        self.min_ticks = np.ceil(edges[0] - 1e-6)
        self.max_ticks = np.floor(edges[1] + 1e-6)

    def to_angles(self, ticks: FloatArray) -> FloatArray:
        """Return the angles, rad, of servo positions (..., J), ticks."""
        angles: FloatArray = self.signs * (np.asarray(ticks) - self.mid_ticks) * RAD_PER_TICK + self.mid_angles
        return angles

    def unwrap(self, angles: FloatArray, previous: FloatArray) -> FloatArray:
        """Return angles (J,), rad, on which joints without stops continue from ``previous`` across their wrap."""
        turns = np.rint((previous - angles) / (2 * math.pi)) * self._is_continuous
        continued: FloatArray = angles + 2 * math.pi * turns
        return continued

    def to_ticks(self, angles: FloatArray) -> list[int]:
        """Return the nearest servo positions within the limits for angles (J,), rad. Raises ValueError for NaN."""
        return [int(t) for t in np.clip(np.rint(self._to_exact_ticks(angles)), self.min_ticks, self.max_ticks)]

    def clip(self, ticks: Sequence[int]) -> list[int]:
        """Return servo positions clipped to the limits, ticks."""
        return [int(t) for t in np.clip(ticks, self.min_ticks, self.max_ticks)]

    def to_velocities(self, tick_velocities: FloatArray) -> FloatArray:
        """Return the velocities, rad/s, for servo velocities (J,), ticks/s."""
        return self.signs * tick_velocities * RAD_PER_TICK

    def _to_exact_ticks(self, angles: FloatArray) -> FloatArray:
        ticks: FloatArray = self.signs * (np.asarray(angles) - self.mid_angles) / RAD_PER_TICK + self.mid_ticks
        return ticks
