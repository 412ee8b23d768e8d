"""Whether a gripper has been closing or opening: what is known of a grip that was led by hand, or only measured.

A gripper that holds something stands where the thing stops it, and that angle alone would let it fall: whoever repeats
measured angles has to close a little farther.
"""

from __future__ import annotations

SQUEEZE_RAD = 0.1
"""How much farther than measured to close, rad."""
EMPTY_GRIPPER_RAD = 0.03
"""Below this angle there is nothing between the fingers, rad."""
GRIPPER_BACKLASH_RAD = 0.01
"""How far a gripper must turn back before its direction has changed, rad; less is a servo's own rounding."""


class GripTracker:
    """Remembers the direction in which a gripper turned last, as play in a gear does; it begins as opening."""

    def __init__(self, angle: float) -> None:
        self._backlash_centre = angle - GRIPPER_BACKLASH_RAD

    def compute_closing(self, angle: float) -> float:
        """Return 1 if it was closing when it came to ``gripper``, rad, 0 if it was opening; between where it turns."""
        self._backlash_centre = min(
            max(self._backlash_centre, angle - GRIPPER_BACKLASH_RAD), angle + GRIPPER_BACKLASH_RAD
        )
        return (self._backlash_centre - angle + GRIPPER_BACKLASH_RAD) / (2 * GRIPPER_BACKLASH_RAD)

    def compute_squeeze(self, angle: float) -> float:
        """Return how much farther to close now that it is at ``gripper``, rad: nothing if it was opening or is shut."""
        closing = self.compute_closing(angle)
        return SQUEEZE_RAD * closing if angle >= EMPTY_GRIPPER_RAD else 0.0
