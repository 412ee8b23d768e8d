"""Cameras as streams: served on the loopback, opened as any webcam, lost and found again."""

import threading
import time
import urllib.error
import urllib.request

import numpy as np
import pytest

from metagui.cameras.camera import CameraLostError, CameraUnavailableError, Frame
from metagui.cameras.capture.live_camera import LiveCamera
from metagui.cameras.capture.stream_server import StreamServer
from metagui.cameras.capture.webcam import Webcam, WebcamInfo
from tests.helpers.clocks import PATIENCE_S


class Feeder:
    """Publishes pictures whose brightness counts up, until it is stopped."""

    def __init__(self, server):
        self.server, self.count = server, 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stopping.wait(0.02):
            self.count = (self.count + 1) % 200
            self.server.publish(Frame(time.perf_counter(), np.full((240, 320, 3), self.count, dtype=np.uint8)))

    def stop(self):
        self.stopping.set()
        self.thread.join()


@pytest.fixture
def server():
    with StreamServer() as made:
        feeder = Feeder(made)
        yield made
        feeder.stop()


def wait_until(condition):
    deadline = time.perf_counter() + PATIENCE_S
    while not condition():
        assert time.perf_counter() < deadline
        time.sleep(0.01)


def test_a_stream_is_opened_as_a_webcam_and_its_pictures_arrive(server):
    camera = Webcam(server.url)
    camera.open()
    frames = [camera.read() for _ in range(3)]
    camera.close()
    assert (camera.format.width, camera.format.height) == (320, 240)
    assert frames[0].size == (320, 240)
    assert [frame.time for frame in frames] == sorted(frame.time for frame in frames)


def test_red_stays_red():
    with StreamServer() as server:
        red = np.zeros((120, 160, 3), dtype=np.uint8)
        red[..., 0] = 250
        stopping = threading.Event()

        def feed():
            while not stopping.wait(0.02):
                server.publish(Frame(0.0, red))

        thread = threading.Thread(target=feed)
        thread.start()
        camera = Webcam(server.url)
        camera.open()
        assert camera.read().picture.mean(axis=(0, 1)) == pytest.approx([250, 0, 0], abs=8)
        camera.close()
        stopping.set()
        thread.join()


def test_the_stream_is_served_on_the_loopback_only(server):
    assert server._http.server_address[0] == "127.0.0.1"
    assert server.url.startswith("http://127.0.0.1:")


def test_other_addresses_and_unknown_faults_are_not_found(server):
    for request in (
        urllib.request.Request(f"http://127.0.0.1:{server.port}/etc/passwd"),
        urllib.request.Request(f"http://127.0.0.1:{server.port}/faults/dark", method="POST"),
    ):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(request, timeout=PATIENCE_S)


def test_the_newest_picture_is_in_the_slot_and_a_lost_camera_comes_back():
    server = StreamServer()
    feeder = Feeder(server)
    live = LiveCamera(Webcam(server.url), lambda frame: round(float(frame.picture.mean())), retry=0.05)
    live.start()
    try:
        wait_until(lambda: live.status == "running")
        first = live.newest
        wait_until(lambda: live.newest is not first)
        feeder.stop()
        server.close()
        wait_until(lambda: live.status == "lost")
        assert "recording of its joints go on" in live.problem or "delivers no pictures" in live.problem
        assert live.newest is not None  # the last picture stays, to be shown grey
        assert live.losses == 1
        server = StreamServer(server.port)
        feeder = Feeder(server)
        wait_until(lambda: live.status == "running")
        assert not live.problem
    finally:
        live.stop()
        feeder.stop()
        server.close()
    assert live.status == "stopped"


def test_an_absent_stream_and_an_absent_webcam_say_what_to_do():
    with pytest.raises(CameraUnavailableError, match="opens in a browser"):
        Webcam("http://127.0.0.1:9/stream.mjpg").open()
    with pytest.raises(CameraUnavailableError, match="Cameras now: usb-b"):
        Webcam("usb-a", list_cameras=lambda: (make_info("usb-b"),)).open()
    with pytest.raises(CameraLostError):
        Webcam("usb-a").read()


def test_webcams_are_found_by_identity_and_by_a_unique_name_only():
    cameras = (make_info("usb-a", 2), make_info("usb-b", 0))
    assert Webcam("usb-b", list_cameras=lambda: cameras).find().index == 0
    with pytest.raises(CameraUnavailableError, match="several cameras"):
        Webcam("C920", list_cameras=lambda: cameras).find()
    assert Webcam("C920", list_cameras=lambda: cameras[:1]).find().index == 2


def test_a_webcam_that_may_not_be_opened_names_the_command():
    denied = WebcamInfo(0, 200, "C920", "/dev/video0", "usb-a", permitted=False)
    with pytest.raises(CameraUnavailableError, match="usermod -aG video"):
        Webcam("usb-a", list_cameras=lambda: (denied,)).open()


def make_info(identity, index=0):
    return WebcamInfo(index, 200, "C920", f"/dev/video{index}", identity)
