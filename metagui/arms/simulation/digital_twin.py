"""The physics beside a real arm: a simulated arm that goes where the real one is, so that its cubes go along.

Nothing on the table of a real arm can be seen by metagui. A person says once where things stand; from then on the
twin's fingers push, grasp and carry the twin's cubes as the real fingers do with the real ones.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import mujoco
import numpy as np

from metagui.arms.gripper import EMPTY_GRIPPER_RAD, GripTracker
from metagui.arms.simulation import scene
from metagui.arms.simulation.simulated_arm import RELEASE_TICKS, SimulatedArm

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray, SceneObject

MAX_JOINT_JUMP_RAD = 0.5
"""Joints that moved farther than this between two readings are put there: nobody knows how they came."""
MAX_PENETRATION_M = 0.002
"""How far a finger may reach into a cube, m, before it counts as being where the cube cannot be."""


class DigitalTwin(SimulatedArm):
    """A simulated arm that is led by measured joint angles instead of commands."""

    def __init__(self) -> None:
        super().__init__()
        self.model = model = _stiffen(self.model)
        servo = model.actuator_gainprm[:, 0]
        self._target_lead = (model.dof_damping[: len(self.joints)] - model.actuator_biasprm[:, 2]) / servo
        """How far ahead of its joint a moving servo's target is, s."""
        self._previous_positions: FloatArray | None = None
        self._grip = GripTracker(0.0)
        self._overlapping_cubes: dict[str, tuple[SceneObject, FloatArray, float]] = {}
        """Cubes that were put where a finger was, until it has left."""
        self.reset(scene.make_parked_layout())
        self.connect()

    def reset_tracking(self) -> None:
        """The real arm may be anywhere when it is measured next."""
        self._previous_positions = None

    def place_object(self, object_name: str, x: float, y: float, yaw: float = 0.0) -> None:
        """Put a thing on the table, also where a finger is: it stays until the finger has left. Raises PlaceError."""
        super().place_object(object_name, x, y, yaw)
        meant = next(each for each in self.objects if each.name == object_name)
        if meant.kind == "cube":
            self._overlapping_cubes[object_name] = (meant, self._data.body(object_name).xpos.copy(), yaw)

    def follow(self, positions: FloatArray, periods: int = 1) -> None:
        """Let ``periods`` control periods pass, in which the joints go to ``positions`` (J,), rad."""
        before = self._previous_positions
        if before is None or np.abs(positions - before).max() > MAX_JOINT_JUMP_RAD:
            self._set_joint_positions(positions)
            before = positions
        self._previous_positions = positions.copy()
        steps = periods * self._substeps
        change = positions - before
        ahead = self._target_lead * change / (steps * self.model.opt.timestep)
        ahead[-1] -= self._grip.compute_squeeze(float(positions[-1]))
        for step in range(1, steps + 1):
            self._data.ctrl[:] = np.clip(before + change * (step / steps) + ahead, *self._limits)
            mujoco.mj_step(self.model, self._data)
        self._hold_overlapping_cubes()
        self._update_contacts()
        if positions[-1] < EMPTY_GRIPPER_RAD:
            self._drop_held_cubes()

    def _set_joint_positions(self, positions: FloatArray) -> None:
        """Put the arm somewhere at once; what stands on the table stays there."""
        self._data.qpos[: len(positions)] = positions
        self._data.qvel[:] = 0.0
        self._data.ctrl[:] = np.clip(positions, *self._limits)
        self._grip = GripTracker(float(positions[-1]))
        mujoco.mj_forward(self.model, self._data)

    def _drop_held_cubes(self) -> None:
        """The real fingers are shut, so nothing is between them: what the twin's hold was missed or lost."""
        scene_now = self.observe_scene()
        for index in np.flatnonzero(scene_now.held):
            anchor, (x, y, _) = self.objects[index], scene_now.positions[index]
            under = scene.resting_position(anchor, float(x), float(y))
            self._overlapping_cubes[anchor.name] = (anchor, under, float(scene_now.yaws[index]))
            self._ticks_since_contact[index] = RELEASE_TICKS

    def _hold_overlapping_cubes(self) -> None:
        """Keep what was put where a finger is from being flung away, until the finger has left."""
        for name, (anchor, position, yaw) in list(self._overlapping_cubes.items()):
            scene.place_object(self.model, self._data, anchor, position, yaw)
            mujoco.mj_forward(self.model, self._data)
            if self.objects.index(anchor) not in self._find_penetrated_cubes():
                del self._overlapping_cubes[name]

    def _find_penetrated_cubes(self) -> set[int]:
        """Return the cubes into which a finger reaches."""
        pairs = self._data.contact.geom[self._data.contact.dist < -MAX_PENETRATION_M]
        fingers, cubes = self._finger_of_geom[pairs], self._cube_of_geom[pairs]
        return set(cubes[(fingers >= 0).any(axis=1)].max(axis=1, initial=-1).tolist())


def _stiffen(model: mujoco.MjModel) -> mujoco.MjModel:
    """Return a copy of the model whose joints, but the gripper, go where they are told whatever is in the way."""
    model = copy.deepcopy(model)
    arm = slice(0, model.nu - 1)
    model.actuator_gainprm[arm, 0] *= 4.0
    model.actuator_biasprm[arm, 1] *= 4.0
    model.actuator_biasprm[arm, 2] *= 3.0
    model.actuator_forcerange[arm] *= 10.0
    model.dof_frictionloss[arm] = 0.0
    return model
