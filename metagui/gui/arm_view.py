"""The 3-D view: shows the newest state, turns with the mouse, says what a click would do, and reports clicks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QImage, QPainter, QPainterPath
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from metagui.arms.arm import ArmError
from metagui.arms.rendering import Camera, Look, SceneRenderer
from metagui.gui.marks import marks_for
from metagui.gui.theme import unit_rgb

if TYPE_CHECKING:
    from PySide6.QtGui import QEnterEvent, QFocusEvent, QKeyEvent, QMouseEvent, QPaintEvent, QResizeEvent, QWheelEvent

    from metagui.arms.arm import FloatArray, Observation
    from metagui.arms.rendering import Mark
    from metagui.gui.teaching import Proposal, Teacher
    from metagui.gui.theme import Theme

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

    def __init__(self, theme: Theme, teacher: Teacher) -> None:
        super().__init__()
        self._theme, self._teacher = theme, teacher
        self.camera = Camera()
        self.teaching = False
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
        self._ringed = False
        """Whether the focus came by key, so that its ring helps."""
        self._bubble = QLabel(self)
        self._prepare()

    def _prepare(self) -> None:
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("3-D view of the arm")
        self.setAccessibleDescription("Click to ask for a motion, drag to orbit, wheel to zoom, arrow keys to turn.")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(320, 220)
        self._bubble.setObjectName("bubble")
        self._bubble.setContentsMargins(8, 4, 8, 4)
        self._bubble.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._bubble.hide()
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
        if self._renderer is None or self._proposal is None:
            return []
        colours = self._theme.colours
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
        """Take the ring away."""
        self._ringed = False
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
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if event.buttons() & Qt.MouseButton.LeftButton and not shift:
            self._look(self.camera.orbited(-_TURN * way.x(), -_TURN * way.y()))
        else:
            self._look(self.camera.panned(way.x() / self.height(), way.y() / self.height()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Report a click, if it was not a drag."""
        left = event.button() == Qt.MouseButton.LeftButton
        was_click = self._pressed is not None and not self._dragged and left
        self._pressed = None
        self._pointer = event.position()
        self._hover()
        if was_click and self._proposal is not None:
            self.clicked.emit(self._proposal)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom."""
        self._look(self.camera.zoomed(0.9 ** (event.angleDelta().y() / 120)))
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Turn with the arrow keys, zoom with plus and minus."""
        turns = {Qt.Key.Key_Left: (-5, 0), Qt.Key.Key_Right: (5, 0), Qt.Key.Key_Up: (0, -4), Qt.Key.Key_Down: (0, 4)}
        zooms = {Qt.Key.Key_Plus: 0.9, Qt.Key.Key_Equal: 0.9, Qt.Key.Key_Minus: 1.1}
        key = Qt.Key(event.key())
        if key in turns:
            self._look(self.camera.orbited(*turns[key]))
        elif key in zooms:
            self._look(self.camera.zoomed(zooms[key]))
        else:
            super().keyPressEvent(event)

    def _hover(self) -> None:
        """Say what a click where the pointer is would do."""
        if self._renderer is None or self._pointer is None or not self.teaching or (self._dragged and self._pressed):
            self._set_proposal(None)
            return
        found = self._renderer.pick(self.camera, self._pointer.x(), self._pointer.y(), self.width(), self.height())
        if found is None:
            self._set_proposal(None)
            return
        self._set_proposal(self._teacher.propose(found.anchor, found.point, self._observation))

    def _set_proposal(self, proposal: Proposal | None) -> None:
        changed = proposal != self._proposal
        self._proposal = proposal
        self._bubble.setVisible(proposal is not None)
        if proposal is not None and self._pointer is not None:
            self._bubble.setText(proposal.hint)
            self._bubble.setEnabled(not proposal.refused)
            self._bubble.adjustSize()
            self._move_bubble(self._pointer)
            refused = Qt.CursorShape.ForbiddenCursor
            self.setCursor(refused if proposal.refused else Qt.CursorShape.PointingHandCursor)
        else:
            self.unsetCursor()
        if changed:
            self._moved()

    def _move_bubble(self, pointer: QPointF) -> None:
        x = min(pointer.x() + 16, self.width() - self._bubble.width() - 4)
        y = pointer.y() + 20
        if y + self._bubble.height() > self.height():
            y = pointer.y() - 12 - self._bubble.height()
        self._bubble.move(round(x), round(y))
