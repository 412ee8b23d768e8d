"""The 3-D view of the window: hints at what a click would do, reports clicks and dragged objects, moves the camera."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, Qt, Signal

from metagui.gui.scene.camera_control import WHEEL_NOTCH
from metagui.gui.scene.object_drag import MARKING_HELP, ObjectDrag, make_drag_proposal, press_marking_key
from metagui.gui.scene.overlays import make_proposal_markers
from metagui.gui.scene.scene_canvas import SceneCanvas
from metagui.gui.teaching.click_teacher import Proposal
from metagui.gui.theme.colours import unit_rgb
from metagui.gui.widgets.announcement import announce
from metagui.gui.widgets.pointer_hint import PointerHint

if TYPE_CHECKING:
    from PySide6.QtGui import QEnterEvent, QFocusEvent, QKeyEvent, QMouseEvent, QWheelEvent

    from metagui.arms.arm import FloatArray, Observation
    from metagui.arms.simulation.renderer import PickedPoint, SceneMarker
    from metagui.gui.teaching.click_teacher import ClickTeacher
    from metagui.gui.teaching.keyboard_teleop import KeyboardTeleop
    from metagui.gui.theme.theme import Theme

LEAVE_TAKE_HINT = "A stored take. Click to show the arm again"
_CORNER = QPointF(-4.0, -8.0)
"""Place of the hint while keys mark objects."""
_DRAG_THRESHOLD_PX = 5
"""Distance from which a press of the mouse is a drag, pixels."""
NOWHERE = Proposal("Nothing here: point at the table, a cube or a zone", is_refused=True)
"""What a click beside the table would do."""


class SceneView(SceneCanvas):
    """Draws the last state given to ``show_state`` and turns clicks and drags on it into signals."""

    clicked = Signal(object)
    """The ``Proposal`` of a click: an instruction, or why none is possible."""
    object_placed = Signal(str, float, float, float)
    """A dragged object: its name, x and y in m, yaw in rad."""
    left_take = Signal()
    """A click while a take is on display: it asks for the arm."""

    def __init__(self, theme: Theme, click_teacher: ClickTeacher) -> None:
        super().__init__(theme)
        self._click_teacher = click_teacher
        self.teaching_enabled = False
        """True if clicks are instructions."""
        self.placement_enabled = False
        """True if objects can be dragged."""
        self.shows_take = False
        """True while a stored take is on display, on which no click acts."""
        self.keyboard: KeyboardTeleop | None = None
        """Receives keys before the camera does, while it is active."""
        self._observation: Observation | None = None
        self._proposal: Proposal | None = None
        self._pointer: QPointF | None = None
        self._pressed: QPointF | None = None
        self._dragged = False
        self._object_drag: ObjectDrag | None = None
        self._pointer_hint = PointerHint(self)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("3-D view of the arm")
        self.setAccessibleDescription(
            "Click to give an instruction, drag or press arrow keys to orbit, scroll to zoom."
        )

    def show_state(self, state: FloatArray | None, observation: Observation | None) -> None:
        """Show a simulator state (D,); ``observation`` is the one that hints are computed from."""
        self._observation = observation
        if state is not None:
            self.update_state(state)

    def refresh_hint(self) -> None:
        """Update the hint after a change of the tool or the scene."""
        self._update_hint()

    def _on_settled(self) -> None:
        self._update_hint()

    def _make_markers(self) -> list[SceneMarker]:
        accent = unit_rgb(self._theme.colours.accent)
        if self._object_drag is not None:
            return self._object_drag.markers(accent)
        if self._renderer is None or self._proposal is None:
            return []
        return make_proposal_markers(
            self._proposal, self._renderer.get_object_pose, accent, self._click_teacher.objects
        )

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show a ring if the focus came by keyboard."""
        keys = (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason, Qt.FocusReason.ShortcutFocusReason)
        self._focus_ring_visible = event.reason() in keys
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Hide the ring and release all keys of the keyboard teleoperation."""
        self._focus_ring_visible = False
        self._end_marking()
        if self.keyboard is not None:
            self.keyboard.release_all()
        self.update()

    def enterEvent(self, event: QEnterEvent) -> None:
        """Start to show hints."""
        self._pointer = event.position()

    def leaveEvent(self, event: object) -> None:
        """Stop showing hints."""
        self._pointer = None
        self._update_hint()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Store where a click or a drag begins."""
        self._pressed, self._dragged = event.position(), False
        if self.placement_enabled and not self.shows_take and event.button() == Qt.MouseButton.LeftButton:
            self._object_drag = self._grab_object(event.position())

    def _grab_object(self, pointer: QPointF) -> ObjectDrag | None:
        """Return a drag of the object under the pointer; None for the table or nothing."""
        picked = self._pick(pointer)
        if (
            picked is None
            or self._renderer is None
            or self._click_teacher.get_object(picked.object_name).kind == "table"
        ):
            return None
        centre, yaw = self._renderer.get_object_pose(picked.object_name)
        scene_object = next(a for a in self._click_teacher.objects if a.name == picked.object_name)
        return ObjectDrag.begin(scene_object, picked.point, centre, yaw)

    def _pick(self, pointer: QPointF) -> PickedPoint | None:
        return self._camera_control.pick(self._renderer, pointer, self.size())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag an object or the camera while a button is down; else update the hint."""
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
        self._camera_control.drag(event, delta, self.size())
        self._request_redraw()

    def _move_object_drag(self, object_drag: ObjectDrag) -> None:
        """Show where the dragged object would be placed."""
        self._object_drag = object_drag
        self._pointer_hint.show_hint(object_drag.hint, self._pointer)
        self.setCursor(Qt.CursorShape.ClosedHandCursor)
        self._request_redraw()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Report a click, or where an object was dragged to."""
        drag, self._object_drag = self._object_drag, None
        if drag is not None and self._dragged:
            self._pointer_hint.hide()
            self.object_placed.emit(drag.scene_object.name, float(drag.point[0]), float(drag.point[1]), drag.yaw)
        left = event.button() == Qt.MouseButton.LeftButton
        was_click = self._pressed is not None and not self._dragged and left
        self._pressed = None
        self._pointer = event.position()
        self._update_hint()
        if was_click and self.shows_take:
            self.left_take.emit()
        elif was_click and self._proposal is not None and not self.placement_enabled:
            self.clicked.emit(self._proposal)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Turn the dragged object, or zoom."""
        if self._object_drag is not None:
            self._dragged = True
            self._move_object_drag(self._object_drag.turned(event.angleDelta().y() / WHEEL_NOTCH))
        else:
            self._camera_control.zoom(event)
            self._request_redraw()
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Steer the arm in the keyboard mode; else move the camera."""
        if self.keyboard is not None and self.keyboard.press_key(event.key(), event.modifiers()):
            if self.shows_take:  # the keys move the arm, so it must be seen
                self.left_take.emit()
            return
        if self._mark_by_key(event):
            return
        if self._camera_control.press_key(event.key()):
            self._request_redraw()
        else:
            super().keyPressEvent(event)

    def _mark_by_key(self, event: QKeyEvent) -> bool:
        """Choose, move or put down an object by keys; return False if the key has no meaning here."""
        if not self.placement_enabled or self.shows_take or self._renderer is None or self._pressed is not None:
            return False
        drag = self._object_drag
        if drag is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._end_marking()
            self.object_placed.emit(drag.scene_object.name, float(drag.point[0]), float(drag.point[1]), drag.yaw)
            return True
        objects, read_pose = self._click_teacher.objects, self._renderer.get_object_pose
        drag = press_marking_key(drag, event.key(), event.modifiers(), objects, read_pose, self.camera)
        if drag is None:
            return False
        self._set_proposal(None)
        self._object_drag = drag
        self._pointer_hint.show_hint(f"{drag.place}\n{MARKING_HELP}", _CORNER)
        announce(self, drag.place)
        self._request_redraw()
        return True

    def _end_marking(self) -> None:
        """Forget an object that keys have moved but not put down."""
        if self._object_drag is not None and self._pressed is None:
            self._object_drag = None
            self._pointer_hint.hide()
            self._request_redraw()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """Stop steering in the direction of the released key."""
        if event.isAutoRepeat() or self.keyboard is None or not self.keyboard.release_key(event.key()):
            super().keyReleaseEvent(event)

    def _update_hint(self) -> None:
        """Show what a click or a drag at the pointer would do."""
        if self._object_drag is not None:
            return
        busy = self._pointer is None or (self._dragged and self._pressed)
        picked = self._pick(self._pointer) if self._pointer is not None and not busy else None
        if picked is not None and self.shows_take:
            self._set_proposal(Proposal(LEAVE_TAKE_HINT))
        elif picked is not None and self.placement_enabled:
            kind = self._click_teacher.get_object(picked.object_name).kind
            self._set_proposal(make_drag_proposal(picked.object_name, kind))
        elif picked is not None and self.teaching_enabled:
            self._set_proposal(self._click_teacher.propose(picked.object_name, picked.point, self._observation))
        elif self._pointer is not None and not busy and self.teaching_enabled and self._renderer is not None:
            self._set_proposal(NOWHERE)
        else:
            self._set_proposal(None)

    def _set_proposal(self, proposal: Proposal | None) -> None:
        changed = proposal != self._proposal
        self._proposal = proposal
        self._pointer_hint.setVisible(proposal is not None)
        if proposal is not None and self._pointer is not None:
            self._pointer_hint.show_hint(proposal.hint, self._pointer, not proposal.is_refused)
            allowed = Qt.CursorShape.OpenHandCursor if self.placement_enabled else Qt.CursorShape.PointingHandCursor
            self.setCursor(Qt.CursorShape.ForbiddenCursor if proposal.is_refused else allowed)
        else:
            self.unsetCursor()
        if changed:
            self._request_redraw()
