"""Controller that moves an arm slowly to a pose that a person compares. Qt-free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.arms.control.tick import JointMove

if TYPE_CHECKING:
    from metagui.arms.arm import Observation
    from metagui.gui.pose_check.zero_draft import CheckPose

MOVE_SPEED_RAD_S = 0.4
"""Highest speed of a joint on the way to a pose, rad/s: slow enough to see what goes wrong."""
MOVING_SENTENCE = "The arm moves slowly to the pose. Stop or Esc makes it hold where it is."


class PoseMove:
    """Controller that moves the arm to a pose once, and then holds."""

    def __init__(self, pose: CheckPose) -> None:
        self._move: JointMove | None = JointMove(pose.positions, MOVING_SENTENCE, MOVE_SPEED_RAD_S)

    def decide(self, observation: Observation) -> JointMove | None:
        """Return the move the first time, then None."""
        move, self._move = self._move, None
        return move
