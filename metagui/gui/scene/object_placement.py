"""Saying where things stand on the table of an arm that has no camera: by dragging, or by touching them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand

from metagui.arms.arm import ArmError
from metagui.gui.arm.capabilities import ObjectPlaceable

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QUndoStack

    from metagui.gui.arm.arm_controller import ArmController

WHEEL_TURN_RAD = math.radians(15)
"""How far one notch of the wheel turns a thing in hand, rad."""


@dataclass(frozen=True)
class ObjectPose:
    """Where a thing stands: x and y, m, and its turn, rad."""

    x: float
    y: float
    yaw: float


class ObjectPlacement(QObject):
    """Puts things into the twin of an arm; every step can be undone."""

    objects_moved = Signal()
    """Something stands elsewhere."""
    message_posted = Signal(str, str, str)

    def __init__(self, controller: ArmController, undo_stack: QUndoStack) -> None:
        super().__init__()
        self._controller, self._undo_stack = controller, undo_stack

    @property
    def object_names(self) -> tuple[str, ...]:
        """Names of what can be put somewhere."""
        return tuple(a.name for a in self._controller.arm.objects if a.kind != "table")

    @property
    def is_missing(self) -> bool:
        """Whether nothing was marked yet on the table of an arm that needs it."""
        arm = self._controller.arm
        return self._controller.is_connected and isinstance(arm, ObjectPlaceable) and not arm.placed_objects

    def place_object(self, object_name: str, x: float, y: float, yaw: float) -> None:
        """Say that a thing stands there."""
        self._move(object_name, lambda arm: arm.place_object(object_name, x, y, yaw))

    def place_object_at_tool(self, object_name: str) -> None:
        """Say that a thing is where the gripper's tip is."""
        self._move(object_name, lambda arm: arm.place_object_at_tool(object_name))

    def _move(self, object_name: str, place: Callable[[ObjectPlaceable], None]) -> None:
        arm = self._controller.arm
        if not isinstance(arm, ObjectPlaceable):
            return
        before = find_object_pose(self._controller, object_name)
        try:
            place(arm)
        except ArmError as error:
            self.message_posted.emit(str(error), "warning", "")
            return
        self._undo_stack.push(
            _PlaceObjectCommand(self, arm, object_name, before, find_object_pose(self._controller, object_name))
        )
        self.objects_moved.emit()
        self.message_posted.emit(f"The {object_name} is marked there.", "info", "undo")


def find_object_pose(controller: ArmController, object_name: str) -> ObjectPose:
    """Return where a thing stands now."""
    scene = controller.arm.observe_scene()
    index = [a.name for a in controller.arm.objects].index(object_name)
    x, y, _ = scene.positions[index]
    return ObjectPose(float(x), float(y), float(scene.yaws[index]))


class _PlaceObjectCommand(QUndoCommand):
    """One thing that was put somewhere; it concerns one arm only."""

    def __init__(
        self, placement: ObjectPlacement, arm: ObjectPlaceable, object_name: str, before: ObjectPose, after: ObjectPose
    ) -> None:
        super().__init__(f"moving the {object_name}")
        self._placement, self._arm, self._object_name = placement, arm, object_name
        self._before, self._after = before, after
        self._done = True

    def redo(self) -> None:
        """Put it there again; the first time it is there already."""
        if not self._done:
            self._place_at(self._after)

    def undo(self) -> None:
        """Put it back."""
        self._done = False
        self._place_at(self._before)

    def _place_at(self, pose: ObjectPose) -> None:
        try:
            self._arm.place_object(self._object_name, pose.x, pose.y, pose.yaw)
        except ArmError as error:
            self.setObsolete(True)
            self._placement.message_posted.emit(str(error), "warning", "")
        self._placement.objects_moved.emit()
