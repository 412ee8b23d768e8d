"""Protocols for arms: what the window needs of every arm, and optional capabilities of some."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from metagui.arms.arm import Arm, FloatArray, Scene
from metagui.arms.control.tick import StatefulArm


class SceneArm(Arm, Scene, StatefulArm, Protocol):
    """An arm among objects whose full state can be drawn: a simulated arm, or a real one with its digital twin."""


@runtime_checkable
class Randomisable(Protocol):
    """An arm whose scene can be randomised."""

    def randomise(self, seed: int) -> None:
        """Create a new scene from a seed, with the arm at home."""


@runtime_checkable
class Restorable(Protocol):
    """An arm that can be set to a stored state: a simulated one."""

    def set_state(self, state: FloatArray) -> None:
        """Set the state, shape (D,)."""


@runtime_checkable
class ObjectPlaceable(Protocol):
    """An arm without a camera, whose object positions are set by the user."""

    @property
    def placed_objects(self) -> frozenset[str]:
        """Names of the objects with a known position; the others are outside the workspace."""

    def place_object(self, object_name: str, x: float, y: float, yaw: float = 0.0) -> None:
        """Set the pose of an object on the table, m and rad. Raises ArmError."""

    def place_object_at_tool(self, object_name: str) -> None:
        """Set the position of an object to that of the gripper tip. Raises ArmError."""
