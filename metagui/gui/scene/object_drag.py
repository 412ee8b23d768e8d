"""An object that is dragged in the 3-D view, for placing objects on the table of an arm without a camera."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.simulation.renderer import SceneMarker
from metagui.gui.teaching.click_teacher import Proposal

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray, SceneObject
    from metagui.arms.simulation.orbit_camera import OrbitCamera
    from metagui.arms.simulation.renderer import Colour

DRAG_WHEEL_TURN_RAD = math.radians(15)
"""Rotation of the object per notch of the mouse wheel, rad."""
MAX_OBJECT_REACH_M = 0.45
"""Maximum distance of a placed object from the base of the arm, m."""


@dataclass(frozen=True)
class ObjectDrag:
    """A cube or zone and the pose at which it would be placed if it were released now."""

    scene_object: SceneObject
    point: FloatArray
    """Centre of the object, (3,), m."""
    grab_offset: FloatArray
    """Grabbed point relative to the centre, (2,), m."""
    yaw: float
    """Yaw of the object, rad."""
    height: float
    """Height of the plane on which it is dragged, that of the grabbed point, m."""

    @classmethod
    def begin(cls, scene_object: SceneObject, grab_point: FloatArray, centre: FloatArray, yaw: float) -> ObjectDrag:
        """Grab an object with its centre at ``centre`` (3,) by the point ``grab_point`` (3,), m."""
        return cls(scene_object, centre.copy(), grab_point[:2] - centre[:2], yaw, float(grab_point[2]))

    def moved_to(self, camera: OrbitCamera, x: float, y: float, width: float, height: float) -> ObjectDrag:
        """Return the drag at a pixel of the view; the object stays on its plane and within reach."""
        ray, eye = camera.compute_ray(x, y, width, height), camera.position
        if ray[2] > -0.02:  # almost parallel to the table
            return self
        position = eye[:2] + ray[:2] * (self.height - eye[2]) / ray[2] - self.grab_offset
        distance = float(np.hypot(*position))
        if distance > MAX_OBJECT_REACH_M:
            position = position * (MAX_OBJECT_REACH_M / distance)
        return replace(self, point=np.array([position[0], position[1], self.point[2]]))

    def turned(self, notches: float) -> ObjectDrag:
        """Return the drag with the object turned by notches of the mouse wheel."""
        return replace(self, yaw=self.yaw + notches * DRAG_WHEEL_TURN_RAD)

    def markers(self, colour: Colour) -> list[SceneMarker]:
        """Return the markers to draw: a translucent copy of the object on a disc of ``colour``."""
        half = self.scene_object.width / 2
        height = half if self.scene_object.is_solid else 0.0015
        foot = np.array([self.point[0], self.point[1], 0.0008])
        return [
            SceneMarker("box", self.point, (half, half, height), (*self.scene_object.colour, 0.7), yaw=self.yaw),
            SceneMarker("disc", foot, (half * 1.6, half * 1.6, 0.0006), (*colour, 0.3)),
        ]

    @property
    def hint(self) -> str:
        """Position of the object and what the wheel does as text, for the hint next to the pointer."""
        return f"{self.place} · wheel turns it"

    @property
    def place(self) -> str:
        """Position of the object as text."""
        x, y = 100 * self.point[0], 100 * self.point[1]
        ahead, side = "ahead" if x >= 0 else "behind", "left" if y >= 0 else "right"
        return f"{self.scene_object.name.capitalize()}: {abs(x):.1f} cm {ahead}, {abs(y):.1f} cm {side}"


def make_drag_proposal(object_name: str, kind: str) -> Proposal | None:
    """Return the hint for an object that can be dragged; None for the table."""
    return None if kind == "table" else Proposal(f"Drag the {object_name} to its position on the table")
