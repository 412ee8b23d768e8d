"""The camera of the 3-D view, which orbits a target, and the rays through its pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray

FIELD_OF_VIEW_DEG = 38.0
"""Vertical field of view of the camera, degrees."""


@dataclass(frozen=True)
class OrbitCamera:
    """A camera that orbits a target."""

    target: tuple[float, float, float] = (0.14, 0.0, 0.065)
    """Point at the centre of the picture, m."""
    distance: float = 0.70
    """Distance from the target, m."""
    azimuth: float = 150.0
    """Direction of view about the vertical, degrees."""
    elevation: float = -33.0
    """Direction of view above the horizon, degrees; negative looks down."""

    def orbited(self, across: float, up: float) -> OrbitCamera:
        """Return the camera turned about the target by degrees, never past the poles or below the table."""
        return replace(self, azimuth=self.azimuth + across, elevation=float(np.clip(self.elevation + up, -89.0, -4.0)))

    def zoomed(self, factor: float) -> OrbitCamera:
        """Return the camera at ``factor`` times its distance, within bounds."""
        return replace(self, distance=float(np.clip(self.distance * factor, 0.25, 2.5)))

    def panned(self, across: float, up: float) -> OrbitCamera:
        """Return the camera with its target moved by fractions of the picture's height."""
        right, above, _ = self.compute_axes()
        reach = 2 * self.distance * math.tan(math.radians(FIELD_OF_VIEW_DEG) / 2)
        moved = np.array(self.target) - right * across * reach + above * up * reach
        low, high = np.array([-0.2, -0.4, 0.0]), np.array([0.5, 0.4, 0.3])
        x, y, z = np.clip(moved, low, high)
        return replace(self, target=(float(x), float(y), float(z)))

    def compute_axes(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the unit vectors right, up and forward, (3,) each, in the base frame."""
        azimuth, elevation = math.radians(self.azimuth), math.radians(self.elevation)
        level = math.cos(elevation)
        forward = np.array([level * math.cos(azimuth), level * math.sin(azimuth), math.sin(elevation)])
        right = np.array([math.sin(azimuth), -math.cos(azimuth), 0.0])
        return right, np.cross(right, forward), forward

    @property
    def position(self) -> FloatArray:
        """Return the (3,) position of the camera, m."""
        return np.array(self.target) - self.distance * self.compute_axes()[2]

    def compute_ray(self, x: float, y: float, width: float, height: float) -> FloatArray:
        """Return the (3,) unit direction seen at pixel (x, y) of a picture width by height."""
        right, above, forward = self.compute_axes()
        scale = math.tan(math.radians(FIELD_OF_VIEW_DEG) / 2) * 2 / height
        direction = forward + scale * ((x - width / 2) * right - (y - height / 2) * above)
        return np.asarray(direction / np.linalg.norm(direction))
