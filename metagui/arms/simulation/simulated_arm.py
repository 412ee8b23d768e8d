"""The simulated SO-101: MuJoCo physics with the same interface as a real arm.

Time advances by one control period at every command, so that a loop without a clock runs as fast as possible and a
loop with one runs in real time. While one thread steps the arm, other threads may only use copies of ``get_state()``.
"""

from __future__ import annotations

import copy
import itertools
import math
import time
from typing import TYPE_CHECKING

import mujoco
import numpy as np

from metagui.arms.arm import (
    CONTROL_PERIOD_S,
    BoolArray,
    Command,
    FloatArray,
    JointState,
    NotConnectedError,
    Observation,
    SceneObject,
    SceneState,
    make_read_only,
    read_only_bool_copy,
    read_only_copy,
)
from metagui.arms.gripper import EMPTY_GRIPPER_RAD
from metagui.arms.kinematics import JOINTS, compute_tool_pose
from metagui.arms.simulation import scene
from metagui.arms.tables.table import DEFAULT_TABLE, TABLE_CENTRE_M, Table

if TYPE_CHECKING:
    from collections.abc import Callable

_NOISE_DECAY = 0.93
"""Factor of the target noise from one tick to the next; the noise decays in a quarter of a second."""
_NOISE_GAIN = math.sqrt(1.0 - _NOISE_DECAY**2)
"""Factor of the new noise of a tick, which makes the noise stationary."""
RELEASE_TICKS = 3
"""Number of ticks without contact after which a cube no longer counts as held."""


class SimulatedArm:
    """An SO-101 with the objects of a table, laid out by a seed. Implements Arm, Scene and StatefulArm."""

    name = "simulated SO-101"
    joints = JOINTS
    objects: tuple[SceneObject, ...] = DEFAULT_TABLE.scene_objects
    """Objects of the table, the table itself last."""

    def __init__(self, seed: int = 0, target_noise: float = 0.0, table: Table = DEFAULT_TABLE) -> None:
        """Make the scene of ``seed``; ``target_noise`` is the standard deviation of the targets' noise, rad."""
        self.table, self.objects = table, table.scene_objects
        self.connected = False
        self._target_noise = target_noise
        self._noise = np.zeros(len(JOINTS))
        self.model = scene.load_model(table)
        self._data = mujoco.MjData(self.model)
        count = len(JOINTS)  # the following arrays are views of the physics
        self._positions, self._velocities = self._data.qpos[:count], np.zeros(count)
        self._force_now, self._targets = self._data.actuator_force[:count], self._data.ctrl
        self._forces = np.zeros(count)
        """(J,) lasting force over the last control period, N·m: a servo that moves freely pushes hard for moments."""
        self._substeps = round(CONTROL_PERIOD_S / self.model.opt.timestep)
        self._object_bodies = np.array([self.model.body(each.name).id for each in table.objects])
        self._cube_of_geom, self._finger_of_geom = self._map_contact_geoms()
        self._contact_pairs = self._list_contact_pairs()
        self._table_positions = np.tile(TABLE_CENTRE_M, (len(self.objects), 1))
        self._no_flags = read_only_bool_copy([False] * len(self.objects))
        self._not_measured = read_only_copy(np.full(len(JOINTS), np.nan))
        self._limits = tuple(np.array([[j.lower, j.upper] for j in JOINTS]).T)
        self.randomise(seed)

    def _map_contact_geoms(self) -> tuple[FloatArray, FloatArray]:
        """Return, per geom, the index of the cube and of the finger that it belongs to, -1 for none."""
        cubes = np.full(self.model.ngeom, -1)
        fingers = np.full(self.model.ngeom, -1)
        for index, each in enumerate(self.objects):
            if each.is_solid:
                body = self.model.body(each.name)
                cubes[body.geomadr[0] : body.geomadr[0] + body.geomnum[0]] = index
        for index, name in enumerate(("fixed_finger", "moving_finger")):
            fingers[self.model.geom(name).id] = index
        return cubes, fingers

    def _list_contact_pairs(self) -> dict[tuple[int, int], tuple[int, int]]:
        """Return (finger, cube) for every pair of geoms, in both orders, that are a finger and a cube."""
        fingers, cubes = np.flatnonzero(self._finger_of_geom >= 0), np.flatnonzero(self._cube_of_geom >= 0)
        found = {}
        for finger, cube in itertools.product(fingers.tolist(), cubes.tolist()):
            touch = int(self._finger_of_geom[finger]), int(self._cube_of_geom[cube])
            found[finger, cube] = found[cube, finger] = touch
        return found

    def randomise(self, seed: int) -> None:
        """Make the scene of another seed and put the arm in its home pose, at rest."""
        self.reset(scene.sample_layout(np.random.default_rng(seed), table=self.table))
        self._noise_generator = np.random.default_rng([seed, 1])
        self.seed = seed

    def reset(self, layout: scene.SceneLayout) -> None:
        """Reset the physics to ``layout``."""
        scene.apply_layout(self.model, self._data, layout, self.table)
        self._velocities[:] = 0.0
        self._clear_contacts()

    def _clear_contacts(self) -> None:
        """Forget all contacts: nothing is held or touched."""
        self._ticks_since_contact = [RELEASE_TICKS] * len(self.objects)
        self._touched: set[int] = set()

    def set_joint_positions(self, positions: FloatArray) -> None:
        """Put the joints at ``positions`` (J,), rad, at rest; the objects stay."""
        self._positions[:], self._velocities[:] = positions, 0.0
        self._targets[:] = self._clip_to_limits(positions)
        mujoco.mj_forward(self.model, self._data)
        self._clear_contacts()
        self._update_contacts()

    def place_object(self, object_name: str, x: float, y: float, yaw: float = 0.0) -> None:
        """Place an object on the table at x and y, m, with ``yaw``, rad. Raises PlacementError."""
        placed, position = scene.find_placement(object_name, x, y, self._data.xpos[self._object_bodies], self.table)
        scene.place_object(self.model, self._data, placed, position, yaw)
        mujoco.mj_forward(self.model, self._data)

    def connect(self) -> None:
        """Mark the arm as connected; it holds its present position."""
        self.connected = True

    def observe(self) -> JointState:
        """Read positions, velocities and loads of all joints. Raises NotConnectedError."""
        self._require_connection()
        return JointState(
            time=time.perf_counter(),
            positions=read_only_copy(self._positions),
            velocities=read_only_copy(self._velocities),
            loads=make_read_only(self._forces / self.model.actuator_forcerange[:, 1]),
            temperatures=self._not_measured,
            voltages=self._not_measured,
            latency=0.0,
            retries=0,
        )

    def observe_scene(self) -> SceneState:
        """Return the pose of every object, and which cubes the fingers hold or touch."""
        rotations = self._data.xmat.take(self._object_bodies, axis=0)
        positions, yaws = self._table_positions.copy(), np.zeros(len(self.objects))  # the table comes last and stays
        positions[:-1] = self._data.xpos.take(self._object_bodies, axis=0)
        np.arctan2(rotations[:, 3], rotations[:, 0], out=yaws[:-1])
        held = {index for index, ticks in enumerate(self._ticks_since_contact) if ticks < RELEASE_TICKS}
        return SceneState(
            make_read_only(positions), make_read_only(yaws), self._make_flags(held), self._make_flags(self._touched)
        )

    def observe_all(self) -> Observation:
        """Read joints and scene together, as the input of a controller."""
        joints = self.observe()
        position, yaw = compute_tool_pose(joints.positions)
        return Observation(joints.time, joints, make_read_only(position), yaw, self.observe_scene())

    def command(self, command: Command) -> Command:
        """Send joint targets and simulate one control period; return the targets clipped to the limits."""
        self._require_connection()
        if not all(map(math.isfinite, command.positions.tolist())):
            self.hold()
        else:
            self._targets[:] = self._clip_to_limits(command.positions)
        sent = read_only_copy(self._targets)
        if self._target_noise:
            self._targets += self._step_noise()
        self.simulate_period()
        self._targets[:] = sent
        return Command(sent)

    def simulate_period(self, set_controls: Callable[[mujoco.MjData, int], None] | None = None) -> None:
        """Simulate one control period; ``set_controls`` gets the data and the index of every step before it."""
        before = self._positions.copy()
        self._forces[:] = 0.0
        for step in range(self._substeps):
            if set_controls is not None:
                set_controls(self._data, step)
            mujoco.mj_step(self.model, self._data)
            self._forces += self._force_now
        self._forces /= self._substeps
        smaller = np.abs(self._force_now) < np.abs(self._forces)
        self._forces[smaller] = self._force_now[smaller]
        # At the end of a period, a joint that follows targets in steps is almost at rest, hence the mean velocity.
        self._velocities[:] = (self._positions - before) / CONTROL_PERIOD_S
        self._update_contacts()

    def _step_noise(self) -> FloatArray:
        """Return the (J,) noise on the joint targets, rad: a stationary first-order autoregressive process."""
        fresh = self._target_noise * self._noise_generator.standard_normal(len(JOINTS))
        self._noise = _NOISE_DECAY * self._noise + _NOISE_GAIN * fresh
        self._noise[-1] = 0.0  # no noise on the gripper, so that it does not drop an object
        return self._noise

    def _update_contacts(self) -> None:
        """Update which cubes are touched and, with a tolerance of a few ticks, held by both fingers."""
        touched_by: tuple[set[int], set[int]] = (set(), set())
        for one, other in self._data.contact.geom.tolist():
            touch = self._contact_pairs.get((one, other))
            if touch is not None:
                touched_by[touch[0]].add(touch[1])
        self._touched = touched_by[0] | touched_by[1]
        self._ticks_since_contact = [ticks + 1 for ticks in self._ticks_since_contact]
        if self._positions[-1] > EMPTY_GRIPPER_RAD:
            for index in touched_by[0] & touched_by[1]:
                self._ticks_since_contact[index] = 0

    def _make_flags(self, indices: set[int]) -> BoolArray:
        """Return (A,) flags of object indices; usually there are none, and one read-only array is shared."""
        return read_only_bool_copy([i in indices for i in range(len(self.objects))]) if indices else self._no_flags

    def hold(self) -> None:
        """Make the present position the target."""
        self._targets[:] = self._clip_to_limits(self._positions)

    def set_limits(self, lower: FloatArray, upper: FloatArray) -> None:
        """Set the angles (J,), rad, at which the joints stop; the model becomes this arm's own."""
        limits = np.stack([lower, upper], axis=1)
        self.model = copy.deepcopy(self.model)
        self.model.jnt_range[: len(JOINTS)] = limits
        self.model.actuator_ctrlrange[: len(JOINTS)] = limits
        self._limits = (np.array(lower), np.array(upper))

    def _clip_to_limits(self, positions: FloatArray) -> FloatArray:
        """Return joint angles (J,) clipped to their limits; three times as fast as ``np.clip``."""
        lower, upper = self._limits
        inside: FloatArray = np.minimum(np.maximum(positions, lower), upper)
        return inside

    def disconnect(self) -> None:
        """Hold, then close."""
        self.hold()
        self.connected = False

    def get_state(self) -> FloatArray:
        """Return a copy of the full physics state (D,), which may be passed to another thread."""
        return scene.get_state(self.model, self._data)

    def set_state(self, state: FloatArray) -> None:
        """Set a stored state (D,). Raises ArmError if it belongs to another model."""
        scene.set_state(self.model, self._data, state)
        self._velocities[:] = self._data.qvel[: len(JOINTS)]
        self._clear_contacts()
        self._update_contacts()

    @property
    def model_xml(self) -> str:
        """Return the scene as MJCF text."""
        return scene.make_model_xml(self.table)

    def _require_connection(self) -> None:
        if not self.connected:
            raise NotConnectedError("The simulated arm is not connected; nothing moved. Press Connect first.")
