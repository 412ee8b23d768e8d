"""Checks of a calibration: doubts that a person should settle, and the arm whose servos hold it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.arms.feetech.control_table import RAD_PER_TICK
from metagui.arms.kinematics import JOINTS
from metagui.arms.so101.calibration import (
    CONTINUOUS_RANGE_TICKS,
    ArmCalibration,
    CalibrationError,
    NotCalibratedError,
    load,
)
from metagui.arms.so101.stops import choose_stops, complete_ranges, describe_completed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TRAVEL_FRACTION_RANGE = (0.7, 1.4)
"""Smallest and largest plausible travel of a joint as a fraction of the model's."""
SO100_ELBOW_TICKS, SO100_WRIST_TICKS = 2290, 2440
"""Smallest travels of elbow and wrist of an SO-100; published SO-101 arms: up to 2217 and 2382."""


class ExchangedArmsError(CalibrationError):
    """The servos hold the calibration of another named arm."""


def is_so100(calibration: ArmCalibration) -> bool:
    """Return whether the travels are those of an SO-100, whose elbow and wrist turn further than the SO-101's."""
    travels = [joint.travel for joint in calibration.joints]
    is_measured = all(travel < CONTINUOUS_RANGE_TICKS for travel in travels[2:4])
    return is_measured and travels[2] >= SO100_ELBOW_TICKS and travels[3] >= SO100_WRIST_TICKS


def describe_doubts(calibration: ArmCalibration) -> list[str]:
    """Return texts on what a person should check before the calibration is used; empty if nothing."""
    doubts = []
    if is_so100(calibration):
        doubts.append(
            "The travels of elbow_flex and wrist_flex are those of an SO-100. Only the SO-101's geometry is known: on "
            "an SO-100 the tool would be wrong by centimetres. Use it only if this is an SO-101."
        )
    for joint, values in zip(JOINTS, calibration.joints, strict=True):
        fraction = values.travel * RAD_PER_TICK / (joint.upper - joint.lower)
        if values.travel >= CONTINUOUS_RANGE_TICKS:
            doubts.append(
                f"{joint.name} has no stops in this calibration, so its zero is where it was held by eye. Check that "
                "the gripper is straight at 0°; if it is not, calibrate again."
            )
        elif not TRAVEL_FRACTION_RANGE[0] <= fraction <= TRAVEL_FRACTION_RANGE[1]:
            doubts.append(
                f"{joint.name} travels {fraction:.0%} of the model's range, so its angles may be off. Calibrate again, "
                "from stop to stop."
            )
    return doubts


def import_calibration(path: Path) -> tuple[ArmCalibration, list[str]]:
    """Return a calibration file of another program, with its ranges completed, and texts on what to check.

    Raises CalibrationError.
    """
    read = load(path)
    completed, changed = complete_ranges(read, choose_stops([joint.travel for joint in read.joints]))
    message = describe_completed(changed)
    return completed, [*([message] if message else []), *describe_doubts(completed)]


def require_own_servos(
    own: ArmCalibration, in_servos: ArmCalibration, name: str, find_owner: Callable[[ArmCalibration], str | None] | None
) -> None:
    """Raise ExchangedArmsError if the servos are those of another arm, NotCalibratedError if they differ otherwise."""
    try:
        own.require_same_in_servos(in_servos)
    except NotCalibratedError:
        owner = None if find_owner is None else find_owner(in_servos)
        if owner is None or owner == name:
            raise
        raise ExchangedArmsError(
            f"These are the servos of “{owner}”, not of “{name}”: the two arms are exchanged. Nothing was written and "
            f"nothing moved. Exchange their USB cables, or connect “{owner}” and name the arms again."
        ) from None
