"""Mouse and keyboard control of the 3-D view's camera: orbit, pan, zoom, and the object under the pointer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt

from metagui.arms.simulation.orbit_camera import OrbitCamera

if TYPE_CHECKING:
    from PySide6.QtCore import QPointF, QSize
    from PySide6.QtGui import QMouseEvent, QWheelEvent

    from metagui.arms.simulation.renderer import PickedPoint, SceneRenderer

WHEEL_NOTCH = 120
"""Angle that Qt reports for one notch of the mouse wheel, eighths of a degree."""
_ORBIT_DEG_PER_PX = 0.4
"""Rotation of the camera per dragged pixel, degrees."""
_ORBIT_KEYS_DEG = {Qt.Key.Key_Left: (-5, 0), Qt.Key.Key_Right: (5, 0), Qt.Key.Key_Up: (0, -4), Qt.Key.Key_Down: (0, 4)}
_ZOOM_KEYS = {Qt.Key.Key_Plus: 0.9, Qt.Key.Key_Equal: 0.9, Qt.Key.Key_Minus: 1.1}
_ZOOM_PER_NOTCH = 0.9


class CameraControl:
    """Moves a camera by drags, wheel and keys; its owner redraws the view."""

    def __init__(self) -> None:
        self.camera = OrbitCamera()

    def reset(self) -> None:
        """Return to the default view."""
        self.camera = OrbitCamera()

    def drag(self, event: QMouseEvent, delta: QPointF, view_size: QSize) -> None:
        """Orbit with the left button, pan with Shift or another button; ``delta`` in pixels."""
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if event.buttons() & Qt.MouseButton.LeftButton and not shift:
            self.camera = self.camera.orbited(-_ORBIT_DEG_PER_PX * delta.x(), -_ORBIT_DEG_PER_PX * delta.y())
        else:
            self.camera = self.camera.panned(delta.x() / view_size.height(), delta.y() / view_size.height())

    def zoom(self, event: QWheelEvent) -> None:
        """Zoom in or out by the notches of the wheel."""
        self.camera = self.camera.zoomed(_ZOOM_PER_NOTCH ** (event.angleDelta().y() / WHEEL_NOTCH))

    def press_key(self, key: int) -> bool:
        """Orbit with the arrow keys, zoom with plus and minus; return False for any other key."""
        if key in _ORBIT_KEYS_DEG:
            self.camera = self.camera.orbited(*_ORBIT_KEYS_DEG[Qt.Key(key)])
        elif key in _ZOOM_KEYS:
            self.camera = self.camera.zoomed(_ZOOM_KEYS[Qt.Key(key)])
        else:
            return False
        return True

    def pick(self, renderer: SceneRenderer | None, pointer: QPointF, view_size: QSize) -> PickedPoint | None:
        """Return the object and the point on it under the pointer, if any."""
        if renderer is None:
            return None
        return renderer.pick(self.camera, pointer.x(), pointer.y(), view_size.width(), view_size.height())
