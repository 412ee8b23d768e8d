"""A thing of the scene in the pointer's hand: where on the table it would stand if it were let go here."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.simulation.renderer import Mark

if TYPE_CHECKING:
    from metagui.arms.arm import Anchor, FloatArray
    from metagui.arms.simulation.renderer import Camera, Colour

TURN = math.radians(15)
"""How far one notch of the wheel turns a thing, rad."""
FARTHEST = 0.45
"""How far from the arm's foot anything can be put, m."""


@dataclass(frozen=True)
class ThingDrag:
    """One cube or zone on its way over the table."""

    anchor: Anchor
    point: FloatArray
    """(3,) where its centre would be, m."""
    grip: FloatArray
    """(2,) how far from its centre it was taken, m."""
    yaw: float
    height: float
    """Of the plane it is dragged on: where it was taken, m."""

    @classmethod
    def begin(cls, anchor: Anchor, taken: FloatArray, centre: FloatArray, yaw: float) -> ThingDrag:
        """Take a thing whose centre is at ``centre`` (3,) by the point ``taken`` (3,) of it."""
        return cls(anchor, centre.copy(), taken[:2] - centre[:2], yaw, float(taken[2]))

    def moved(self, camera: Camera, x: float, y: float, width: float, height: float) -> ThingDrag:
        """Return the thing as dragged to a pixel: it stays on its plane and on the table."""
        way, eye = camera.ray(x, y, width, height), camera.position
        if way[2] > -0.02:
            return self
        spot = eye[:2] + way[:2] * (self.height - eye[2]) / way[2] - self.grip
        reach = float(np.hypot(*spot))
        if reach > FARTHEST:
            spot = spot * (FARTHEST / reach)
        return replace(self, point=np.array([spot[0], spot[1], self.point[2]]))

    def turned(self, notches: float) -> ThingDrag:
        """Return the thing turned."""
        return replace(self, yaw=self.yaw + notches * TURN)

    def marks(self, colour: Colour) -> list[Mark]:
        """Return the ghost to draw, on a disc of ``colour``."""
        half = self.anchor.size / 2
        height = half if self.anchor.kind == "cube" else 0.0015
        foot = np.array([self.point[0], self.point[1], 0.0008])
        return [
            Mark("box", self.point, (half, half, height), (*self.anchor.colour, 0.7), yaw=self.yaw),
            Mark("disc", foot, (half * 1.6, half * 1.6, 0.0006), (*colour, 0.3)),
        ]

    @property
    def hint(self) -> str:
        """Say what letting go would do."""
        x, y = 100 * self.point[0], 100 * self.point[1]
        ahead, side = "ahead" if x >= 0 else "behind", "left" if y >= 0 else "right"
        return f"{self.anchor.name.capitalize()}: {abs(x):.1f} cm {ahead}, {abs(y):.1f} cm {side} · wheel turns"
