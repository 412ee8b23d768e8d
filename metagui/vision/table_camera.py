"""A camera over the table, in threads of its own: the newest picture, and where the objects in it are.

Nothing that happens to the camera raises an error here: it is lost, dark, frozen or knocked as data.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metagui.cameras.capture.live_camera import LiveCamera, Sight
from metagui.cameras.capture.newest_frame import NewestFrameCamera
from metagui.cameras.object_tracker import ObjectTracker, TrackedScene
from metagui.cameras.tags import TagDetector
from metagui.vision.camera_condition import CameraCondition, CameraReport
from metagui.vision.camera_report import report_picture

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metagui.cameras.camera import Camera, Frame
    from metagui.cameras.mat import Mat, MatPose
    from metagui.cameras.object_tracker import TaggedObject, ToolGrip
    from metagui.cameras.tags import Tag

_log = logging.getLogger(__name__)
OLD_PICTURE_S = 3.0
"""Age of the newest picture from which on a running camera counts as frozen, s."""
KNOCK_SHOWN_S = 20.0
"""Time for which a camera that was moved, and sees the mat again, is reported, s."""
KNOCKED_TEXT = (
    "The camera was moved, and has found the mat again. The arm goes on. If it was the mat that moved, touch its "
    "crosses again."
)


@dataclass(frozen=True)
class TableSight:
    """A picture, and what is known after it."""

    frame: Frame
    """The picture."""
    tags: tuple[Tag, ...]
    """Tags in it."""
    scene: TrackedScene
    """Poses of the objects."""
    report: CameraReport
    """What is wrong with the picture."""


class TableCamera:
    """Sees ``objects`` on a mat that lies in ``mat_pose``.

    ``sight`` and ``report()`` may be read by any thread. ``read_grip`` is called in the camera's thread with the time
    of a picture, s, and returns what the gripper held then; ``on_sight`` is called there with every picture.
    """

    def __init__(
        self,
        camera: Camera,
        objects: Sequence[TaggedObject],
        mat: Mat,
        mat_pose: MatPose,
        read_grip: Callable[[float], ToolGrip | None] = lambda _time: None,
        on_sight: Callable[[TableSight], None] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.name = camera.name
        self.mat, self.mat_pose = mat, mat_pose
        self.objects = tuple(objects)
        self._read_grip, self._on_sight, self._clock = read_grip, on_sight, clock
        self._tracker = ObjectTracker(objects, mat, mat_pose)
        self._detector = TagDetector()
        self._knocked_at = -KNOCK_SHOWN_S
        self._knocks = 0
        self._live = LiveCamera(NewestFrameCamera(camera), self.look)

    @property
    def sight(self) -> TableSight | None:
        """The newest picture with what is known; None before the first."""
        newest: Sight[TableSight] | None = self._live.newest
        return None if newest is None else newest.result

    @property
    def losses(self) -> int:
        """How often the camera was lost."""
        return self._live.losses

    def report(self) -> CameraReport:
        """Return the camera's condition now."""
        status, sight = self._live.status, self.sight
        if status == "stopped":
            return CameraReport(CameraCondition.OFF)
        if status == "lost":
            return CameraReport(CameraCondition.LOST, self._live.problem)
        if sight is None:
            return CameraReport(CameraCondition.OPENING)
        if self._clock() - sight.frame.time > OLD_PICTURE_S:
            text = (
                f"The camera {self.name!r} has sent no picture for {self._clock() - sight.frame.time:.0f} s. The arm "
                "keeps the objects' last places. Unplug the camera and plug it in again."
            )
            return CameraReport(CameraCondition.FROZEN, text)
        if sight.report.condition is CameraCondition.GOOD and self._clock() - self._knocked_at < KNOCK_SHOWN_S:
            return CameraReport(CameraCondition.KNOCKED, KNOCKED_TEXT)
        return sight.report

    def start(self) -> None:
        """Start to look; returns at once."""
        self._live.start()

    def stop(self) -> None:
        """Stop and release the camera; waits for the picture in hand."""
        self._live.stop()

    def look(self, frame: Frame) -> TableSight:
        """Find tags and objects in a picture; a failure is reported as data. Called in the camera's thread."""
        try:
            tags = self._detector.detect(frame.picture)
            scene = self._tracker.update(frame, tags, self._read_grip(frame.time))
            if scene.knocks != self._knocks:
                self._knocks, self._knocked_at = scene.knocks, frame.time
            sight = TableSight(frame, tags, scene, report_picture(frame, tags, scene, self._detector))
            if self._on_sight is not None:
                self._on_sight(sight)
        except Exception as error:  # noqa: BLE001 - one strange picture must not end the camera
            _log.error("a picture of %s", self.name, exc_info=error)
            text = (
                f"A picture cannot be used ({type(error).__name__}: {error}). Objects keep their last places; the "
                "next picture is tried."
            )
            before = self.sight
            scene = before.scene if before is not None else TrackedScene(frame.time, {}, None, text, 0)
            return TableSight(frame, (), scene, CameraReport(CameraCondition.UNREADABLE, text))
        return sight
