"""The table the simulated arm works on: its model, its anchors, and how a seed lays them out."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import mujoco
import numpy as np

from metagui.arms.arm import Anchor, ArmError, FloatArray
from metagui.arms.kinematics import HOME, PAN_AXIS_X
from metagui.paths import resources_dir

CUBE = 0.025
"""Edge of a cube, m."""
ZONE = 0.060
"""Edge of a target zone, m."""
TABLE_CENTRE = np.array([0.215, 0.0, 0.0])
"""Where the anchor called *table* is: clicks on the bare table are offsets from here."""

ANCHORS: tuple[Anchor, ...] = (
    Anchor("red cube", "cube", CUBE, (0.84, 0.20, 0.16)),
    Anchor("green cube", "cube", CUBE, (0.13, 0.60, 0.33)),
    Anchor("blue cube", "cube", CUBE, (0.16, 0.42, 0.82)),
    Anchor("yellow zone", "zone", ZONE, (0.96, 0.79, 0.22)),
    Anchor("violet zone", "zone", ZONE, (0.60, 0.45, 0.80)),
    Anchor("table", "table", 0.0, (0.6, 0.6, 0.6)),
)

STATE = int(
    mujoco.mjtState.mjSTATE_TIME
    | mujoco.mjtState.mjSTATE_QPOS
    | mujoco.mjtState.mjSTATE_QVEL
    | mujoco.mjtState.mjSTATE_WARMSTART
    | mujoco.mjtState.mjSTATE_CTRL
    | mujoco.mjtState.mjSTATE_MOCAP_POS
    | mujoco.mjtState.mjSTATE_MOCAP_QUAT
)
"""What has to be kept so that a take replays exactly."""

_NEAREST, _FARTHEST, _WIDEST = 0.135, 0.235, math.radians(58)
_TABLE = ((-0.14, 0.42), (-0.34, 0.34))
"""Where the middle of a thing may lie, x and y, m."""
_BASE = ((-0.06, 0.09), (-0.06, 0.06))
"""Where the arm itself stands."""
_ASIDE = ((-0.08, 0.33), (0.0, 0.33), (0.08, 0.33), (-0.04, -0.32), (0.06, -0.32))
"""Beyond the arm's reach, in the order of ANCHORS."""


class PlaceError(ArmError):
    """Something cannot stand where it was to be put; the message says why. Nothing was moved."""


@dataclass(frozen=True)
class Layout:
    """Where the cubes and zones lie: ``positions`` (A, 3) m and ``yaws`` (A,) rad in the order of ANCHORS."""

    positions: FloatArray
    yaws: FloatArray


@functools.cache
def load_model() -> mujoco.MjModel:
    """Return the compiled model of arm, table, cubes and zones; compiled once, never to be changed."""
    path = resources_dir() / "arm" / "scene.xml"
    if not path.is_file():
        raise ArmError(f"The arm's model is missing: {path}. Reinstall metagui; your recordings are safe.")
    return mujoco.MjModel.from_xml_path(str(path))


@functools.cache
def model_text() -> str:
    """Return the whole scene as one MJCF text, to be stored with every take."""
    spec = mujoco.MjSpec.from_file(str(resources_dir() / "arm" / "scene.xml"))
    spec.compile()
    return str(spec.to_xml())


def get_state(model: mujoco.MjModel, data: mujoco.MjData) -> FloatArray:
    """Return a copy of the full physics state (D,)."""
    state = np.empty(mujoco.mj_stateSize(model, STATE))
    mujoco.mj_getState(model, data, state, STATE)
    return state


def set_state(model: mujoco.MjModel, data: mujoco.MjData, state: FloatArray) -> None:
    """Put a stored state back and bring positions of all bodies up to date."""
    size = mujoco.mj_stateSize(model, STATE)
    if state.shape != (size,):
        raise ArmError(f"A stored state has {state.shape} numbers where this model has {size}: another scene's take.")
    mujoco.mj_setState(model, data, state, STATE)
    mujoco.mj_forward(model, data)


def random_layout(rng: np.random.Generator, spacing: float = 0.066) -> Layout:
    """Scatter cubes and zones over the part of the table the arm reaches well, ``spacing`` m apart or more."""
    count = len(ANCHORS) - 1
    while True:
        points: list[FloatArray] = []
        for _ in range(300):
            point = _random_point(rng)
            if all(np.hypot(*(point - other)) >= spacing for other in points):
                points.append(point)
            if len(points) == count:
                return _layout(np.array(points), rng)


def _random_point(rng: np.random.Generator) -> FloatArray:
    """Draw one point, uniform over the ring sector in front of the arm."""
    radius = math.sqrt(rng.uniform(_NEAREST**2, _FARTHEST**2))
    angle = rng.uniform(-_WIDEST, _WIDEST)
    return np.array([PAN_AXIS_X + radius * math.cos(angle), radius * math.sin(angle)])


def _layout(points: FloatArray, rng: np.random.Generator) -> Layout:
    """Give every point a turn; the table's own anchor comes last."""
    turn = np.array([math.pi / 4 if a.kind == "cube" else 0.4 for a in ANCHORS[:-1]])
    yaws = np.append(rng.uniform(-turn, turn), 0.0)
    return Layout(_positions(points), yaws)


def _positions(points: FloatArray) -> FloatArray:
    """Return the centres (A, 3) of things that lie on the table at ``points`` (A - 1, 2)."""
    heights = np.array([CUBE / 2 if a.kind == "cube" else 0.0 for a in ANCHORS[:-1]])
    return np.vstack([np.column_stack([points, heights]), TABLE_CENTRE])


def aside() -> Layout:
    """Return a layout with everything on the table's edges, out of the way until somebody says where it is."""
    points = np.array(_ASIDE)
    return Layout(_positions(points), np.zeros(len(ANCHORS)))


def apply_layout(model: mujoco.MjModel, data: mujoco.MjData, layout: Layout) -> None:
    """Reset the physics: arm at home, everything at rest where ``layout`` says."""
    mujoco.mj_resetData(model, data)
    data.qpos[: len(HOME)] = HOME
    data.ctrl[:] = HOME
    for anchor, position, yaw in zip(ANCHORS[:-1], layout.positions, layout.yaws, strict=False):
        lay(model, data, anchor, position, yaw)
    mujoco.mj_forward(model, data)


def lay(model: mujoco.MjModel, data: mujoco.MjData, anchor: Anchor, position: FloatArray, yaw: float) -> None:
    """Put one thing, at rest, where ``position`` (3,) says; ``mj_forward`` has to follow."""
    quaternion = (math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2))
    if anchor.kind == "cube":
        joint = model.joint(model.body(anchor.name).jntadr[0])
        data.qpos[joint.qposadr[0] : joint.qposadr[0] + 7] = (*position, *quaternion)
        data.qvel[joint.dofadr[0] : joint.dofadr[0] + 6] = 0.0
    elif anchor.kind == "zone":
        mocap = model.body(anchor.name).mocapid[0]
        data.mocap_pos[mocap] = position + (0.0, 0.0, 0.0005)
        data.mocap_quat[mocap] = quaternion


def place_on_table(name: str, x: float, y: float, positions: FloatArray) -> tuple[Anchor, FloatArray]:
    """Return which anchor is meant and where its centre (3,) comes to lie. Raises PlaceError.

    ``positions`` (A - 1, 3) are those of all anchors but the table.
    """
    movable = {anchor.name: anchor for anchor in ANCHORS if anchor.kind != "table"}
    if name not in movable:
        raise PlaceError(f"There is no {name!r} that could be put anywhere; there is {', '.join(movable)}.")
    anchor, problem = movable[name], ""
    if not _inside(x, y, _TABLE):
        problem = "that is not on the table"
    elif _inside(x, y, _BASE):
        problem = "the arm stands there"
    for other, position in zip(ANCHORS[:-1], positions, strict=True):
        near = math.hypot(position[0] - x, position[1] - y) < CUBE
        if near and anchor.kind == other.kind == "cube" and other is not anchor:
            problem = f"the {other.name} stands there"
    if problem:
        raise PlaceError(
            f"The {name} cannot be put at x {x * 1000:.0f}, y {y * 1000:.0f} mm: {problem}. Nothing was changed; "
            "choose another place."
        )
    return anchor, on_table(anchor, x, y)


def on_table(anchor: Anchor, x: float, y: float) -> FloatArray:
    """Return the centre (3,) of a thing that lies on the table."""
    return np.array([x, y, CUBE / 2 if anchor.kind == "cube" else 0.0])


def _inside(x: float, y: float, area: tuple[tuple[float, float], tuple[float, float]]) -> bool:
    return area[0][0] <= x <= area[0][1] and area[1][0] <= y <= area[1][1]
