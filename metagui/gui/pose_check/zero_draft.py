"""Zeros of the joints while a person changes them: poses to compare, corrections that are not saved yet. Qt-free."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import read_only_copy
from metagui.arms.kinematics import JOINTS
from metagui.arms.so101.stops import MAX_TRIM_RAD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import FloatArray

EQUAL_RAD = math.radians(2.0)
"""Difference of an angle from the pose's up to which both count as equal, rad: play and a person's eye."""
SAVED_STEP_RAD = math.radians(0.1)
"""Smallest change of a correction that counts, rad."""


@dataclass(frozen=True)
class CheckPose:
    """A pose that a person can recognise on a real arm."""

    name: str
    sentence: str
    """What to look at on the arm."""
    degrees: tuple[float, ...]
    """(J,) joint angles, degrees."""

    @property
    def positions(self) -> FloatArray:
        """Joint angles (J,), rad."""
        return read_only_copy(np.radians(self.degrees))


CHECK_POSES = (
    CheckPose(
        "Straight ahead",
        "The upper arm is upright, forearm and hand are level and point straight ahead, and the moving jaw is above.",
        (0.0, 0.0, 0.0, 0.0, 0.0, 30.0),
    ),
    CheckPose(
        "Hand down",
        "The upper arm is upright, the forearm level, the hand points straight down, and the jaws almost touch.",
        (0.0, 0.0, 0.0, 90.0, 0.0, 0.0),
    ),
    CheckPose(
        "To the right",
        "The arm is turned to its right by a quarter turn, level as before, and the jaws are side by side.",
        (90.0, 0.0, 0.0, 0.0, 90.0, 30.0),
    ),
)
"""The poses of the page, each of which shows other zeros."""


class ZeroDraft:
    """Corrections of the zeros (J,), rad: the ``applied`` ones, which readings contain, and those of the draft."""

    def __init__(self, applied: Sequence[float]) -> None:
        self.applied = np.array(applied or (0.0,) * len(JOINTS), dtype=np.float64)
        self.trims = self.applied.copy()

    @property
    def is_changed(self) -> bool:
        """True if saving would change something."""
        return bool((np.abs(self.trims - self.applied) >= SAVED_STEP_RAD / 2).any())

    def correct(self, measured: FloatArray) -> FloatArray:
        """Return the joint angles (J,), rad, that the arm would report with the draft."""
        corrected: FloatArray = measured + self.trims - self.applied
        return corrected

    def set_trim(self, joint: int, trim: float) -> None:
        """Change the correction of one joint, rad, within the limit."""
        self.trims[joint] = float(np.clip(trim, -MAX_TRIM_RAD, MAX_TRIM_RAD))

    def match(self, joint: int, target: float, measured: float) -> bool:
        """Make the angle of a joint that stands at ``target`` correct; return False if it is too far off, rad."""
        wanted = self.applied[joint] + target - measured
        if not abs(wanted) <= MAX_TRIM_RAD:
            return False
        self.set_trim(joint, wanted)
        return True

    def reset(self) -> None:
        """Return to the applied corrections."""
        self.trims = self.applied.copy()
