"""Lanes of the joint plot: their names and ranges. Qt-free."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray

MIN_LANE_SPAN_RAD = 0.5
"""Smallest range of a lane, rad, so that noise does not look like motion."""
_ABBREVIATIONS = {"shoulder_": "", "_flex": "", "gripper": "grip", "wrist_roll": "roll"}


def shorten_joint_name(joint: str) -> str:
    """Return the short name of a joint that fits next to its lane."""
    for long, short in _ABBREVIATIONS.items():
        joint = joint.replace(long, short)
    return joint


def compute_lane(angles: FloatArray) -> tuple[float, float]:
    """Return the centre and the span of a lane for these angles, rad."""
    low, high = float(np.min(angles)), float(np.max(angles))
    return (low + high) / 2, max(high - low, MIN_LANE_SPAN_RAD)
