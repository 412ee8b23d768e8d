"""The camera over the table of the connected real arm: starts with the arm, and reports what it sees."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from metagui.arms.simulation.twinned_arm import TwinnedArm
from metagui.cameras.camera import CameraError
from metagui.gui.core.background_queue import BackgroundQueue
from metagui.vision.camera_condition import NO_CAMERA, CameraCondition, CameraReport
from metagui.vision.setup import load_setup, remove_setup, save_setup, setups_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metagui.cameras.camera import Camera
    from metagui.gui.arm.arm_connection import ArmConnection
    from metagui.gui.arm.arm_controller import ArmController
    from metagui.gui.core.messages import Messages
    from metagui.vision.setup import CameraSetup
    from metagui.vision.table_camera import TableSight
    from metagui.vision.table_watch import TableWatch

PICTURE_PERIOD_MS = 66
"""Time between two looks for a new picture, ms."""


def open_webcam(address: str) -> Camera:
    """Return the webcam or stream at an address."""
    from metagui.cameras.capture.webcam import Webcam

    return Webcam(address)


class CameraController(QObject):
    """Runs the camera that was set up for the connected arm."""

    sight_arrived = Signal(object)
    """The newest TableSight."""
    report_changed = Signal(object)
    """A CameraReport: the condition has changed."""

    def __init__(
        self,
        controller: ArmController,
        connection: ArmConnection,
        messages: Messages,
        make_camera: Callable[[str], Camera] = open_webcam,
    ) -> None:
        super().__init__()
        self._controller, self._connection, self._messages = controller, connection, messages
        self._make_camera = make_camera
        self.setup: CameraSetup | None = None
        """Set-up of the connected arm's camera; None if it has none."""
        self.report: CameraReport = NO_CAMERA
        self.watch: TableWatch | None = None
        """The running camera; None if it is off."""
        self._arm: TwinnedArm | None = None
        self._shown: TableSight | None = None
        self._queue = BackgroundQueue(messages.post_error)
        self._timer = QTimer(self, interval=PICTURE_PERIOD_MS)
        self._timer.timeout.connect(self.poll)
        connection.arm_connected.connect(self.poll)

    @property
    def is_on(self) -> bool:
        """True while a camera watches the table."""
        return self.watch is not None

    @property
    def arm_key(self) -> str:
        """Name by which the connected arm's set-up is stored; its port if it has no name."""
        current = self._connection.current
        return "" if current is None else current.name or current.device

    def use(self, setup: CameraSetup) -> None:
        """Store a set-up for the connected arm, and use it from now on."""
        key, folder = self.arm_key, setups_folder(self._connection.registry.folder)
        self._queue.submit(partial(save_setup, folder, key, setup), None, self._on_save_failed)
        self._restart(setup)

    def use_none(self) -> None:
        """Forget the set-up of the connected arm: its objects are placed by hand again."""
        key, folder = self.arm_key, setups_folder(self._connection.registry.folder)
        self._queue.submit(partial(remove_setup, folder, key), None, self._on_save_failed)
        self._restart(None)

    def explain_unseen(self, names: Sequence[str]) -> str:
        """Return why a run that needs these objects cannot start; empty if they are seen, or no camera is used."""
        return "" if self.watch is None else self.watch.explain_unseen(names)

    def poll(self, _reconnected: bool = False) -> None:
        """Follow the connection of the arm, and emit what is new."""
        arm = self._find_arm()
        if arm is not self._arm:
            self._arm = arm
            self._restart(self._load() if arm is not None else None)
        if arm is None:
            self._timer.stop()
        elif not self._timer.isActive():
            self._timer.start()
        watch = self.watch
        if watch is None:
            return
        sight = watch.sight
        if sight is not None and sight is not self._shown:
            self._shown = sight
            self.sight_arrived.emit(sight)
        self._show_report(watch.report())

    def _find_arm(self) -> TwinnedArm | None:
        """Return the real arm that is connected, or being looked for."""
        arm, connection = self._controller.arm, self._connection
        is_there = self._controller.loop is not None or connection.reconnecting
        return arm if is_there and isinstance(arm, TwinnedArm) else None

    def _load(self) -> CameraSetup | None:
        try:
            return load_setup(setups_folder(self._connection.registry.folder), self.arm_key)
        except CameraError as error:
            self._messages.post_error(error, "camera")
            return None

    def _restart(self, setup: CameraSetup | None) -> None:
        """Use another set-up, or none; the old camera is released in another thread."""
        from metagui.vision.table_watch import TableWatch

        before, self.watch = self.watch, None
        self.setup, self._shown = setup, None
        if before is not None:
            self._queue.submit(before.stop)
        if setup is not None and self._arm is not None:
            self.watch = TableWatch(self._arm, self._make_camera(setup.address), setup)
            self._queue.submit(self.watch.start)  # behind the stop of the old one, which may be the same camera
        self._show_report(CameraReport(CameraCondition.OPENING) if self.watch is not None else NO_CAMERA)

    def _show_report(self, report: CameraReport) -> None:
        if report != self.report:
            before, self.report = self.report, report
            self._announce(before.condition, report)
            self.report_changed.emit(report)

    def _announce(self, before: CameraCondition, report: CameraReport) -> None:
        """Post that the camera was lost, or is back."""
        gone = (CameraCondition.LOST, CameraCondition.FROZEN)
        if report.condition in gone and before not in gone:
            self._messages.post(report.message, "warning")
        elif before in gone and report.is_measuring:
            self._messages.post("The camera is back; objects are where it sees them.", "success")

    def _on_save_failed(self, error: Exception) -> None:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        self._messages.post(
            f"The set-up of the camera could not be stored: {reason}. It is used until the arm is disconnected. Make "
            f"the folder {setups_folder(self._connection.registry.folder)} writable, then set the camera up again.",
            "error",
        )

    def close(self) -> None:
        """Release the camera and end its threads."""
        self._timer.stop()
        watch, self.watch = self.watch, None
        if watch is not None:
            self._queue.submit(watch.stop)
        self._queue.close()
