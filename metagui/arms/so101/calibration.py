"""What an arm's servos mean in joint angles, found by moving every joint through its travel once.

A homing offset is chosen *after* the sweep, so that a servo's wrap from 4095 to 0 lies opposite to the middle of
the travel, however the horn was mounted. Stored in LeRobot's shape, so that a user's existing file works.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from metagui.arms.arm import ArmError, FloatArray, Joint
from metagui.arms.feetech.control_table import RAD_PER_TICK, TICKS_PER_TURN
from metagui.arms.kinematics import JOINTS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MID_TURN_TICKS = TICKS_PER_TURN // 2
MAX_HOMING_OFFSET_TICKS = MID_TURN_TICKS - 1
CONTINUOUS_RANGE_TICKS = 4000
"""A range this wide, ticks, is a joint without stops: its middle is the angle zero."""


class CalibrationError(ArmError):
    """A calibration cannot be read, or does not fit the arm."""


class NotCalibratedError(CalibrationError):
    """The arm has no calibration, or another one than its file: calibrating it mends that."""


@dataclass(frozen=True)
class JointCalibration:
    """One joint, in LeRobot's words. ``drive_mode`` 1 turns the other way."""

    id: int
    drive_mode: int
    homing_offset: int
    """Ticks: what the servo subtracts from its encoder."""
    range_min: int
    """Lowest position of the travel, ticks, after the offset."""
    range_max: int

    def find_problem(self) -> str | None:
        """Say what is impossible about it."""
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
    """All joints, in bus order."""

    joints: tuple[JointCalibration, ...]

    def require_same_in_servos(self, servo_calibration: ArmCalibration) -> None:
        """Raise NotCalibratedError unless the servos hold this very calibration; of directions they know nothing."""
        pairs = zip(JOINTS, self.joints, servo_calibration.joints, strict=True)
        odd = [joint.name for joint, ours, theirs in pairs if replace(ours, drive_mode=0) != theirs]
        if odd:
            raise NotCalibratedError(
                f"The servos hold another calibration than this arm's file ({', '.join(odd)} differ), so the arm was "
                "not switched on. Write the file's to the arm, or calibrate again."
            )

    def to_json(self, joints: Sequence[Joint] = JOINTS) -> str:
        """Return LeRobot's JSON text."""
        document = {joint.name: asdict(values) for joint, values in zip(joints, self.joints, strict=True)}
        return json.dumps(document, indent=4)

    def save(self, path: Path) -> None:
        """Write the file; an older one is replaced only when the new one is whole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(path.name + ".new")
        draft.write_text(self.to_json(), encoding="utf-8")
        draft.replace(path)


def load(path: Path, joints: Sequence[Joint] = JOINTS) -> ArmCalibration:
    """Read a calibration, ours or LeRobot's. Raises CalibrationError."""
    try:
        return parse(path.read_text(encoding="utf-8"), joints)
    except OSError as error:
        raise CalibrationError(f"{path} cannot be read: {error.strerror}. Nothing was changed.") from error
    except (ValueError, CalibrationError) as error:
        raise CalibrationError(
            f"{path} is no calibration of this arm: {error}. Nothing was changed; calibrate, or choose another file."
        ) from error


def parse(text: str, joints: Sequence[Joint] = JOINTS) -> ArmCalibration:
    """Take LeRobot's JSON text apart. Raises ValueError or CalibrationError, saying which joint is wrong."""
    document = json.loads(text)
    names = [joint.name for joint in joints]
    if not isinstance(document, dict) or set(document) != set(names):
        found = ", ".join(document) if isinstance(document, dict) else type(document).__name__
        raise CalibrationError(f"it names {found or 'nothing'}, where it must name {', '.join(names)}")
    found_joints = tuple(_parse_joint(name, document[name]) for name in names)
    if len({joint.id for joint in found_joints}) < len(found_joints):
        raise CalibrationError("two joints have the same servo id")
    return ArmCalibration(found_joints)


def _parse_joint(name: str, values: Any) -> JointCalibration:
    try:
        joint = JointCalibration(**values)
    except TypeError as error:
        raise CalibrationError(f"{name} must have id, drive_mode, homing_offset, range_min, range_max") from error
    problem = joint.find_problem()
    if problem:
        raise CalibrationError(f"{name}: {problem}")
    return joint


class TickConversion:
    """Turns servo positions into joint angles and back; arrays have one entry a joint.

    The middle of a joint's calibrated range is the middle of the model's, and a tick is a tick: the scale is
    exact. ``joints`` has the limits in which both the model and the calibrated range agree.
    """

    def __init__(self, calibration: ArmCalibration, joints: Sequence[Joint] = JOINTS) -> None:
        values = calibration.joints
        self.signs = np.array([-1.0 if v.drive_mode else 1.0 for v in values])
        self.mid_ticks = np.array([(v.range_min + v.range_max) / 2 for v in values])
        self.mid_angles = np.array(
            [
                0.0 if v.range_max - v.range_min >= CONTINUOUS_RANGE_TICKS else (joint.lower + joint.upper) / 2
                for v, joint in zip(values, joints, strict=True)
            ]
        )
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
        """Return rad for positions (..., J)."""
        angles: FloatArray = self.signs * (np.asarray(ticks) - self.mid_ticks) * RAD_PER_TICK + self.mid_angles
        return angles

    def to_ticks(self, angles: FloatArray) -> list[int]:
        """Return the nearest positions within the limits for angles (J,). Raises ValueError for NaN."""
        return [int(t) for t in np.clip(np.rint(self._to_exact_ticks(angles)), self.min_ticks, self.max_ticks)]

    def clip(self, ticks: Sequence[int]) -> list[int]:
        """Return positions moved within the limits."""
        return [int(t) for t in np.clip(ticks, self.min_ticks, self.max_ticks)]

    def to_velocities(self, tick_velocities: FloatArray) -> FloatArray:
        """Return rad/s for velocities (J,) in ticks a second."""
        return self.signs * tick_velocities * RAD_PER_TICK

    def _to_exact_ticks(self, angles: FloatArray) -> FloatArray:
        ticks: FloatArray = self.signs * (np.asarray(angles) - self.mid_angles) / RAD_PER_TICK + self.mid_ticks
        return ticks
