"""A thing of the scene in the pointer's hand: where on the table it would stand if it were let go here."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.simulation.renderer import SceneMarker

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray, SceneObject
    from metagui.arms.simulation.orbit_camera import OrbitCamera
    from metagui.arms.simulation.renderer import Colour

DRAG_WHEEL_TURN_RAD = math.radians(15)
"""How far one notch of the wheel turns a thing, rad."""
MAX_OBJECT_REACH_M = 0.45
"""How far from the arm's foot anything can be put, m."""


@dataclass(frozen=True)
class ObjectDrag:
    """One cube or zone on its way over the table."""

    scene_object: SceneObject
    point: FloatArray
    """(3,) where its centre would be, m."""
    grab_offset: FloatArray
    """(2,) how far from its centre it was taken, m."""
    yaw: float
    height: float
    """Of the plane it is dragged on: where it was taken, m."""

    @classmethod
    def begin(cls, scene_object: SceneObject, grab_point: FloatArray, centre: FloatArray, yaw: float) -> ObjectDrag:
        """Take a thing whose centre is at ``centre`` (3,) by the point ``taken`` (3,) of it."""
        return cls(scene_object, centre.copy(), grab_point[:2] - centre[:2], yaw, float(grab_point[2]))

    def moved_to(self, camera: OrbitCamera, x: float, y: float, width: float, height: float) -> ObjectDrag:
        """Return the thing as dragged to a pixel: it stays on its plane and on the table."""
        way, eye = camera.compute_ray(x, y, width, height), camera.position
        if way[2] > -0.02:
            return self
        spot = eye[:2] + way[:2] * (self.height - eye[2]) / way[2] - self.grab_offset
        reach = float(np.hypot(*spot))
        if reach > MAX_OBJECT_REACH_M:
            spot = spot * (MAX_OBJECT_REACH_M / reach)
        return replace(self, point=np.array([spot[0], spot[1], self.point[2]]))

    def turned(self, notches: float) -> ObjectDrag:
        """Return the thing turned."""
        return replace(self, yaw=self.yaw + notches * DRAG_WHEEL_TURN_RAD)

    def markers(self, colour: Colour) -> list[SceneMarker]:
        """Return the ghost to draw, on a disc of ``colour``."""
        half = self.scene_object.size / 2
        height = half if self.scene_object.kind == "cube" else 0.0015
        foot = np.array([self.point[0], self.point[1], 0.0008])
        return [
            SceneMarker("box", self.point, (half, half, height), (*self.scene_object.colour, 0.7), yaw=self.yaw),
            SceneMarker("disc", foot, (half * 1.6, half * 1.6, 0.0006), (*colour, 0.3)),
        ]

    @property
    def hint(self) -> str:
        """Say what letting go would do."""
        x, y = 100 * self.point[0], 100 * self.point[1]
        ahead, side = "ahead" if x >= 0 else "behind", "left" if y >= 0 else "right"
        return f"{self.scene_object.name.capitalize()}: {abs(x):.1f} cm {ahead}, {abs(y):.1f} cm {side} · wheel turns"
