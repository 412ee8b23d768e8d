"""Hands for the virtual arm: they lead its limp joints from stop to stop, as a person calibrating it would."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.kinematics import HOME_ANGLES_RAD, JOINTS

if TYPE_CHECKING:
    from collections.abc import Iterator

HAND_STEP_RAD = 0.05
"""How fast the hands are, rad a control period."""
DWELL_PERIODS = 15
"""How many periods they push against a stop."""
_CLEARANCE_ANGLES_RAD = {2: -1.6, 3: -0.8, 1: -0.8}
"""Where elbow, wrist and shoulder are out of each other's way and of the table's."""
_JOINT_ORDER = (2, 3, 0, 4, 5, 1)


def sweep_by_hand() -> Iterator[tuple[int, float]]:
    """Yield (joint, angle in rad), one a control period, so that every joint goes from stop to stop."""
    now = HOME_ANGLES_RAD.copy()
    for joint, angle in chain(_CLEARANCE_ANGLES_RAD.items(), *map(_list_waypoints, _JOINT_ORDER)):
        path = np.linspace(now[joint], angle, max(2, round(abs(angle - now[joint]) / HAND_STEP_RAD)))
        for step in [*path, *[angle] * DWELL_PERIODS]:
            yield joint, float(step)
        now[joint] = angle


def _list_waypoints(joint: int) -> list[tuple[int, float]]:
    rest = _CLEARANCE_ANGLES_RAD.get(joint, float(HOME_ANGLES_RAD[joint]))
    return [(joint, JOINTS[joint].lower), (joint, JOINTS[joint].upper), (joint, rest)]
