"""Laws of curves in the air: once round an ellipse, along a line, from corner to corner of a bent one or a zigzag."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.kinematics import MAX_DISPLACEMENT_M, ToolMotion
from metagui.demonstrations.primitives.primitive import (
    PROPORTIONAL_GAIN,
    PrimitiveState,
    is_within,
    step_along_funnel,
    turn_to_neutral,
)

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray


POLYLINE_SHAPES = ("line", "corner", "zigzag")
"""Shapes made of straight strokes; the others are closed curves."""


@dataclass(frozen=True)
class Ellipse:
    """A closed curve to trace: centre and two perpendicular half-axes, (3,) each, m."""

    centre: FloatArray
    first_half_axis: FloatArray
    second_half_axis: FloatArray
    direction: float

    def to_curve_coordinates(self, point: FloatArray) -> tuple[float, float, FloatArray]:
        """Return the two coordinates in units of the half-axes, and what sticks out of the plane, (3,) m."""
        relative = point - self.centre
        u = float(relative @ self.first_half_axis) / float(self.first_half_axis @ self.first_half_axis)
        v = float(relative @ self.second_half_axis) / float(self.second_half_axis @ self.second_half_axis)
        return u, v, relative - u * self.first_half_axis - v * self.second_half_axis


def compute_ellipse(state: PrimitiveState) -> Ellipse:
    """Return the circle or ellipse a trace click asks for."""
    radius = state.get_parameter("radius", 0.03)
    centre = state.get_object_position(state.object_index) + state.offset
    first = np.array([radius, 0.0, 0.0])
    second = np.array([0.0, radius * state.get_parameter("ratio", 1.0), 0.0])
    if state.instruction.parameters.get("plane") == "vertical":
        second = second[[0, 2, 1]]
    return Ellipse(centre, first, second, math.copysign(1.0, state.get_parameter("direction", 1.0)))


def trace(state: PrimitiveState) -> ToolMotion:
    """Follow a path from corner to corner, or go once round a circle or an ellipse."""
    if state.instruction.parameters.get("shape", "circle") in POLYLINE_SHAPES:
        return _trace_polyline(state)
    curve = compute_ellipse(state)
    u, v, out = curve.to_curve_coordinates(state.tool_position)
    rho = max(math.hypot(u, v), 1e-6)
    error = (
        (1.0 - rho) / rho * (u * curve.first_half_axis + v * curve.second_half_axis)
        if rho > 0.05
        else curve.first_half_axis
    )
    tangent = curve.direction * (u * curve.second_half_axis - v * curve.first_half_axis) / rho
    tangent = tangent / max(math.sqrt(float(tangent @ tangent)), 1e-6)
    astray = math.sqrt(float(error @ error)) + math.sqrt(float(out @ out))
    on = 1.0 - min(astray / 0.012, 1.0)
    most = MAX_DISPLACEMENT_M * state.style.speed_fraction
    if on == 0.0:
        nearest = state.tool_position + error - out
        return ToolMotion(
            step_along_funnel(state, state.tool_position, nearest), turn_to_neutral(state), state.current_gripper_target
        )
    step = tangent * (on * 0.7 * most) + PROPORTIONAL_GAIN * (error - out)
    turned = (
        curve.direction
        * float(step @ (u * curve.second_half_axis - v * curve.first_half_axis))
        / (rho * _compute_mean_squared_half_axis(curve))
    )
    state.memory.trace_progress += turned
    return ToolMotion(
        step, turn_to_neutral(state), state.current_gripper_target, done=state.memory.trace_progress > 2 * math.pi + 0.1
    )


def _compute_mean_squared_half_axis(curve: Ellipse) -> float:
    """Mean squared half-axis, m^2: turns a step along the curve into an angle."""
    return float(curve.first_half_axis @ curve.first_half_axis + curve.second_half_axis @ curve.second_half_axis) / 2


def compute_corners(state: PrimitiveState) -> FloatArray:
    """(C, 3) the corners of a traced line (its two ends), corner (three: two strokes) or zigzag (four)."""
    angle, half = state.get_parameter("angle", 0.0), state.get_parameter("length", 0.06) / 2
    shape, upright = state.instruction.parameters.get("shape"), state.instruction.parameters.get("plane") == "vertical"
    ahead = np.array([math.cos(angle), math.sin(angle), 0.0])
    aside = np.array([-ahead[1], ahead[0], 0.0])
    if upright:
        ahead, aside = ahead[[0, 2, 1]], aside[[0, 2, 1]]
    along, across = np.array([-half, half]), np.zeros(2)
    if shape == "corner":
        along, across = np.array([-half, half, half]), np.array([0.0, 0.0, state.get_parameter("width", 0.03)])
    if shape == "zigzag":
        width = state.get_parameter("width", 0.03) / 2
        along, across = np.linspace(-half, half, 4), np.array([-width, width, -width, width])
    return np.asarray(
        state.get_object_position(state.object_index) + state.offset + along[:, None] * ahead + across[:, None] * aside
    )


def _trace_polyline(state: PrimitiveState) -> ToolMotion:
    """Go to the first corner, then from corner to corner, correcting sideways and slowing before each."""
    corners = compute_corners(state)
    if state.memory.trace_progress == 0.0 and is_within(corners[0] - state.tool_position, 0.005):
        state.memory.trace_progress = 1.0
    stroke = max(int(state.memory.trace_progress), 1)
    first, last = corners[stroke - 1], corners[stroke]
    length = math.sqrt(float((last - first) @ (last - first)))
    ahead = (last - first) / length
    along = float((state.tool_position - first) @ ahead)
    astray = state.tool_position - first - along * ahead
    off = math.sqrt(float(astray @ astray))
    if state.memory.trace_progress == 0.0 or along < -0.006 or off > 0.010:
        return ToolMotion(
            step_along_funnel(state, state.tool_position, first), turn_to_neutral(state), state.current_gripper_target
        )
    there = along > length - 0.003
    if there and stroke < len(corners) - 1:
        state.memory.trace_progress += 1.0
    most = 0.7 * MAX_DISPLACEMENT_M * state.style.speed_fraction
    drive = min(most, PROPORTIONAL_GAIN * max(length - along, 0.0) + 0.001) * (1.0 - 0.8 * off / 0.010)
    done = there and stroke == len(corners) - 1
    return ToolMotion(
        ahead * drive - PROPORTIONAL_GAIN * astray, turn_to_neutral(state), state.current_gripper_target, done=done
    )
