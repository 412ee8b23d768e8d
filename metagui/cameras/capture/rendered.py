"""A rendered camera: what a renderer draws, through a lens with distortion, blur, exposure, noise and faults."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import cv2
import numpy as np

from metagui.cameras.camera import CameraLostError, Frame
from metagui.cameras.view import rotation_from_vector

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.cameras.camera import FloatArray, Picture
    from metagui.cameras.view import CameraView

CameraFault = Literal["knocked", "unplugged", "dark", "blurred", "glare", "covered", "frozen"]
CAMERA_FAULTS: tuple[CameraFault, ...] = get_args(CameraFault)
"""Faults that can be switched on while the camera runs."""
_WIDER = 1.25
"""Width of the pinhole picture relative to the lens's, as a barrel distortion bends rays inwards."""
_KNOCK_RAD, _KNOCK_M = 0.035, 0.012


@dataclass(frozen=True)
class Optics:
    """Imperfections of a camera."""

    blur: float = 0.6
    """Standard deviation of the blur, pixels."""
    noise: float = 3.0
    """Standard deviation of a pixel's brightness, of 255."""
    exposure: float = 1.0
    """Factor of the brightness."""
    supersampling: float = 1.5
    """Rendered pixels per pixel along each axis."""


class RenderedCamera:
    """A camera at ``view`` that sees what ``render`` draws. Implements Camera.

    ``render`` gets a view without distortion, in the mat's frame, and returns its picture. ``rate`` is in pictures per
    second; 0 means as fast as they are drawn.
    """

    def __init__(
        self,
        render: Callable[[CameraView], Picture],
        view: CameraView,
        optics: Optics | None = None,
        seed: int = 0,
        rate: float = 0.0,
    ) -> None:
        self.name = "rendered camera"
        self.view = view
        self.optics = optics or Optics()
        self.faults: set[CameraFault] = set()
        """Present faults; may be changed by any thread."""
        self._render = render
        self._random = np.random.default_rng(seed)
        self._period = 1.0 / rate if rate else 0.0
        self._due = 0.0
        self._knocked_view = knock(view, self._random)
        self._frozen: Picture | None = None
        self._lens_map: tuple[Any, Any] | None = None

    def open(self) -> None:
        """Start; a rendered camera is always there unless it is unplugged. Raises CameraLostError."""
        self._require_plugged()

    def close(self) -> None:
        """Stop."""

    def read(self) -> Frame:
        """Return the next picture. Raises CameraLostError."""
        self._require_plugged()
        time.sleep(max(0.0, self._due - time.perf_counter()))
        now = time.perf_counter()
        self._due = max(self._due + self._period, now)
        if "frozen" in self.faults and self._frozen is not None:
            return Frame(now, self._frozen)
        self._frozen = self._take_picture(self._knocked_view if "knocked" in self.faults else self.view)
        return Frame(now, self._frozen)

    def _require_plugged(self) -> None:
        if "unplugged" in self.faults:
            raise CameraLostError("The rendered camera is unplugged. The arm is not affected; plug it in again.")

    def _take_picture(self, view: CameraView) -> Picture:
        """Return the picture (h, w, 3) through the lens, with the present faults."""
        scale = self.optics.supersampling
        size = round(view.size[0] * _WIDER * scale), round(view.size[1] * _WIDER * scale)
        pinhole = replace(view, focal_length=view.focal_length * scale, size=size, k1=0.0, k2=0.0)
        picture = self._render(pinhole)
        blur = 6.0 if "blurred" in self.faults else self.optics.blur
        smoothed = cv2.GaussianBlur(picture, (0, 0), max(scale * math.hypot(blur, 0.3), 0.1))
        seen = cv2.remap(
            smoothed, *self._find_lens_map(view, pinhole), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        ).astype(np.float32)
        seen *= self.optics.exposure * (0.06 if "dark" in self.faults else 1.0)
        if "glare" in self.faults:
            seen += _make_glare(view)
        if "covered" in self.faults:
            _cover(seen, view)
        seen += self._random.normal(0.0, self.optics.noise, seen.shape).astype(np.float32)
        noisy: Picture = np.clip(np.round(seen), 0, 255).astype(np.uint8)
        return noisy

    def _find_lens_map(self, view: CameraView, pinhole: CameraView) -> tuple[Any, Any]:
        """Return, for every pixel of the lens, the x and y (h, w) of the pinhole picture's pixel."""
        if self._lens_map is None:  # the lens stays the same when the camera is knocked
            width, height = view.size
            pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float64)
            places = (pinhole.centre + pinhole.focal_length * view.undistort(pixels)).astype(np.float32)
            self._lens_map = places[..., 0], places[..., 1]
        return self._lens_map


def knock(view: CameraView, random: np.random.Generator) -> CameraView:
    """Return a view after the camera was knocked: turned by some two degrees and moved by a centimetre."""
    turn = rotation_from_vector(_KNOCK_RAD * _draw_direction(random))
    rotation = turn @ view.rotation
    position = view.position + _KNOCK_M * _draw_direction(random)
    return replace(view, rotation=rotation, translation=-rotation @ position)


def _draw_direction(random: np.random.Generator) -> FloatArray:
    """Return a random unit vector (3,)."""
    vector = random.standard_normal(3)
    unit: FloatArray = vector / np.linalg.norm(vector)
    return unit


def _make_glare(view: CameraView) -> FloatArray:
    """Return the brightness (h, w, 1) of a lamp's reflection over the mat's far left tag."""
    width, height = view.size
    x, y = view.project(np.array([0.08, 0.12, 0.0]))
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    distance = np.hypot(columns - x, rows - y) / (0.09 * width)
    glare: FloatArray = (400.0 * np.exp(-(distance**2)))[..., None].astype(np.float32)
    return glare


def _cover(seen: FloatArray, view: CameraView) -> None:
    """Lay a sheet of cardboard over the left half of the mat."""
    corners = view.project(np.array([[0.2, 0.02, 0.0], [-0.2, 0.02, 0.0], [-0.2, 0.3, 0.0], [0.2, 0.3, 0.0]]))
    cv2.fillPoly(seen, [np.round(corners).astype(np.int32)], (150.0, 120.0, 90.0))
