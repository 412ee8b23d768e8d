"""Drawing part of the 3-D view: renders the newest state of the scene, only after a change, and paints it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt, QTimer
from PySide6.QtGui import QImage, QPainter, QPainterPath
from PySide6.QtWidgets import QSizePolicy, QWidget

from metagui.arms.simulation.renderer import SceneColours, SceneRenderer
from metagui.arms.tables.table import Table
from metagui.gui.scene.camera_control import CameraControl
from metagui.gui.scene.renderer_opening import RendererOpening
from metagui.gui.theme.colours import unit_rgb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QPaintEvent, QResizeEvent

    from metagui.arms.arm import FloatArray, SceneObject
    from metagui.arms.simulation.orbit_camera import OrbitCamera
    from metagui.arms.simulation.renderer import SceneMarker
    from metagui.gui.theme.theme import Theme

_log = logging.getLogger(__name__)

FRAME_PERIOD_MS = 40
"""Minimum time between two frames of a moving scene, ms."""
SETTLE_TIME_MS = 250
"""Time without motion before the frame is drawn in high quality, ms."""


class SceneCanvas(QWidget):
    """Draws the scene with MuJoCo; in high quality once nothing moves. ``SceneView`` adds mouse and keyboard."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.fine_rendering_allowed = True
        """True if the processor is free for frames in high quality."""
        self.problem = ""
        """Why nothing can be drawn; empty if OpenGL works."""
        self._camera_control = CameraControl()
        self._renderer: SceneRenderer | None = None
        self._opening: RendererOpening | None = None
        self._table: Table | None = None
        self._newest_state: FloatArray | None = None
        """Table and state to draw once the renderer is open."""
        self._image: QImage | None = None
        self._path: tuple[SceneMarker, ...] = ()
        self._focus_ring_visible = False
        """True if the view got the focus by keyboard."""
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(320, 220)
        self._frame_timer = QTimer(self, singleShot=True, interval=FRAME_PERIOD_MS)
        self._frame_timer.timeout.connect(self._draw_fast)
        self._settle_timer = QTimer(self, singleShot=True, interval=SETTLE_TIME_MS)
        self._settle_timer.timeout.connect(self._draw_fine)
        theme.changed.connect(self._recolour)

    @property
    def camera(self) -> OrbitCamera:
        """The camera of the view."""
        return self._camera_control.camera

    def sizeHint(self) -> QSize:
        """Return a size at which software rendering is fast."""
        return QSize(720, 500)

    @property
    def has_picture(self) -> bool:
        """True once a picture has been drawn."""
        return self._image is not None

    def open_renderer(self) -> None:
        """Start OpenGL; if it is missing, the view shows the reason and everything else works."""
        self._opening = RendererOpening(self.size(), self)
        self._opening.opened.connect(self._on_opened)
        self._opening.failed.connect(self._on_failure)
        self._opening.start()

    def _on_opened(self, renderer: SceneRenderer) -> None:
        self._renderer = renderer
        if self._table is not None:
            renderer.show_table(self._table)
        if self._newest_state is not None:
            renderer.update_state(self._newest_state)
        self._recolour()

    def _on_failure(self, error: Exception) -> None:
        self.problem = str(error)
        _log.warning("%s", error)
        self.update()

    def close_renderer(self) -> None:
        """Free the graphics memory; the view keeps its last image."""
        if self._opening is not None:
            self._opening.close()
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def show_table(self, objects: Sequence[SceneObject]) -> None:
        """Draw the states of a scene with these objects from now on."""
        table = Table.from_scene_objects(objects)
        if table != self._table:
            self._table, self._newest_state = table, None
        if self._renderer is not None and self._renderer.show_table(table):
            self._request_redraw()

    def update_state(self, state: FloatArray) -> None:
        """Show a simulator state (D,)."""
        self._newest_state = state
        if self._renderer is not None and self._renderer.update_state(state):
            self._request_redraw()

    def show_path(self, path: tuple[SceneMarker, ...]) -> None:
        """Draw a path in the scene, such as that of the selected take."""
        self._path = path
        self._request_redraw()

    def reset_camera(self) -> None:
        """Return the camera to the default view."""
        self._camera_control.reset()
        self._request_redraw()

    def _request_redraw(self) -> None:
        """Draw within one frame period, and in high quality once nothing moves."""
        self._settle_timer.start()
        if not self._frame_timer.isActive():
            self._frame_timer.start()

    def _draw_fast(self) -> None:
        self._render(fine=False)

    def _draw_fine(self) -> None:
        self._on_settled()
        self._frame_timer.stop()
        self._render(fine=self.fine_rendering_allowed)

    def _on_settled(self) -> None:
        """Update what depends on the scene once nothing moves; for subclasses."""

    def _make_markers(self) -> list[SceneMarker]:
        """Return what is drawn into the scene in addition to the path; for subclasses."""
        return []

    def _render(self, fine: bool) -> None:
        if self._renderer is None or not self.isVisible():
            return
        ratio = self.devicePixelRatioF() if fine else 1.0
        width, height = round(self.width() * ratio), round(self.height() * ratio)
        pixels = self._renderer.draw(self.camera, width, height, (*self._path, *self._make_markers()), fine)
        rows, columns, _ = pixels.shape
        self._image = QImage(pixels.data, columns, rows, 3 * columns, QImage.Format.Format_RGB888).copy()
        self.update()

    def _recolour(self) -> None:
        colours = self._theme.colours
        if self._renderer is not None:
            self._renderer.set_colours(
                SceneColours(*(unit_rgb(c) for c in (colours.view, colours.table, colours.edge)))
            )
            self._request_redraw()
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the newest image with rounded corners, or why there is none."""
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        path = QPainterPath()
        path.addRoundedRect(QRectF(self.rect()), 8, 8)
        painter.setClipPath(path)
        painter.fillRect(self.rect(), self._theme.colours.view)
        if self._image is not None:
            painter.drawImage(QRectF(self.rect()), self._image)
        elif self.problem:
            painter.setPen(self.palette().color(self.foregroundRole()))
            wrap = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignCenter
            painter.drawText(self.rect().adjusted(32, 32, -32, -32), wrap, self.problem)
        if self._focus_ring_visible:
            painter.setPen(self._theme.colours.accent)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 8, 8)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Draw in the new size."""
        self._request_redraw()
