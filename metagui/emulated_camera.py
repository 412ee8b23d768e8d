"""The camera of an emulated table: the printed mat lies before the arm, and tags stick on the objects.

Nothing but pixels leads from here to the rest of the program: the table is that of the emulated or simulated arm, in
the camera's own process, and its pictures leave it as a stream.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.emulator.decal_renderer import Decal, DecalRenderer
from metagui.arms.tables.table import DEFAULT_TABLE, Table
from metagui.cameras.mat import OBJECT_TAG_SIZE_M, make_nominal_pose
from metagui.cameras.mat_drawing import draw_mat_page, render_page, render_tag
from metagui.cameras.view import make_view

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.arms.arm import SceneObject
    from metagui.arms.simulation.renderer import Image
    from metagui.cameras.camera import FloatArray
    from metagui.cameras.mat import Mat, MatPose
    from metagui.cameras.view import CameraView

_MAT_PIXELS_PER_M = 8000.0
_TAG_PIXELS = 320
_PAPER_THICKNESS_M = 0.0002
_PAPER_ON_MARK_M = 0.0008


class EmulatedCameraTable:
    """Draws the states of a scene with mat and tags; create and use it in one thread. Raises RenderingError.

    ``read_state`` returns the present state (D,) of the emulated arm's physics. The mat lies in ``mat_pose``.
    """

    def __init__(
        self,
        mat: Mat,
        read_state: Callable[[], FloatArray],
        mat_pose: MatPose | None = None,
        table: Table = DEFAULT_TABLE,
    ) -> None:
        self.mat = mat
        self.mat_pose = mat_pose or make_nominal_pose(mat)
        self._read_state = read_state
        sheet = render_page(draw_mat_page(mat), _MAT_PIXELS_PER_M)
        place = self.mat_pose.position + (0.0, 0.0, _PAPER_THICKNESS_M)
        decals = [Decal(sheet, mat.depth, mat.width, place, self.mat_pose.yaw)]
        heights = {each.name: compute_tag_height(each) for each in table.objects}
        for each, tag_id in table.tags.items():
            top = np.array([0.0, 0.0, heights[each] + 2 * _PAPER_THICKNESS_M])
            decals.append(Decal(render_tag(tag_id, _TAG_PIXELS), OBJECT_TAG_SIZE_M, OBJECT_TAG_SIZE_M, top, 0.0, each))
        self._renderer = DecalRenderer(decals, table)

    def render(self, view: CameraView) -> Image:
        """Return the picture (h, w, 3) of the present table from a view without distortion, in the mat's frame."""
        position = self.mat_pose.to_base(view.position)
        axes = view.rotation @ self.mat_pose.rotation.T
        return self._renderer.draw(self._read_state(), position, axes, view.focal_length, view.size)

    def close(self) -> None:
        """Free the graphics memory."""
        self._renderer.close()


def compute_tag_height(scene_object: SceneObject) -> float:
    """Return the height of an object's tag above its position, m; a container's lies on its floor."""
    return scene_object.support_height or _PAPER_ON_MARK_M


TAG_OF_OBJECT = DEFAULT_TABLE.tags
"""Tag on top of every object of the default table."""
TAG_HEIGHT_M = {each.name: compute_tag_height(each) for each in DEFAULT_TABLE.objects}
"""Height of the tag above the object's centre, m."""


def draw_camera_view(
    random: np.random.Generator,
    size: tuple[int, int] = (1280, 720),
    tilt_deg: tuple[float, float] = (20.0, 50.0),
    distance: tuple[float, float] = (0.45, 0.70),
) -> CameraView:
    """Return a random view in the advised range, from the sides or from across the table, with the mat in the picture.

    The lens has 55 to 70 degrees along the picture's width, and some distortion.
    """
    while True:
        tilt, azimuth = math.radians(random.uniform(*tilt_deg)), random.uniform(-1.7, 1.7)
        direction = np.array([math.sin(tilt) * math.cos(azimuth), math.sin(tilt) * math.sin(azimuth), math.cos(tilt)])
        focal_length = size[0] / 2 / math.tan(math.radians(random.uniform(55.0, 70.0)) / 2)
        target = np.array([*random.uniform(-0.02, 0.02, 2), 0.0])
        position = random.uniform(*distance) * direction
        view = make_view(position, target, focal_length, size, random.uniform(-0.1, 0.1))
        view = replace(view, k1=random.uniform(-0.12, 0.05), k2=random.uniform(-0.01, 0.02))
        corners = view.project(np.array([[x, y, 0.0] for x in (-0.105, 0.105) for y in (-0.14, 0.14)]))
        if (corners > 15).all() and (corners < np.array(size) - 15).all():
            return view
