"""Detects closing and opening in measured gripper angles, for repeating a grasp that was demonstrated by hand.

A gripper that holds an object stops at the object's width. Commanding that angle again would drop the object, so
a controller that repeats measured angles must close a little farther.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from metagui.arms.arm import BoolArray, FloatArray

SQUEEZE_RAD = 0.1
"""Angle to close farther than measured, rad."""
EMPTY_GRIPPER_RAD = 0.03
"""Angle below which there is nothing between the fingers, rad."""
STROKE_RAD = 0.035
"""Smallest angle that counts as closing or opening in a complete take, rad. Fingers that meet an object give way by up
to 0.025 again, and stay there."""
MIN_STROKE_STEP_RAD = 0.001
"""Smallest change between two samples of a stroke, rad."""
GRIPPER_BACKLASH_RAD = 0.01
"""Angle that a gripper must turn back before its direction counts as changed, rad; less is a servo's rounding."""


class GripTracker:
    """Tracks the direction of the gripper's last motion, with hysteresis; it starts as opening."""

    def __init__(self, angle: float) -> None:
        self._backlash_centre = angle - GRIPPER_BACKLASH_RAD

    def compute_closing(self, angle: float) -> float:
        """Return 1 if the gripper closed to ``angle``, rad, 0 if it opened, between them at a reversal."""
        self._backlash_centre = min(
            max(self._backlash_centre, angle - GRIPPER_BACKLASH_RAD), angle + GRIPPER_BACKLASH_RAD
        )
        return (self._backlash_centre - angle + GRIPPER_BACKLASH_RAD) / (2 * GRIPPER_BACKLASH_RAD)

    def compute_squeeze(self, angle: float) -> float:
        """Return the angle to close farther than ``angle``, rad; 0 if the gripper was opening or is empty."""
        closing = self.compute_closing(angle)
        return SQUEEZE_RAD * closing if angle >= EMPTY_GRIPPER_RAD else 0.0


def find_closing(angles: FloatArray) -> BoolArray:
    """Return for every sample (N,) of a complete take whether the gripper was closing last; rad.

    It starts as opening. A stroke counts from its first sample, but only if it is long enough in the end.
    """
    closing, is_closing = np.zeros(len(angles), dtype=bool), False
    farthest = angles[0]
    for index, angle in enumerate(angles):
        sign = 1.0 if is_closing else -1.0  # of a stroke that turns the direction
        farthest = min(farthest, angle) if is_closing else max(farthest, angle)
        if sign * (angle - farthest) > STROKE_RAD:
            start = index
            while start > 0 and sign * (angles[start] - angles[start - 1]) > MIN_STROKE_STEP_RAD:
                start -= 1
            is_closing, farthest = not is_closing, angle
            closing[start:index] = is_closing
        closing[index] = is_closing
    return closing


def compute_squeezes(angles: FloatArray) -> FloatArray:
    """Return how far to close beyond each measured angle (N,) of a take, rad; 0 where it was opening or is empty."""
    return np.where(find_closing(angles) & (angles >= EMPTY_GRIPPER_RAD), SQUEEZE_RAD, 0.0)
