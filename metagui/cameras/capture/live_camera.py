"""A camera in a thread of its own: the newest picture is in a slot, which is read without waiting.

A camera that is lost is looked for until it is back; that ends neither a recording nor a run.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from metagui.cameras.camera import CameraError

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.cameras.camera import Camera, Frame

Result = TypeVar("Result")
CameraStatus = Literal["opening", "running", "lost", "stopped"]
RETRY_S = 2.0
"""Time between two attempts to open a lost camera, s."""


@dataclass(frozen=True)
class Sight(Generic[Result]):
    """A picture and what was found in it."""

    frame: Frame
    """The picture."""
    result: Result
    """What ``process`` returned for it."""


class LiveCamera(Generic[Result]):
    """Reads ``camera`` in a thread and calls ``process`` there with every frame.

    ``newest``, ``status`` and ``problem`` may be read by any thread. ``on_sight`` is called in the camera's thread.
    """

    def __init__(
        self,
        camera: Camera,
        process: Callable[[Frame], Result],
        on_sight: Callable[[Sight[Result]], None] | None = None,
        retry: float = RETRY_S,
    ) -> None:
        self.camera = camera
        self.newest: Sight[Result] | None = None
        """The newest picture; None before the first. After a loss it stays, and becomes old."""
        self.status: CameraStatus = "stopped"
        self.problem = ""
        """Why the camera is lost or cannot be opened; empty if it runs."""
        self.losses = 0
        """How often the camera was lost."""
        self._process = process
        self._on_sight = on_sight
        self._retry = retry
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start to open and read the camera; returns at once."""
        if self._thread is None:
            self._stopping.clear()
            self.status = "opening"
            self._thread = threading.Thread(target=self._run, name=f"camera {self.camera.name}")
            self._thread.start()

    def stop(self) -> None:
        """Stop and release the camera; waits for the picture in hand."""
        if self._thread is not None:
            self._stopping.set()
            self._thread.join()
            self._thread = None
        self.status = "stopped"

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.camera.open()
                self._read_all()
            except CameraError as error:
                self.losses += self.status == "running"
                self.status, self.problem = "lost", str(error)
            finally:
                self.camera.close()
            self._stopping.wait(self._retry)

    def _read_all(self) -> None:
        """Read pictures until the camera is stopped. Raises CameraError."""
        while not self._stopping.is_set():
            frame = self.camera.read()
            sight = Sight(frame, self._process(frame))
            self.newest, self.status, self.problem = sight, "running", ""
            if self._on_sight is not None:
                self._on_sight(sight)
