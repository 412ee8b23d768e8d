"""The scene of the simulated arm: its MuJoCo model, its objects, and their layout from a seed."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import mujoco
import numpy as np

from metagui.arms.arm import ArmError, FloatArray, SceneObject
from metagui.arms.kinematics import HOME_ANGLES_RAD, PAN_AXIS_X_M
from metagui.arms.tables.table import DEFAULT_TABLE, TABLE_CENTRE_M, ZONE_SIZE_M, Table, TableError
from metagui.arms.tables.table_model import MARK_CENTRE_M, add_objects
from metagui.paths import resources_dir

PHYSICS_STATE_SPEC = int(
    mujoco.mjtState.mjSTATE_TIME
    | mujoco.mjtState.mjSTATE_QPOS
    | mujoco.mjtState.mjSTATE_QVEL
    | mujoco.mjtState.mjSTATE_WARMSTART
    | mujoco.mjtState.mjSTATE_CTRL
    | mujoco.mjtState.mjSTATE_MOCAP_POS
    | mujoco.mjtState.mjSTATE_MOCAP_QUAT
)
"""Parts of the physics state that must be stored to replay a take exactly."""

_MIN_RADIUS_M, _MAX_RADIUS_M, _MAX_ANGLE_RAD = 0.135, 0.235, math.radians(58)
_TABLE_AREA_M = ((-0.14, 0.42), (-0.34, 0.34))
"""Ranges of x and y for the centre of an object, m."""
_BASE_AREA_M = ((-0.06, 0.09), (-0.06, 0.06))
"""Ranges of x and y that the arm's base covers, m."""
_PARKING_POINTS_M = ((-0.08, 0.33), (0.0, 0.33), (0.08, 0.33), (-0.04, -0.32), (0.06, -0.32))
"""Points beyond the arm's reach, for up to five objects that are not wider than a zone, in the table's order, m."""
_PARKING_EDGES = (
    (True, 0.355, -0.15, 0.16), (True, -0.355, -0.15, 0.16), (False, -0.155, -0.24, 0.24), (False, 0.435, -0.34, 0.34),
)  # fmt: skip
"""Edges for other tables: whether it is along x, its position across, where it starts and ends, m."""
DEFAULT_SPACING_M = 0.066
"""Distance between the centres of two objects of a random layout, m."""
MIN_GAP_M = 0.006
"""Smallest gap between two objects, m."""
_LAYOUTS_PER_STEP, _SPACING_STEPS, _MAX_LAYOUTS = 30, 6, 400
"""Random layouts with one spacing, number of spacings, and layouts after which the table counts as too full."""
_MAX_CACHED_MODELS = 32


class PlacementError(ArmError):
    """An object cannot be placed at a position; the message states the reason. Nothing was moved."""


@dataclass(frozen=True)
class SceneLayout:
    """Poses of the A scene objects, in the order of the table, the table itself last."""

    positions: FloatArray
    """(A, 3) centres, m."""
    yaws: FloatArray
    """(A,) rotations about the vertical, rad."""


def make_spec(table: Table = DEFAULT_TABLE) -> mujoco.MjSpec:
    """Return the uncompiled model of the arm and a table's objects. Raises ArmError if its file is missing."""
    path = resources_dir() / "arm" / "scene.xml"
    if not path.is_file():
        raise ArmError(f"The arm's model is missing: {path}. Reinstall metagui; your recordings are safe.")
    spec = mujoco.MjSpec.from_file(str(path))
    add_objects(spec, table)
    return spec


def load_model(table: Table = DEFAULT_TABLE) -> mujoco.MjModel:
    """Return the model of the arm and a table's objects; it is compiled once and must not be changed."""
    return _compile(table)


@functools.lru_cache(maxsize=_MAX_CACHED_MODELS)
def _compile(table: Table) -> mujoco.MjModel:
    return make_spec(table).compile()


@functools.lru_cache(maxsize=_MAX_CACHED_MODELS)
def make_model_xml(table: Table) -> str:
    """Return the complete scene as one MJCF text, which is stored with every take."""
    spec = make_spec(table)
    spec.compile()
    return str(spec.to_xml())


def get_state(model: mujoco.MjModel, data: mujoco.MjData) -> FloatArray:
    """Return a copy of the full physics state (D,)."""
    state = np.empty(mujoco.mj_stateSize(model, PHYSICS_STATE_SPEC))
    mujoco.mj_getState(model, data, state, PHYSICS_STATE_SPEC)
    return state


def set_state(model: mujoco.MjModel, data: mujoco.MjData, state: FloatArray) -> None:
    """Set a stored state (D,) and update the positions of all bodies. Raises ArmError."""
    size = mujoco.mj_stateSize(model, PHYSICS_STATE_SPEC)
    if state.shape != (size,):
        raise ArmError(
            f"A stored state has the shape {state.shape}, but this model has {size} numbers: the take is of another "
            "scene. Nothing was changed; choose another take."
        )
    mujoco.mj_setState(model, data, state, PHYSICS_STATE_SPEC)
    mujoco.mj_forward(model, data)


def sample_layout(
    rng: np.random.Generator, spacing: float = DEFAULT_SPACING_M, table: Table = DEFAULT_TABLE
) -> SceneLayout:
    """Return a random layout within the arm's good reach, with objects about ``spacing`` m apart. Raises TableError.

    Wide objects are farther apart, and many objects less far, but never so close that they touch.
    """
    count, shares = len(table.objects), np.linspace(1.0, 0.0, _SPACING_STEPS)
    radii = np.array([each.width / 2 for each in table.objects])
    least = radii[:, None] + radii + MIN_GAP_M
    for attempt in range(_MAX_LAYOUTS):
        share = shares[min(attempt // _LAYOUTS_PER_STEP, _SPACING_STEPS - 1)]
        wanted = np.maximum(least, share * spacing)
        points: list[FloatArray] = []
        for _ in range(300):
            point, row = _sample_point(rng), wanted[len(points)]
            if all(np.hypot(*(point - other)) >= row[index] for index, other in enumerate(points)):
                points.append(point)
            if len(points) == count:
                return _make_layout(np.array(points), rng, table)
    raise TableError(
        "The table's objects do not fit into the arm's reach without touching each other. Nothing was changed; remove "
        "some, or make them smaller."
    )


def _sample_point(rng: np.random.Generator) -> FloatArray:
    """Return a (2,) point, uniform over the ring sector in front of the arm, m."""
    radius = math.sqrt(rng.uniform(_MIN_RADIUS_M**2, _MAX_RADIUS_M**2))
    angle = rng.uniform(-_MAX_ANGLE_RAD, _MAX_ANGLE_RAD)
    return np.array([PAN_AXIS_X_M + radius * math.cos(angle), radius * math.sin(angle)])


def _make_layout(points: FloatArray, rng: np.random.Generator, table: Table) -> SceneLayout:
    """Return a layout with the objects at ``points`` (A - 1, 2) and random yaws; the table is last."""
    max_yaws = np.array([math.pi / 4 if each.is_solid else 0.4 for each in table.objects])
    yaws = np.append(rng.uniform(-max_yaws, max_yaws), 0.0)
    return SceneLayout(_resting_positions(points, table), yaws)


def _resting_positions(points: FloatArray, table: Table) -> FloatArray:
    """Return the centres (A, 3) of objects that rest on the table at ``points`` (A - 1, 2), m."""
    heights = np.array([each.resting_height for each in table.objects])
    return np.vstack([np.column_stack([points, heights]), TABLE_CENTRE_M])


def make_parked_layout(table: Table = DEFAULT_TABLE) -> SceneLayout:
    """Return a layout with all objects at the table's edges, out of reach until a person places them."""
    points = np.array(_PARKING_POINTS_M[: len(table.objects)])
    if len(points) < len(table.objects) or any(each.width > ZONE_SIZE_M for each in table.objects):
        points = _line_up(table)
    return SceneLayout(_resting_positions(points, table), np.zeros(len(table.scene_objects)))


def _line_up(table: Table) -> FloatArray:
    """Return points (A - 1, 2) at the left, right, rear and far edges of the table, one object next to the other, m."""
    points: list[tuple[float, float]] = []
    edges = iter(_PARKING_EDGES)
    is_along_x, across, along, end = next(edges)
    for each in table.objects:
        half = each.width / 2
        while along + 2 * half > end:
            is_along_x, across, along, end = next(edges)
        middle, inwards = along + half, across - math.copysign(half, across)
        points.append((middle, inwards) if is_along_x else (inwards, middle))
        along += 2 * half + MIN_GAP_M
    return np.array(points)


def apply_layout(model: mujoco.MjModel, data: mujoco.MjData, layout: SceneLayout, table: Table = DEFAULT_TABLE) -> None:
    """Reset the physics: the arm in its home pose, all objects at rest at the poses of ``layout``."""
    mujoco.mj_resetData(model, data)
    data.qpos[: len(HOME_ANGLES_RAD)] = HOME_ANGLES_RAD
    data.ctrl[:] = HOME_ANGLES_RAD
    for scene_object, position, yaw in zip(table.objects, layout.positions, layout.yaws, strict=False):
        place_object(model, data, scene_object, position, yaw)
    mujoco.mj_forward(model, data)


def place_object(
    model: mujoco.MjModel, data: mujoco.MjData, scene_object: SceneObject, position: FloatArray, yaw: float
) -> None:
    """Put an object at rest at ``position`` (3,), m, and ``yaw``, rad; call ``mj_forward`` afterwards."""
    quaternion = (math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2))
    if scene_object.is_solid:
        joint = model.joint(model.body(scene_object.name).jntadr[0])
        data.qpos[joint.qposadr[0] : joint.qposadr[0] + 7] = (*position, *quaternion)
        data.qvel[joint.dofadr[0] : joint.dofadr[0] + 6] = 0.0
    elif scene_object.kind != "table":
        mocap = model.body(scene_object.name).mocapid[0]
        data.mocap_pos[mocap] = position + (0.0, 0.0, MARK_CENTRE_M)
        data.mocap_quat[mocap] = quaternion


def find_placement(
    object_name: str, x: float, y: float, positions: FloatArray, table: Table = DEFAULT_TABLE
) -> tuple[SceneObject, FloatArray]:
    """Return the object with a name and its centre (3,) on the table at x and y, m. Raises PlacementError.

    ``positions`` (A - 1, 3) are the present positions of all objects except the table, m.
    """
    movable = {each.name: each for each in table.objects}
    if object_name not in movable:
        raise PlacementError(
            f"There is no {object_name!r} that can be placed. Nothing was changed; choose from {', '.join(movable)}."
        )
    placed, problem = movable[object_name], ""
    if not _is_inside(x, y, _TABLE_AREA_M):
        problem = "that is not on the table"
    elif _is_inside(x, y, _BASE_AREA_M):
        problem = "the arm stands there"
    for other, position in zip(table.objects, positions, strict=True):
        reach = (min(placed.size[:2]) + min(other.size[:2])) / 2
        overlaps = math.hypot(position[0] - x, position[1] - y) < reach
        if overlaps and placed.is_solid and other.is_solid and other is not placed:
            problem = f"the {other.name} stands there"
    if problem:
        raise PlacementError(
            f"The {object_name} cannot be placed at x {x * 1000:.0f}, y {y * 1000:.0f} mm: {problem}. "
            "Nothing was changed; choose another position."
        )
    return placed, resting_position(placed, x, y)


def resting_position(scene_object: SceneObject, x: float, y: float) -> FloatArray:
    """Return the position (3,) of an object that rests on the table at x and y, m."""
    return np.array([x, y, scene_object.resting_height])


def _is_inside(x: float, y: float, area: tuple[tuple[float, float], tuple[float, float]]) -> bool:
    return area[0][0] <= x <= area[0][1] and area[1][0] <= y <= area[1][1]
