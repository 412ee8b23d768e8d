"""Offscreen renderer of the scene for the window, with an orbit camera, markers, and picking with a ray.

It has its own copy of the model and its own ``MjData``, because drawing from data that another thread steps is a
race; use it in one thread at a time. The quality is chosen by the frame time measured at the start.
"""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import mujoco
import numpy as np
from numpy.typing import NDArray

from metagui.arms.arm import ArmError, FloatArray
from metagui.arms.simulation import opengl, scene
from metagui.arms.simulation.orbit_camera import OrbitCamera
from metagui.arms.tables.table import DEFAULT_TABLE, TABLE_CENTRE_M, Table

if TYPE_CHECKING:
    from collections.abc import Iterable

Image = NDArray[np.uint8]
"""Picture (h, w, 3)."""
Colour = tuple[float, float, float]
"""Red, green and blue, 0 to 1."""

_MAX_GEOMS = 2000
_PICKABLE_GROUPS = np.array([1, 0, 0, 0, 0, 0], dtype=np.uint8)
_ARM_GROUP = 1
_MIN_VISIBLE_CHANGE = 2e-4
"""Smallest change of a joint, rad, or a position, m, that needs a new picture."""


class RenderingError(ArmError):
    """The scene cannot be drawn on this machine; the message states what is missing."""


class PickedPoint(NamedTuple):
    """A point of the scene under the mouse pointer."""

    object_name: str
    """Name of the scene object."""
    point: FloatArray
    """(3,) point on its surface, m."""


@dataclass(frozen=True)
class SceneMarker:
    """A shape that is drawn into the scene to show the effect of an instruction, or a path."""

    shape: Literal["box", "ball", "disc", "line", "arrow"]
    """Kind of shape."""
    position: FloatArray
    """(3,) centre, or start of a line or arrow, m."""
    size: tuple[float, float, float]
    """Half sizes, m; for a line or arrow the first is its radius."""
    colour: tuple[float, float, float, float]
    """Red, green, blue and opacity, 0 to 1."""
    end: FloatArray | None = None
    """(3,) end of a line or arrow, m."""
    yaw: float = 0.0
    """Rotation about the vertical, rad."""


@dataclass(frozen=True)
class RenderQuality:
    """Quality of the frames of a moving scene."""

    shadows: bool
    """True if shadows are drawn."""
    supersampling: float
    """Samples per pixel along each axis."""
    frame_time: float = 0.0
    """Measured duration of a frame, s."""


RENDER_QUALITIES = (RenderQuality(True, 2.0), RenderQuality(True, 1.0), RenderQuality(False, 1.0))
"""Qualities from the best to the cheapest."""
FRAME_BUDGET_S = 0.016
"""Longest duration of a frame of a moving scene, s, so that the window stays responsive."""


@dataclass(frozen=True)
class SceneColours:
    """Colours of the surroundings of the objects."""

    background: Colour
    """Colour behind the scene."""
    table: Colour
    """Colour of the table top."""
    edge: Colour
    """Colour of the table's edge."""


class SceneRenderer:
    """Draws simulator states. Raises RenderingError if OpenGL is missing; call ``close`` when the window closes."""

    def __init__(self, width: int = 640, height: int = 480, table: Table = DEFAULT_TABLE) -> None:
        self._colours: SceneColours | None = None
        self._load(table)
        self._context: mujoco.MjrContext
        self._gl = self._open_context()
        self._option = mujoco.MjvOption()
        self._option.geomgroup[:] = 1
        self._option.geomgroup[4:] = 0
        self.quality = self._choose_quality(width, height)

    def _load(self, table: Table) -> None:
        """Load the model of a table's objects."""
        self.table, self._object_names = table, frozenset(each.name for each in table.objects)
        self.model = copy.copy(scene.load_model(table))
        self._data = mujoco.MjData(self.model)
        self.model.vis.quality.offsamples = 0
        self._group_arm_geoms()
        self._scene = mujoco.MjvScene(self.model, _MAX_GEOMS)
        self._size = (0, 0)
        mujoco.mj_forward(self.model, self._data)

    def show_table(self, table: Table) -> bool:
        """Draw the states of another table from now on; return whether it is another."""
        if table == self.table:
            return False
        self._gl.make_current()
        self._context.free()
        self._load(table)
        self._context = self._make_context()
        if self._colours is not None:
            self.set_colours(self._colours)
        return True

    def _group_arm_geoms(self) -> None:
        """Put the arm's geoms into their own group, so that picking rays pass through the arm."""
        for geom in range(self.model.ngeom):
            body = self.model.geom_bodyid[geom]
            if self.model.body_rootid[body] == self.model.body("base").id:
                self.model.geom_group[geom] = _ARM_GROUP

    def _make_context(self) -> mujoco.MjrContext:
        context = mujoco.MjrContext(self.model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, context)
        return context

    def _open_context(self) -> mujoco.GLContext:
        try:
            opened = mujoco.GLContext(64, 64)
            opened.make_current()
            self._context = self._make_context()
        except Exception as error:  # every GL binding raises its own error type
            raise RenderingError(
                f"The 3-D view cannot be drawn: OpenGL did not start ({error}). Recording and learning still work. "
                "On Debian: apt install libegl1 libgl1 libgl1-mesa-dri; 'metagui check' shows details."
            ) from error
        return opened

    def hand_over(self) -> None:
        """Let another thread use the renderer from now on; ``opengl.can_change_threads`` must be True."""
        opengl.release_context()

    def close(self) -> None:
        """Free the graphics memory."""
        self._gl.make_current()
        self._context.free()
        self._gl.free()

    def _choose_quality(self, width: int, height: int) -> RenderQuality:
        """Measure from the best quality downwards and return the first within the frame budget."""
        chosen = RENDER_QUALITIES[-1]
        for quality in RENDER_QUALITIES:
            self.quality = quality
            self.draw(OrbitCamera(), width, height)
            start = time.perf_counter()
            self.draw(OrbitCamera(), width, height)
            chosen = replace(quality, frame_time=time.perf_counter() - start)
            if chosen.frame_time <= FRAME_BUDGET_S:
                break
        return chosen

    def set_colours(self, colours: SceneColours) -> None:
        """Set the colours of background and table to those of the window's theme."""
        self._colours = colours
        self._gl.make_current()
        texture = self.model.texture("sky").id
        start, count = self.model.tex_adr[texture], self.model.tex_width[texture] * self.model.tex_height[texture]
        channels = self.model.tex_nchannel[texture]
        pixels = self.model.tex_data[start : start + count * channels].reshape(-1, channels)
        pixels[:, :3] = np.round(np.array(colours.background) * 255)
        mujoco.mjr_uploadTexture(self.model, self._context, texture)
        self.model.mat("table").rgba[:3] = colours.table
        self.model.mat("edge").rgba[:3] = colours.edge

    def update_state(self, state: FloatArray) -> bool:
        """Set the scene to a simulator state (D,); return whether anything moved visibly. Raises ArmError."""
        before = self._data.qpos.copy(), self._data.mocap_pos.copy()
        scene.set_state(self.model, self._data, state)
        pairs = zip(before, (self._data.qpos, self._data.mocap_pos), strict=True)
        return any(float(np.abs(old - new).max()) > _MIN_VISIBLE_CHANGE for old, new in pairs)

    def draw(
        self,
        camera: OrbitCamera,
        width: int,
        height: int,
        markers: Iterable[SceneMarker] = (),
        high_quality: bool = False,
    ) -> Image:
        """Return the picture (h, w, 3) uint8, at least width by height; ``high_quality`` is slow."""
        self._gl.make_current()
        scale = 2.0 if high_quality else self.quality.supersampling
        width, height = max(round(width * scale), 8), max(round(height * scale), 8)
        self._resize(width, height)
        view = mujoco.MjvCamera()
        view.lookat[:], view.distance = camera.target, camera.distance
        view.azimuth, view.elevation = camera.azimuth, camera.elevation
        mujoco.mjv_updateScene(
            self.model, self._data, self._option, None, view, mujoco.mjtCatBit.mjCAT_ALL, self._scene
        )
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = high_quality or self.quality.shadows
        for marker in markers:
            self._add_marker(marker)
        return self._read_pixels(width, height)

    def _resize(self, width: int, height: int) -> None:
        if self._size != (width, height):
            mujoco.mjr_resizeOffscreen(width, height, self._context)
            self._size = (width, height)

    def _read_pixels(self, width: int, height: int) -> Image:
        pixels = np.empty((height, width, 3), dtype=np.uint8)
        rectangle = mujoco.MjrRect(0, 0, width, height)
        mujoco.mjr_render(rectangle, self._scene, self._context)
        mujoco.mjr_readPixels(pixels, None, rectangle, self._context)
        return np.ascontiguousarray(pixels[::-1])

    def _add_marker(self, marker: SceneMarker) -> None:
        """Append a marker to the drawn scene, unless it is full."""
        if self._scene.ngeom >= self._scene.maxgeom:
            return
        geom = self._scene.geoms[self._scene.ngeom]
        turn = np.array(
            [math.cos(marker.yaw), -math.sin(marker.yaw), 0, math.sin(marker.yaw), math.cos(marker.yaw), 0, 0, 0, 1]
        )
        colour = np.array(marker.colour, dtype=np.float32)
        mujoco.mjv_initGeom(geom, _GEOM_TYPES[marker.shape], np.array(marker.size), marker.position, turn, colour)
        if marker.end is not None:
            mujoco.mjv_connector(geom, _GEOM_TYPES[marker.shape], marker.size[0], marker.position, marker.end)
        geom.category = mujoco.mjtCatBit.mjCAT_DECOR
        self._scene.ngeom += 1

    def pick(self, camera: OrbitCamera, x: float, y: float, width: float, height: float) -> PickedPoint | None:
        """Return the object at pixel (x, y) of a picture width by height, ignoring the arm, or None."""
        origin, direction = camera.position, camera.compute_ray(x, y, width, height)
        geom, normal = np.full(1, -1, dtype=np.int32), np.zeros(3)
        distance = mujoco.mj_ray(self.model, self._data, origin, direction, _PICKABLE_GROUPS, 1, -1, geom, normal)
        return self._classify_hit(int(geom[0]), origin + distance * direction) if distance >= 0 else None

    def _classify_hit(self, geom: int, point: FloatArray) -> PickedPoint | None:
        body = self.model.body(self.model.geom_bodyid[geom]).name
        if body in self._object_names:
            return PickedPoint(body, point)
        return PickedPoint("table", point) if self.model.geom(geom).name == "table" else None

    def get_object_pose(self, name: str) -> tuple[FloatArray, float]:
        """Return the pose at which an object is drawn: its (3,) centre, m, and its yaw, rad."""
        if name == "table":
            return TABLE_CENTRE_M.copy(), 0.0
        body = self._data.body(name)
        return body.xpos.copy(), math.atan2(body.xmat[3], body.xmat[0])


_GEOM_TYPES = {
    "box": mujoco.mjtGeom.mjGEOM_BOX,
    "ball": mujoco.mjtGeom.mjGEOM_SPHERE,
    "disc": mujoco.mjtGeom.mjGEOM_CYLINDER,
    "line": mujoco.mjtGeom.mjGEOM_CAPSULE,
    "arrow": mujoco.mjtGeom.mjGEOM_ARROW,
}
