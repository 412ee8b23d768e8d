"""Hands for the virtual arm: they lead its limp joints through their travel as a person calibrating it would."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.kinematics import HOME, JOINTS
from metagui.arms.sweep import Sweep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metagui.arms.calibration import Calibration
    from metagui.arms.servo_chain import ServoChain
    from metagui.arms.virtual import VirtualArm

STEP = 0.05
"""How fast the hands are, rad a period of 20 ms."""
DWELL = 15
"""How many periods they push against a stop."""
CLEAR = {2: -1.6, 3: -0.8, 1: -0.8}
"""Where elbow, wrist and shoulder are out of each other's way and of the table's."""


def moves() -> Iterator[tuple[int, float]]:
    """Yield (joint, angle) so that every joint goes from stop to stop and back home, elbow first."""
    now = HOME.copy()
    for joint, angle in [*CLEAR.items(), *(pair for i in (2, 3, 0, 4, 5, 1) for pair in _stops(i))]:
        path = np.linspace(now[joint], angle, max(2, round(abs(angle - now[joint]) / STEP)))
        for step in [*path, *[angle] * DWELL]:
            yield joint, float(step)
        now[joint] = angle


def _stops(joint: int) -> list[tuple[int, float]]:
    middle = CLEAR.get(joint, HOME[joint])
    return [(joint, JOINTS[joint].lower), (joint, JOINTS[joint].upper), (joint, middle)]


def sweep(arm: VirtualArm, chain: ServoChain) -> Sweep:
    """Lead all joints through their travel while the encoders are read."""
    chain.begin_sweep()
    watched = Sweep()
    for joint, angle in moves():
        arm.guide(joint, angle)
        arm.advance()
        watched.feed(chain.encoders())
    for joint in range(len(JOINTS)):
        arm.guide(joint, None)
    return watched


def calibrate(arm: VirtualArm, chain: ServoChain) -> Calibration:
    """Sweep, and store what was found in the servos."""
    calibration = sweep(arm, chain).finish()
    chain.write_calibration(calibration)
    return calibration
