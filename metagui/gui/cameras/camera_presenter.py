"""Shows the camera: its picture with the objects, its condition in the status bar, and clicks in the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject

from metagui.gui.cameras.picture_parts import make_table_picture
from metagui.vision.camera_condition import CameraCondition, CameraReport

if TYPE_CHECKING:
    from PySide6.QtGui import QAction

    from metagui.arms.control.tick import Tick
    from metagui.gui.arm.arm_controller import ArmController
    from metagui.gui.cameras.camera_controller import CameraController
    from metagui.gui.cameras.camera_picture import CameraPicture
    from metagui.gui.teaching.click_dispatcher import ClickDispatcher
    from metagui.vision.table_camera import TableSight


class CameraStatus(Protocol):
    """The place that shows the condition of the camera."""

    def show_camera(self, text: str, problem: str = "") -> None:
        """Show a condition, and what to do; an empty text hides it."""


class CameraPresenter(QObject):
    """Connects the camera with ``view``, with the action that shows it, and with the status bar."""

    def __init__(
        self,
        camera: CameraController,
        controller: ArmController,
        view: CameraPicture,
        show_picture: QAction,
        status: CameraStatus,
        clicks: ClickDispatcher,
    ) -> None:
        super().__init__(view)
        self._camera, self._controller, self._view, self._status = camera, controller, view, status
        self._show_picture = show_picture
        self._was_on = False
        view.clicked.connect(clicks.dispatch)
        clicks.tool_changed.connect(self._refresh)
        show_picture.toggled.connect(self._update_visibility)
        camera.sight_arrived.connect(self._show_sight)
        camera.report_changed.connect(self._show_report)
        controller.ticked.connect(self._show_tick)
        self._show_report(camera.report)

    def _show_sight(self, sight: TableSight) -> None:
        if self._view.isVisible():
            self._view.show_sight(sight)

    def _show_tick(self, tick: Tick) -> None:
        """Draw the outlines where the twin's objects are now."""
        watch = self._camera.watch
        if watch is not None and self._view.isVisible():
            objects, pose = self._controller.arm.objects, watch.setup.mat_pose
            picture = make_table_picture(watch.sight, pose, objects, tick.observation.scene)
            self._view.show_table(picture, tick.observation)

    def _refresh(self, _tool: str = "") -> None:
        self._view.update()

    def _show_report(self, report: CameraReport) -> None:
        """Show the condition; the picture appears with the first camera and goes with the last."""
        is_on = report.condition is not CameraCondition.OFF
        self._status.show_camera(report.condition.value if is_on else "", report.message)
        self._view.show_report(report)
        if is_on is not self._was_on:
            self._was_on = is_on
            self._view.clear()
            self._show_picture.setChecked(is_on)
        self._update_visibility()

    def _update_visibility(self) -> None:
        self._view.setVisible(self._was_on and self._show_picture.isChecked())
