"""A camera over the table of a real arm: while it runs, the arm's objects are where the camera sees them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from metagui.vision.camera_condition import CameraCondition, CameraReport
from metagui.vision.sighted_twin import SightedTwin
from metagui.vision.table_camera import TableCamera, TableSight
from metagui.vision.tagged_objects import make_tagged_objects

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metagui.arms.simulation.twinned_arm import TwinnedArm
    from metagui.cameras.camera import Camera
    from metagui.vision.setup import CameraSetup

POLL_S = 0.05
"""Time between two looks while waiting for objects, s."""


class TableWatch:
    """Watches the table of ``arm`` with ``camera``, as it was set up."""

    def __init__(
        self,
        arm: TwinnedArm,
        camera: Camera,
        setup: CameraSetup,
        on_sight: Callable[[TableSight], None] | None = None,
    ) -> None:
        self.setup = setup
        self._arm, self._twin = arm, SightedTwin()
        objects = make_tagged_objects(arm.objects, setup.tags)
        self.camera = TableCamera(camera, objects, setup.mat, setup.mat_pose, self._twin.read_grip, on_sight)
        self._twin.camera = self.camera

    @property
    def sight(self) -> TableSight | None:
        """The newest picture with what is known; None before the first."""
        return self.camera.sight

    def start(self) -> None:
        """Start the camera; from its first picture on the arm's objects are where it sees them."""
        self.camera.start()
        self._arm.observer = self._twin

    def stop(self) -> None:
        """Stop the camera; the objects stay where they are."""
        self._arm.observer = None
        self.camera.stop()

    def report(self) -> CameraReport:
        """Return the camera's condition now."""
        return self.camera.report()

    def find_unseen(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the objects whose places are not known: not seen, although nothing known is in the line of sight."""
        sight = self.sight
        if sight is None:
            return tuple(names)
        return tuple(name for name in sight.scene.find_missing(names) if not self._is_hidden(name, sight))

    def _is_hidden(self, name: str, sight: TableSight) -> bool:
        """Return whether an object was seen before, and the arm or another object hides it now."""
        if name not in sight.scene.objects or sight.scene.view is None:
            return False
        eye = self.setup.mat_pose.to_base(sight.scene.view.view.position)
        tagged = next(each for each in self.camera.objects if each.name == name)
        return self._arm.is_sight_blocked(eye, name, tagged.tag_height)

    def explain_unseen(self, names: Sequence[str]) -> str:
        """Return why a run cannot start, and what to do; empty if all needed objects are seen."""
        report, unseen = self.report(), self.find_unseen(names)
        if not report.is_measuring or (unseen and report.message):
            if report.condition is CameraCondition.OPENING:
                return "The camera is still starting. The arm did not move; wait a moment, then try again."
            return f"The camera does not see the table: {report.message} The arm did not move."
        if not unseen:
            return ""
        listed = " and ".join(f"the {name}" for name in unseen)
        verb = "is" if len(unseen) == 1 else "are"
        return (
            f"{listed[0].upper()}{listed[1:]} {verb} not seen by the camera. The arm did not move; put "
            f"{'it' if len(unseen) == 1 else 'them'} where the camera sees the tag, then try again."
        )

    def wait_until_seen(self, names: Sequence[str], seconds: float) -> str:
        """Wait until the objects are seen; return what is wrong after ``seconds``, empty if nothing is."""
        deadline = time.monotonic() + seconds
        while (problem := self.explain_unseen(names)) and time.monotonic() < deadline:
            time.sleep(POLL_S)
        return problem
