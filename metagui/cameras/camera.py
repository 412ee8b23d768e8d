"""The Camera protocol of webcams, streams and rendered cameras, and its errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Picture = NDArray[np.uint8]
"""Picture (h, w, 3), red, green and blue."""


class CameraError(Exception):
    """Base of all errors of cameras; the message states what happened, what is safe and what to do."""


class CameraUnavailableError(CameraError):
    """The camera cannot be opened."""


class CameraLostError(CameraError):
    """The opened camera delivers no more pictures."""


@dataclass(frozen=True)
class Frame:
    """One picture; it must not be changed, as several threads use it."""

    time: float
    """Monotonic time (``perf_counter``) of the exposure, as near as the driver tells, s."""
    picture: Picture
    """(h, w, 3) picture."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return self.picture.shape[1], self.picture.shape[0]


class Camera(Protocol):
    """A source of pictures; ``name`` is readable while it is closed. Use one camera in one thread."""

    @property
    def name(self) -> str:
        """Name that the user knows it by."""

    def open(self) -> None:
        """Open the camera, which can take seconds. Raises CameraUnavailableError."""

    def read(self) -> Frame:
        """Wait for the next picture. Raises CameraLostError."""

    def close(self) -> None:
        """Release the camera; closing a closed one does nothing."""
