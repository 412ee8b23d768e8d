"""The physics beside a real arm: a simulated arm that goes where the real one is, so that its cubes go along.

Nothing on the table of a real arm can be seen by metagui. A person says once where things stand; from then on the
twin's fingers push, grasp and carry the twin's cubes as the real fingers do with the real ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import mujoco
import numpy as np

from metagui.arms import scene
from metagui.arms.grip import Grip
from metagui.arms.simulated import SimulatedArm

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray

JUMP = 0.5
"""Joints that moved farther than this between two readings are put there: nobody knows how they came."""


class Twin(SimulatedArm):
    """A simulated arm that is led by measured joint angles instead of commands."""

    def __init__(self) -> None:
        super().__init__()
        model = self.model
        servo = model.actuator_gainprm[:, 0]
        self._lead = (model.dof_damping[: len(self.joints)] - model.actuator_biasprm[:, 2]) / servo
        """How far ahead of its joint a moving servo's target is, s."""
        self._before: FloatArray | None = None
        self._grip = Grip(0.0)
        self.reset(scene.aside())
        self.connect()

    def forget(self) -> None:
        """The real arm may be anywhere when it is measured next."""
        self._before = None

    def follow(self, positions: FloatArray, periods: int = 1) -> None:
        """Let ``periods`` control periods pass, in which the joints go to ``positions`` (J,), rad."""
        before = self._before
        if before is None or np.abs(positions - before).max() > JUMP:
            self._place(positions)
            before = positions
        self._before = positions.copy()
        steps = periods * self._substeps
        change = positions - before
        ahead = self._lead * change / (steps * self.model.opt.timestep)
        ahead[-1] -= self._grip.squeeze(float(positions[-1]))
        for step in range(1, steps + 1):
            self._data.ctrl[:] = np.clip(before + change * (step / steps) + ahead, *self._limits)
            mujoco.mj_step(self.model, self._data)
        self._update_contacts()

    def _place(self, positions: FloatArray) -> None:
        """Put the arm somewhere at once; what stands on the table stays there."""
        self._data.qpos[: len(positions)] = positions
        self._data.qvel[:] = 0.0
        self._data.ctrl[:] = np.clip(positions, *self._limits)
        self._grip = Grip(float(positions[-1]))
        mujoco.mj_forward(self.model, self._data)
