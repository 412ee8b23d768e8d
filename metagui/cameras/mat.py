"""The printed mat: four tags near the corners of a sheet of paper, crosses to touch, and marks for printing it.

The mat's frame has its zero at the paper's centre, x away from the arm, y to the left as seen from the arm, z up.
The sheet is in landscape with its long edge against the arm's base, at the bottom of the page.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from metagui.cameras.camera import CameraError, FloatArray

MAT_TAG_SIZE_M = 0.030
"""Edge of the black square of a mat tag, m."""
OBJECT_TAG_SIZE_M = 0.024
"""Edge of the white square on which an object's tag is printed, m: it fits on a 25 mm cube."""
OBJECT_TAG_EDGE_M = OBJECT_TAG_SIZE_M * 0.8
"""Edge of the black square of an object's tag, m; the white border is one module wide."""
FIRST_OBJECT_TAG = 10
"""Smallest id of objects' tags; the mat's are 0 to 3."""
CORNER_NAMES = ("far left", "far right", "near right", "near left")
"""Where the mat's tags 0 to 3 are, as seen from the arm."""
MAT_EDGE_X_M = 0.063
"""Nominal x of the mat's near edge in the arm's base frame, m: the front of the base."""
ARM_AXIS_X_M = 0.0388353
"""x of the arm's pan axis in its base frame, m."""
REACH_M = (0.115, 0.280)
"""Nearest and farthest distance from the pan axis that the gripper reaches on the table, m."""
SCALE_BAR_M = 0.100
"""Length of the bar by which the printer's scale is checked, m."""
_TAG_MARGIN_M = 0.025
"""Distance of a tag's centre from the paper's edges, m; printers leave out up to 6 mm."""
_CROSS_DISTANCE_M = 0.028
_MAX_CROSS_RADIUS_M = 0.250


class UnknownPaperError(CameraError):
    """There is no mat for a size of paper."""


@dataclass(frozen=True)
class Mat:
    """A mat on one size of paper."""

    name: str
    """Name of the paper."""
    width: float
    """Long edge, along y, m."""
    depth: float
    """Short edge, along x, m."""

    @cached_property
    def tag_centres(self) -> FloatArray:
        """(4, 3) centres of the tags, in the order of their ids, m."""
        x, y = self.depth / 2 - _TAG_MARGIN_M, self.width / 2 - _TAG_MARGIN_M
        return np.array([[x, y, 0.0], [x, -y, 0.0], [-x, -y, 0.0], [-x, y, 0.0]])

    @cached_property
    def tag_corners(self) -> FloatArray:
        """(4, 4, 3) corners of the tags' black squares, clockwise as printed from the upper left, m."""
        half = MAT_TAG_SIZE_M / 2
        offsets = half * np.array([[1.0, 1.0, 0.0], [1.0, -1.0, 0.0], [-1.0, -1.0, 0.0], [-1.0, 1.0, 0.0]])
        corners: FloatArray = self.tag_centres[:, None] + offsets
        return corners

    @cached_property
    def nominal_position(self) -> FloatArray:
        """(3,) nominal position of the mat's centre in the arm's base frame, m."""
        return np.array([MAT_EDGE_X_M + self.depth / 2, 0.0, 0.0])

    @cached_property
    def crosses(self) -> FloatArray:
        """(4, 3) crosses that the finger tips touch, one near each tag and within reach, m."""
        towards = np.array([[0.0, -1.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
        points = self.tag_centres + _CROSS_DISTANCE_M * towards
        axis = np.array([ARM_AXIS_X_M, 0.0, 0.0]) - self.nominal_position
        radii = np.linalg.norm(points - axis, axis=1, keepdims=True)
        within: FloatArray = axis + (points - axis) * np.minimum(1.0, _MAX_CROSS_RADIUS_M / radii)
        return within


A4 = Mat("A4", 0.297, 0.210)
LETTER = Mat("Letter", 0.2794, 0.2159)
A3 = Mat("A3", 0.420, 0.297)
MATS = {mat.name: mat for mat in (A4, LETTER, A3)}
"""Mats by the names of their paper."""


def find_mat(name: str) -> Mat:
    """Return the mat for a paper, in any case. Raises UnknownPaperError, which lists the papers."""
    for known, mat in MATS.items():
        if known.casefold() == name.casefold():
            return mat
    raise UnknownPaperError(
        f"There is no mat for the paper {name!r}. Nothing was written; choose from {', '.join(MATS)}."
    )


@dataclass(frozen=True)
class MatPose:
    """Where the mat lies in the arm's base frame."""

    position: FloatArray
    """(3,) position of its centre, m."""
    rotation: FloatArray
    """(3, 3) rotation from the mat's frame to the base frame."""

    def to_base(self, points: FloatArray) -> FloatArray:
        """Return points (..., 3) of the mat's frame in the base frame, m."""
        moved: FloatArray = np.asarray(points) @ self.rotation.T + self.position
        return moved

    def to_mat(self, points: FloatArray) -> FloatArray:
        """Return points (..., 3) of the base frame in the mat's frame, m."""
        moved: FloatArray = (np.asarray(points) - self.position) @ self.rotation
        return moved

    @property
    def yaw(self) -> float:
        """Rotation about the vertical, rad."""
        return math.atan2(self.rotation[1, 0], self.rotation[0, 0])


def make_nominal_pose(mat: Mat) -> MatPose:
    """Return the pose of a mat that lies exactly as printed on it, until the touches measure it."""
    return MatPose(mat.nominal_position, np.eye(3))
