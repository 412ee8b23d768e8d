"""Projection of points to pixels, the inverse of the rays of the orbit camera."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from metagui.arms.simulation.orbit_camera import FIELD_OF_VIEW_DEG

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray
    from metagui.arms.simulation.orbit_camera import OrbitCamera


def project_point(camera: OrbitCamera, point: FloatArray, width: float, height: float) -> tuple[float, float]:
    """Return the pixel of a (3,) point, m, in front of the camera, in a picture width by height."""
    right, above, forward = camera.compute_axes()
    offset = point - camera.position
    scale = height / 2 / math.tan(math.radians(FIELD_OF_VIEW_DEG) / 2) / float(offset @ forward)
    return width / 2 + scale * float(offset @ right), height / 2 - scale * float(offset @ above)
