"""Tests whether the arm would touch the table, an object or itself at given joint angles.

The physics of the simulated arm only lets its fingers collide, which is enough for grasping and fast. A planner needs
all parts of the arm, so this module compiles a second model in which every shape of the arm counts.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import mujoco
import numpy as np

from metagui.arms.simulation.scene import make_spec, place_object
from metagui.arms.tables.table import DEFAULT_TABLE, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import FloatArray, SceneObject, SceneState

ARM_BODIES = ("base", "shoulder", "upper_arm", "lower_arm", "wrist", "gripper", "moving_jaw")
"""Bodies of the arm from the table to the tip; neighbours touch at their joint, which does not count."""
JOINT_REACHES_M: FloatArray = np.array([0.45, 0.45, 0.34, 0.20, 0.08])
"""(5,) largest distance of any point of the arm from each joint's axis, m: bounds the motion per radian."""
CHECK_SPACING_M = 0.008
"""Largest motion of any point of the arm between two checks along a path, m."""
SLACK_M = 0.0005
"""Depth by which two parts that are too close at the start may come closer, m: the noise of the geometry."""
_TABLE_DEPTH_M = 1.0
"""Thickness of the table, m: whatever is below its surface must leave it upwards."""
_ARM_BIT, _TABLE_BIT, _CUBE_BIT = 1, 2, 4


class CollisionChecker:
    """Checks joint angles against the table, the cubes and the arm itself; not for use by two threads at once.

    ``clearance`` is the distance that counts as touching, m; at least half of ``CHECK_SPACING_M`` makes checks along a
    path exact. Parts that are closer than that in the pose given to ``begin`` may stay so, but not come closer, so
    that an arm that lies on the table or is folded against itself can leave.
    """

    def __init__(self, clearance: float, table: Table = DEFAULT_TABLE) -> None:
        self.clearance = clearance
        self._model = _compile_model(clearance, table)
        self._data = mujoco.MjData(self._model)
        self._start_distances: dict[tuple[int, int], float] = {}
        self._held: tuple[int, FloatArray, FloatArray] | None = None

    def begin(
        self,
        positions: FloatArray,
        objects: Sequence[SceneObject],
        scene: SceneState,
        leaves_contacts: bool = False,
    ) -> None:
        """Start at joint angles (6,), rad, in a scene; an object that is held moves with the gripper from now on.

        With ``leaves_contacts``, parts that overlap now may come closer still: the model is wrong there.
        """
        self._start_distances, self._held = {}, None
        for each, position, yaw in zip(objects, scene.positions, scene.yaws, strict=True):
            if each.is_solid:
                place_object(self._model, self._data, each, position, float(yaw))
        self._update(positions)
        held = [each.name for each, is_held in zip(objects, scene.held, strict=True) if is_held and each.is_solid]
        self._set_held_cube(held[0] if held else None)
        self._start_distances = {
            pair: -math.inf if leaves_contacts and distance < 0.0 else distance
            for pair, distance in self._find_close_pairs().items()
        }

    def is_free(self, positions: FloatArray) -> bool:
        """Return whether nothing is closer than the clearance at joint angles (6,), rad."""
        self._update(positions)
        close = self._find_close_pairs()
        return all(distance >= self._start_distances.get(pair, math.inf) - SLACK_M for pair, distance in close.items())

    def is_path_free(self, start: FloatArray, end: FloatArray) -> bool:
        """Return whether nothing is touched on the straight line between joint angles (6,), the start excluded."""
        count = max(1, math.ceil(compute_path_length(end - start) / CHECK_SPACING_M))
        # From coarse to fine, because a line that touches something mostly does so for long.
        order = sorted(range(1, count + 1), key=lambda i: (-(i & -i), i))
        return all(self.is_free(start + (end - start) * (i / count)) for i in order)

    def describe_contacts(self, positions: FloatArray) -> list[tuple[str, str]]:
        """Return the pairs of bodies that are too close at joint angles (6,), rad, sorted."""
        self._update(positions)
        bodies = self._model.geom_bodyid
        names = [sorted(self._name_body(bodies[geom]) for geom in pair) for pair in self._find_close_pairs()]
        return sorted({(first, second) for first, second in names})

    def _name_body(self, body: int) -> str:
        return str(self._model.body(body).name) if body else "table"

    def _update(self, positions: FloatArray) -> None:
        """Move the arm, and what it holds, and find all contacts."""
        self._data.qpos[: len(positions)] = positions
        mujoco.mj_kinematics(self._model, self._data)
        if self._held is not None:
            self._carry_held_cube(*self._held)
            mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_collision(self._model, self._data)

    def _find_close_pairs(self) -> dict[tuple[int, int], float]:
        """Return the smallest distance, m, of every pair of shapes that is closer than the clearance."""
        contact = self._data.contact
        found: dict[tuple[int, int], float] = {}
        for (first, second), distance in zip(contact.geom.tolist(), contact.dist.tolist(), strict=True):
            if distance < self.clearance and distance < found.get((first, second), math.inf):
                found[first, second] = distance
        return found

    def _set_held_cube(self, name: str | None) -> None:
        """Let a cube move with the gripper, and collide with the table and other cubes while it is held."""
        model, data = self._model, self._data
        for cube in (body for body in range(model.nbody) if model.body_dofnum[body] == 6):
            model.geom_conaffinity[_list_geoms(model, cube)] = 0
        if name is None:
            return
        body, gripper = data.body(name), data.body("gripper")
        rotation = gripper.xmat.reshape(3, 3).T
        self._held = (
            body.id,
            rotation @ (body.xpos - gripper.xpos),
            rotation @ body.xmat.reshape(3, 3),
        )
        model.geom_conaffinity[_list_geoms(model, body.id)] = _TABLE_BIT | _CUBE_BIT
        mujoco.mj_collision(model, data)

    def _carry_held_cube(self, body: int, offset: FloatArray, rotation: FloatArray) -> None:
        """Set the pose of the held cube from the gripper's."""
        gripper = self._data.body("gripper")
        frame = gripper.xmat.reshape(3, 3)
        address = self._model.jnt_qposadr[self._model.body_jntadr[body]]
        self._data.qpos[address : address + 3] = gripper.xpos + frame @ offset
        mujoco.mju_mat2Quat(self._data.qpos[address + 3 : address + 7], (frame @ rotation).ravel())


def compute_path_length(change: FloatArray) -> float:
    """Return a bound on the motion of any point of the arm for a change of joint angles (J >= 5,), m."""
    return float(JOINT_REACHES_M @ np.abs(change[:5]))


def _list_geoms(model: mujoco.MjModel, body: int) -> slice:
    """Return the indices of a body's shapes."""
    start = int(model.body_geomadr[body])
    return slice(start, start + int(model.body_geomnum[body]))


def _compile_model(clearance: float, table: Table) -> mujoco.MjModel:
    """Return the scene's model in which every shape of the arm collides, with contacts from ``clearance`` m on."""
    spec = make_spec(table)
    for body in ARM_BODIES:
        for geom in spec.body(body).geoms:
            geom.contype, geom.conaffinity = _ARM_BIT, _ARM_BIT | _TABLE_BIT | _CUBE_BIT
            geom.margin = clearance
    for first, second in itertools.pairwise(ARM_BODIES):
        spec.add_exclude(bodyname1=first, bodyname2=second)
    surface = spec.geom("table")
    surface.pos[2], surface.size[2] = -_TABLE_DEPTH_M / 2, _TABLE_DEPTH_M / 2
    model = spec.compile()
    table = model.geom("table").id
    model.geom_contype[table], model.geom_conaffinity[table] = _TABLE_BIT, 0
    for index in range(model.nbody):
        if model.body_dofnum[index] == 6:
            shapes = _list_geoms(model, index)
            model.geom_contype[shapes], model.geom_conaffinity[shapes] = _CUBE_BIT, 0
            model.geom_margin[shapes] = clearance
    return model
