"""Marking objects by keys in the 3-D view: choose one, move and turn it, put it there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt

from metagui.gui.scene.object_drag import MAX_OBJECT_REACH_M, ObjectDrag

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metagui.arms.arm import FloatArray, SceneObject
    from metagui.arms.simulation.orbit_camera import OrbitCamera

    PoseReader = Callable[[str], tuple[FloatArray, float]]

MARKING_STEP_M, FINE_MARKING_STEP_M = 0.010, 0.001
"""Displacement by an arrow key without and with Shift, m."""
MARKING_SHORTCUTS = (("N, arrows (Shift), Q E, Return", "mark objects: next one, move, turn, put it there"),)
"""Keys in the 3-D view while objects are marked, and what they do."""
MARKING_HELP = "N: next object · arrows move it, with Shift by 1 mm · Q, E turn it · Return puts it there"
_ARROWS = {Qt.Key.Key_Up: (1, 0), Qt.Key.Key_Down: (-1, 0), Qt.Key.Key_Right: (0, 1), Qt.Key.Key_Left: (0, -1)}
"""Direction of each arrow: away from the viewer, to the right."""
_TURNS = {Qt.Key.Key_Q: 1.0, Qt.Key.Key_E: -1.0}


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
