"""Webcams and streams by OpenCV; a webcam is found by a stable identity, never by its number alone.

Numbers of webcams change when the machine restarts. The identity is the link that the system makes from vendor, product
and serial number, or else the USB ids and the name.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from metagui.cameras.camera import CameraLostError, CameraUnavailableError, Frame

if TYPE_CHECKING:
    from collections.abc import Callable

_STREAM_PREFIXES = ("http://", "https://", "rtsp://")
_LINKS_DIR = Path("/dev/v4l/by-id")
_OPEN_TIMEOUT_MS, _READ_TIMEOUT_MS = 5000, 4000
_MJPG = "MJPG"
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # a lost camera has a message of its own
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


@dataclass(frozen=True)
class WebcamInfo:
    """A webcam that is plugged in."""

    index: int
    """Number by which OpenCV opens it now."""
    backend: int
    """Interface of the system by which OpenCV opens it."""
    name: str
    """Name of the product."""
    path: str
    """Device of the system."""
    identity: str
    """Text that stays the same across restarts."""
    permitted: bool = True
    """True if this user may open it."""


@dataclass(frozen=True)
class CaptureFormat:
    """Size, rate and compression of a camera's pictures."""

    width: int
    """Pixels."""
    height: int
    """Pixels."""
    rate: float
    """Pictures per second; 0 if the camera does not tell."""
    code: str = _MJPG
    """Four letters of the compression; without MJPG, two cameras on one USB hub starve each other."""

    def __str__(self) -> str:
        """Return the format as a text."""
        return f"{self.width}×{self.height} at {self.rate:.0f}/s, {self.code or 'unknown'}"


DEFAULT_FORMAT = CaptureFormat(1280, 720, 30.0)
"""Format that is asked for."""


def list_webcams() -> tuple[WebcamInfo, ...]:
    """Return the webcams that are plugged in, each once."""
    from cv2_enumerate_cameras import enumerate_cameras

    found: dict[str, WebcamInfo] = {}
    preferred = {"win32": cv2.CAP_MSMF, "darwin": cv2.CAP_AVFOUNDATION}.get(sys.platform, cv2.CAP_V4L2)
    for each in enumerate_cameras(preferred):
        path = str(each.path or f"{each.name} {each.index}")
        identity = _find_identity(path, each.vid, each.pid, each.name)
        permitted = not path.startswith("/dev/") or os.access(path, os.R_OK | os.W_OK)
        found.setdefault(path, WebcamInfo(int(each.index), int(each.backend), each.name, path, identity, permitted))
    return tuple(found.values())


def _find_identity(path: str, vendor: int | None, product: int | None, name: str) -> str:
    """Return the identity of the webcam at a path."""
    with contextlib.suppress(OSError):
        for link in sorted(_LINKS_DIR.iterdir()):
            if link.resolve() == Path(path).resolve():
                return link.name
    if sys.platform != "linux" and path:
        return path
    return f"{vendor:04x}:{product:04x} {name}" if vendor is not None and product is not None else name


class Webcam:
    """A webcam with an identity or a unique name, or a stream with a URL. Implements Camera.

    ``format`` is what the camera delivers once it is open, which may differ from ``requested``.
    """

    def __init__(
        self,
        address: str,
        requested: CaptureFormat = DEFAULT_FORMAT,
        list_cameras: Callable[[], tuple[WebcamInfo, ...]] = list_webcams,
    ) -> None:
        self.name = address
        self.requested = requested
        self.format: CaptureFormat | None = None
        self._list_cameras = list_cameras
        self._capture: Any = None

    @property
    def is_stream(self) -> bool:
        """Return whether the address is a URL."""
        return self.name.lower().startswith(_STREAM_PREFIXES)

    def open(self) -> None:
        """Open the camera and ask for the format, which can take seconds. Raises CameraUnavailableError."""
        self.close()
        self._capture = self._open_stream() if self.is_stream else self._open_webcam(self.find())
        if not self._capture.isOpened() or not self._capture.grab():
            self.close()
            raise CameraUnavailableError(self._describe_failure())
        self.format = self._read_format()

    def find(self) -> WebcamInfo:
        """Return the webcam with this identity or name now. Raises CameraUnavailableError, which lists the cameras."""
        cameras = self._list_cameras()
        exact = [each for each in cameras if self.name in (each.identity, each.path)]
        found = exact or [each for each in cameras if each.name == self.name]
        if len(found) == 1:
            return found[0]
        listed = ", ".join(each.identity for each in cameras) or "none"
        problem = "several cameras have this name" if found else "it is not plugged in"
        raise CameraUnavailableError(
            f"The camera {self.name!r} cannot be opened: {problem}. The arm and your recordings are not affected. "
            f"Cameras now: {listed}. Plug it in, or choose one of them."
        )

    def read(self) -> Frame:
        """Wait for the next picture. Raises CameraLostError."""
        if self._capture is None or not self._capture.grab():
            raise CameraLostError(self._describe_loss())
        now = time.perf_counter()
        good, picture = self._capture.retrieve()
        if not good:
            raise CameraLostError(self._describe_loss())
        return Frame(now, np.ascontiguousarray(picture[..., ::-1]))

    def close(self) -> None:
        """Release the camera; closing a closed one does nothing."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def _open_stream(self) -> Any:
        timeouts = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _OPEN_TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _READ_TIMEOUT_MS]
        return cv2.VideoCapture(self.name, cv2.CAP_FFMPEG, timeouts)

    def _open_webcam(self, found: WebcamInfo) -> Any:
        if not found.permitted:
            raise CameraUnavailableError(
                f"You may not open the camera {found.name} ({found.path}). Nothing was changed; `sudo usermod -aG "
                "video $USER`, then log out and in again."
            )
        capture = cv2.VideoCapture(found.index, found.backend)
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*self.requested.code))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, self.requested.width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self.requested.height)
        capture.set(cv2.CAP_PROP_FPS, self.requested.rate)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # else pictures are old before they are read
        return capture

    def _read_format(self) -> CaptureFormat:
        code = int(self._capture.get(cv2.CAP_PROP_FOURCC))
        letters = "".join(chr(code >> shift & 0xFF) for shift in (0, 8, 16, 24)) if code > 0 else ""
        width, height = (self._capture.get(each) for each in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        return CaptureFormat(int(width), int(height), float(self._capture.get(cv2.CAP_PROP_FPS)), letters.strip())

    def _describe_failure(self) -> str:
        if self.is_stream:
            return (
                f"The stream {self.name} delivers no pictures. The arm and your recordings are not affected. Check "
                "that the address is right, that it is switched on, and that it opens in a browser."
            )
        return (
            f"The camera {self.name!r} delivers no pictures. The arm and your recordings are not affected. Close other "
            "programs that use it; if two cameras share a USB hub, plug one into another port."
        )

    def _describe_loss(self) -> str:
        return (
            f"The camera {self.name!r} delivers no more pictures. The arm and the recording of its joints go on. Plug "
            "it in again; it is looked for."
        )
