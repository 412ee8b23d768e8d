"""The newest picture of a camera: a thread reads without a pause, so that no picture waits in a buffer.

Drivers and streams keep pictures until they are read. A program that is slower than the camera would see the past, and
ever more of it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from metagui.cameras.camera import CameraError, CameraLostError

if TYPE_CHECKING:
    from metagui.cameras.camera import Camera, Frame

MAX_WAIT_S = 6.0
"""Longest wait for a picture, s; then the camera counts as lost."""


class NewestFrameCamera:
    """Wraps a camera; ``read`` returns the newest picture that was not returned yet. Implements Camera."""

    def __init__(self, camera: Camera, max_wait: float = MAX_WAIT_S) -> None:
        self.name = camera.name
        self._camera, self._max_wait = camera, max_wait
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._error: CameraError | None = None
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Open the camera and start to read it. Raises CameraUnavailableError."""
        self.close()
        self._closing.clear()
        self._frame = self._error = None
        self._camera.open()
        self._thread = threading.Thread(target=self._read_all, name=f"reader {self.name}")
        self._thread.start()

    def read(self) -> Frame:
        """Return the newest picture, or wait for the next. Raises CameraLostError."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None or self._error is not None, self._max_wait)
            frame, self._frame = self._frame, None
            if frame is not None:
                return frame
            raise self._error or CameraLostError(
                f"The camera {self.name!r} has sent no picture for {self._max_wait:.0f} s. The arm and the recording "
                "of its joints go on. Plug it in again; it is looked for."
            )

    def close(self) -> None:
        """Release the camera; closing a closed one does nothing."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._camera.close()

    def _read_all(self) -> None:
        while not self._closing.is_set():
            try:
                frame = self._camera.read()
            except CameraError as error:
                with self._changed:
                    self._error = error
                    self._changed.notify_all()
                return
            with self._changed:
                self._frame = frame
                self._changed.notify_all()
