"""The objects of a table as bodies of a MuJoCo model: solids with free joints, and marks that nothing collides with."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import mujoco

from metagui.arms.arm import WALL_THICKNESS_M
from metagui.arms.tables.table import CUBE_SIZE_M

if TYPE_CHECKING:
    from metagui.arms.arm import SceneObject
    from metagui.arms.tables.table import Table

CUBE_MASS_KG = 0.015
"""Mass of a 25 mm cube; blocks and cylinders have its density."""
_CONTAINER_DENSITY = 1200.0  # that of hard plastic, kg/m³
_RING_PARTS = 16
_MARK_HALF_HEIGHT_M = 0.0006
MARK_CENTRE_M = 0.0005
"""Height of a mark's centre above the table, m: its face is just visible."""
_CONTACT: dict[str, Any] = {"condim": 4, "friction": [1.2, 0.01, 0.0005], "solref": [0.008, 1.0]}
_MARK: dict[str, Any] = {"contype": 0, "conaffinity": 0}
_BOX, _CYLINDER = mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_CYLINDER


def add_objects(spec: mujoco.MjSpec, table: Table) -> None:
    """Add the bodies of a table's objects to the model of the arm: first the marks, then the solids, each in order."""
    for each in table.objects:
        material = spec.add_material(name=each.name, rgba=[*each.colour, 1.0])
        if each.is_solid:
            material.specular = 0.2
    for index, each in enumerate(each for each in table.objects if not each.is_solid):
        position = [0.2, 0.1 * (1 + index // 2) * (-1) ** index, MARK_CENTRE_M]
        _add_mark(spec.worldbody.add_body(name=each.name, mocap=True, pos=position), each)
    for index, each in enumerate(each for each in table.objects if each.is_solid):
        position = [0.22, 0.06 * ((1 + index) // 2 * (1 if index % 2 else -1)), each.resting_height]
        body = spec.worldbody.add_body(name=each.name, pos=position)
        body.add_freejoint()
        _add_solid(body, each)


def _add_mark(body: Any, mark: SceneObject) -> None:
    x, y, _ = mark.size
    if mark.kind == "point":
        body.add_geom(type=_CYLINDER, size=[x / 2, _MARK_HALF_HEIGHT_M, 0.0], material=mark.name, **_MARK)
    else:
        body.add_geom(type=_BOX, size=[x / 2, y / 2, _MARK_HALF_HEIGHT_M], material=mark.name, **_MARK)


def _add_solid(body: Any, solid: SceneObject) -> None:
    x, y, z = solid.size
    if solid.is_container:
        _add_container(body, solid)
        return
    # In this order the factors of a 25 mm cube are exactly one.
    mass = CUBE_MASS_KG * ((x / CUBE_SIZE_M) * (y / CUBE_SIZE_M) * (z / CUBE_SIZE_M))
    if solid.kind == "cylinder":
        size, kind, mass = [x / 2, z / 2, 0.0], _CYLINDER, mass * math.pi / 4
    else:
        size, kind = [x / 2, y / 2, z / 2], _BOX
    body.add_geom(type=kind, size=size, mass=mass, material=solid.name, **_CONTACT)


def _add_container(body: Any, container: SceneObject) -> None:
    """Add a floor, whose upper face is at the body's origin, and walls: four, or a ring for a bowl."""
    x, y, z = container.size
    half, rise = WALL_THICKNESS_M / 2, z / 2 - WALL_THICKNESS_M
    options = {"material": container.name, "density": _CONTAINER_DENSITY, **_CONTACT}
    floor = (_CYLINDER, [x / 2, half, 0.0]) if container.is_round else (_BOX, [x / 2, y / 2, half])
    body.add_geom(type=floor[0], size=floor[1], pos=[0.0, 0.0, -half], **options)
    if container.is_round:
        radius = x / 2 - half
        length = (x / 2) * math.tan(math.pi / _RING_PARTS)
        for angle in (2 * math.pi * index / _RING_PARTS for index in range(_RING_PARTS)):
            place = [radius * math.cos(angle), radius * math.sin(angle), rise]
            turn = [math.cos(angle / 2), 0.0, 0.0, math.sin(angle / 2)]
            body.add_geom(type=_BOX, size=[half, length, z / 2], pos=place, quat=turn, **options)
        return
    for side in (-1.0, 1.0):
        body.add_geom(type=_BOX, size=[half, y / 2, z / 2], pos=[side * (x / 2 - half), 0.0, rise], **options)
        body.add_geom(type=_BOX, size=[x / 2, half, z / 2], pos=[0.0, side * (y / 2 - half), rise], **options)
