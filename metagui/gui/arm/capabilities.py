"""What the window wants of an arm, and what some arms can do beyond that."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from metagui.arms.arm import Arm, FloatArray, Scene
from metagui.arms.control.tick import Replayable


class DeskArm(Arm, Scene, Replayable, Protocol):
    """An arm among anchors whose whole state can be drawn: the simulated one, or one on a cable with its twin."""


@runtime_checkable
class Scattering(Protocol):
    """An arm whose scene is laid out by a seed."""

    def randomise(self, seed: int) -> None:
        """Lay out a new scene, the arm at home."""


@runtime_checkable
class Restoring(Protocol):
    """An arm that can go back to a stored state: a simulated one."""

    def restore(self, state: FloatArray) -> None:
        """Go back to a state (D,)."""


@runtime_checkable
class Markable(Protocol):
    """An arm without a camera: a person says where things stand."""

    @property
    def marked(self) -> frozenset[str]:
        """Names of what was put somewhere; the rest stands aside."""

    def put(self, anchor: str, x: float, y: float, yaw: float = 0.0) -> None:
        """Say where a thing stands, m and rad. Raises ArmError."""

    def put_here(self, anchor: str) -> None:
        """Say that a thing is under the gripper's tip. Raises ArmError."""
