"""Object positions for an arm without a camera: set by dragging in the view or by touching with the gripper."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand

from metagui.arms.arm import ArmError
from metagui.gui.arm.capabilities import ObjectPlaceable

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QUndoStack

    from metagui.gui.arm.arm_controller import ArmController
    from metagui.gui.core.messages import Messages

WHEEL_TURN_RAD = math.radians(15)
"""Rotation of a dragged object per notch of the wheel, rad."""


@dataclass(frozen=True)
class ObjectPose:
    """Pose of an object on the table: x and y, m, and yaw, rad."""

    x: float
    y: float
    yaw: float


class ObjectPlacement(QObject):
    """Sets object positions in the digital twin of an arm; every step can be undone."""

    objects_moved = Signal()
    """An object has another position."""

    def __init__(self, controller: ArmController, undo_stack: QUndoStack, messages: Messages) -> None:
        super().__init__()
        self._controller, self._undo_stack, self._messages = controller, undo_stack, messages

    @property
    def object_names(self) -> tuple[str, ...]:
        """Names of the objects that can be placed."""
        return tuple(a.name for a in self._controller.arm.objects if a.kind != "table")

    @property
    def is_missing(self) -> bool:
        """True if no object was placed yet although the arm needs it."""
        arm = self._controller.arm
        return self._controller.is_connected and isinstance(arm, ObjectPlaceable) and not arm.placed_objects

    def place_object(self, object_name: str, x: float, y: float, yaw: float) -> None:
        """Set the pose of an object, m and rad."""
        self._move(object_name, lambda arm: arm.place_object(object_name, x, y, yaw))

    def place_object_at_tool(self, object_name: str) -> None:
        """Set the position of an object to that of the gripper tip."""
        self._move(object_name, lambda arm: arm.place_object_at_tool(object_name))

    def _move(self, object_name: str, place: Callable[[ObjectPlaceable], None]) -> None:
        arm = self._controller.arm
        if not isinstance(arm, ObjectPlaceable):
            return
        before = find_object_pose(self._controller, object_name)
        try:
            place(arm)
        except ArmError as error:
            self._messages.post(str(error), "warning")
            return
        after = find_object_pose(self._controller, object_name)
        restore = partial(self._restore_pose, arm, object_name)
        self._undo_stack.push(_PlaceObjectCommand(restore, object_name, before, after))
        self.objects_moved.emit()
        self._messages.post(f"The {object_name} is marked there.", "info", "undo")

    def _restore_pose(self, arm: ObjectPlaceable, object_name: str, pose: ObjectPose) -> bool:
        """Set an earlier pose again; return False if that is not possible."""
        try:
            arm.place_object(object_name, pose.x, pose.y, pose.yaw)
        except ArmError as error:
            self._messages.post(str(error), "warning")
            return False
        finally:
            self.objects_moved.emit()
        return True


def find_object_pose(controller: ArmController, object_name: str) -> ObjectPose:
    """Return the present pose of an object."""
    scene = controller.arm.observe_scene()
    index = [a.name for a in controller.arm.objects].index(object_name)
    x, y, _ = scene.positions[index]
    return ObjectPose(float(x), float(y), float(scene.yaws[index]))


class _PlaceObjectCommand(QUndoCommand):
    """One placement of an object of one arm."""

    def __init__(
        self, restore_pose: Callable[[ObjectPose], bool], object_name: str, before: ObjectPose, after: ObjectPose
    ) -> None:
        super().__init__(f"moving the {object_name}")
        self._restore_pose, self._before, self._after = restore_pose, before, after
        self._done = True

    def redo(self) -> None:
        """Set the new pose; the first call, when the command is pushed, does nothing."""
        if not self._done:
            self._place_at(self._after)

    def undo(self) -> None:
        """Set the old pose."""
        self._done = False
        self._place_at(self._before)

    def _place_at(self, pose: ObjectPose) -> None:
        if not self._restore_pose(pose):
            self.setObsolete(True)
