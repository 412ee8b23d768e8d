"""Checks of a calibration: doubts that a person should settle, and the arm whose servos hold it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.feetech.control_table import RAD_PER_TICK
from metagui.arms.kinematics import JOINTS
from metagui.arms.so101.calibration import (
    CONTINUOUS_RANGE_TICKS,
    ArmCalibration,
    CalibrationError,
    NotCalibratedError,
    TickConversion,
    load,
)
from metagui.arms.so101.stops import ArmModel, complete_ranges, describe_completed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TRAVEL_FRACTION_RANGE = (0.7, 1.4)
"""Smallest and largest plausible travel of a joint as a fraction of the model's."""
FULL_TRAVEL_FRACTION = 0.93
"""Travel of a joint as a fraction of the model's below which it is short: a stop is nearer, or was not reached."""
WRIST = 3
"""Index of wrist_flex."""
SO100_WRIST_TICKS = 2440
"""Travel of wrist_flex from which on an arm is an SO-100; CAD parts: 2469, and 2338 of an SO-101, published 2382."""
MAX_EXTRA_TRAVEL_RAD = math.radians(6.0)
"""Travel beyond the known stops from which on a zero is doubtful, rad; published SO-101 arms: up to 4 degrees."""
MIN_ZERO_CHANGE_DEG = 0.5
"""Smallest change of a zero that is told, degrees."""


class ExchangedArmsError(CalibrationError):
    """The servos hold the calibration of another named arm."""


def guess_model(calibration: ArmCalibration) -> ArmModel:
    """Return the model that the travels suggest: the wrist of an SO-100 turns further than an SO-101's."""
    wrist = calibration.joints[WRIST].travel
    return ArmModel.SO100 if SO100_WRIST_TICKS <= wrist < CONTINUOUS_RANGE_TICKS else ArmModel.SO101


def describe_doubts(calibration: ArmCalibration, is_model_chosen: bool = False) -> list[str]:
    """Return texts on what a person should check before the calibration is used; empty if nothing."""
    doubts = []
    if not is_model_chosen and guess_model(calibration) is ArmModel.SO100:
        doubts.append(
            "wrist_flex turns further than an SO-101's, as that of an SO-100 does, so the arm is taken for an "
            f"{calibration.model.label}. If it is another, choose that: the zeros follow from stops that differ."
        )
    further = [
        joint.name
        for joint, values, stops in zip(JOINTS[: WRIST + 1], calibration.joints, calibration.stops, strict=False)
        if values.travel * RAD_PER_TICK - (stops.upper - stops.lower) > MAX_EXTRA_TRAVEL_RAD
    ]
    if further:
        doubts.append(
            f"{', '.join(further)} travel further than between the stops that are known, so their zeros may be some "
            "degrees off. Compare the arm with the model in a pose, or touch points (metagui calibrate --touch)."
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
    short = _describe_short_joints(calibration)
    return [*doubts, short] if short else doubts


def _describe_short_joints(calibration: ArmCalibration) -> str:
    """Return the text on joints that travel less than the model's, with the fraction of each; empty if none does."""
    fractions = {
        joint.name: values.travel * RAD_PER_TICK / (joint.upper - joint.lower)
        for joint, values in zip(JOINTS, calibration.joints, strict=True)
    }
    short = [
        f"{name} travels {fraction:.0%}"
        for name, fraction in fractions.items()
        if TRAVEL_FRACTION_RANGE[0] <= fraction < FULL_TRAVEL_FRACTION
    ]
    if not short:
        return ""
    return (
        f"{', '.join(short)} of the model's range. If a stop of this arm is nearer, the zero may be some degrees off: "
        "compare the arm with the model in a pose, or touch points (metagui calibrate --touch). If the joint goes "
        "further by hand, calibrate again."
    )


def import_calibration(path: Path, model: ArmModel | None = None) -> tuple[ArmCalibration, list[str]]:
    """Return a calibration file of another program, with its ranges completed, and texts on what to check.

    Without a ``model`` the arm is the one that the travels suggest. Raises CalibrationError.
    """
    read = load(path)
    read = replace(read, model=guess_model(read) if model is None else model)
    completed, changed = complete_ranges(read, read.stops)
    message = describe_completed(changed)
    return completed, [*([message] if message else []), *describe_doubts(completed, model is not None)]


def describe_corrected_zeros(name: str, calibration: ArmCalibration) -> str:
    """Return the message on an arm that was calibrated before its stops were known; empty if its zeros did not change.

    Version 0.1 took the middle of every travel for the middle of the model's.
    """
    middles = np.array([(values.range_min + values.range_max) / 2 for values in calibration.joints])
    before = [
        0.0 if values.is_unlimited else (joint.lower + joint.upper) / 2
        for joint, values in zip(JOINTS, calibration.joints, strict=True)
    ]
    changes = np.degrees(TickConversion(replace(calibration, trims=())).to_angles(middles) - before)
    changed = [f"{j.name} {c:+.1f}°" for j, c in zip(JOINTS, changes, strict=True) if abs(c) > MIN_ZERO_CHANGE_DEG]
    if not changed:
        return ""
    return (
        f"“{name}” was calibrated by version 0.1 or another program, which took the middle of every joint's travel for "
        f"its zero. The zeros now follow from the arm's stops ({', '.join(changed)}); nothing on the arm was changed. "
        "Compare the arm with the model in a pose, and record takes of this arm from before again."
    )


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
