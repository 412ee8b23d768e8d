"""Renders the table as a camera on a stand sees it, with printed pictures lying on the table or stuck to objects.

It has its own copy of the model; create and use it in one thread.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import mujoco
import numpy as np

from metagui.arms.simulation import scene
from metagui.arms.simulation.renderer import RenderingError
from metagui.arms.tables.table import DEFAULT_TABLE, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import FloatArray
    from metagui.arms.simulation.renderer import Image

_MAX_GEOMS = 2000
_NEAR_M, _FAR_M = 0.02, 10.0
_MAX_SIZE = (4096, 4096)


@dataclass(frozen=True)
class Decal:
    """A printed picture on the table or on top of an object."""

    picture: Image
    """(h, w, 3) picture; its upper edge is at +x."""
    depth: float
    """Size along x, m."""
    width: float
    """Size along y, m."""
    position: FloatArray
    """(3,) centre in the frame of the body, m."""
    yaw: float = 0.0
    """Rotation about the vertical, rad."""
    body: str = ""
    """Name of the object it sticks to; empty for the table."""


class DecalRenderer:
    """Draws states of the scene with decals. Raises RenderingError if OpenGL is missing; call ``close`` at the end."""

    def __init__(self, decals: Sequence[Decal], table: Table = DEFAULT_TABLE) -> None:
        self._model = _compile(decals, table)
        self._model.vis.global_.offwidth, self._model.vis.global_.offheight = _MAX_SIZE
        self._model.vis.quality.offsamples = 0
        self._data = mujoco.MjData(self._model)
        try:
            self._gl = mujoco.GLContext(64, 64)
            self._gl.make_current()
            self._context = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_100)
            mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        except Exception as error:  # every GL binding raises its own error type
            raise RenderingError(
                f"The table cannot be drawn: OpenGL did not start ({error}). Nothing was changed. "
                "On Debian: apt install libegl1 libgl1 libgl1-mesa-dri; 'metagui check' shows details."
            ) from error
        self._scene = mujoco.MjvScene(self._model, _MAX_GEOMS)
        self._option = mujoco.MjvOption()
        self._option.geomgroup[4:] = 0
        self._size = (0, 0)

    def close(self) -> None:
        """Free the graphics memory."""
        self._gl.make_current()
        self._context.free()
        self._gl.free()

    def draw(
        self, state: FloatArray, position: FloatArray, axes: FloatArray, focal_length: float, size: tuple[int, int]
    ) -> Image:
        """Return the picture (h, w, 3) of a pinhole camera at ``position`` (3,), m, for a state (D,) of the scene.

        The rows of ``axes`` (3, 3) are its right, down and forward; ``focal_length`` is in pixels, ``size`` is width
        and height. Raises ArmError for a state of another scene.
        """
        self._gl.make_current()
        scene.set_state(self._model, self._data, state)
        if size != self._size:
            mujoco.mjr_resizeOffscreen(*size, self._context)
            self._size = size
        view = mujoco.MjvCamera()
        mujoco.mjv_updateScene(
            self._model, self._data, self._option, None, view, mujoco.mjtCatBit.mjCAT_ALL, self._scene
        )
        top = _NEAR_M * size[1] / 2 / focal_length
        for eye in self._scene.camera:
            eye.pos[:], eye.forward[:], eye.up[:] = position, axes[2], -axes[1]
            eye.frustum_near, eye.frustum_far = _NEAR_M, _FAR_M
            eye.frustum_center, eye.frustum_bottom, eye.frustum_top = 0.0, -top, top
        pixels = np.empty((size[1], size[0], 3), dtype=np.uint8)
        rectangle = mujoco.MjrRect(0, 0, *size)
        mujoco.mjr_render(rectangle, self._scene, self._context)
        mujoco.mjr_readPixels(pixels, None, rectangle, self._context)
        return np.ascontiguousarray(pixels[::-1])


def _compile(decals: Sequence[Decal], table: Table) -> mujoco.MjModel:
    """Return the model of the scene with decals, which change neither the physics nor the size of its state."""
    spec = scene.make_spec(table)
    for index, decal in enumerate(decals):
        name = f"decal {index}"
        height, width = decal.picture.shape[:2]
        texture = spec.add_texture(name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, nchannel=3)
        texture.width, texture.height = width, height
        texture.data = np.ascontiguousarray(decal.picture).tobytes()
        material = spec.add_material(name=name, specular=0.05, shininess=0.05)
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
        x, y = decal.depth / 2, decal.width / 2
        spec.add_mesh(
            name=name,
            uservert=[x, y, 0.0, x, -y, 0.0, -x, -y, 0.0, -x, y, 0.0],
            usertexcoord=[0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0],
            usernormal=[0.0, 0.0, 1.0] * 4,
            userface=[0, 2, 1, 0, 3, 2],
            inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL,
        )
        body = spec.body(decal.body) if decal.body else spec.worldbody
        turn = [math.cos(decal.yaw / 2), 0.0, 0.0, math.sin(decal.yaw / 2)]
        body.add_geom(
            type=mujoco.mjtGeom.mjGEOM_MESH, meshname=name, material=name, pos=decal.position, quat=turn,
            contype=0, conaffinity=0, mass=0.0, group=2,
        )  # fmt: skip
    return spec.compile()
