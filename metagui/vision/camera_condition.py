"""Conditions of a camera over the table, as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CameraCondition(StrEnum):
    """What is the matter with a camera; the value is a short text for users."""

    OFF = "off"
    OPENING = "starting"
    GOOD = "sees the mat"
    HIDDEN = "mat partly hidden"
    GLARE = "reflection"
    DARK = "too dark"
    UNREADABLE = "cannot read tags"
    NO_MAT = "mat not seen"
    KNOCKED = "was moved"
    FROZEN = "frozen"
    LOST = "lost"


MEASURES = frozenset(
    {
        CameraCondition.GOOD,
        CameraCondition.HIDDEN,
        CameraCondition.GLARE,
        CameraCondition.DARK,
        CameraCondition.KNOCKED,
    }
)
"""Conditions in which the objects whose tags are found are measured."""


@dataclass(frozen=True)
class CameraReport:
    """Condition of a camera."""

    condition: CameraCondition
    message: str = ""
    """What happened, what is safe and what to do; empty if nothing is wrong."""

    @property
    def is_measuring(self) -> bool:
        """Return whether visible objects are measured."""
        return self.condition in MEASURES


NO_CAMERA = CameraReport(CameraCondition.OFF)
"""Report without a camera."""
