"""Simulated hand guiding for the emulated arm: moves its joints from stop to stop, as a person does to calibrate it."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.kinematics import HOME_ANGLES_RAD
from metagui.arms.so101.stops import REAL_STOPS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metagui.arms.so101.stops import Stops

HAND_STEP_RAD = 0.05
"""Motion of a hand-guided joint per control period, rad."""
DWELL_PERIODS = 15
"""Number of control periods for which a joint is pushed against its stop."""
_CLEARANCE_ANGLES_RAD = {2: -1.6, 3: -0.8, 1: -0.8}
"""Angles of elbow, wrist and shoulder, by joint index, at which they collide neither with each other nor the table."""
_JOINT_ORDER = (2, 3, 0, 4, 5, 1)


def sweep_by_hand(stops: Sequence[Stops] = REAL_STOPS) -> Iterator[tuple[int, float]]:
    """Yield (joint index, angle in rad), one per control period, from stop to stop of every joint."""
    present = HOME_ANGLES_RAD.copy()
    for joint, angle in chain(
        _CLEARANCE_ANGLES_RAD.items(), *(_list_waypoints(each, stops[each]) for each in _JOINT_ORDER)
    ):
        path = np.linspace(present[joint], angle, max(2, round(abs(angle - present[joint]) / HAND_STEP_RAD)))
        for step in [*path, *[angle] * DWELL_PERIODS]:
            yield joint, float(step)
        present[joint] = angle


def _list_waypoints(joint: int, stops: Stops) -> list[tuple[int, float]]:
    """Return the lower stop, the upper stop and the resting angle of a joint."""
    rest = _CLEARANCE_ANGLES_RAD.get(joint, float(HOME_ANGLES_RAD[joint]))
    return [(joint, stops.lower), (joint, stops.upper), (joint, rest)]
