"""What the window wants of an arm, and what some arms can do beyond that."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from metagui.arms.arm import Arm, FloatArray, Scene
from metagui.arms.control.tick import StatefulArm


class SceneArm(Arm, Scene, StatefulArm, Protocol):
    """An arm among anchors whose whole state can be drawn: the simulated one, or one on a cable with its twin."""


@runtime_checkable
class Randomisable(Protocol):
    """An arm whose scene is laid out by a seed."""

    def randomise(self, seed: int) -> None:
        """Lay out a new scene, the arm at home."""


@runtime_checkable
class Restorable(Protocol):
    """An arm that can go back to a stored state: a simulated one."""

    def set_state(self, state: FloatArray) -> None:
        """Go back to a state (D,)."""


@runtime_checkable
class ObjectPlaceable(Protocol):
    """An arm without a camera: a person says where things stand."""

    @property
    def placed_objects(self) -> frozenset[str]:
        """Names of what was put somewhere; the rest stands aside."""

    def place_object(self, object_name: str, x: float, y: float, yaw: float = 0.0) -> None:
        """Say where a thing stands, m and rad. Raises ArmError."""

    def place_object_at_tool(self, object_name: str) -> None:
        """Say that a thing is under the gripper's tip. Raises ArmError."""
