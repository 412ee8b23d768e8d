"""The camera's picture with outlines of the objects; clicks in it teach as clicks in the 3-D view do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from metagui.gui.cameras.picture_parts import find_crop, list_names
from metagui.gui.widgets.pointer_hint import PointerHint

if TYPE_CHECKING:
    from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QPaintEvent

    from metagui.arms.arm import FloatArray, Observation, SceneObject
    from metagui.gui.teaching.click_teacher import ClickTeacher, Proposal
    from metagui.gui.theme.theme import Theme
    from metagui.vision.camera_condition import CameraReport
    from metagui.vision.table_camera import TableSight
    from metagui.vision.table_picture import TablePicture

LABELLED_WIDTH_PX = 440
"""Width of the view from which on the names of all objects have room, pixels."""
KEY_STEP_PX = 8
"""Distance by which an arrow key moves the pointer, pixels of the widget; with Shift one pixel."""
_ARROWS = {Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, -1), Qt.Key.Key_Down: (0, 1)}


class CameraPicture(QWidget):
    """Shows the newest picture; the outlines are where the program believes the objects to be."""

    clicked = Signal(object)
    """The ``Proposal`` of a click: an instruction, or why none is possible."""

    def __init__(self, theme: Theme, click_teacher: ClickTeacher | None = None) -> None:
        """Create the view; one for teaching shows the mat and its surroundings, another one the whole picture."""
        super().__init__()
        self._theme, self._click_teacher = theme, click_teacher
        self.teaching_enabled = False
        """True if clicks are instructions."""
        self._sight: TableSight | None = None
        self._image: QImage | None = None
        self._picture: TablePicture | None = None
        self._crop = QRectF()
        """Shown part of the picture, pixels."""
        self._problem = ""
        self._observation: Observation | None = None
        self._proposal: Proposal | None = None
        self._pointer: QPointF | None = None
        self._is_focus_shown = False
        self._pointer_hint = PointerHint(self)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Camera picture of the table")
        self.setAccessibleDescription("Click to give an instruction; arrow keys move the pointer, Return clicks.")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(200, 140)
        theme.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        """Return a size in the proportions of most cameras."""
        return QSize(480, 270)

    # What is shown

    def show_sight(self, sight: TableSight) -> None:
        """Show a new picture."""
        self._sight = sight
        pixels = sight.frame.picture
        rows, columns, _ = pixels.shape
        self._image = QImage(pixels.data, columns, rows, 3 * columns, QImage.Format.Format_RGB888).copy()
        self._crop = find_crop(sight) if self._click_teacher is not None else QRectF(0, 0, columns, rows)
        self._update_hint()
        self.update()

    def show_table(self, picture: TablePicture | None, observation: Observation | None) -> None:
        """Show where the program believes the objects to be; None for no outlines."""
        self._picture, self._observation = picture, observation
        self._update_hint()
        self.update()

    def show_report(self, report: CameraReport) -> None:
        """Grey the picture while nothing in it is measured, and say why."""
        self._problem = "" if report.is_measuring else report.message or "The camera is starting …"
        self.setAccessibleDescription(self._problem or "Click to give an instruction; arrow keys move the pointer.")
        self.update()

    def clear(self) -> None:
        """Forget the picture, of a camera that is not used any more."""
        self._sight = self._image = self._picture = None
        self.update()

    @property
    def area(self) -> QRectF:
        """Rectangle of the picture in the widget."""
        if self._image is None:
            return QRectF(self.rect())
        size = self._crop.size().scaled(QSizeF(self.size()), Qt.AspectRatioMode.KeepAspectRatio)
        return QRectF(
            (self.width() - size.width()) / 2, (self.height() - size.height()) / 2, size.width(), size.height()
        )

    def find_pixel(self, point: QPointF) -> FloatArray | None:
        """Return the pixel (2,) of the picture at a point of the widget; None beside the picture."""
        area = self.area
        if self._image is None or not area.contains(point):
            return None
        scale = self._crop.width() / area.width()
        offset = np.array([self._crop.x(), self._crop.y()])
        pixel: FloatArray = np.array([point.x() - area.x(), point.y() - area.y()]) * scale + offset - 0.5
        return pixel

    def find_point(self, pixel: FloatArray) -> QPointF:
        """Return the point of the widget at a pixel (2,) of the picture."""
        area = self.area
        scale = area.width() / max(self._crop.width(), 1.0)
        x, y = (pixel[0] + 0.5 - self._crop.x()) * scale, (pixel[1] + 0.5 - self._crop.y()) * scale
        return QPointF(area.x() + x, area.y() + y)

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the picture, the outlines, and what is wrong."""
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        clip = QPainterPath()
        clip.addRoundedRect(QRectF(self.rect()), 8, 8)
        painter.setClipPath(clip)
        painter.fillRect(self.rect(), QColor(self._theme.colours.view))
        if self._image is not None:
            painter.drawImage(self.area, self._image, self._crop)
            if not self._problem:
                self._paint_mat(painter)
                self._paint_objects(painter)
        if self._problem:
            self._paint_problem(painter)
        if self.hasFocus() and self._is_focus_shown:
            painter.setPen(QColor(self._theme.colours.accent))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 8, 8)

    def _paint_mat(self, painter: QPainter) -> None:
        """Draw the corners of the mat's tags that were found."""
        painter.setPen(QPen(QColor("#3ddc84"), 2))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for tag in self._sight.tags if self._sight is not None else ():
            if tag.id < 4:
                painter.drawPolygon(self._make_polygon(tag.corners))

    def _paint_objects(self, painter: QPainter) -> None:
        """Draw the objects' outlines and names: dashed for those that are not seen now."""
        picture, sight = self._picture, self._sight
        if picture is None or sight is None:
            return
        for index, each in enumerate(picture.objects):
            known = sight.scene.objects.get(each.name)
            if each.kind == "table" or known is None:
                continue
            is_seen = known.status in ("seen", "carried")
            outline = picture.draw_outline(index)
            if len(outline):
                self._paint_outline(painter, each, self._make_polygon(outline), is_seen)

    def _paint_outline(self, painter: QPainter, each: SceneObject, outline: QPolygonF, is_seen: bool) -> None:
        proposal = self._proposal
        is_chosen = proposal is not None and each.name in list_names(proposal)
        colour = QColor.fromRgbF(*each.colour).lighter(130) if is_seen else QColor("#b0b7bf")
        for width, tint in ((5 if is_chosen else 4, QColor(0, 0, 0, 150)), (3 if is_chosen else 2, colour)):
            style = Qt.PenStyle.SolidLine if is_seen else Qt.PenStyle.DashLine
            painter.setPen(QPen(tint, width, style))
            painter.drawPolygon(outline)
        if is_chosen or not is_seen or self.width() > LABELLED_WIDTH_PX:
            text = each.name if is_seen else f"{each.name} (hidden)"
            self._paint_label(painter, outline.boundingRect(), text)

    def _paint_label(self, painter: QPainter, near: QRectF, text: str) -> None:
        """Write a name below an outline, within the picture."""
        metrics = painter.fontMetrics()
        box = QRectF(0, 0, metrics.horizontalAdvance(text) + 8, metrics.height() + 2)
        box.moveCenter(QPointF(near.center().x(), near.bottom() + box.height() / 2 + 2))
        area = self.area
        box.moveLeft(min(max(box.left(), area.left()), area.right() - box.width()))
        box.moveTop(min(box.top(), area.bottom() - box.height()))
        painter.fillRect(box, QColor(0, 0, 0, 150))
        painter.setPen(QColor("white"))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)

    def _paint_problem(self, painter: QPainter) -> None:
        painter.fillRect(self.rect(), QColor(40, 44, 50, 170 if self._image is not None else 0))
        painter.setPen(QColor("white") if self._image is not None else QColor(self._theme.colours.text))
        wrap = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignCenter
        painter.drawText(self.rect().adjusted(12, 12, -12, -12), wrap, self._problem)

    def _make_polygon(self, pixels: FloatArray) -> QPolygonF:
        return QPolygonF([self.find_point(each) for each in pixels])

    # Clicks

    def _update_hint(self) -> None:
        """Show what a click at the pointer would do."""
        proposal = self._find_proposal()
        if proposal != self._proposal:
            self._proposal = proposal
            self.update()
        if proposal is None or self._pointer is None:
            self._pointer_hint.hide()
            self.unsetCursor()
            return
        self._pointer_hint.show_hint(proposal.hint, self._pointer, not proposal.is_refused)
        refused = Qt.CursorShape.ForbiddenCursor
        self.setCursor(refused if proposal.is_refused else Qt.CursorShape.PointingHandCursor)

    def _find_proposal(self) -> Proposal | None:
        teacher, picture = self._click_teacher, self._picture
        if teacher is None or picture is None or self._pointer is None or self._problem or not self.teaching_enabled:
            return None
        pixel = self.find_pixel(self._pointer)
        target = None if pixel is None else picture.pick(pixel)
        return None if target is None else teacher.propose(target.object_name, target.point, self._observation)

    def _click(self) -> None:
        self._update_hint()
        if self._proposal is not None:
            self.clicked.emit(self._proposal)
            self._update_hint()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Update the hint."""
        self._pointer = event.position()
        self._update_hint()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Report a click."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._pointer = event.position()
            self._click()

    def leaveEvent(self, event: object) -> None:
        """Stop showing hints."""
        self._pointer = None
        self._update_hint()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show a ring if the focus came by keyboard."""
        self._is_focus_shown = event.reason() != Qt.FocusReason.MouseFocusReason
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Hide the ring."""
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move the pointer with the arrow keys; Return clicks."""
        key = Qt.Key(event.key())
        if key in _ARROWS:
            step = 1 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else KEY_STEP_PX
            x, y = _ARROWS[key]
            self._pointer = (self._pointer or self.area.center()) + QPointF(x * step, y * step)
            self._update_hint()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._click()
        else:
            super().keyPressEvent(event)
