"""Saying where things stand on the table of an arm that has no camera: by dragging, or by touching them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand

from metagui.arms.arm import ArmError
from metagui.gui.arm.capabilities import Markable

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QUndoStack

    from metagui.gui.arm.arm_controller import ArmDesk

TURN = math.radians(15)
"""How far one notch of the wheel turns a thing in hand, rad."""


@dataclass(frozen=True)
class Place:
    """Where a thing stands: x and y, m, and its turn, rad."""

    x: float
    y: float
    yaw: float


class Marking(QObject):
    """Puts things into the twin of an arm; every step can be undone."""

    changed = Signal()
    """Something stands elsewhere."""
    said = Signal(str, str, str)

    def __init__(self, desk: ArmDesk, undo: QUndoStack) -> None:
        super().__init__()
        self._desk, self._undo = desk, undo

    @property
    def anchors(self) -> tuple[str, ...]:
        """Names of what can be put somewhere."""
        return tuple(a.name for a in self._desk.arm.anchors if a.kind != "table")

    @property
    def missing(self) -> bool:
        """Whether nothing was marked yet on the table of an arm that needs it."""
        arm = self._desk.arm
        return self._desk.connected and isinstance(arm, Markable) and not arm.marked

    def put(self, anchor: str, x: float, y: float, yaw: float) -> None:
        """Say that a thing stands there."""
        self._move(anchor, lambda arm: arm.put(anchor, x, y, yaw))

    def put_here(self, anchor: str) -> None:
        """Say that a thing is where the gripper's tip is."""
        self._move(anchor, lambda arm: arm.put_here(anchor))

    def _move(self, anchor: str, put: Callable[[Markable], None]) -> None:
        arm = self._desk.arm
        if not isinstance(arm, Markable):
            return
        before = place_of(self._desk, anchor)
        try:
            put(arm)
        except ArmError as error:
            self.said.emit(str(error), "warning", "")
            return
        self._undo.push(_Moved(self, arm, anchor, before, place_of(self._desk, anchor)))
        self.changed.emit()
        self.said.emit(f"The {anchor} is marked there.", "info", "undo")


def place_of(desk: ArmDesk, anchor: str) -> Place:
    """Return where a thing stands now."""
    scene = desk.arm.observe_scene()
    index = [a.name for a in desk.arm.anchors].index(anchor)
    x, y, _ = scene.positions[index]
    return Place(float(x), float(y), float(scene.yaws[index]))


class _Moved(QUndoCommand):
    """One thing that was put somewhere; it concerns one arm only."""

    def __init__(self, marking: Marking, arm: Markable, anchor: str, before: Place, after: Place) -> None:
        super().__init__(f"moving the {anchor}")
        self._marking, self._arm, self._anchor = marking, arm, anchor
        self._before, self._after = before, after
        self._done = True

    def redo(self) -> None:
        """Put it there again; the first time it is there already."""
        if not self._done:
            self._put(self._after)

    def undo(self) -> None:
        """Put it back."""
        self._done = False
        self._put(self._before)

    def _put(self, place: Place) -> None:
        try:
            self._arm.put(self._anchor, place.x, place.y, place.yaw)
        except ArmError as error:
            self.setObsolete(True)
            self._marking.said.emit(str(error), "warning", "")
        self._marking.changed.emit()
