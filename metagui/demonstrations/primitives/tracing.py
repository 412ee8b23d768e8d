"""Laws of curves in the air: once round an ellipse, along a line, from corner to corner of a bent one or a zigzag."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.kinematics import MAX_STEP, Motion
from metagui.demonstrations.primitives.primitive import GAIN, Situation, funnel, near, neutral

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray


PATHS = ("line", "corner", "zigzag")
"""Shapes made of straight strokes; the others are closed curves."""


@dataclass(frozen=True)
class Ellipse:
    """A closed curve to trace: centre and two perpendicular half-axes, (3,) each, m."""

    centre: FloatArray
    first: FloatArray
    second: FloatArray
    direction: float

    def coordinates(self, point: FloatArray) -> tuple[float, float, FloatArray]:
        """Return the two coordinates in units of the half-axes, and what sticks out of the plane, (3,) m."""
        relative = point - self.centre
        u = float(relative @ self.first) / float(self.first @ self.first)
        v = float(relative @ self.second) / float(self.second @ self.second)
        return u, v, relative - u * self.first - v * self.second


def traced_ellipse(s: Situation) -> Ellipse:
    """Return the circle or ellipse a trace click asks for."""
    radius = s.number("radius", 0.03)
    centre = s.where(s.anchor) + s.offset
    first = np.array([radius, 0.0, 0.0])
    second = np.array([0.0, radius * s.number("ratio", 1.0), 0.0])
    if s.click.parameters.get("plane") == "vertical":
        second = second[[0, 2, 1]]
    return Ellipse(centre, first, second, math.copysign(1.0, s.number("direction", 1.0)))


def trace(s: Situation) -> Motion:
    """Follow a path from corner to corner, or go once round a circle or an ellipse."""
    if s.click.parameters.get("shape", "circle") in PATHS:
        return _trace_path(s)
    curve = traced_ellipse(s)
    u, v, out = curve.coordinates(s.tool)
    rho = max(math.hypot(u, v), 1e-6)
    error = (1.0 - rho) / rho * (u * curve.first + v * curve.second) if rho > 0.05 else curve.first
    tangent = curve.direction * (u * curve.second - v * curve.first) / rho
    tangent = tangent / max(math.sqrt(float(tangent @ tangent)), 1e-6)
    astray = math.sqrt(float(error @ error)) + math.sqrt(float(out @ out))
    on = 1.0 - min(astray / 0.012, 1.0)
    most = MAX_STEP * s.style.speed
    if on == 0.0:
        nearest = s.tool + error - out
        return Motion(funnel(s, s.tool, nearest), neutral(s), s.keep)
    step = tangent * (on * 0.7 * most) + GAIN * (error - out)
    turned = curve.direction * float(step @ (u * curve.second - v * curve.first)) / (rho * _square(curve))
    s.memory.swept += turned
    return Motion(step, neutral(s), s.keep, done=s.memory.swept > 2 * math.pi + 0.1)


def _square(curve: Ellipse) -> float:
    """Mean squared half-axis, m^2: turns a step along the curve into an angle."""
    return float(curve.first @ curve.first + curve.second @ curve.second) / 2


def traced_corners(s: Situation) -> FloatArray:
    """(C, 3) the corners of a traced line (its two ends), corner (three: two strokes) or zigzag (four)."""
    angle, half = s.number("angle", 0.0), s.number("length", 0.06) / 2
    shape, upright = s.click.parameters.get("shape"), s.click.parameters.get("plane") == "vertical"
    ahead = np.array([math.cos(angle), math.sin(angle), 0.0])
    aside = np.array([-ahead[1], ahead[0], 0.0])
    if upright:
        ahead, aside = ahead[[0, 2, 1]], aside[[0, 2, 1]]
    along, across = np.array([-half, half]), np.zeros(2)
    if shape == "corner":
        along, across = np.array([-half, half, half]), np.array([0.0, 0.0, s.number("width", 0.03)])
    if shape == "zigzag":
        width = s.number("width", 0.03) / 2
        along, across = np.linspace(-half, half, 4), np.array([-width, width, -width, width])
    return np.asarray(s.where(s.anchor) + s.offset + along[:, None] * ahead + across[:, None] * aside)


def _trace_path(s: Situation) -> Motion:
    """Go to the first corner, then from corner to corner, correcting sideways and slowing before each."""
    corners = traced_corners(s)
    if s.memory.swept == 0.0 and near(corners[0] - s.tool, 0.005):
        s.memory.swept = 1.0
    stroke = max(int(s.memory.swept), 1)
    first, last = corners[stroke - 1], corners[stroke]
    length = math.sqrt(float((last - first) @ (last - first)))
    ahead = (last - first) / length
    along = float((s.tool - first) @ ahead)
    astray = s.tool - first - along * ahead
    off = math.sqrt(float(astray @ astray))
    if s.memory.swept == 0.0 or along < -0.006 or off > 0.010:
        return Motion(funnel(s, s.tool, first), neutral(s), s.keep)
    there = along > length - 0.003
    if there and stroke < len(corners) - 1:
        s.memory.swept += 1.0
    most = 0.7 * MAX_STEP * s.style.speed
    drive = min(most, GAIN * max(length - along, 0.0) + 0.001) * (1.0 - 0.8 * off / 0.010)
    done = there and stroke == len(corners) - 1
    return Motion(ahead * drive - GAIN * astray, neutral(s), s.keep, done=done)
