"""Zeros of shoulder lift, elbow and wrist from touches of known points with the tips of the closed gripper.

A wrong zero of the shoulder pan and points that were measured from a wrong place look the same; together with the place
of the points they are one rotation and one shift on the table, which are fitted and, for points whose place is known,
given to the shoulder pan. Zeros are known to some degrees beforehand and touches to about a millimetre: the fit weighs
both, so that a zero that the touches hardly tell stays as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import ArmError, FloatArray
from metagui.arms.kinematics import JOINTS, PAN_AXIS_X_M, compute_closed_tip
from metagui.arms.so101.stops import MAX_TRIM_RAD
from metagui.least_squares import minimise_squares

if TYPE_CHECKING:
    from collections.abc import Sequence

FITTED_JOINTS = (1, 2, 3)
"""Indices of the joints whose zeros are fitted: lift, elbow and wrist."""
PAN = 0
"""Index of the joint whose zero is fitted with the place of the points."""
ZERO_SPREAD_RAD = math.radians(3.0)
"""Standard deviation of a zero that follows from the stops, rad."""
TOUCH_SPREAD_M = 0.0015
"""Standard deviation of a touch, from the play of the joints and the person's eye, m."""
SHIFT_SPREAD_M = 0.01
"""Standard deviation of the place from which a person measures the points, m."""
MAX_DISTANCE_M = 0.010
"""Largest distance of a touch from its point after the fit, m; above it a point was missed, or measured wrongly."""
_PAN_AXIS_M = np.array([PAN_AXIS_X_M, 0.0, 0.0])
MIN_TOUCHES = 3
"""Smallest number of touches."""


class TouchError(ArmError):
    """Touches do not fit; nothing was stored. The message names the touch that is farthest off."""


@dataclass(frozen=True)
class ZeroFit:
    """Corrections of the zeros, and how well the touches agree with them."""

    corrections: tuple[float, ...]
    """Angles to add to the joints' (J,), rad."""
    pose: tuple[float, float, float]
    """Shift (x, y), m, and rotation, rad, from the points' frame to the arm's base."""
    distances: FloatArray
    """(N,) distances of the tips from the points after the fit, m."""
    distances_before: FloatArray
    """(N,) the same before, m."""

    def place(self, points: FloatArray) -> FloatArray:
        """Return points (N, 3) or (3,) of the touched sheet's frame in the arm's base frame, m."""
        return _place(points, np.array(self.pose))

    def require_good(self) -> None:
        """Raise TouchError if a touch is too far from its point."""
        if self.distances.max() > MAX_DISTANCE_M:
            raise TouchError(
                f"Touch {int(self.distances.argmax()) + 1} is still {self.distances.max() * 1000:.0f} mm from its "
                "point after the fit, so no zero was changed. Measure that point again, and touch all points with the "
                "closed tips."
            )

    def add_to(self, trims: Sequence[float]) -> tuple[float, ...]:
        """Return the trims (J,), rad, with the corrections added. Raises TouchError if one becomes too large."""
        added = tuple((np.array(trims or np.zeros(len(JOINTS))) + self.corrections).tolist())
        too_large = [joint.name for joint, trim in zip(JOINTS, added, strict=True) if abs(trim) > MAX_TRIM_RAD]
        if too_large:
            raise TouchError(
                f"{', '.join(too_large)} would be corrected by more than {math.degrees(MAX_TRIM_RAD):.0f}°, so no zero "
                "was changed. Calibrate the arm again."
            )
        return added


def fit_zeros(angles: FloatArray, points: FloatArray, is_place_known: bool = True) -> ZeroFit:
    """Return the zeros for which the closed tips touch ``points`` (N, 3), m, at the angles (N, J), rad.

    Without ``is_place_known`` the points are on a sheet anywhere on the table, and the shoulder pan keeps its zero.
    Raises TouchError for fewer than three touches.
    """
    if len(points) < MIN_TOUCHES:
        raise TouchError(
            f"{len(points)} touches tell nothing; no zero was changed. Touch {MIN_TOUCHES} points or more."
        )
    start = np.zeros(6) if is_place_known else np.array([*np.zeros(3), *_align(compute_closed_tip(angles), points)])
    spreads = np.array([*[ZERO_SPREAD_RAD] * 3, *[SHIFT_SPREAD_M] * 2, ZERO_SPREAD_RAD])

    def compute_residuals(parameters: FloatArray) -> FloatArray:
        offsets = _compute_offsets(parameters, angles, points) / TOUCH_SPREAD_M
        weighted = (parameters / spreads)[: 6 if is_place_known else 3]
        return np.concatenate([offsets.ravel(), weighted])

    found = minimise_squares(compute_residuals, start)
    corrections = np.zeros(len(JOINTS))
    corrections[list(FITTED_JOINTS)] = found[:3]
    if is_place_known:
        corrections[PAN] = found[5]
    distances, before = (np.linalg.norm(_compute_offsets(each, angles, points), axis=1) for each in (found, start))
    return ZeroFit(tuple(corrections.tolist()), (found[3], found[4], found[5]), distances, before)


def _compute_offsets(parameters: FloatArray, angles: FloatArray, points: FloatArray) -> FloatArray:
    """Return the offsets (N, 3), m, of the tips from the points for zeros (3,), rad, and a pose (3,), m, m, rad."""
    corrected = np.array(angles, dtype=np.float64)
    corrected[:, list(FITTED_JOINTS)] += parameters[:3]
    return compute_closed_tip(corrected) - _place(points, parameters[3:])


def _place(points: FloatArray, pose: FloatArray) -> FloatArray:
    """Return points (N, 3), m, turned by ``pose[2]`` about the arm's pan axis and shifted by ``pose[:2]``."""
    x, y, turn = pose
    sine, cosine = math.sin(turn), math.cos(turn)
    rotation = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    placed: FloatArray = (points - _PAN_AXIS_M) @ rotation.T + _PAN_AXIS_M + (x, y, 0.0)
    return placed


def _align(tips: FloatArray, points: FloatArray) -> FloatArray:
    """Return the pose (3,) that brings the points near the tips: Kabsch's rotation in the plane, then the shift."""
    a, b = (each[:, :2] - each[:, :2].mean(axis=0) for each in (points, tips))
    turn = math.atan2(float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()), float((a * b).sum()))
    shift = (tips - _place(points, np.array([0.0, 0.0, turn])))[:, :2].mean(axis=0)
    return np.array([*shift, turn])
