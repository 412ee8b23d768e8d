"""Whether a gripper has been closing or opening: what is known of a grip that was led by hand, or only measured.

A gripper that holds something stands where the thing stops it, and that angle alone would let it fall: whoever repeats
measured angles has to close a little farther.
"""

from __future__ import annotations

SQUEEZE = 0.1
"""How much farther than measured to close, rad."""
EMPTY = 0.03
"""Below this angle there is nothing between the fingers, rad."""
PLAY = 0.01
"""How far a gripper must turn back before its direction has changed, rad; less is a servo's own rounding."""


class Grip:
    """Remembers the direction in which a gripper turned last, as play in a gear does; it begins as opening."""

    def __init__(self, gripper: float) -> None:
        self._play = gripper - PLAY

    def closing(self, gripper: float) -> float:
        """Return 1 if it was closing when it came to ``gripper``, rad, 0 if it was opening; between where it turns."""
        self._play = min(max(self._play, gripper - PLAY), gripper + PLAY)
        return (self._play - gripper + PLAY) / (2 * PLAY)

    def squeeze(self, gripper: float) -> float:
        """Return how much farther to close now that it is at ``gripper``, rad: nothing if it was opening or is shut."""
        closing = self.closing(gripper)
        return SQUEEZE * closing if gripper >= EMPTY else 0.0
