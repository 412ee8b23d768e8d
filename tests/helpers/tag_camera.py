"""A camera whose pictures are tags without pixels: where a true scene's tags are in the picture of a view."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metagui.cameras.camera import Frame
from metagui.cameras.mat import A4, OBJECT_TAG_EDGE_M, make_nominal_pose
from metagui.cameras.object_tracker import ObjectTracker
from metagui.cameras.tags import Tag
from metagui.cameras.view import make_view
from metagui.vision.camera_condition import CameraCondition, CameraReport
from metagui.vision.table_camera import TableSight
from metagui.vision.tagged_objects import make_tagged_objects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import FloatArray, SceneObject, SceneState
    from metagui.vision.sighted_twin import SightedTwin


class TagCamera:
    """Sees ``objects`` on a mat that lies as it should; stands for ``TableCamera``."""

    def __init__(self, objects: Sequence[SceneObject], twin: SightedTwin) -> None:
        self.view = make_view(np.array([0.25, 0.1, 0.5]), np.zeros(3), 1000.0, (1280, 720))
        self.pose = make_nominal_pose(A4)
        self.objects = make_tagged_objects(objects)
        self.hidden: set[str] = set()
        self.condition = CameraCondition.GOOD
        self.sight: TableSight | None = None
        self._indices = {each.name: index for index, each in enumerate(objects)}
        self._tracker = ObjectTracker(self.objects, A4, self.pose)
        self._twin = twin
        self._random = np.random.default_rng(0)
        self._count = 0

    def look(self, scene: SceneState, time: float) -> TableSight:
        """Take a picture of a scene, at a time, s."""
        self._count += 1
        picture = np.full((720, 1280, 3), self._count % 255, dtype=np.uint8)
        tags = [Tag(index, self._project(corners)) for index, corners in enumerate(A4.tag_corners)]
        for each in self.objects:
            if each.name not in self.hidden:
                index = self._indices[each.name]
                position, yaw = scene.positions[index], float(scene.yaws[index])
                tags.append(Tag(each.tag, self._project_tag(position + (0.0, 0.0, each.tag_height), yaw)))
        frame = Frame(time, picture)
        known = self._tracker.update(frame, tags, self._twin.read_grip(time))
        self.sight = TableSight(frame, tuple(tags), known, CameraReport(self.condition))
        return self.sight

    def _project_tag(self, centre: FloatArray, yaw: float) -> FloatArray:
        along = np.array([np.cos(yaw), np.sin(yaw), 0.0]) * OBJECT_TAG_EDGE_M / 2
        left = np.array([-along[1], along[0], 0.0])
        corners = [centre + a * along + b * left for a, b in ((1, 1), (1, -1), (-1, -1), (-1, 1))]
        return self._project(self.pose.to_mat(np.array(corners)))

    def _project(self, points: FloatArray) -> FloatArray:
        pixels: FloatArray = self.view.project(points) + self._random.normal(0.0, 0.1, (*points.shape[:-1], 2))
        return pixels
