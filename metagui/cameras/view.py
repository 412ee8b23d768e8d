"""The view of a camera: where it stands relative to the mat, and its lens, so that pixels become rays."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from metagui.cameras.camera import FloatArray

_UNDISTORTION_STEPS = 12


@dataclass(frozen=True)
class CameraView:
    """Pose and lens of a camera in the mat's frame: x away from the arm, y left, z up, zero at the paper's centre.

    A point X, m, is at ``rotation @ X + translation`` in the camera's frame (z along the view, y down). The lens has
    square pixels, its axis in the middle of the picture, and the radial distortion ``1 + k1 r² + k2 r⁴``.
    """

    rotation: FloatArray
    """(3, 3) rotation."""
    translation: FloatArray
    """(3,) translation, m."""
    focal_length: float
    """Focal length, pixels."""
    size: tuple[int, int]
    """Width and height of the picture, pixels."""
    k1: float = 0.0
    """First coefficient of the radial distortion."""
    k2: float = 0.0
    """Second coefficient."""

    @property
    def position(self) -> FloatArray:
        """The camera's (3,) position, m."""
        return -self.rotation.T @ self.translation

    @property
    def tilt(self) -> float:
        """Angle between the line of sight and the vertical, rad; 0 is straight down."""
        return math.acos(min(max(-float(self.rotation[2, 2]), -1.0), 1.0))

    @property
    def centre(self) -> FloatArray:
        """Pixel (2,) of the lens's axis; pixels have their centres at whole numbers."""
        return (np.array(self.size) - 1.0) / 2.0

    def project(self, points: FloatArray) -> FloatArray:
        """Return the pixels (..., 2) of points (..., 3), m."""
        seen = np.asarray(points) @ self.rotation.T + self.translation
        normal = seen[..., :2] / seen[..., 2:]
        return self.centre + self.focal_length * self.distort(normal)

    def distort(self, normal: FloatArray) -> FloatArray:
        """Return where the lens puts normalised image points (..., 2)."""
        squares = np.sum(normal**2, axis=-1, keepdims=True)
        distorted: FloatArray = normal * (1.0 + self.k1 * squares + self.k2 * squares**2)
        return distorted

    def undistort(self, pixels: FloatArray) -> FloatArray:
        """Return the normalised image points (..., 2) of pixels (..., 2), by fixed-point iteration."""
        seen = (np.asarray(pixels) - self.centre) / self.focal_length
        normal = seen.copy()
        for _ in range(_UNDISTORTION_STEPS):
            squares = np.sum(normal**2, axis=-1, keepdims=True)
            normal = seen / (1.0 + self.k1 * squares + self.k2 * squares**2)
        return normal

    def compute_rays(self, pixels: FloatArray) -> FloatArray:
        """Return the directions (..., 3) in the mat's frame in which pixels (..., 2) look; not normalised."""
        normal = self.undistort(pixels)
        rays: FloatArray = np.concatenate([normal, np.ones((*normal.shape[:-1], 1))], axis=-1) @ self.rotation
        return rays

    def locate(self, pixels: FloatArray, height: float) -> FloatArray:
        """Return the points (..., 3), m, at ``height`` above the mat that pixels (..., 2) show.

        A pixel that looks above the horizon has none: NaN.
        """
        rays = self.compute_rays(pixels)
        with np.errstate(divide="ignore", invalid="ignore"):
            distances = (height - self.position[2]) / rays[..., 2:]
        points: FloatArray = self.position + np.where(distances > 0, distances, np.nan) * rays
        return points


def make_view(
    position: FloatArray, target: FloatArray, focal_length: float, size: tuple[int, int], roll: float = 0.0
) -> CameraView:
    """Return the view from ``position`` (3,) towards ``target`` (3,), m, turned by ``roll``, rad, about it."""
    forward = (target - position) / np.linalg.norm(target - position)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    if np.linalg.norm(right) < 1e-9:  # straight down: the arm is below in the picture
        right = np.array([0.0, -1.0, 0.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    turned_right = math.cos(roll) * right + math.sin(roll) * down
    turned_down = -math.sin(roll) * right + math.cos(roll) * down
    rotation = np.stack([turned_right, turned_down, forward])
    return CameraView(rotation, -rotation @ position, focal_length, size)


def rotation_from_vector(vector: FloatArray) -> FloatArray:
    """Return the rotation (3, 3) about ``vector`` (3,) by its length, rad: Rodrigues' formula."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    rotation: FloatArray = np.eye(3) + math.sin(angle) * cross + (1.0 - math.cos(angle)) * cross @ cross
    return rotation
