"""Control of the 3-D view's camera by keys and drags, and dragging of objects."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, QSize, Qt
from PySide6.QtGui import QMouseEvent

from metagui.arms.simulation.orbit_camera import OrbitCamera
from metagui.arms.tables.table import SCENE_OBJECTS
from metagui.gui.scene.camera_control import CameraControl
from metagui.gui.scene.object_drag import DRAG_WHEEL_TURN_RAD, MAX_OBJECT_REACH_M, ObjectDrag, make_drag_proposal
from tests.helpers.projection import project_point

VIEW_SIZE = QSize(640, 480)


def make_drag_event(button: Qt.MouseButton, modifier: Qt.KeyboardModifier) -> QMouseEvent:
    """Return a move of the mouse with a button down."""
    return QMouseEvent(QEvent.Type.MouseMove, QPointF(10, 0), QPointF(10, 0), Qt.MouseButton.NoButton, button, modifier)


@pytest.mark.parametrize("key", [Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down])
def test_press_key_arrow_orbits_at_same_distance(key: Qt.Key) -> None:
    control = CameraControl()
    assert control.press_key(key)
    start = OrbitCamera()
    assert (control.camera.azimuth, control.camera.elevation) != (start.azimuth, start.elevation)
    assert control.camera.distance == start.distance


def test_press_key_plus_and_minus_zoom_and_others_are_refused() -> None:
    control = CameraControl()
    assert control.press_key(Qt.Key.Key_Plus)
    assert control.camera.distance < OrbitCamera().distance
    control.reset()
    assert control.press_key(Qt.Key.Key_Minus)
    assert control.camera.distance > OrbitCamera().distance
    assert not control.press_key(Qt.Key.Key_A)


def test_drag_left_orbits_and_shift_pans(qapp: object) -> None:
    control, start = CameraControl(), OrbitCamera()
    delta = QPointF(10, 0)
    control.drag(make_drag_event(Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier), delta, VIEW_SIZE)
    assert control.camera.azimuth == pytest.approx(start.azimuth - 4.0)
    assert control.camera.target == start.target
    control.reset()
    control.drag(make_drag_event(Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier), delta, VIEW_SIZE)
    assert control.camera.azimuth == start.azimuth
    assert control.camera.target != start.target


def test_pick_without_renderer_finds_nothing() -> None:
    assert CameraControl().pick(None, QPointF(10, 10), VIEW_SIZE) is None


def test_object_drag_follows_pointer_within_reach() -> None:
    """The object keeps its height and the grabbed point, turns by the wheel, and stays within reach."""
    camera, centre = OrbitCamera(), np.array([0.2, 0.0, 0.0125])
    drag = ObjectDrag.begin(SCENE_OBJECTS[0], centre, centre, 0.0)
    x, y = project_point(camera, np.array([0.25, 0.05, 0.0125]), 640, 480)
    moved = drag.moved_to(camera, x, y, 640, 480)
    np.testing.assert_allclose(moved.point, [0.25, 0.05, 0.0125], atol=1e-6)
    far = drag.moved_to(camera, 320, 60, 640, 480)
    assert math.hypot(*far.point[:2]) <= MAX_OBJECT_REACH_M + 1e-9
    assert drag.turned(2).yaw == pytest.approx(2 * DRAG_WHEEL_TURN_RAD)
    assert "25.0 cm ahead, 5.0 cm left" in moved.hint


def test_make_drag_proposal_table_is_none() -> None:
    assert make_drag_proposal("table", "table") is None
    assert make_drag_proposal("red cube", "cube") is not None
