"""Picture of the arm in a pose, drawn with the renderer of the window's 3-D view, which is hidden meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, Qt, Signal

from metagui.arms.simulation.orbit_camera import OrbitCamera
from metagui.gui.scene.scene_canvas import SceneCanvas

if TYPE_CHECKING:
    from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QWheelEvent

    from metagui.arms.arm import FloatArray
    from metagui.gui.theme.theme import Theme

POSE_CAMERA = OrbitCamera(target=(0.12, -0.04, 0.14), distance=0.72, azimuth=150.0, elevation=-18.0)
"""View in which all poses are inside the picture."""


class PoseCanvas(SceneCanvas):
    """Draws one state; the camera is moved by mouse and keys."""

    camera_moved = Signal(object)
    """The OrbitCamera after the person moved it."""

    def __init__(self, theme: Theme, name: str) -> None:
        super().__init__(theme)
        self._state: FloatArray | None = None
        self._pointer = QPointF()
        self._camera_control.camera = POSE_CAMERA
        self.setAccessibleName(name)
        self.setAccessibleDescription("Drag or press arrow keys to orbit, scroll to zoom.")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(220, 180)

    def draw_like(self, view: SceneCanvas) -> None:
        """Draw with the renderer of another view, which must stay open, or show why that view draws nothing."""
        self._renderer, self.problem = view._renderer, view.problem
        self._request_redraw()

    def show_state(self, state: FloatArray) -> None:
        """Show a state (D,)."""
        if self._state is None or not np.array_equal(state, self._state):
            self._state = state
            self._request_redraw()

    def set_camera(self, camera: OrbitCamera) -> None:
        """Look from where another picture looks."""
        self._camera_control.camera = camera
        self._request_redraw()

    def _render(self, fine: bool) -> None:
        if self._renderer is not None and self._state is not None:
            self._renderer.update_state(self._state)  # another view may have drawn another state
            super()._render(fine)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Store where a drag begins."""
        self._pointer = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Orbit or pan while a button is down."""
        self._camera_control.drag(event, event.position() - self._pointer, self.size())
        self._pointer = event.position()
        self._report_camera()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom."""
        self._camera_control.zoom(event)
        event.accept()
        self._report_camera()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Orbit with the arrow keys, zoom with plus and minus."""
        if self._camera_control.press_key(event.key()):
            self._report_camera()
        else:
            super().keyPressEvent(event)

    def _report_camera(self) -> None:
        self._request_redraw()
        self.camera_moved.emit(self.camera)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show a ring if the focus came by keyboard."""
        self._focus_ring_visible = event.reason() != Qt.FocusReason.MouseFocusReason
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Hide the ring."""
        self._focus_ring_visible = False
        self.update()
