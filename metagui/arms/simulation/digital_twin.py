"""The physics beside a real arm: a simulated arm that goes where the real one is, so that its cubes go along.

Nothing on the table of a real arm can be seen by metagui. A person says once where things stand; from then on the
twin's fingers push, grasp and carry the twin's cubes as the real fingers do with the real ones.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import mujoco
import numpy as np

from metagui.arms.gripper import EMPTY, Grip
from metagui.arms.simulation import scene
from metagui.arms.simulation.simulated_arm import LET_GO, SimulatedArm

if TYPE_CHECKING:
    from metagui.arms.arm import Anchor, FloatArray

JUMP = 0.5
"""Joints that moved farther than this between two readings are put there: nobody knows how they came."""
DEEP = 0.002
"""How far a finger may reach into a cube, m, before it counts as being where the cube cannot be."""


class Twin(SimulatedArm):
    """A simulated arm that is led by measured joint angles instead of commands."""

    def __init__(self) -> None:
        super().__init__()
        self.model = model = _stiff(self.model)
        servo = model.actuator_gainprm[:, 0]
        self._lead = (model.dof_damping[: len(self.joints)] - model.actuator_biasprm[:, 2]) / servo
        """How far ahead of its joint a moving servo's target is, s."""
        self._before: FloatArray | None = None
        self._grip = Grip(0.0)
        self._buried: dict[str, tuple[Anchor, FloatArray, float]] = {}
        """Cubes that were put where a finger was, until it has left."""
        self.reset(scene.aside())
        self.connect()

    def forget(self) -> None:
        """The real arm may be anywhere when it is measured next."""
        self._before = None

    def put(self, anchor: str, x: float, y: float, yaw: float = 0.0) -> None:
        """Put a thing on the table, also where a finger is: it stays until the finger has left. Raises PlaceError."""
        super().put(anchor, x, y, yaw)
        meant = next(each for each in self.anchors if each.name == anchor)
        if meant.kind == "cube":
            self._buried[anchor] = (meant, self._data.body(anchor).xpos.copy(), yaw)

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
        self._unbury()
        self._update_contacts()
        if positions[-1] < EMPTY:
            self._drop()

    def _place(self, positions: FloatArray) -> None:
        """Put the arm somewhere at once; what stands on the table stays there."""
        self._data.qpos[: len(positions)] = positions
        self._data.qvel[:] = 0.0
        self._data.ctrl[:] = np.clip(positions, *self._limits)
        self._grip = Grip(float(positions[-1]))
        mujoco.mj_forward(self.model, self._data)

    def _drop(self) -> None:
        """The real fingers are shut, so nothing is between them: what the twin's hold was missed or lost."""
        scene_now = self.observe_scene()
        for index in np.flatnonzero(scene_now.held):
            anchor, (x, y, _) = self.anchors[index], scene_now.positions[index]
            under = scene.on_table(anchor, float(x), float(y))
            self._buried[anchor.name] = (anchor, under, float(scene_now.yaws[index]))
            self._since_contact[index] = LET_GO

    def _unbury(self) -> None:
        """Keep what was put where a finger is from being flung away, until the finger has left."""
        for name, (anchor, position, yaw) in list(self._buried.items()):
            scene.lay(self.model, self._data, anchor, position, yaw)
            mujoco.mj_forward(self.model, self._data)
            if self.anchors.index(anchor) not in self._reached_into():
                del self._buried[name]

    def _reached_into(self) -> set[int]:
        """Return the cubes into which a finger reaches."""
        pairs = self._data.contact.geom[self._data.contact.dist < -DEEP]
        fingers, cubes = self._finger_of_geom[pairs], self._cube_of_geom[pairs]
        return set(cubes[(fingers >= 0).any(axis=1)].max(axis=1, initial=-1).tolist())


def _stiff(model: mujoco.MjModel) -> mujoco.MjModel:
    """Return a copy of the model whose joints, but the gripper, go where they are told whatever is in the way."""
    model = copy.deepcopy(model)
    arm = slice(0, model.nu - 1)
    model.actuator_gainprm[arm, 0] *= 4.0
    model.actuator_biasprm[arm, 1] *= 4.0
    model.actuator_biasprm[arm, 2] *= 3.0
    model.actuator_forcerange[arm] *= 10.0
    model.dof_frictionloss[arm] = 0.0
    return model
