"""The stops of an SO-101's joints: at which angles they are, for calibrations and the emulated arm.

Real stops are not symmetric about the model's zero. An emulated arm has the limits of the model, unless it is given
the real ones; a calibration shows which, because the travels differ.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from metagui.arms.feetech.control_table import RAD_PER_TICK
from metagui.arms.kinematics import JOINTS

if TYPE_CHECKING:
    from collections.abc import Sequence


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
REAL_STOPS = tuple(
    Stops(*map(math.radians, _REAL_STOPS_DEG[joint.name])) if joint.name in _REAL_STOPS_DEG else stops
    for joint, stops in zip(JOINTS, MODEL_STOPS, strict=True)
)
"""Stops of a real arm. The wrist roll has none that is known, and keeps the model's limits."""
MAX_TRAVEL_DIFFERENCE = 0.02
"""Largest difference of every travel from the model's at which an arm has the model's stops, as a fraction."""


def choose_stops(travels: Sequence[int]) -> tuple[Stops, ...]:
    """Return the stops of an arm with these travels, ticks: the model's if all agree with them, else the real ones."""
    is_model = all(
        abs(travel * RAD_PER_TICK / (stops.upper - stops.lower) - 1) <= MAX_TRAVEL_DIFFERENCE
        for joint, stops, travel in zip(JOINTS, MODEL_STOPS, travels, strict=True)
        if joint.name in _REAL_STOPS_DEG
    )
    return MODEL_STOPS if is_model else REAL_STOPS
