"""Sets the camera of a real arm up: opens the page, chooses the camera, lets the crosses be touched, stores it all."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QUrl
from PySide6.QtGui import QDesktopServices

from metagui.arms.arm import ArmError
from metagui.cameras.mat import MATS
from metagui.gui.cameras.mat_file import list_cameras, save_mat
from metagui.gui.cameras.picture_parts import make_table_picture
from metagui.gui.cameras.setup_page import CameraSetupPage
from metagui.gui.cameras.touches import Touches
from metagui.gui.core.app_state import ArmActivity
from metagui.gui.core.background_queue import BackgroundQueue
from metagui.vision.camera_condition import CameraCondition, CameraReport
from metagui.vision.setup import CameraSetup
from metagui.vision.tagged_objects import number_tags

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from metagui.arms.control.tick import Tick
    from metagui.gui.arm.arm_connection import ArmConnection
    from metagui.gui.arm.arm_controller import ArmController
    from metagui.gui.arm.calibration.wizard_host import WizardHost
    from metagui.gui.arm.connection_flow import ConnectionFlow
    from metagui.gui.cameras.camera_controller import CameraController
    from metagui.gui.core.app_state import AppSnapshot, AppState
    from metagui.gui.core.messages import Messages
    from metagui.gui.theme.theme import Theme
    from metagui.vision.registration import Registration
    from metagui.vision.table_camera import TableSight

CHOOSE_TEXT = "Choose a camera …"
UNNAMED_TEXT = (
    "Name the arm first (menu), so that the zeros of its joints can be stored. Until then the mat counts as lying "
    "where it belongs."
)


class CameraSetupFlow(QObject):
    """Opens and closes the page in ``host``, in place of the panels."""

    def __init__(
        self,
        host: WizardHost,
        theme: Theme,
        camera: CameraController,
        controller: ArmController,
        connection: ArmConnection,
        flow: ConnectionFlow,
        state: AppState,
        messages: Messages,
    ) -> None:
        super().__init__(host)
        self._host, self._theme, self._camera = host, theme, camera
        self._controller, self._connection, self._flow, self._messages = controller, connection, flow, messages
        self._state = state
        self._queue = BackgroundQueue(messages.post_error)
        self._touches = Touches()
        self._reconnecting = False
        self.page: CameraSetupPage | None = None
        """The page while it is open."""
        camera.sight_arrived.connect(self._show_sight)
        camera.report_changed.connect(self._show_report)
        controller.ticked.connect(self._on_tick)
        state.changed.connect(self._on_state_changed, Qt.ConnectionType.QueuedConnection)  # it changes the state itself
        messages.posted.connect(self._on_message)

    # Opening and closing

    def open(self) -> None:
        """Open the page for the connected arm."""
        current = self._connection.current
        if current is None or self.page is not None:
            return
        tags = ", ".join(f"{tag} on the {name}" for name, tag in number_tags(self._controller.arm.objects).items())
        self.page = page = CameraSetupPage(self._theme, tags)
        page.title.setText(f"Set up the camera of {current.display_name}")
        setup = self._camera.setup
        page.paper_control.select(list(MATS).index(setup.paper) if setup is not None else 0)
        if setup is not None and setup.address.startswith("http"):
            page.address_field.setText(setup.address)
        self._connect_page(page)
        self._host.show_page(page)
        self._flow.begin_camera_setup()
        self._begin_touches()
        self._show_report(self._camera.report)
        self._queue.submit(list_cameras, self._show_cameras)
        page.camera_box.setFocus()

    def _connect_page(self, page: CameraSetupPage) -> None:
        slots: tuple[tuple[object, Callable[[], None]], ...] = (
            (page.print_button, self._print),
            (page.open_button, self._open_address),
            (page.limp_button, self._toggle_torque),
            (page.touch_button, self._touch),
            (page.again_button, self._begin_touches),
            (page.none_button, self._use_none),
            (page.done_button, self.leave),
        )
        for button, slot in slots:
            button.clicked.connect(slot)  # type: ignore[attr-defined]
        page.address_field.returnPressed.connect(self._open_address)
        page.camera_box.activated.connect(self._choose_camera)
        page.paper_control.segment_chosen.connect(self._choose_paper)

    def leave(self) -> None:
        """Hold the arm and return to the panels."""
        if self.page is not None:
            if self._controller.torque_off:
                self._hold_or_relax(torque_off=False)
            self._flow.end_camera_setup()

    def _on_state_changed(self, _snapshot: AppSnapshot) -> None:
        """Close the page when another activity begins, except while the arm connects again with its new zeros."""
        activity = self._state.activity  # the snapshot may be an older one
        if self.page is None or activity is ArmActivity.SETTING_UP_CAMERA:
            return
        if self._reconnecting and activity in (ArmActivity.CONNECTING, ArmActivity.READY):
            if activity is ArmActivity.READY:
                self._reconnecting = False
                self._flow.begin_camera_setup()
            return
        self._close_page()

    def _close_page(self) -> None:
        page, self.page, self._reconnecting = self.page, None, False
        if page is not None:
            self._host.close_page(page)

    def close(self) -> None:
        """End the thread that writes and lists."""
        self._close_page()
        self._queue.close()

    # Print and see the mat

    def _print(self) -> None:
        if self.page is not None:
            self._queue.submit(partial(save_mat, self.page.paper), self._on_printed)

    def _on_printed(self, path: Path) -> None:
        self._messages.post(f"Saved the mat as {path}.", "success")
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))

    def _show_cameras(self, found: tuple[tuple[str, str], ...]) -> None:
        """Fill the list of webcams."""
        page, setup = self.page, self._camera.setup
        if page is not None:
            page.camera_box.clear()
            page.camera_box.addItem(CHOOSE_TEXT if found else "No webcam is plugged in", "")
            for identity, name in found:
                page.camera_box.addItem(name, identity)
            row = page.camera_box.findData(setup.address if setup is not None else "")
            page.camera_box.setCurrentIndex(max(row, 0))

    def _choose_camera(self, row: int) -> None:
        address = self.page.camera_box.itemData(row) if self.page is not None else ""
        if address:
            self._use_address(address)

    def _open_address(self) -> None:
        address = self.page.address_field.text().strip() if self.page is not None else ""
        if address:
            self._use_address(address)

    def _use_address(self, address: str) -> None:
        assert self.page is not None
        before = self._camera.setup or CameraSetup(address)
        self._camera.use(replace(before, address=address, paper=self.page.paper))

    def _choose_paper(self, _index: int) -> None:
        if self._camera.setup is not None:
            self._use_address(self._camera.setup.address)

    def _use_none(self) -> None:
        self._camera.use_none()
        if self.page is not None:
            self.page.view.clear()
        self.leave()

    def _show_sight(self, sight: TableSight) -> None:
        page, tick, setup = self.page, self._controller.latest_tick, self._camera.setup
        if page is not None:
            page.view.show_sight(sight)
            if tick is not None and setup is not None:
                objects, scene = self._controller.arm.objects, tick.observation.scene
                page.view.show_table(make_table_picture(sight, setup.mat_pose, objects, scene), None)
            self._show_report(self._camera.report)

    def _show_report(self, report: CameraReport) -> None:
        page, watch = self.page, self._camera.watch
        if page is None:
            return
        page.view.show_report(report)
        if report.condition in (CameraCondition.OFF, CameraCondition.OPENING):
            page.show_camera("" if report.condition is CameraCondition.OFF else "The camera is starting …", False)
        elif report.message:
            page.show_camera(report.message, True)
        else:
            sight = watch.sight if watch is not None else None
            seen = sorted(sight.scene.objects) if sight is not None else []
            page.show_camera(f"The whole mat is seen, and on it: {', '.join(seen) or 'no object yet'}.", False)

    # Touch the crosses

    def _begin_touches(self) -> None:
        self._touches.clear()
        setup = self._camera.setup
        if self.page is not None and setup is not None and setup.residual is not None:
            self.page.show_touches(f"Touched before, to {setup.residual * 1000:.1f} mm. Begin with the motors off.")
        self._show_touches()

    def _show_touches(self) -> None:
        page, current = self.page, self._connection.current
        if page is None or current is None:
            return
        is_named = bool(current.name)
        page.limp_button.setEnabled(is_named)
        page.again_button.setEnabled(is_named and len(self._touches) > 0)
        page.name_touch(f"The tips touch: {self._touches.next_name}" if self._touches.next_name else "")
        if not is_named:
            page.show_touches(UNNAMED_TEXT)
        elif len(self._touches) > 0 and not self._touches.is_complete:
            page.show_touches(f"{len(self._touches)} of 4 touched.")

    def _toggle_torque(self) -> None:
        self._hold_or_relax(torque_off=not self._controller.torque_off)

    def _hold_or_relax(self, torque_off: bool) -> None:
        try:
            self._controller.set_torque_off(torque_off)
        except ArmError as error:
            self._messages.post_error(error)

    def _on_tick(self, _tick: Tick) -> None:
        page = self.page
        if page is not None:
            is_off = self._controller.torque_off
            page.show_torque(is_off)
            page.touch_button.setEnabled(is_off and self._camera.setup is not None)

    def _touch(self) -> None:
        tick, setup = self._controller.latest_tick, self._camera.setup
        if tick is None or setup is None or self.page is None:
            return
        self._touches.add(tick.observation.joints.positions)
        self._show_touches()
        if not self._touches.is_complete:
            return
        try:
            found = self._touches.fit(setup.mat)
        except ArmError as error:
            self._touches.clear()
            self._show_touches()
            self.page.show_touches(str(error), is_problem=True)
            return
        self._hold_or_relax(torque_off=False)
        self._store(found, setup)

    def _store(self, found: Registration, setup: CameraSetup) -> None:
        """Store the zeros and where the mat lies, then connect the arm again, which uses them."""
        registry, current = self._connection.registry, self._connection.current
        name = "" if current is None else current.name

        def store() -> None:
            calibration = registry.load_calibration(name)
            if calibration is not None:
                registry.save_calibration(name, replace(calibration, trims=found.fit.add_to(calibration.trims)))

        self._queue.submit(store, lambda _result: self._on_stored(found, setup), self._on_store_failed)

    def _on_stored(self, found: Registration, setup: CameraSetup) -> None:
        self._camera.use(found.apply(setup))
        if self.page is not None:
            self.page.show_touches(found.describe())
            self._reconnecting = True
            self._flow.connect_chosen()

    def _on_store_failed(self, error: Exception) -> None:
        self._touches.clear()
        self._show_touches()
        if self.page is not None:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            text = f"The zeros could not be stored: {reason}. Nothing was changed; touch the crosses again."
            self.page.show_touches(text, is_problem=True)

    def _on_message(self, text: str, kind: str, _action: str) -> None:
        """Show problems on the page, which covers the place of messages."""
        if self.page is not None and kind == "error":
            self.page.show_camera(text, True)
