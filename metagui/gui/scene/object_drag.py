"""An object that is dragged or moved by keys in the 3-D view, to mark where it is on a table without a camera."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt

from metagui.arms.simulation.renderer import SceneMarker
from metagui.gui.teaching.click_teacher import Proposal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metagui.arms.arm import FloatArray, SceneObject
    from metagui.arms.simulation.orbit_camera import OrbitCamera
    from metagui.arms.simulation.renderer import Colour

    PoseReader = Callable[[str], tuple[FloatArray, float]]

DRAG_WHEEL_TURN_RAD = math.radians(15)
"""Rotation of the object per notch of the mouse wheel, rad."""
MAX_OBJECT_REACH_M = 0.45
"""Maximum distance of a placed object from the base of the arm, m."""
MARKING_STEP_M, FINE_MARKING_STEP_M = 0.010, 0.001
"""Displacement by an arrow key without and with Shift, m."""
MARKING_SHORTCUTS = (("N, arrows (Shift), Q E, Return", "mark objects: next one, move, turn, put it there"),)
"""Keys in the 3-D view while objects are marked, and what they do."""
MARKING_HELP = "N: next object · arrows move it, with Shift by 1 mm · Q, E turn it · Return puts it there"
_ARROWS = {Qt.Key.Key_Up: (1, 0), Qt.Key.Key_Down: (-1, 0), Qt.Key.Key_Right: (0, 1), Qt.Key.Key_Left: (0, -1)}
"""Direction of each arrow: away from the viewer, to the right."""
_TURNS = {Qt.Key.Key_Q: 1.0, Qt.Key.Key_E: -1.0}


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


def press_marking_key(
    drag: ObjectDrag | None,
    key: int,
    modifiers: Qt.KeyboardModifier,
    objects: Sequence[SceneObject],
    read_pose: PoseReader,
    camera: OrbitCamera,
) -> ObjectDrag | None:
    """Return the object that is marked by keys after one more key, or None if the key has no meaning here.

    ``drag`` is the object before, if one was chosen, and ``read_pose`` returns the pose of an object in the view.
    """
    if key == Qt.Key.Key_N:
        return _choose_next(drag, [each for each in objects if each.kind != "table"], read_pose)
    if drag is None:
        return None
    if key in _ARROWS:
        fine = bool(modifiers & Qt.KeyboardModifier.ShiftModifier)
        return _move(drag, camera, *_ARROWS[Qt.Key(key)], FINE_MARKING_STEP_M if fine else MARKING_STEP_M)
    return drag.turned(_TURNS[Qt.Key(key)]) if key in _TURNS else None


def _choose_next(drag: ObjectDrag | None, objects: Sequence[SceneObject], read_pose: PoseReader) -> ObjectDrag | None:
    """Return the object after the chosen one, where it is in the view."""
    names = [each.name for each in objects]
    if not names:
        return None
    chosen = drag.scene_object.name if drag is not None else None
    following = objects[(names.index(chosen) + 1) % len(names) if chosen in names else 0]
    centre, yaw = read_pose(following.name)
    return ObjectDrag.begin(following, centre, centre, yaw)


def _move(drag: ObjectDrag, camera: OrbitCamera, away: int, right: int, step: float) -> ObjectDrag:
    """Return the object moved on the table as the viewer sees it, within the arm's reach."""
    across, _, forward = camera.compute_axes()
    ahead = forward[:2] / max(float(np.hypot(*forward[:2])), 1e-6)
    position = drag.point[:2] + step * (away * ahead + right * across[:2])
    distance = float(np.hypot(*position))
    position *= min(1.0, MAX_OBJECT_REACH_M / max(distance, 1e-9))
    return replace(drag, point=np.array([position[0], position[1], drag.point[2]]))
