"""The camera in the window: its set-up with real events, its picture, clicks in it, its faults, and what Run checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QSettings, Qt
from PySide6.QtTest import QTest

from metagui.app import make_session, make_session_window
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.so101.arm_registry import ArmRegistry
from metagui.cameras.camera import CameraLostError, CameraUnavailableError, Frame
from metagui.cameras.mat import A4, OBJECT_TAG_EDGE_M, OBJECT_TAG_SIZE_M, make_nominal_pose
from metagui.cameras.mat_drawing import draw_mat_page, render_page, render_tag
from metagui.cameras.view import make_view
from metagui.demonstrations.storage.library import Library
from metagui.gui.cameras import mat_file
from metagui.gui.core.app_state import ArmActivity
from metagui.gui.theme.theme import Theme
from metagui.vision.camera_condition import CameraCondition
from metagui.vision.setup import CameraSetup, load_setup, save_setup, setups_folder
from metagui.vision.tagged_objects import make_tagged_objects
from tests.helpers.clocks import sleep
from tests.helpers.priors import make_small_prior
from tests.helpers.qt import presenter_of, until
from tests.helpers.usb_session import EmulatedUsbPort
from tests.helpers.user import SimulatedUser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from metagui.arms.arm import FloatArray, SceneState
    from metagui.cameras.camera import Camera
    from metagui.gui.cameras.setup_page import CameraSetupPage

PLACES_M = {
    "red cube": (0.20, 0.05),
    "green cube": (0.17, -0.05),
    "blue cube": (0.23, -0.06),
    "yellow zone": (0.16, 0.10),
    "violet zone": (0.25, 0.01),
}
SIZE = (960, 540)
SHEET_PIXELS_PER_M = 4000.0


class PaintedCamera:
    """A camera over the table of an emulated arm that paints mat and tags in perspective, without OpenGL or arm."""

    def __init__(self, port: EmulatedUsbPort) -> None:
        import cv2

        self.name = "painted"
        self.faults: set[str] = set()
        self.view = make_view(np.array([0.30, 0.10, 0.45]), np.array([0.01, 0.0, 0.0]), 780.0, SIZE)
        self._cv2, self._port = cv2, port
        self._sheet = render_page(draw_mat_page(A4), SHEET_PIXELS_PER_M)
        self._tags = {each: render_tag(each.tag, 200) for each in make_tagged_objects(port.arm.objects)}
        self._random = np.random.default_rng(0)

    def open(self) -> None:
        if "unplugged" in self.faults:
            raise CameraUnavailableError("The camera is unplugged. The arm is not affected. Plug it in.")

    def close(self) -> None:
        return

    def read(self) -> Frame:
        import time

        sleep(0.05)
        if "unplugged" in self.faults:
            raise CameraLostError("The camera is unplugged. The arm goes on. Plug it in.")
        now = time.perf_counter()
        picture = np.full((SIZE[1], SIZE[0], 3), 120, dtype=np.uint8)
        depth, width = A4.depth / 2, A4.width / 2
        corners = np.array([[depth, width, 0], [depth, -width, 0], [-depth, -width, 0], [-depth, width, 0]])
        self._warp(picture, self._sheet, corners)
        self._paint_tags(picture, self._port.arm.observe_scene())
        noisy = picture + self._random.normal(0.0, 2.0, picture.shape)
        if "dark" in self.faults:
            noisy *= 0.02
        return Frame(now, np.clip(noisy, 0, 255).astype(np.uint8))

    def _paint_tags(self, picture: np.ndarray, scene: SceneState) -> None:
        pose, names = make_nominal_pose(A4), [each.name for each in self._port.arm.objects]
        half = OBJECT_TAG_SIZE_M / 2
        for each, tag in self._tags.items():
            index = names.index(each.name)
            yaw, centre = float(scene.yaws[index]), scene.positions[index] + (0.0, 0.0, each.tag_height)
            along, left = np.array([np.cos(yaw), np.sin(yaw), 0.0]), np.array([-np.sin(yaw), np.cos(yaw), 0.0])
            corners = [centre + half * (a * along + b * left) for a, b in ((1, 1), (1, -1), (-1, -1), (-1, 1))]
            self._warp(picture, tag, pose.to_mat(np.array(corners)))

    def _warp(self, picture: np.ndarray, sheet: np.ndarray, corners: FloatArray) -> None:
        """Paint a sheet whose upper left, upper right, lower right and lower left corners are at points (4, 3)."""
        rows, columns = sheet.shape[:2]
        source = np.array([[-0.5, -0.5], [columns - 0.5, -0.5], [columns - 0.5, rows - 0.5], [-0.5, rows - 0.5]])
        target = self.view.project(corners)
        matrix = self._cv2.getPerspectiveTransform(source.astype(np.float32), target.astype(np.float32))
        small = self._cv2.GaussianBlur(sheet, (0, 0), 2.0)
        warped = self._cv2.warpPerspective(small, matrix, SIZE, flags=self._cv2.INTER_AREA)
        mask = self._cv2.warpPerspective(np.full((rows, columns), 255, np.uint8), matrix, SIZE) > 128
        picture[mask] = warped[mask]


class CameraBench:
    """A window with an emulated arm called mine, and a camera over its table."""

    def __init__(self, qtbot: QtBot, folder: Path, look: str = "light") -> None:
        self.qtbot, self.folder = qtbot, folder
        self.port = EmulatedUsbPort()
        for name, (x, y) in PLACES_M.items():
            self.port.arm.place_object(name, x, y)
        self.registry = ArmRegistry(folder / "arms", self.port.list_ports, self.port.open_port)
        self.registry.register("mine", self.port.device)
        self.registry.save_calibration("mine", self.port.arm.compute_calibration())
        session = make_session(
            SimulatedArm, Library(folder / "library"), make_small_prior, 3, self.registry, self.port.list_ports
        )
        self.camera = PaintedCamera(self.port)
        session.arm.camera._make_camera = self._make_camera
        theme = Theme(look)  # type: ignore[arg-type]
        theme.apply()
        settings = QSettings(str(folder / "settings.ini"), QSettings.Format.IniFormat)
        self.window = make_session_window(session, theme, settings)
        qtbot.addWidget(self.window)
        self.window.resize(1280, 720)
        self.window.show()
        self.session, self.person = session, SimulatedUser(self.window)
        session.messages.posted.connect(self.person.record_message)

    def _make_camera(self, address: str) -> Camera:
        self.camera.name = address
        return self.camera

    @property
    def page(self) -> CameraSetupPage:
        page = presenter_of(self.window).camera_setup.page
        assert page is not None
        return page

    @property
    def folder_of_setups(self) -> Path:
        return setups_folder(self.registry.folder)

    def connect_arm(self) -> None:
        until(self.qtbot, lambda: self.session.state.activity is ArmActivity.READY)
        until(self.qtbot, lambda: len(self.session.arm.connection.choices) == 2)
        self.session.arm.connection.choose("arm:mine")
        self.person.press_button("Connect")
        until(self.qtbot, lambda: not self.session.state.snapshot.simulated)
        until(self.qtbot, lambda: self.session.state.activity is ArmActivity.READY)

    def connect_with_camera(self) -> None:
        save_setup(self.folder_of_setups, "mine", CameraSetup("painted"))
        self.connect_arm()
        self.wait_for(CameraCondition.GOOD)
        until(self.qtbot, lambda: len(self.session.arm.controller.arm.placed_objects) == 5)  # type: ignore[attr-defined]

    def wait_for(self, condition: CameraCondition) -> None:
        until(self.qtbot, lambda: self.session.arm.camera.report.condition is condition)

    def seen(self, index: int) -> FloatArray:
        return self.session.arm.controller.arm.observe_scene().positions[index]

    def measure_distance(self, goal: FloatArray) -> float:
        """Return the largest distance of a joint from an angle (J,), rad."""
        return float(np.abs(np.array(self.port.arm.read_joint_angles()) - goal).max())

    def wait_until_read_at(self, goal: FloatArray) -> None:
        """Wait until the program has read an arm that a hand moved to angles (J,), rad."""
        until(self.qtbot, lambda: self.measure_distance(goal) < 0.005)
        before = self.session.arm.controller.latest_tick
        assert before is not None
        until(self.qtbot, lambda: self.session.arm.controller.latest_tick.index > before.index + 5)  # type: ignore[union-attr]

    def wait_for_setup(self) -> CameraSetup:
        """Return the stored set-up as soon as there is one."""
        until(self.qtbot, lambda: load_setup(self.folder_of_setups, "mine") is not None)
        stored = load_setup(self.folder_of_setups, "mine")
        assert stored is not None
        return stored

    def find_in_picture(self, index: int) -> QPoint:
        """Return the point of the view at the top of an object."""
        view, true = self.window.camera_picture, self.port.arm.observe_scene().positions[index]
        height = self.port.arm.objects[index].support_height
        pixel = self.camera.view.project(make_nominal_pose(A4).to_mat(true + (0.0, 0.0, height)))
        return view.find_point(pixel).toPoint()


@pytest.fixture
def bench(qtbot: QtBot, tmp_path: Path) -> Iterator[CameraBench]:
    made = CameraBench(qtbot, tmp_path)
    yield made
    made.window.close()
    made.port.unplug()


def test_a_camera_is_set_up_with_a_few_clicks_and_kept(
    bench: CameraBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mat_file, "user_documents_path", lambda: tmp_path / "documents")
    opened: list[str] = []
    monkeypatch.setattr(
        "metagui.gui.cameras.setup_flow.QDesktopServices.openUrl", lambda url: opened.append(url.toLocalFile())
    )
    bench.connect_arm()
    assert not bench.person.can_see("Camera picture of the table")
    action = bench.window.actions_["camera"]
    assert action.isEnabled(), action.toolTip()
    action.trigger()
    until(bench.qtbot, lambda: bench.session.state.activity is ArmActivity.SETTING_UP_CAMERA)
    assert bench.person.can_read("10 on the red cube")
    bench.qtbot.mouseClick(bench.page.print_button, Qt.MouseButton.LeftButton)
    until(bench.qtbot, lambda: bool(opened))
    assert (tmp_path / "documents" / "metagui-mat-A4.pdf").read_bytes().startswith(b"%PDF")
    bench.qtbot.keyClicks(bench.page.address_field, "http://127.0.0.1:1/stream.mjpg")
    bench.qtbot.keyClick(bench.page.address_field, Qt.Key.Key_Return)
    until(bench.qtbot, lambda: "red cube" in bench.page.camera_sentence.text())
    bench.qtbot.mouseClick(bench.page.done_button, Qt.MouseButton.LeftButton)
    until(bench.qtbot, lambda: bench.session.state.activity is ArmActivity.READY)
    until(bench.qtbot, lambda: bench.person.can_see("Camera picture of the table"))
    assert bench.person.can_read("Camera: sees the mat")
    until(bench.qtbot, lambda: load_setup(bench.folder_of_setups, "mine") is not None)
    stored = bench.wait_for_setup()
    assert stored.address == "http://127.0.0.1:1/stream.mjpg"


def test_objects_are_where_the_camera_sees_them_and_follow_a_hand(bench: CameraBench) -> None:
    bench.connect_with_camera()
    assert bench.seen(0)[:2] == pytest.approx(PLACES_M["red cube"], abs=0.003)
    bench.port.arm.place_object("red cube", 0.21, 0.00)
    until(bench.qtbot, lambda: abs(float(bench.seen(0)[1])) < 0.003)


def test_a_click_in_the_picture_teaches_as_one_in_the_view_does(bench: CameraBench) -> None:
    bench.connect_with_camera()
    view = bench.window.camera_picture
    until(bench.qtbot, lambda: view._picture is not None and view._image is not None)
    QTest.mouseMove(view, bench.find_in_picture(0))
    until(bench.qtbot, lambda: bench.person.can_read("Grasp red cube"))
    bench.qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=bench.find_in_picture(0))
    until(bench.qtbot, lambda: bool(bench.port.arm.observe_scene().held[0]))
    until(bench.qtbot, lambda: bench.session.arm.controller.pending_count == 0)
    QTest.mouseMove(view, bench.find_in_picture(3))
    until(bench.qtbot, lambda: bench.person.can_read("Place on yellow zone"))


def test_keys_move_the_pointer_in_the_picture_and_return_clicks(bench: CameraBench) -> None:
    bench.connect_with_camera()
    view = bench.window.camera_picture
    until(bench.qtbot, lambda: view._picture is not None and view._image is not None)
    view.setFocus(Qt.FocusReason.TabFocusReason)
    for _ in range(400):
        goal, pointer = bench.find_in_picture(1), view._pointer or view.area.center()
        dx, dy = goal.x() - pointer.x(), goal.y() - pointer.y()
        if max(abs(dx), abs(dy)) < 1:
            break
        key = (
            (Qt.Key.Key_Right if dx > 0 else Qt.Key.Key_Left)
            if abs(dx) >= 1
            else (Qt.Key.Key_Down if dy > 0 else Qt.Key.Key_Up)
        )
        QTest.keyClick(view, key, Qt.KeyboardModifier.ShiftModifier)
    until(bench.qtbot, lambda: bench.person.can_read("Grasp green cube"))
    with bench.qtbot.waitSignal(view.clicked) as clicked:
        QTest.keyClick(view, Qt.Key.Key_Return)
    assert clicked.args[0].instruction.object_name == "green cube"


def test_a_lost_camera_and_a_dark_one_say_what_to_do_and_it_comes_back(bench: CameraBench) -> None:
    bench.connect_with_camera()
    bench.camera.faults.add("dark")
    bench.wait_for(CameraCondition.DARK)
    assert bench.person.can_read("Camera: too dark")
    assert bench.person.can_read("switch on a light")
    bench.camera.faults.add("unplugged")
    bench.wait_for(CameraCondition.LOST)
    assert bench.person.was_shown("Plug it in")
    assert bench.session.state.activity is ArmActivity.READY  # the arm goes on
    bench.camera.faults.clear()
    bench.wait_for(CameraCondition.GOOD)
    until(bench.qtbot, lambda: bench.person.was_shown("The camera is back"))


def test_run_does_not_begin_while_the_camera_sees_nothing(bench: CameraBench) -> None:
    bench.connect_with_camera()
    bench.camera.faults.add("unplugged")
    bench.wait_for(CameraCondition.LOST)
    bench.session.state.select("some task", None)
    bench.session.execution.controller.run_selected_task()
    assert bench.person.was_shown("The camera does not see the table")
    assert bench.session.state.activity is ArmActivity.READY


def test_four_touches_store_where_the_mat_lies_and_the_zeros(bench: CameraBench) -> None:
    from benchmarks.camera import _find_touch

    bench.connect_with_camera()
    bench.window.actions_["camera"].trigger()
    until(bench.qtbot, lambda: bench.session.state.activity is ArmActivity.SETTING_UP_CAMERA)
    bench.qtbot.mouseClick(bench.page.limp_button, Qt.MouseButton.LeftButton)
    until(bench.qtbot, lambda: bench.page.limp_button.text() == "Hold")
    lie = CameraSetup("x", shift=(0.006, -0.004), turn=0.02).mat_pose
    for cross, name in zip(lie.to_base(A4.crosses), ("far left", "far right", "near right", "near left"), strict=True):
        goal = _find_touch(cross)
        for joint, angle in enumerate(goal):
            bench.port.arm.move_joint_by_hand(joint, float(angle))
        bench.wait_until_read_at(goal)
        assert name in bench.page.touch_button.text()
        until(bench.qtbot, bench.page.touch_button.isEnabled)
        bench.qtbot.mouseClick(bench.page.touch_button, Qt.MouseButton.LeftButton)
    until(bench.qtbot, lambda: "The touches agree" in bench.page.touch_sentence.text())
    until(bench.qtbot, lambda: bench.wait_for_setup().residual is not None)
    stored = bench.wait_for_setup()
    until(bench.qtbot, lambda: bench.session.state.activity is ArmActivity.SETTING_UP_CAMERA)
    assert stored.residual is not None
    assert stored.residual < 0.006
    assert np.linalg.norm(stored.mat_pose.to_base(A4.crosses) - lie.to_base(A4.crosses), axis=1).max() < 0.006
    for joint in range(6):
        bench.port.arm.move_joint_by_hand(joint, None)
    bench.qtbot.mouseClick(bench.page.done_button, Qt.MouseButton.LeftButton)
    until(bench.qtbot, lambda: bench.session.state.activity is ArmActivity.READY)
    assert OBJECT_TAG_EDGE_M < OBJECT_TAG_SIZE_M
