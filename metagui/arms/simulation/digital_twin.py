"""Digital twin of a real arm: a simulated arm that follows the measured joints and moves simulated cubes.

Without a camera a person places the objects once; from then on the twin's fingers push, grasp and carry the twin's
cubes as the real fingers do with the real cubes.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import mujoco
import numpy as np

from metagui.arms.gripper import EMPTY_GRIPPER_RAD, GripTracker
from metagui.arms.simulation import scene
from metagui.arms.simulation.simulated_arm import RELEASE_TICKS, SimulatedArm
from metagui.arms.tables.table import DEFAULT_TABLE, Table

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray, SceneObject

MAX_JOINT_JUMP_RAD = 0.5
"""Largest motion of a joint between two readings that is simulated, rad; after a larger one the joints are set."""
CLOSING_STEP_RAD = 0.006
"""Angle per control period above which a gripper is still closing, rad."""
CUBE_GRIP_RAD = 0.115
"""Angle above which a gripper is wider than a cube that it holds by two sides, rad."""
MAX_PENETRATION_M = 0.002
"""Largest penetration of a finger into a cube, m, above which their positions contradict each other."""
_RAY_CLEARANCE_M = 0.002


class DigitalTwin(SimulatedArm):
    """A simulated arm that follows measured joint angles instead of commands."""

    def __init__(self, table: Table = DEFAULT_TABLE) -> None:
        super().__init__(table=table)
        self.model = model = _stiffen(self.model)
        servo = model.actuator_gainprm[:, 0]
        self._target_lead = (model.dof_damping[: len(self.joints)] - model.actuator_biasprm[:, 2]) / servo
        """(J,) lead of a moving servo's target over its joint, s."""
        self._previous_positions: FloatArray | None = None
        self._grip = GripTracker(0.0)
        self._overlapping_cubes: dict[str, tuple[SceneObject, FloatArray, float]] = {}
        """Cubes, with position and yaw, that were placed at a finger's position and stay until it has left."""
        self.reset(scene.make_parked_layout(table))
        self.connect()

    def reset_tracking(self) -> None:
        """Forget the last reading: the next one may be anywhere and is set without simulating the motion."""
        self._previous_positions = None

    def place_object(self, object_name: str, x: float, y: float, yaw: float = 0.0) -> None:
        """Place an object; a cube at a finger's position stays until the finger has left. Raises PlacementError."""
        super().place_object(object_name, x, y, yaw)
        placed = next(each for each in self.objects if each.name == object_name)
        if placed.is_solid:
            self._overlapping_cubes[object_name] = (placed, self._data.body(object_name).xpos.copy(), yaw)

    def move_object(self, index: int, position: FloatArray, yaw: float) -> None:
        """Put an object at rest where it was seen, ``position`` (3,), m, and ``yaw``, rad; the gripper lets it go."""
        moved = self.objects[index]
        self._overlapping_cubes.pop(moved.name, None)
        scene.place_object(self.model, self._data, moved, position, yaw)
        mujoco.mj_forward(self.model, self._data)
        self._ticks_since_contact[index] = RELEASE_TICKS
        if index in self._find_penetrated_cubes():
            self._overlapping_cubes[moved.name] = (moved, np.array(position), yaw)

    def is_sight_blocked(self, eye: FloatArray, index: int, top: float) -> bool:
        """Return whether the arm or another object is between ``eye`` (3,), m, and the middle of an object's top.

        The top is ``top`` above the object's centre, m.
        """
        body = self._object_bodies[index]
        ray = self._data.xpos[body] + (0.0, 0.0, top + _RAY_CLEARANCE_M) - eye
        distance = float(np.linalg.norm(ray))
        hit = mujoco.mj_ray(self.model, self._data, eye, ray / distance, None, True, body, None)
        return 0.0 <= float(hit) < distance - _RAY_CLEARANCE_M

    def follow(self, positions: FloatArray, periods: int = 1) -> None:
        """Simulate ``periods`` control periods in which the joints move to ``positions`` (J,), rad."""
        before = self._previous_positions
        if before is None or np.abs(positions - before).max() > MAX_JOINT_JUMP_RAD:
            self._set_joint_positions(positions)
            before = positions
        self._previous_positions = positions.copy()
        steps = periods * self._substeps
        change = positions - before
        lead = self._target_lead * change / (steps * self.model.opt.timestep)
        lead[-1] -= self._grip.compute_squeeze(float(positions[-1]))
        for step in range(1, steps + 1):
            self._data.ctrl[:] = np.clip(before + change * (step / steps) + lead, *self._limits)
            mujoco.mj_step(self.model, self._data)
        self._hold_overlapping_cubes()
        held_before = self._find_held()
        self._update_contacts()
        if float(change[-1]) < -CLOSING_STEP_RAD * periods and positions[-1] > CUBE_GRIP_RAD:
            self._doubt_grips(self._find_held() - held_before)
        if positions[-1] < EMPTY_GRIPPER_RAD:
            self._drop_held_cubes()

    def _set_joint_positions(self, positions: FloatArray) -> None:
        """Set the joint angles at once; the objects stay."""
        self._data.qpos[: len(positions)] = positions
        self._data.qvel[:] = 0.0
        self._data.ctrl[:] = np.clip(positions, *self._limits)
        self._grip = GripTracker(float(positions[-1]))
        mujoco.mj_forward(self.model, self._data)

    def _find_held(self) -> set[int]:
        """Return the indices of the cubes that count as held."""
        return {index for index, ticks in enumerate(self._ticks_since_contact) if ticks < RELEASE_TICKS}

    def _doubt_grips(self, indices: set[int]) -> None:
        """Do not count cubes as held yet: fingers that still close push the real cube, or miss it."""
        for index in indices:
            self._ticks_since_contact[index] = RELEASE_TICKS

    def _drop_held_cubes(self) -> None:
        """Put held cubes on the table: the real fingers are closed, so the real cube was missed or lost."""
        state = self.observe_scene()
        for index in np.flatnonzero(state.held):
            cube, (x, y, _) = self.objects[index], state.positions[index]
            position = scene.resting_position(cube, float(x), float(y))
            self._overlapping_cubes[cube.name] = (cube, position, float(state.yaws[index]))
            self._ticks_since_contact[index] = RELEASE_TICKS

    def _hold_overlapping_cubes(self) -> None:
        """Fix cubes at a finger's position, so that they are not flung away, until the finger has left."""
        for name, (cube, position, yaw) in list(self._overlapping_cubes.items()):
            scene.place_object(self.model, self._data, cube, position, yaw)
            mujoco.mj_forward(self.model, self._data)
            if self.objects.index(cube) not in self._find_penetrated_cubes():
                del self._overlapping_cubes[name]

    def _find_penetrated_cubes(self) -> set[int]:
        """Return the indices of cubes that a finger penetrates."""
        pairs = self._data.contact.geom[self._data.contact.dist < -MAX_PENETRATION_M]
        fingers, cubes = self._finger_of_geom[pairs], self._cube_of_geom[pairs]
        return set(cubes[(fingers >= 0).any(axis=1)].max(axis=1, initial=-1).tolist())


def _stiffen(model: mujoco.MjModel) -> mujoco.MjModel:
    """Return a copy of the model in which no obstacle stops the joints, except the gripper."""
    model = copy.deepcopy(model)
    arm = slice(0, model.nu - 1)
    model.actuator_gainprm[arm, 0] *= 4.0
    model.actuator_biasprm[arm, 1] *= 4.0
    model.actuator_biasprm[arm, 2] *= 3.0
    model.actuator_forcerange[arm] *= 10.0
    model.dof_frictionloss[arm] = 0.0
    return model
