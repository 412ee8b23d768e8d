"""The stops of an SO-101's and an SO-100's joints, and the zeros that follow from them and from corrections by eye.

Real stops are not symmetric about the model's zero. An ideal emulated arm has the limits of the model; a calibration
shows which, because the travels differ. A range that was recorded by hand may not reach one of the stops. LeRobot's
calibration begins with the arm held near its zero pose, which becomes position 2047, so the end is known at which the
stop was reached.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from metagui.arms.feetech.control_table import RAD_PER_TICK, TICKS_PER_TURN
from metagui.arms.kinematics import JOINTS
from metagui.checked_json import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from metagui.arms.so101.calibration import ArmCalibration, JointCalibration


class ArmModel(StrEnum):
    """Model of an arm. By their CAD parts, both have the same lengths within 0.2 mm, hence kinematics; stops differ."""

    SO101 = "so101"
    SO100 = "so100"

    @property
    def label(self) -> str:
        """Return the name for messages."""
        return f"SO-{self.value[2:]}"


class ZeroOrigin(StrEnum):
    """Where the zeros of a stored calibration come from."""

    UNKNOWN = "unknown"
    """Nothing is stored: the calibration is of version 0.1 or of another program, and the person was not told yet."""
    CORRECTED = "corrected"
    """The calibration is of version 0.1 or of another program, and the person was told that its zeros changed."""
    STOPS = "stops"
    """The calibration was made since the zeros follow from the stops."""


class Zeros(NamedTuple):
    """What the zeros of a named arm depend on besides its calibration, which has LeRobot's format."""

    trims: tuple[float, ...] = ()
    """Corrections that are added to the joint angles, rad; empty for none."""
    model: ArmModel = ArmModel.SO101
    """Model of the arm."""
    origin: ZeroOrigin = ZeroOrigin.UNKNOWN
    """Where the zeros come from."""


class Stops(NamedTuple):
    """Angles of the two stops of a joint, rad."""

    lower: float
    """Angle of the lower stop; for the gripper, of the closed jaws."""
    upper: float
    """Angle of the upper stop."""


MODEL_STOPS = tuple(Stops(joint.lower, joint.upper) for joint in JOINTS)
"""Stops of the simulated arm and of an emulated one, by default."""
_REAL_STOPS_DEG = {
    "shoulder_pan": (-115.0, 123.5),
    "shoulder_lift": (-105.5, 102.0),
    "elbow_flex": (-102.0, 91.0),
    "wrist_flex": (-103.5, 102.0),
    "gripper": (-11.4, 114.3),
}
"""First contact by the CAD parts of the SO-101, degrees; the travels of published arms differ by 1 to 2 %."""
_SO100_STOPS_DEG = _REAL_STOPS_DEG | {
    "shoulder_pan": (-123.5, 123.5),
    "shoulder_lift": (-103.0, 102.5),
    "elbow_flex": (-101.5, 91.0),
    "wrist_flex": (-113.5, 103.5),
}
"""The same of the SO-100, whose jaws are the SO-101's; the travels of published arms differ by up to 8 %."""


def _make_stops(degrees: Mapping[str, tuple[float, float]]) -> tuple[Stops, ...]:
    """Return the stops of all joints; the wrist roll has none that is known, and keeps the model's limits."""
    return tuple(
        Stops(*map(math.radians, degrees[joint.name])) if joint.name in degrees else stops
        for joint, stops in zip(JOINTS, MODEL_STOPS, strict=True)
    )


REAL_STOPS = _make_stops(_REAL_STOPS_DEG)
"""Stops of a real SO-101."""
SO100_STOPS = _make_stops(_SO100_STOPS_DEG)
"""Stops of a real SO-100."""
MAX_TRAVEL_DIFFERENCE = 0.02
"""Largest difference of every travel from the model's at which an arm has the model's stops, as a fraction."""
HELD_TICKS = TICKS_PER_TURN // 2 - 1
"""Position, ticks, of the pose in which LeRobot's calibration begins."""
SHORT_RANGE_TICKS = round(math.radians(3.0) / RAD_PER_TICK)
"""Missing travel from which on a range does not reach both stops, ticks."""
DECISIVE_TICKS = round(math.radians(2.0) / RAD_PER_TICK)
"""Smallest difference between the two ends' distances that tells which stop was reached, ticks."""
CENTRED_TICKS = 4
"""Distance from position 2047 at which a range was centred by a program, and tells nothing, ticks."""
MAX_TRIM_RAD = math.radians(15.0)
"""Largest correction of a zero by eye, rad."""


def choose_stops(travels: Sequence[int], model: ArmModel = ArmModel.SO101) -> tuple[Stops, ...]:
    """Return the stops of an arm with these travels, ticks.

    They are those of the simulated arm if all travels agree with them, else the real ones of the arm's model.
    """
    if model is ArmModel.SO100:
        return SO100_STOPS
    is_model = all(
        abs(travel * RAD_PER_TICK / (stops.upper - stops.lower) - 1) <= MAX_TRAVEL_DIFFERENCE
        for joint, stops, travel in zip(JOINTS, MODEL_STOPS, travels, strict=True)
        if joint.name in _REAL_STOPS_DEG
    )
    return MODEL_STOPS if is_model else REAL_STOPS


def find_middle(values: JointCalibration, stops: Stops) -> float:
    """Return the position in the middle between a joint's stops, ticks."""
    middle = (values.range_min + values.range_max) / 2
    travel = (stops.upper - stops.lower) / RAD_PER_TICK
    if values.is_unlimited or travel - values.travel < SHORT_RANGE_TICKS or abs(middle - HELD_TICKS) <= CENTRED_TICKS:
        return middle
    lower = -stops.upper if values.drive_mode else stops.lower
    low_middle, high_middle = values.range_min + travel / 2, values.range_max - travel / 2
    to_zero = -(lower / RAD_PER_TICK + travel / 2)
    low_distance, high_distance = (abs(each + to_zero - HELD_TICKS) for each in (low_middle, high_middle))
    if abs(low_distance - high_distance) < DECISIVE_TICKS:
        return middle
    return low_middle if low_distance < high_distance else high_middle


def complete_ranges(calibration: ArmCalibration, stops: Sequence[Stops]) -> tuple[ArmCalibration, tuple[str, ...]]:
    """Return a calibration whose ranges reach the stops, and the names of the joints that were changed.

    The gripper is left: jaws differ in how far they open.
    """
    joints, changed = [], []
    for joint, values, stop in zip(JOINTS, calibration.joints, stops, strict=True):
        middle = find_middle(values, stop)
        if joint.name != JOINTS[-1].name and middle != (values.range_min + values.range_max) / 2:
            half = (stop.upper - stop.lower) / RAD_PER_TICK / 2
            lowest, highest = max(math.ceil(middle - half), 0), min(math.floor(middle + half), TICKS_PER_TURN - 1)
            values = replace(values, range_min=lowest, range_max=highest)
            changed.append(joint.name)
        joints.append(values)
    return replace(calibration, joints=tuple(joints)), tuple(changed)


def describe_completed(names: Sequence[str]) -> str:
    """Return the message on joints whose ranges were completed; empty if there are none."""
    if not names:
        return ""
    return (
        f"{', '.join(names)} stopped short of an end when this calibration was made. The missing part was added from "
        "the arm's real stops. Compare the arm with the model in a pose, and trim a zero that differs."
    )


def load_zeros(path: Path) -> Zeros:
    """Load what a named arm's zeros depend on; the default if there is no valid file, whose loss is harmless."""
    try:
        document = read_json(path)
        trims = tuple(math.radians(float(document.get(joint.name, 0.0))) for joint in JOINTS)
        model, is_corrected = ArmModel(document.get("arm", ArmModel.SO101)), document.get("corrected") is True
    except (ValueError, TypeError, AttributeError, OverflowError):
        return Zeros()
    is_valid = all(abs(trim) <= MAX_TRIM_RAD for trim in trims)
    return Zeros(
        trims if is_valid and any(trims) else (), model, ZeroOrigin.CORRECTED if is_corrected else ZeroOrigin.STOPS
    )


def zeros_to_json(zeros: Zeros) -> str:
    """Return the JSON text; corrections in the file are in degrees."""
    trims = zeros.trims or (0.0,) * len(JOINTS)
    document: dict[str, object] = {"arm": zeros.model.value, "corrected": zeros.origin is ZeroOrigin.CORRECTED}
    document |= {joint.name: round(math.degrees(trim), 2) for joint, trim in zip(JOINTS, trims, strict=True)}
    return json.dumps(document, indent=4)


def change_trims(trims: Sequence[float], changes: Mapping[str, float]) -> tuple[float, ...]:
    """Return trims (J,), rad, with those of some joints, by name, replaced. Raises ValueError."""
    unknown = set(changes) - {joint.name for joint in JOINTS}
    if unknown:
        raise ValueError(
            f"there is no {', '.join(sorted(unknown))}; the joints are {', '.join(j.name for j in JOINTS)}"
        )
    too_large = [name for name, trim in changes.items() if not abs(trim) <= MAX_TRIM_RAD]
    if too_large:
        raise ValueError(
            f"{', '.join(too_large)} would be trimmed by more than {math.degrees(MAX_TRIM_RAD):.0f}°; calibrate again"
        )
    before = trims or (0.0,) * len(JOINTS)
    return tuple(changes.get(joint.name, trim) for joint, trim in zip(JOINTS, before, strict=True))
