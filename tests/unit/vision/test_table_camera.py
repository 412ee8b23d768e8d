"""A camera over the table as a service: its pictures, its faults as data, and what needs the camera."""

import threading
import time

import numpy as np
import pytest

from metagui.arms.simulation import opengl
from metagui.arms.simulation.renderer import RenderingError
from metagui.arms.simulation.scene import SceneLayout, sample_layout
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.tables.table import SCENE_OBJECTS
from metagui.cameras.camera import CameraLostError, CameraUnavailableError, Frame
from metagui.cameras.capture.newest_frame import NewestFrameCamera
from metagui.cameras.capture.rendered import Optics, RenderedCamera
from metagui.cameras.mat import A4, make_nominal_pose
from metagui.cameras.object_tracker import ObjectTracker
from metagui.cameras.tags import TagDetector
from metagui.cameras.view import make_view
from metagui.emulated_camera import EmulatedCameraTable
from metagui.vision import table_camera
from metagui.vision.camera_condition import CameraCondition
from metagui.vision.camera_report import report_picture
from metagui.vision.table_camera import TableCamera
from metagui.vision.tagged_objects import make_tagged_objects
from tests.helpers.clocks import wait_until

opengl.choose_backend()


class Script:
    """A camera that delivers what a test puts into ``next``: a picture, or an error."""

    name = "script"

    def __init__(self):
        self.next = np.zeros((90, 160, 3), dtype=np.uint8)
        self.opened = self.count = 0

    def open(self):
        if isinstance(self.next, Exception):
            raise CameraUnavailableError("It is not plugged in.")
        self.opened += 1

    def read(self):
        time.sleep(0.002)
        if isinstance(self.next, Exception):
            raise self.next
        self.count += 1
        picture = self.next.copy()
        picture[0, 0, 0] = self.count % 256
        return Frame(time.perf_counter(), picture)

    def close(self):
        pass


@pytest.fixture
def script():
    return Script()


@pytest.fixture
def camera(script, monkeypatch):
    made = TableCamera(script, make_tagged_objects(SCENE_OBJECTS), A4, make_nominal_pose(A4))
    made._live._retry = 0.01
    yield made
    made.stop()


def test_a_dark_picture_a_loss_and_a_return_are_data(script, camera):
    assert camera.report().condition is CameraCondition.OFF
    camera.start()
    wait_until(lambda: camera.sight is not None)
    assert camera.report().condition is CameraCondition.DARK
    script.next = CameraLostError("It was unplugged.")
    wait_until(lambda: camera.report().condition is CameraCondition.LOST)
    assert camera.losses >= 1
    script.next = np.full((90, 160, 3), 128, dtype=np.uint8)
    wait_until(lambda: camera.report().condition is CameraCondition.UNREADABLE)
    assert "out of focus" in camera.report().message
    assert script.opened >= 2


def test_a_failure_in_a_picture_ends_nothing(script, camera, monkeypatch):
    def fail(*_arguments):
        raise FloatingPointError("strange picture")

    monkeypatch.setattr(table_camera.TagDetector, "detect", fail)
    camera.start()
    wait_until(lambda: "strange picture" in camera.report().message)
    monkeypatch.undo()
    wait_until(lambda: "too dark" in camera.report().message)


def test_a_camera_that_sends_nothing_counts_as_frozen(script, camera):
    camera.start()
    wait_until(lambda: camera.sight is not None)
    camera._clock = lambda: time.perf_counter() + 60.0
    assert camera.report().condition is CameraCondition.FROZEN
    assert "has sent no picture for" in camera.report().message


def test_the_newest_picture_is_read_and_older_ones_are_dropped(script):
    camera = NewestFrameCamera(script)
    camera.open()
    first = camera.read()
    wait_until(lambda: script.count > 20)
    second = camera.read()
    camera.close()
    assert int(second.picture[0, 0, 0]) - int(first.picture[0, 0, 0]) >= 10
    assert not any(thread.name == "reader script" for thread in threading.enumerate())


def test_a_camera_that_hangs_is_lost(script):
    camera = NewestFrameCamera(script, max_wait=0.05)
    script.read = lambda: time.sleep(0.2) or Frame(0.0, script.next)
    camera.open()
    with pytest.raises(CameraLostError, match="has sent no picture"):
        camera.read()
    camera.close()


@pytest.fixture(scope="module")
def rendered():
    arm = SimulatedArm()
    layout = sample_layout(np.random.default_rng(0))
    positions = layout.positions.copy()
    positions[:-1, :2] = [[0.16, 0.03], [0.19, -0.03], [0.2, 0.04], [0.13, -0.01], [0.24, 0.0]]
    arm.reset(SceneLayout(positions, layout.yaws))
    arm.set_joint_positions(np.array([1.9, -1.7, 1.6, 1.2, 0.0, 0.45]))
    try:
        table = EmulatedCameraTable(A4, arm.get_state)
    except RenderingError as error:
        pytest.skip(str(error))
    view = make_view(np.array([0.28, 0.05, 0.5]), np.array([0.01, 0.0, 0.0]), 1000.0, (1280, 720))
    yield RenderedCamera(table.render, view, Optics(supersampling=1.0))
    table.close()


@pytest.mark.parametrize(
    ("fault", "condition", "message"),
    [
        ("glare", CameraCondition.GLARE, "Turn the lamp"),
        ("covered", CameraCondition.HIDDEN, "far left"),
        ("dark", CameraCondition.DARK, "too dark"),
        ("blurred", CameraCondition.UNREADABLE, "out of focus"),
        ("frozen", CameraCondition.FROZEN, "repeats the same picture"),
        ("knocked", CameraCondition.GOOD, ""),
    ],
)
def test_every_fault_of_a_camera_that_saw_the_mat_is_named(rendered, fault, condition, message):
    detector = TagDetector()
    tracker = ObjectTracker(make_tagged_objects(SCENE_OBJECTS), A4, make_nominal_pose(A4))
    rendered.faults.clear()

    def look():
        frame = rendered.read()
        tags = detector.detect(frame.picture)
        return report_picture(frame, tags, tracker.update(frame, tags), detector)

    assert look().condition is CameraCondition.GOOD
    rendered.faults.add(fault)
    for _ in range(10 if fault == "frozen" else 4):
        report = look()
    rendered.faults.clear()
    assert report.condition is condition
    assert message in report.message
