"""The simulated SO-101: MuJoCo physics behind the same protocol as an arm on a cable.

Time advances by one control period at every command, so that a loop without a clock runs as fast as the machine
and a loop with one runs in real time. Nothing here may be read while another thread steps it: take ``state()``.
"""

from __future__ import annotations

import itertools
import math
import time

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
    SceneState,
    make_read_only,
    read_only_bool_copy,
    read_only_copy,
)
from metagui.arms.gripper import EMPTY_GRIPPER_RAD
from metagui.arms.kinematics import JOINTS, compute_tool_pose
from metagui.arms.simulation import scene

_NOISE_DECAY = 0.93
"""How much of a tremble is left after one tick; it is forgotten in a quarter of a second."""
_NOISE_GAIN = math.sqrt(1.0 - _NOISE_DECAY**2)
"""How much is new, so that it trembles no less as time goes by."""
RELEASE_TICKS = 3
"""Ticks without contact after which a cube no longer counts as held."""


class SimulatedArm:
    """An SO-101 among three cubes and two zones, laid out by a seed. Implements Arm and Scene."""

    name = "simulated SO-101"
    joints = JOINTS
    objects = scene.SCENE_OBJECTS

    def __init__(self, seed: int = 0, target_noise: float = 0.0) -> None:
        """Lay out the scene of ``seed``; ``tremble`` is how far off its goals the arm wanders, rad, by it too."""
        self.connected = False
        self._target_noise = target_noise
        self._noise = np.zeros(len(JOINTS))
        self.model = scene.load_model()
        self._data = mujoco.MjData(self.model)
        count = len(JOINTS)  # what follows are views: they show the physics as it is when they are read
        self._positions, self._velocities = self._data.qpos[:count], self._data.qvel[:count]
        self._forces, self._targets = self._data.actuator_force[:count], self._data.ctrl
        self._substeps = round(CONTROL_PERIOD_S / self.model.opt.timestep)
        self._object_bodies = np.array([self.model.body(a.name).id for a in self.objects if a.kind != "table"])
        self._cube_of_geom, self._finger_of_geom = self._map_contact_geoms()
        self._contact_pairs = self._list_contact_pairs()
        self._table_positions = np.tile(scene.TABLE_CENTRE_M, (len(self.objects), 1))
        self._no_flags = read_only_bool_copy([False] * len(self.objects))
        self._not_measured = read_only_copy(np.full(len(JOINTS), np.nan))
        self._limits = tuple(np.array([[j.lower, j.upper] for j in JOINTS]).T)
        self.randomise(seed)

    def _map_contact_geoms(self) -> tuple[FloatArray, FloatArray]:
        """Map geoms to the cube they belong to and to the finger they are, -1 for neither."""
        cubes = np.full(self.model.ngeom, -1)
        fingers = np.full(self.model.ngeom, -1)
        for index, anchor in enumerate(self.objects):
            if anchor.kind == "cube":
                cubes[self.model.body(anchor.name).geomadr[0]] = index
        for index, name in enumerate(("fixed_finger", "moving_finger")):
            fingers[self.model.geom(name).id] = index
        return cubes, fingers

    def _list_contact_pairs(self) -> dict[tuple[int, int], tuple[int, int]]:
        """Return which finger touches which cube, for every pair of geoms, either way round, that can say so."""
        fingers, cubes = np.flatnonzero(self._finger_of_geom >= 0), np.flatnonzero(self._cube_of_geom >= 0)
        found = {}
        for finger, cube in itertools.product(fingers.tolist(), cubes.tolist()):
            touch = int(self._finger_of_geom[finger]), int(self._cube_of_geom[cube])
            found[finger, cube] = found[cube, finger] = touch
        return found

    def randomise(self, seed: int) -> None:
        """Lay out a new scene and put the arm back home, at rest."""
        self.reset(scene.sample_layout(np.random.default_rng(seed)))
        self._noise_generator = np.random.default_rng([seed, 1])
        self.seed = seed

    def reset(self, layout: scene.SceneLayout) -> None:
        """Start again from ``layout``."""
        scene.apply_layout(self.model, self._data, layout)
        self._clear_contacts()

    def _clear_contacts(self) -> None:
        """Nothing is held or touched."""
        self._ticks_since_contact = [RELEASE_TICKS] * len(self.objects)
        self._touched: set[int] = set()

    def place_object(self, object_name: str, x: float, y: float, yaw: float = 0.0) -> None:
        """Put a thing on the table at x and y, m, turned by ``yaw``, rad. Raises PlaceError."""
        meant, position = scene.find_placement(object_name, x, y, self._data.xpos[self._object_bodies])
        scene.place_object(self.model, self._data, meant, position, yaw)
        mujoco.mj_forward(self.model, self._data)

    def connect(self) -> None:
        """Nothing to open; the arm holds where it is."""
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
        """Return where every anchor is, and which cubes the fingers hold or touch."""
        rotations = self._data.xmat.take(self._object_bodies, axis=0)
        positions, yaws = self._table_positions.copy(), np.zeros(len(self.objects))  # the table comes last and stays
        positions[:-1] = self._data.xpos.take(self._object_bodies, axis=0)
        np.arctan2(rotations[:, 3], rotations[:, 0], out=yaws[:-1])
        held = {index for index, ticks in enumerate(self._ticks_since_contact) if ticks < RELEASE_TICKS}
        return SceneState(
            make_read_only(positions), make_read_only(yaws), self._make_flags(held), self._make_flags(self._touched)
        )

    def observe_all(self) -> Observation:
        """Read joints and scene together, as a controller sees them."""
        joints = self.observe()
        position, yaw = compute_tool_pose(joints.positions)
        return Observation(joints.time, joints, make_read_only(position), yaw, self.observe_scene())

    def command(self, command: Command) -> Command:
        """Send joint targets and let one control period pass; return what was sent, within the limits."""
        self._require_connection()
        if not all(map(math.isfinite, command.positions.tolist())):
            self.hold()
        else:
            self._targets[:] = self._clip_to_limits(command.positions)
        sent = read_only_copy(self._targets)
        if self._target_noise:
            self._targets += self._step_noise()
        mujoco.mj_step(self.model, self._data, self._substeps)
        self._targets[:] = sent
        self._update_contacts()
        return Command(sent)

    def _step_noise(self) -> FloatArray:
        """(J,) how far the joints are pushed off their goals now, rad: a slow random walk about them."""
        push = self._target_noise * self._noise_generator.standard_normal(len(JOINTS))
        self._noise = _NOISE_DECAY * self._noise + _NOISE_GAIN * push
        self._noise[-1] = 0.0  # what is held stays held
        return self._noise

    def _update_contacts(self) -> None:
        """Remember which cubes both fingers touch; a few ticks without contact are no letting go."""
        by: tuple[set[int], set[int]] = (set(), set())
        for one, other in self._data.contact.geom.tolist():
            touch = self._contact_pairs.get((one, other))
            if touch is not None:
                by[touch[0]].add(touch[1])
        self._touched = by[0] | by[1]
        self._ticks_since_contact = [ticks + 1 for ticks in self._ticks_since_contact]
        if self._positions[-1] > EMPTY_GRIPPER_RAD:
            for index in by[0] & by[1]:
                self._ticks_since_contact[index] = 0

    def _make_flags(self, indices: set[int]) -> BoolArray:
        """Return (A,) which anchors these are; where none, as mostly, one array for all: nobody can change it."""
        return read_only_bool_copy([i in indices for i in range(len(self.objects))]) if indices else self._no_flags

    def hold(self) -> None:
        """Make the present position the target."""
        self._targets[:] = self._clip_to_limits(self._positions)

    def _clip_to_limits(self, positions: FloatArray) -> FloatArray:
        """Return joint angles (J,) clipped to their limits; as ``np.clip``, which costs three times as much."""
        lower, upper = self._limits
        inside: FloatArray = np.minimum(np.maximum(positions, lower), upper)
        return inside

    def disconnect(self) -> None:
        """Hold, then close."""
        self.hold()
        self.connected = False

    def get_state(self) -> FloatArray:
        """Return a copy of the full physics state (D,), safe to hand to another thread."""
        return scene.get_state(self.model, self._data)

    def set_state(self, state: FloatArray) -> None:
        """Go back to a stored state. Raises ArmError if it is another model's."""
        scene.set_state(self.model, self._data, state)
        self._clear_contacts()
        self._update_contacts()

    @property
    def model_xml(self) -> str:
        """The scene as MJCF text."""
        return scene.make_model_xml()

    def _require_connection(self) -> None:
        if not self.connected:
            raise NotConnectedError("The simulated arm is not connected; nothing moved. Press Connect first.")
