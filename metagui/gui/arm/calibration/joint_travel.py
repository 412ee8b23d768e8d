"""What a calibration knows of each joint, in words and shares: while it is moved, and compared with the model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from metagui.arms.feetech.control_table import TICK
from metagui.arms.kinematics import JOINTS
from metagui.arms.so101.calibration import WHOLE_TURN, Calibration, JointCalibration
from metagui.arms.so101.range_of_motion import SweepSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import Joint
    from metagui.arms.so101.range_of_motion import JointSweep

Mood = Literal["waiting", "moving", "done", "wrong"]
ALIKE = 0.03
"""Travels that differ by no more than this share count as equal."""
_SETTINGS = SweepSettings()


@dataclass(frozen=True)
class Reach:
    """One joint's travel beside the model's, and what there is to say about it."""

    name: str
    travel: float
    """Degrees from end to end; 0 while nothing is known."""
    expected: float
    """The model's travel, degrees."""
    place: float | None
    """Where in its travel the joint is now, from 0 to 1."""
    mood: Mood
    words: str

    @property
    def share(self) -> float:
        """The travel as a share of the model's."""
        return self.travel / self.expected

    @property
    def sentence(self) -> str:
        """All of it for who cannot see it."""
        return f"{self.name}: {self.travel:.0f}° of {self.expected:.0f}°, {self.words}"


def unknown() -> tuple[Reach, ...]:
    """Return the joints before anything was moved."""
    return tuple(Reach(_plain(joint), 0.0, _model(joint), None, "waiting", "not moved yet") for joint in JOINTS)


def moving(swept: Sequence[JointSweep]) -> tuple[Reach, ...]:
    """Return how far each joint was moved, and what is missing."""
    return tuple(_moving(joint) for joint in swept)


def _moving(joint: JointSweep) -> Reach:
    travel, expected = _degrees(joint.travel), _degrees(joint.expected)
    place = (joint.present - joint.lowest) / joint.travel if joint.travel else 0.5
    missing = _SETTINGS.least * expected - travel
    mood: Mood = "moving"
    if not joint.problem:
        mood, words = "done", "done"
    elif missing <= 0:
        mood, words = "wrong", "too far: does its horn slip?"
    elif travel < 2.0:
        mood, words = "waiting", "not moved yet"
    else:
        words = f"{math.ceil(missing)}° to go"
    return Reach(joint.name.replace("_", " "), travel, expected, place, mood, words)


def shortcomings(joints: Sequence[Reach]) -> str:
    """Say why a sweep is not complete, joint by joint; nothing if it is."""
    hardly = [joint.name for joint in joints if joint.mood == "waiting"]
    others = [f"{joint.name}: {joint.words}" for joint in joints if joint.mood in ("moving", "wrong")]
    parts = [f"hardly moved: {', '.join(hardly)}"] if hardly else []
    if not parts and not others:
        return ""
    return f"Not finished yet ({'; '.join(parts + others)}). Nothing was written; lead these from stop to stop."


def compared(calibration: Calibration) -> tuple[Reach, ...]:
    """Return each joint's calibrated travel beside the model's."""
    return tuple(_compared(joint, values) for joint, values in zip(JOINTS, calibration.joints, strict=True))


def _compared(joint: Joint, values: JointCalibration) -> Reach:
    ticks = values.range_max - values.range_min
    travel, expected = _degrees(ticks), _model(joint)
    more = travel - expected
    mood: Mood = "done"
    if ticks >= WHOLE_TURN:
        words = "a whole turn: the model's limits hold"
    elif travel < _SETTINGS.least * expected:
        mood, words = "wrong", f"{-more:.0f}° less: angles will be off"
    elif travel > _SETTINGS.most * expected:
        mood, words = "wrong", f"{more:.0f}° more: angles will be off"
    elif abs(more) <= ALIKE * expected:
        words = "as the model"
    elif more < 0:
        words = f"{-more:.0f}° less: it stays within these"
    else:
        words = f"{more:.0f}° more: the model's limits hold"
    return Reach(_plain(joint), travel, expected, None, mood, words)


def _plain(joint: Joint) -> str:
    return joint.name.replace("_", " ")


def _model(joint: Joint) -> float:
    return math.degrees(joint.upper - joint.lower)


def _degrees(ticks: int) -> float:
    return math.degrees(ticks * TICK)
