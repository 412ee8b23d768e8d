"""Lanes of the joint plot: their names, ranges and heights, and the angles that they show. Qt-free."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import FloatArray

MIN_LANE_SPAN_RAD = 0.5
"""Smallest range of a lane, rad, so that noise does not look like motion."""
LANE_FILL = 0.8
"""Fraction of a lane that its curve fills."""
_ABBREVIATIONS = {"shoulder_": "", "_flex": "", "gripper": "grip", "wrist_roll": "roll"}


class AngleHistory:
    """The newest joint angles of the arm with their times."""

    def __init__(self, max_length: int = 2000) -> None:
        self._times: deque[float] = deque(maxlen=max_length)
        self._angles: deque[FloatArray] = deque(maxlen=max_length)

    def __len__(self) -> int:
        return len(self._times)

    def append(self, time: float, angles: FloatArray) -> bool:
        """Add angles (J,), rad, at a time, s; return False if that is not later than the newest."""
        is_later = not self._times or time > self._times[-1]
        if is_later:
            self._times.append(time)
            self._angles.append(angles)
        return is_later

    @property
    def newest(self) -> float:
        """Time of the newest angles, s."""
        return self._times[-1]

    def get_recent(self, span: float) -> tuple[FloatArray, FloatArray]:
        """Return times before the newest one (N,), at most ``span``, s, and angles (N, J), rad."""
        times, angles = np.array(self._times) - self.newest, np.array(self._angles)
        return times[times > -span], angles[times > -span]


def make_angle_table(
    joints: Sequence[str], times: FloatArray, angles: FloatArray
) -> tuple[list[str], list[list[float]]]:
    """Return header and rows of a table of joint angles (N, J), rad, in degrees, at times (N,), s."""
    header = ["time, s", *(f"{name}, degrees" for name in joints)]
    return header, np.column_stack([times, np.degrees(angles)]).round(5).tolist()


def shorten_joint_name(joint: str) -> str:
    """Return the short name of a joint that fits next to its lane."""
    for long, short in _ABBREVIATIONS.items():
        joint = joint.replace(long, short)
    return joint


def compute_lane(angles: FloatArray) -> tuple[float, float]:
    """Return the centre and the span of a lane for these angles, rad."""
    low, high = float(np.min(angles)), float(np.max(angles))
    return (low + high) / 2, max(high - low, MIN_LANE_SPAN_RAD)


def compute_heights(angles: FloatArray, reference: FloatArray) -> FloatArray:
    """Return the heights (N, J) in the plot of angles (N, J), rad, in the lanes that ``reference`` (M, J) fills."""
    out, count = np.empty(angles.shape), angles.shape[1]
    for index in range(count):
        centre, span = compute_lane(reference[:, index])
        out[:, index] = count - 0.5 - index + LANE_FILL * (angles[:, index] - centre) / span
    return out
