"""The 3-D view: shows the newest state, turns with the mouse, says what a click would do, and reports clicks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QImage, QPainter, QPainterPath
from PySide6.QtWidgets import QSizePolicy, QWidget

from metagui.arms.arm import ArmError
from metagui.arms.simulation.orbit_camera import OrbitCamera
from metagui.arms.simulation.renderer import SceneColours, SceneRenderer
from metagui.gui.scene.object_drag import ObjectDrag
from metagui.gui.scene.overlays import make_proposal_markers
from metagui.gui.teaching.click_teacher import Proposal
from metagui.gui.theme.theme import unit_rgb
from metagui.gui.widgets.pointer_hint import PointerHint

if TYPE_CHECKING:
    from PySide6.QtGui import QEnterEvent, QFocusEvent, QKeyEvent, QMouseEvent, QPaintEvent, QResizeEvent, QWheelEvent

    from metagui.arms.arm import FloatArray, Observation
    from metagui.arms.simulation.renderer import PickedPoint, SceneMarker
    from metagui.gui.teaching.click_teacher import ClickTeacher
    from metagui.gui.teaching.keyboard_teleop import KeyboardTeleop
    from metagui.gui.theme.theme import Theme

_log = logging.getLogger(__name__)

FRAME_PERIOD_MS = 40
"""Least time between two frames of a moving scene, ms."""
SETTLE_TIME_MS = 250
"""How long nothing must have moved before the fine picture is drawn, ms."""
_DRAG_THRESHOLD_PX = 5
"""How far the pointer must go before a press is a drag, pixels."""
_ORBIT_DEG_PER_PX = 0.4
"""Degrees a dragged pixel."""


class SceneView(QWidget):
    """Draws what ``show_state`` was given last, only when something moved; a fine picture once it rests."""

    clicked = Signal(object)
    """A Proposal: what the person asked for, or why it cannot be done."""
    object_placed = Signal(str, float, float, float)
    """A thing was dragged somewhere: its name, x and y, m, and its turn, rad."""

    def __init__(self, theme: Theme, click_teacher: ClickTeacher) -> None:
        super().__init__()
        self._theme, self._click_teacher = theme, click_teacher
        self.camera = OrbitCamera()
        self.teaching_enabled = self.placement_enabled = False
        """Whether clicks mean motions, and whether things can be dragged."""
        self.keyboard: KeyboardTeleop | None = None
        """Takes keys before the camera does, while it is active."""
        self.fine_rendering_allowed = True
        """Whether nothing else needs the processor, so that the fine picture may be drawn."""
        self.problem = ""
        self._renderer: SceneRenderer | None = None
        self._observation: Observation | None = None
        self._image: QImage | None = None
        self._path: tuple[SceneMarker, ...] = ()
        self._proposal: Proposal | None = None
        self._pointer: QPointF | None = None
        self._pressed: QPointF | None = None
        self._dragged = False
        self._object_drag: ObjectDrag | None = None
        self._focus_ring_visible = False
        """Whether the focus came by key, so that its ring helps."""
        self._pointer_hint = PointerHint(self)
        self._prepare()

    def _prepare(self) -> None:
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("3-D view of the arm")
        self.setAccessibleDescription("Click to ask for a motion, drag to orbit, wheel to zoom, arrow keys to turn.")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(320, 220)
        self._frame_timer = QTimer(self, singleShot=True, interval=FRAME_PERIOD_MS)
        self._frame_timer.timeout.connect(self._draw_fast)
        self._settle_timer = QTimer(self, singleShot=True, interval=SETTLE_TIME_MS)
        self._settle_timer.timeout.connect(self._draw_fine)
        self._theme.changed.connect(self._recolour)

    def sizeHint(self) -> QSize:
        """Return the size at which software rendering is quick."""
        return QSize(720, 500)

    def open_renderer(self) -> None:
        """Start OpenGL; where it is missing the view says so in words and everything else works."""
        try:
            self._renderer = SceneRenderer(self.width(), self.height())
        except ArmError as error:
            self.problem = str(error)
            _log.warning("%s", error)
        self._recolour()

    def close_renderer(self) -> None:
        """Free the graphics memory; the view keeps its last picture."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    # What is shown

    def show_state(self, state: FloatArray | None, observation: Observation | None) -> None:
        """Show a simulator state (D,) and keep the observation that hints are judged by."""
        self._observation = observation
        if state is not None and self._renderer is not None and self._renderer.update_state(state):
            self._request_redraw()

    def show_path(self, path: tuple[SceneMarker, ...]) -> None:
        """Draw a path through the scene, such as a chosen take's."""
        self._path = path
        self._request_redraw()

    def reset_camera(self) -> None:
        """Look from the usual side."""
        self._set_camera(OrbitCamera())

    def refresh_hint(self) -> None:
        """Judge anew what a click would do: the tool or the scene is another one."""
        self._update_hint()

    def _set_camera(self, camera: OrbitCamera) -> None:
        self.camera = camera
        self._request_redraw()

    def _request_redraw(self) -> None:
        """Something is to be drawn: soon, and finely when it rests."""
        self._settle_timer.start()
        if not self._frame_timer.isActive():
            self._frame_timer.start()

    def _draw_fast(self) -> None:
        self._render(fine=False)

    def _draw_fine(self) -> None:
        self._update_hint()
        self._frame_timer.stop()
        self._render(fine=self.fine_rendering_allowed)

    def _render(self, fine: bool) -> None:
        if self._renderer is None or not self.isVisible():
            return
        ratio = self.devicePixelRatioF() if fine else 1.0
        width, height = round(self.width() * ratio), round(self.height() * ratio)
        pixels = self._renderer.draw(self.camera, width, height, (*self._path, *self._markers()), fine)
        rows, columns, _ = pixels.shape
        self._image = QImage(pixels.data, columns, rows, 3 * columns, QImage.Format.Format_RGB888).copy()
        self.update()

    def _markers(self) -> list[SceneMarker]:
        colours = self._theme.colours
        if self._object_drag is not None:
            return self._object_drag.markers(unit_rgb(colours.accent))
        if self._renderer is None or self._proposal is None:
            return []
        return make_proposal_markers(
            self._proposal, self._renderer.get_object_pose, unit_rgb(colours.accent), self._click_teacher.objects
        )

    def _recolour(self) -> None:
        colours = self._theme.colours
        if self._renderer is not None:
            self._renderer.set_colours(
                SceneColours(*(unit_rgb(c) for c in (colours.view, colours.table, colours.edge)))
            )
            self._request_redraw()
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the newest picture, or why there is none, with rounded corners."""
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
        """Draw anew in the new size."""
        self._request_redraw()

    # What the person does

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show a ring if the focus came by key."""
        keys = (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason, Qt.FocusReason.ShortcutFocusReason)
        self._focus_ring_visible = event.reason() in keys
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Take the ring away; keys that are down steer nothing any more."""
        self._focus_ring_visible = False
        if self.keyboard is not None:
            self.keyboard.release_all()
        self.update()

    def enterEvent(self, event: QEnterEvent) -> None:
        """Begin to hint."""
        self._pointer = event.position()

    def leaveEvent(self, event: object) -> None:
        """Stop hinting."""
        self._pointer = None
        self._update_hint()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Remember where a click or a drag begins."""
        self._pressed, self._dragged = event.position(), False
        if self.placement_enabled and event.button() == Qt.MouseButton.LeftButton:
            self._object_drag = self._grab_object(event.position())

    def _grab_object(self, pointer: QPointF) -> ObjectDrag | None:
        """Return the thing under the pointer, in hand."""
        found = self._pick(pointer)
        if found is None or self._renderer is None or self._click_teacher.object_kind(found.object_name) == "table":
            return None
        centre, yaw = self._renderer.get_object_pose(found.object_name)
        anchor = next(a for a in self._click_teacher.objects if a.name == found.object_name)
        return ObjectDrag.begin(anchor, found.point, centre, yaw)

    def _pick(self, pointer: QPointF) -> PickedPoint | None:
        if self._renderer is None:
            return None
        return self._renderer.pick(self.camera, pointer.x(), pointer.y(), self.width(), self.height())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Orbit with the left button, pan with another, hint with none."""
        before, self._pointer = self._pointer, event.position()
        if self._pressed is None:
            self._update_hint()
        elif self._dragged or (event.position() - self._pressed).manhattanLength() > _DRAG_THRESHOLD_PX:
            self._drag(event, event.position() - (before or self._pressed))

    def _drag(self, event: QMouseEvent, delta: QPointF) -> None:
        self._dragged = True
        self._set_proposal(None)
        if self._object_drag is not None:
            at = event.position()
            self._move_object_drag(self._object_drag.moved_to(self.camera, at.x(), at.y(), self.width(), self.height()))
            return
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if event.buttons() & Qt.MouseButton.LeftButton and not shift:
            self._set_camera(self.camera.orbited(-_ORBIT_DEG_PER_PX * delta.x(), -_ORBIT_DEG_PER_PX * delta.y()))
        else:
            self._set_camera(self.camera.panned(delta.x() / self.height(), delta.y() / self.height()))

    def _move_object_drag(self, object_drag: ObjectDrag) -> None:
        """Show where the thing in hand would stand."""
        self._object_drag = object_drag
        self._pointer_hint.show_hint(object_drag.hint, self._pointer)
        self.setCursor(Qt.CursorShape.ClosedHandCursor)
        self._request_redraw()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Report a click, or where a thing was dragged."""
        thing, self._object_drag = self._object_drag, None
        if thing is not None and self._dragged:
            self._pointer_hint.hide()
            self.object_placed.emit(thing.scene_object.name, float(thing.point[0]), float(thing.point[1]), thing.yaw)
        left = event.button() == Qt.MouseButton.LeftButton
        was_click = self._pressed is not None and not self._dragged and left
        self._pressed = None
        self._pointer = event.position()
        self._update_hint()
        if was_click and self._proposal is not None and not self.placement_enabled:
            self.clicked.emit(self._proposal)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom, or turn the thing in hand."""
        if self._object_drag is not None:
            self._dragged = True
            self._move_object_drag(self._object_drag.turned(event.angleDelta().y() / 120))
            event.accept()
            return
        self._set_camera(self.camera.zoomed(0.9 ** (event.angleDelta().y() / 120)))
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Steer if that is the mode; else turn with the arrow keys, zoom with plus and minus."""
        if self.keyboard is not None and self.keyboard.press_key(event.key(), event.modifiers()):
            return
        turns = {Qt.Key.Key_Left: (-5, 0), Qt.Key.Key_Right: (5, 0), Qt.Key.Key_Up: (0, -4), Qt.Key.Key_Down: (0, 4)}
        zooms = {Qt.Key.Key_Plus: 0.9, Qt.Key.Key_Equal: 0.9, Qt.Key.Key_Minus: 1.1}
        key = Qt.Key(event.key())
        if key in turns:
            self._set_camera(self.camera.orbited(*turns[key]))
        elif key in zooms:
            self._set_camera(self.camera.zoomed(zooms[key]))
        else:
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """Stop steering that way."""
        if event.isAutoRepeat() or self.keyboard is None or not self.keyboard.release_key(event.key()):
            super().keyReleaseEvent(event)

    def _update_hint(self) -> None:
        """Say what a click where the pointer is would do."""
        if self._object_drag is not None:
            return
        busy = self._pointer is None or (self._dragged and self._pressed)
        found = self._pick(self._pointer) if self._pointer is not None and not busy else None
        if found is not None and self.placement_enabled:
            self._set_proposal(
                _make_drag_proposal(found.object_name, self._click_teacher.object_kind(found.object_name))
            )
        elif found is not None and self.teaching_enabled:
            self._set_proposal(self._click_teacher.propose(found.object_name, found.point, self._observation))
        else:
            self._set_proposal(None)

    def _set_proposal(self, proposal: Proposal | None) -> None:
        changed = proposal != self._proposal
        self._proposal = proposal
        self._pointer_hint.setVisible(proposal is not None)
        if proposal is not None and self._pointer is not None:
            self._pointer_hint.show_hint(proposal.hint, self._pointer, not proposal.is_refused)
            refused = Qt.CursorShape.ForbiddenCursor
            usual = Qt.CursorShape.OpenHandCursor if self.placement_enabled else Qt.CursorShape.PointingHandCursor
            self.setCursor(refused if proposal.is_refused else usual)
        else:
            self.unsetCursor()
        if changed:
            self._request_redraw()


def _make_drag_proposal(object_name: str, kind: str) -> Proposal | None:
    """Return the hint of a thing that can be dragged."""
    return None if kind == "table" else Proposal(f"Drag the {object_name} to where it stands")
