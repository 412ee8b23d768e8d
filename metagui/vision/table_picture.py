"""Geometry of a camera's picture of the table: outlines of the objects, and what is under a pixel."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import FloatArray, SceneObject, SceneState
    from metagui.cameras.mat import MatPose
    from metagui.cameras.view import CameraView

MAX_TABLE_DISTANCE_M = 0.6
"""Largest distance from the arm's base of a point of the table that is picked, m."""
POINT_SIZE_M = 0.012
"""Size at which an object without a size is drawn and picked, m."""
_ROUND_CORNERS = 20


class PictureTarget(NamedTuple):
    """What is under a pixel."""

    object_name: str
    """Name of the object; that of the table for a point beside all objects."""
    point: FloatArray
    """(3,) point on it, in the arm's base frame, m."""


@dataclass(frozen=True)
class TablePicture:
    """The table in a picture, as the program believes it to be."""

    view: CameraView
    """The camera's view, in the mat's frame."""
    mat_pose: MatPose
    """Where the mat lies."""
    objects: Sequence[SceneObject]
    """All objects, the table among them."""
    scene: SceneState
    """Their poses in the arm's base frame."""

    def project(self, points: FloatArray) -> FloatArray:
        """Return the pixels (..., 2) of points (..., 3) of the base frame, m."""
        return self.view.project(self.mat_pose.to_mat(points))

    def draw_outline(self, index: int) -> FloatArray:
        """Return the outline (N, 2) of an object in the picture, pixels, convex; empty if it is behind the camera."""
        corners = self.mat_pose.to_mat(self._list_corners(index))
        depths = corners @ self.view.rotation[2] + self.view.translation[2]
        return find_convex_hull(self.view.project(corners)) if (depths > 0.02).all() else np.zeros((0, 2))

    def draw_top(self, index: int) -> FloatArray:
        """Return the outline (N, 2) of an object's upper face, pixels."""
        corners = self._list_corners(index)
        return self.project(corners[len(corners) // 2 :])

    def pick(self, pixel: FloatArray) -> PictureTarget | None:
        """Return what is under a pixel (2,): the nearest object, else the table; None beside the table."""
        eye = self.mat_pose.to_base(self.view.position)
        found = []
        for index, each in enumerate(self.objects):
            if each.kind != "table" and is_inside(pixel, self.draw_outline(index)):
                distance = float(np.linalg.norm(self.scene.positions[index] - eye))
                found.append((not each.is_solid, distance, index))
        if found:
            index = min(found)[2]
            return PictureTarget(self.objects[index].name, self._find_point(pixel, self._find_top(index)))
        table = next((each.name for each in self.objects if each.kind == "table"), None)
        point = self._find_point(pixel, 0.0)
        if table is None or np.isnan(point).any() or math.hypot(*point[:2]) > MAX_TABLE_DISTANCE_M:
            return None
        return PictureTarget(table, point)

    def _find_point(self, pixel: FloatArray, height: float) -> FloatArray:
        return self.mat_pose.to_base(self.view.locate(pixel, height))

    def _find_top(self, index: int) -> float:
        return float(self.scene.positions[index, 2]) + self.objects[index].support_height

    def _list_corners(self, index: int) -> FloatArray:
        """Return corners (2 N, 3) of an object in the base frame, m: first the lower face's, then the upper one's."""
        each, yaw = self.objects[index], float(self.scene.yaws[index])
        x, y = (max(size, POINT_SIZE_M) / 2 for size in each.size[:2])
        if each.is_round:
            angles = np.linspace(0.0, 2 * math.pi, _ROUND_CORNERS, endpoint=False)
            face = np.stack([x * np.cos(angles), y * np.sin(angles)], axis=1)
        else:
            face = np.array([[x, y], [x, -y], [-x, -y], [-x, y]])
        turn = np.array([[math.cos(yaw), -math.sin(yaw)], [math.sin(yaw), math.cos(yaw)]])
        face = face @ turn.T + self.scene.positions[index, :2]
        bottom = float(self.scene.positions[index, 2]) - each.resting_height
        top = bottom + each.size[2]
        return np.concatenate([np.column_stack([face, np.full(len(face), z)]) for z in (bottom, top)])


def find_convex_hull(points: FloatArray) -> FloatArray:
    """Return the convex hull (M, 2) of points (N, 2), by Andrew's monotone chain."""
    ordered = points[np.lexsort((points[:, 1], points[:, 0]))].tolist()

    def chain(way: Sequence[list[float]]) -> list[list[float]]:
        hull: list[list[float]] = []
        for point in way:
            while len(hull) > 1 and _cross(hull[-2], hull[-1], point) <= 0:
                hull.pop()
            hull.append(point)
        return hull[:-1]

    return np.array(chain(ordered) + chain(ordered[::-1]))


def is_inside(point: FloatArray, polygon: FloatArray) -> bool:
    """Return whether a point (2,) is inside a convex polygon (N, 2)."""
    if len(polygon) < 3:
        return False
    corners = [*polygon.tolist(), polygon[0].tolist()]
    signs = {_cross(a, b, point.tolist()) > 0 for a, b in itertools.pairwise(corners)}
    return len(signs) == 1


def _cross(a: Sequence[float], b: Sequence[float], c: Sequence[float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
