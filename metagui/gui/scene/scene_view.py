"""The 3-D view: shows the newest state, turns with the mouse, says what a click would do, and reports clicks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QImage, QPainter, QPainterPath
from PySide6.QtWidgets import QSizePolicy, QWidget

from metagui.arms.arm import ArmError
from metagui.arms.simulation.renderer import Camera, Look, SceneRenderer
from metagui.gui.scene.object_drag import ThingDrag
from metagui.gui.scene.overlays import marks_for
from metagui.gui.teaching.click_teacher import Proposal
from metagui.gui.theme.theme import unit_rgb
from metagui.gui.widgets.pointer_hint import Bubble

if TYPE_CHECKING:
    from PySide6.QtGui import QEnterEvent, QFocusEvent, QKeyEvent, QMouseEvent, QPaintEvent, QResizeEvent, QWheelEvent

    from metagui.arms.arm import FloatArray, Observation
    from metagui.arms.simulation.renderer import Mark, Pick
    from metagui.gui.teaching.click_teacher import Teacher
    from metagui.gui.teaching.keyboard_teleop import KeyPilot
    from metagui.gui.theme.theme import Theme

_log = logging.getLogger(__name__)

FRAME_PERIOD = 40
"""Least time between two frames of a moving scene, ms."""
SETTLED = 250
"""How long nothing must have moved before the fine picture is drawn, ms."""
_DRAG = 5
"""How far the pointer must go before a press is a drag, pixels."""
_TURN = 0.4
"""Degrees a dragged pixel."""


class ArmView(QWidget):
    """Draws what ``show_state`` was given last, only when something moved; a fine picture once it rests."""

    clicked = Signal(object)
    """A Proposal: what the person asked for, or why it cannot be done."""
    placed = Signal(str, float, float, float)
    """A thing was dragged somewhere: its name, x and y, m, and its turn, rad."""

    def __init__(self, theme: Theme, teacher: Teacher) -> None:
        super().__init__()
        self._theme, self._teacher = theme, teacher
        self.camera = Camera()
        self.teaching = self.marking = False
        """Whether clicks mean motions, and whether things can be dragged."""
        self.pilot: KeyPilot | None = None
        """Takes keys before the camera does, while it is active."""
        self.calm = True
        """Whether nothing else needs the processor, so that the fine picture may be drawn."""
        self.problem = ""
        self._renderer: SceneRenderer | None = None
        self._observation: Observation | None = None
        self._image: QImage | None = None
        self._path: tuple[Mark, ...] = ()
        self._proposal: Proposal | None = None
        self._pointer: QPointF | None = None
        self._pressed: QPointF | None = None
        self._dragged = False
        self._thing: ThingDrag | None = None
        self._ringed = False
        """Whether the focus came by key, so that its ring helps."""
        self._bubble = Bubble(self)
        self._prepare()

    def _prepare(self) -> None:
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("3-D view of the arm")
        self.setAccessibleDescription("Click to ask for a motion, drag to orbit, wheel to zoom, arrow keys to turn.")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(320, 220)
        self._frame = QTimer(self, singleShot=True, interval=FRAME_PERIOD)
        self._frame.timeout.connect(self._draw)
        self._settle = QTimer(self, singleShot=True, interval=SETTLED)
        self._settle.timeout.connect(self._draw_fine)
        self._theme.changed.connect(self._recolour)

    def sizeHint(self) -> QSize:
        """Return the size at which software rendering is quick."""
        return QSize(720, 500)

    def open(self) -> None:
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
        if state is not None and self._renderer is not None and self._renderer.show(state):
            self._moved()

    def show_path(self, path: tuple[Mark, ...]) -> None:
        """Draw a path through the scene, such as a chosen take's."""
        self._path = path
        self._moved()

    def reset_camera(self) -> None:
        """Look from the usual side."""
        self._look(Camera())

    def refresh_hint(self) -> None:
        """Judge anew what a click would do: the tool or the scene is another one."""
        self._hover()

    def _look(self, camera: Camera) -> None:
        self.camera = camera
        self._moved()

    def _moved(self) -> None:
        """Something is to be drawn: soon, and finely when it rests."""
        self._settle.start()
        if not self._frame.isActive():
            self._frame.start()

    def _draw(self) -> None:
        self._render(fine=False)

    def _draw_fine(self) -> None:
        self._hover()
        self._frame.stop()
        self._render(fine=self.calm)

    def _render(self, fine: bool) -> None:
        if self._renderer is None or not self.isVisible():
            return
        ratio = self.devicePixelRatioF() if fine else 1.0
        width, height = round(self.width() * ratio), round(self.height() * ratio)
        pixels = self._renderer.draw(self.camera, width, height, (*self._path, *self._marks()), fine)
        rows, columns, _ = pixels.shape
        self._image = QImage(pixels.data, columns, rows, 3 * columns, QImage.Format.Format_RGB888).copy()
        self.update()

    def _marks(self) -> list[Mark]:
        colours = self._theme.colours
        if self._thing is not None:
            return self._thing.marks(unit_rgb(colours.accent))
        if self._renderer is None or self._proposal is None:
            return []
        return marks_for(self._proposal, self._renderer.anchor_pose, unit_rgb(colours.accent), self._teacher.anchors)

    def _recolour(self) -> None:
        colours = self._theme.colours
        if self._renderer is not None:
            self._renderer.set_look(Look(*(unit_rgb(c) for c in (colours.view, colours.table, colours.edge))))
            self._moved()
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
        if self._ringed:
            painter.setPen(self._theme.colours.accent)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 8, 8)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Draw anew in the new size."""
        self._moved()

    # What the person does

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show a ring if the focus came by key."""
        keys = (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason, Qt.FocusReason.ShortcutFocusReason)
        self._ringed = event.reason() in keys
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Take the ring away; keys that are down steer nothing any more."""
        self._ringed = False
        if self.pilot is not None:
            self.pilot.release_all()
        self.update()

    def enterEvent(self, event: QEnterEvent) -> None:
        """Begin to hint."""
        self._pointer = event.position()

    def leaveEvent(self, event: object) -> None:
        """Stop hinting."""
        self._pointer = None
        self._hover()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Remember where a click or a drag begins."""
        self._pressed, self._dragged = event.position(), False
        if self.marking and event.button() == Qt.MouseButton.LeftButton:
            self._thing = self._taken(event.position())

    def _taken(self, at: QPointF) -> ThingDrag | None:
        """Return the thing under the pointer, in hand."""
        found = self._picked(at)
        if found is None or self._renderer is None or self._teacher.kind(found.anchor) == "table":
            return None
        centre, yaw = self._renderer.anchor_pose(found.anchor)
        anchor = next(a for a in self._teacher.anchors if a.name == found.anchor)
        return ThingDrag.begin(anchor, found.point, centre, yaw)

    def _picked(self, at: QPointF) -> Pick | None:
        if self._renderer is None:
            return None
        return self._renderer.pick(self.camera, at.x(), at.y(), self.width(), self.height())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Orbit with the left button, pan with another, hint with none."""
        before, self._pointer = self._pointer, event.position()
        if self._pressed is None:
            self._hover()
        elif self._dragged or (event.position() - self._pressed).manhattanLength() > _DRAG:
            self._drag(event, event.position() - (before or self._pressed))

    def _drag(self, event: QMouseEvent, way: QPointF) -> None:
        self._dragged = True
        self._set_proposal(None)
        if self._thing is not None:
            at = event.position()
            self._carry(self._thing.moved(self.camera, at.x(), at.y(), self.width(), self.height()))
            return
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if event.buttons() & Qt.MouseButton.LeftButton and not shift:
            self._look(self.camera.orbited(-_TURN * way.x(), -_TURN * way.y()))
        else:
            self._look(self.camera.panned(way.x() / self.height(), way.y() / self.height()))

    def _carry(self, thing: ThingDrag) -> None:
        """Show where the thing in hand would stand."""
        self._thing = thing
        self._bubble.say(thing.hint, self._pointer)
        self.setCursor(Qt.CursorShape.ClosedHandCursor)
        self._moved()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Report a click, or where a thing was dragged."""
        thing, self._thing = self._thing, None
        if thing is not None and self._dragged:
            self._bubble.hide()
            self.placed.emit(thing.anchor.name, float(thing.point[0]), float(thing.point[1]), thing.yaw)
        left = event.button() == Qt.MouseButton.LeftButton
        was_click = self._pressed is not None and not self._dragged and left
        self._pressed = None
        self._pointer = event.position()
        self._hover()
        if was_click and self._proposal is not None and not self.marking:
            self.clicked.emit(self._proposal)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom, or turn the thing in hand."""
        if self._thing is not None:
            self._dragged = True
            self._carry(self._thing.turned(event.angleDelta().y() / 120))
            event.accept()
            return
        self._look(self.camera.zoomed(0.9 ** (event.angleDelta().y() / 120)))
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Steer if that is the mode; else turn with the arrow keys, zoom with plus and minus."""
        if self.pilot is not None and self.pilot.press(event.key(), event.modifiers()):
            return
        turns = {Qt.Key.Key_Left: (-5, 0), Qt.Key.Key_Right: (5, 0), Qt.Key.Key_Up: (0, -4), Qt.Key.Key_Down: (0, 4)}
        zooms = {Qt.Key.Key_Plus: 0.9, Qt.Key.Key_Equal: 0.9, Qt.Key.Key_Minus: 1.1}
        key = Qt.Key(event.key())
        if key in turns:
            self._look(self.camera.orbited(*turns[key]))
        elif key in zooms:
            self._look(self.camera.zoomed(zooms[key]))
        else:
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """Stop steering that way."""
        if event.isAutoRepeat() or self.pilot is None or not self.pilot.release(event.key()):
            super().keyReleaseEvent(event)

    def _hover(self) -> None:
        """Say what a click where the pointer is would do."""
        if self._thing is not None:
            return
        busy = self._pointer is None or (self._dragged and self._pressed)
        found = self._picked(self._pointer) if self._pointer is not None and not busy else None
        if found is not None and self.marking:
            self._set_proposal(_to_drag(found.anchor, self._teacher.kind(found.anchor)))
        elif found is not None and self.teaching:
            self._set_proposal(self._teacher.propose(found.anchor, found.point, self._observation))
        else:
            self._set_proposal(None)

    def _set_proposal(self, proposal: Proposal | None) -> None:
        changed = proposal != self._proposal
        self._proposal = proposal
        self._bubble.setVisible(proposal is not None)
        if proposal is not None and self._pointer is not None:
            self._bubble.say(proposal.hint, self._pointer, not proposal.refused)
            refused = Qt.CursorShape.ForbiddenCursor
            usual = Qt.CursorShape.OpenHandCursor if self.marking else Qt.CursorShape.PointingHandCursor
            self.setCursor(refused if proposal.refused else usual)
        else:
            self.unsetCursor()
        if changed:
            self._moved()


def _to_drag(anchor: str, kind: str) -> Proposal | None:
    """Return the hint of a thing that can be dragged."""
    return None if kind == "table" else Proposal(f"Drag the {anchor} to where it stands")
