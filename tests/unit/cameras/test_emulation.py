"""The camera's process: it sees the emulated arm's own table, and its stream is opened as any other camera."""

import json
import os
import signal
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
from typer.testing import CliRunner

from metagui.arms.arm import ArmError, ConnectionLostError
from metagui.arms.emulator.emulated_arm import EmulatedArm
from metagui.arms.emulator.table_server import TableClient, TableServer
from metagui.arms.simulation import opengl
from metagui.cli import app
from tests.helpers.clocks import PATIENCE_S


@pytest.fixture
def arm():
    return EmulatedArm.make_ideal()


def test_another_process_reads_the_table_and_moves_its_objects(arm):
    with TableServer(arm) as server:
        client = TableClient(server.port)
        assert (client.read_state() == arm.get_state()).all()
        client.place_object("red cube", 0.21, -0.1)
        assert arm.observe_scene().positions[0][:2] == pytest.approx([0.21, -0.1])
        assert (client.read_state() == arm.get_state()).all()
        with pytest.raises(ArmError, match="not on the table"):
            client.place_object("red cube", 3.0, 0.0)
        assert client._request("no such request", client._stream.readline) == b"unknown request\n"
        client.close()


def test_without_a_table_the_command_is_named(arm):
    with TableServer(arm) as server:
        port = server.port
    with pytest.raises(ConnectionLostError, match=f"emulate-arm --table-port {port}"):
        TableClient(port)


def start(*arguments):
    command = [sys.executable, "-m", "metagui", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))


@pytest.mark.pty
def test_the_emulated_camera_streams_the_table_of_the_emulated_arm(arm):
    if opengl.choose_backend() == "disable":
        pytest.skip("no OpenGL")
    arm.simulated.set_joint_positions(np.array([-1.9, -1.7, 1.6, 1.2, 0.0, 0.45]))
    for index, name in enumerate(["red cube", "green cube", "blue cube", "yellow zone", "violet zone"]):
        arm.place_object(name, 0.14 + 0.02 * index, 0.06 - 0.03 * index)
    with TableServer(arm) as server:
        camera = start("emulate-camera", "--table-port", server.port, "--seed", 3)
        try:
            url = camera.stdout.readline().strip()
            if not url:
                pytest.skip(camera.stderr.read())
            result = CliRunner().invoke(app, ["cameras", "--try", url, "--json"])
            assert result.exit_code == 0, result.stderr
            found = json.loads(result.stdout)
            assert set(found["tags"]) >= {0, 1, 2, 3, 10}
            assert 15 < found["tilt"] < 55
            request = urllib.request.Request(url.replace("stream.mjpg", "faults/dark"), method="POST")
            assert urllib.request.urlopen(request, timeout=PATIENCE_S).status == 204
            verdicts = []
            while not verdicts or ("dark" not in verdicts[-1] and len(verdicts) < 5):
                result = CliRunner().invoke(app, ["cameras", "--try", url, "--json"])
                verdicts.append(json.loads(result.stdout)["verdict"])
            assert "too dark" in verdicts[-1]
        finally:
            camera.send_signal(signal.SIGINT)
            camera.wait(PATIENCE_S)
            camera.stdout.close()
            camera.stderr.close()
    assert camera.returncode == 0


def test_listing_cameras_without_any_suggests_the_emulated_one(monkeypatch):
    from metagui.cameras.capture import webcam

    monkeypatch.setattr(webcam, "list_webcams", tuple)
    result = CliRunner().invoke(app, ["cameras", "--json"])
    assert json.loads(result.stdout) == []
    assert "emulate-camera" in result.stderr
