"""The emulated arm's table as a camera's stream, drawn by a thread of the test's process."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

import numpy as np
import pytest

from metagui.arms.simulation import opengl
from metagui.arms.simulation.renderer import RenderingError
from metagui.cameras.camera import CameraLostError
from metagui.cameras.capture.rendered import Optics, RenderedCamera
from metagui.cameras.capture.stream_server import StreamServer
from metagui.cameras.mat import A4
from metagui.cameras.view import make_view
from metagui.emulated_camera import EmulatedCameraTable

if TYPE_CHECKING:
    from metagui.arms.emulator.emulated_arm import EmulatedArm

opengl.choose_backend()
SIZE = (960, 540)


class EmulatedStream:
    """Streams what a camera sees of the table of ``arm``; a context manager. Skips the test without OpenGL."""

    def __init__(self, arm: EmulatedArm, rate: float = 10.0) -> None:
        view = make_view(np.array([0.30, 0.10, 0.45]), np.array([0.01, 0.0, 0.0]), 780.0, SIZE)
        self.camera = RenderedCamera(self._draw, view, Optics(supersampling=1.0), 0, rate)
        self._arm = arm
        self._table: EmulatedCameraTable | None = None
        self._problem = ""
        self._server = StreamServer(on_fault=None)
        self.url = self._server.url
        self._stopping, self._ready = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="emulated stream")

    def _draw(self, view):  # type: ignore[no-untyped-def]
        assert self._table is not None
        return self._table.render(view)

    def _run(self) -> None:
        try:
            self._table = EmulatedCameraTable(A4, self._arm.get_state)
        except RenderingError as error:
            self._problem = str(error)
        self._ready.set()
        while self._table is not None and not self._stopping.is_set():
            try:
                self._server.publish(self.camera.read())
            except CameraLostError:
                self._server.drop_clients()
                self._stopping.wait(0.05)
        if self._table is not None:
            self._table.close()

    def __enter__(self) -> Self:
        """Start the stream."""
        self._thread.start()
        self._ready.wait()
        if self._problem:
            self.__exit__()
            pytest.skip(self._problem)
        return self

    def __exit__(self, *exception: object) -> None:
        """End the stream."""
        self._stopping.set()
        self._server.close()
        self._thread.join()
