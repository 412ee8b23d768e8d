"""Detects closing and opening in measured gripper angles, for repeating a grasp that was demonstrated by hand.

A gripper that holds an object stops at the object's width. Commanding that angle again would drop the object, so
a controller that repeats measured angles must close a little farther.
"""

from __future__ import annotations

SQUEEZE_RAD = 0.1
"""Angle to close farther than measured, rad."""
EMPTY_GRIPPER_RAD = 0.03
"""Angle below which there is nothing between the fingers, rad."""
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
