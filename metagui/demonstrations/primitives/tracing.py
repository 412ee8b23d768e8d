"""Feedback laws for curves in the air: closed ellipses, and polylines with two to four corners."""

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
    """Closed curve given by its centre and two perpendicular half-axes, (3,) each, m."""

    centre: FloatArray
    first_half_axis: FloatArray
    second_half_axis: FloatArray
    direction: float
    """1 from the first to the second half-axis, -1 the other way."""

    def to_curve_coordinates(self, point: FloatArray) -> tuple[float, float, FloatArray]:
        """Return two coordinates in units of the half-axes, and the distance from the plane, (3,) m."""
        relative = point - self.centre
        u = float(relative @ self.first_half_axis) / float(self.first_half_axis @ self.first_half_axis)
        v = float(relative @ self.second_half_axis) / float(self.second_half_axis @ self.second_half_axis)
        return u, v, relative - u * self.first_half_axis - v * self.second_half_axis


def is_polyline(state: PrimitiveState) -> bool:
    """Whether the traced shape is a polyline."""
    return state.instruction.parameters.get("shape", "circle") in POLYLINE_SHAPES


def compute_ellipse(state: PrimitiveState) -> Ellipse:
    """Return the circle or ellipse of a trace instruction."""
    radius = state.get_parameter("radius", 0.03)
    centre = state.get_object_position(state.object_index) + state.offset
    first = np.array([radius, 0.0, 0.0])
    second = np.array([0.0, radius * state.get_parameter("ratio", 1.0), 0.0])
    if state.instruction.parameters.get("plane") == "vertical":
        second = second[[0, 2, 1]]
    return Ellipse(centre, first, second, math.copysign(1.0, state.get_parameter("direction", 1.0)))


def compute_corners(state: PrimitiveState) -> FloatArray:
    """Return the corners (C, 3) of a traced polyline, m: two of a line, three of a corner, four of a zigzag."""
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
    centre = state.get_object_position(state.object_index) + state.offset
    return np.asarray(centre + along[:, None] * ahead + across[:, None] * aside)


def trace(state: PrimitiveState) -> ToolMotion:
    """Follow a polyline from corner to corner, or an ellipse once around."""
    if is_polyline(state):
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
    deviation = math.sqrt(float(error @ error)) + math.sqrt(float(out @ out))
    on_curve = 1.0 - min(deviation / 0.012, 1.0)
    if on_curve == 0.0:
        return _approach(state, state.tool_position + error - out)
    step = tangent * (on_curve * 0.7 * state.max_step) + PROPORTIONAL_GAIN * (error - out)
    turned = (
        curve.direction
        * float(step @ (u * curve.second_half_axis - v * curve.first_half_axis))
        / (rho * _compute_mean_squared_half_axis(curve))
    )
    state.memory.trace_progress += turned
    done = state.memory.trace_progress > 2 * math.pi + 0.1
    return ToolMotion(step, turn_to_neutral(state), state.current_gripper_target, done=done)


def _trace_polyline(state: PrimitiveState) -> ToolMotion:
    """Go from corner to corner, correcting sideways and slowing down before each."""
    corners = compute_corners(state)
    if state.memory.trace_progress == 0.0 and is_within(corners[0] - state.tool_position, 0.005):
        state.memory.trace_progress = 1.0
    stroke = max(int(state.memory.trace_progress), 1)
    first, last = corners[stroke - 1], corners[stroke]
    length = math.sqrt(float((last - first) @ (last - first)))
    ahead = (last - first) / length
    along = float((state.tool_position - first) @ ahead)
    error = state.tool_position - first - along * ahead
    deviation = math.sqrt(float(error @ error))
    if state.memory.trace_progress == 0.0 or along < -0.006 or deviation > 0.010:
        return _approach(state, first)
    is_stroke_done = along > length - 0.003
    if is_stroke_done and stroke < len(corners) - 1:
        state.memory.trace_progress += 1.0
    max_drive = 0.7 * MAX_DISPLACEMENT_M * state.style.speed_fraction
    drive = min(max_drive, PROPORTIONAL_GAIN * max(length - along, 0.0) + 0.001) * (1.0 - 0.8 * deviation / 0.010)
    step = ahead * drive - PROPORTIONAL_GAIN * error
    done = is_stroke_done and stroke == len(corners) - 1
    return ToolMotion(step, turn_to_neutral(state), state.current_gripper_target, done=done)


def _approach(state: PrimitiveState, goal: FloatArray) -> ToolMotion:
    """Return the next motion to a point (3,) of the curve."""
    step = step_along_funnel(state, state.tool_position, goal)
    return ToolMotion(step, turn_to_neutral(state), state.current_gripper_target)


def _compute_mean_squared_half_axis(curve: Ellipse) -> float:
    """Return the mean squared half-axis, m^2, which turns a step along the curve into an angle."""
    return float(curve.first_half_axis @ curve.first_half_axis + curve.second_half_axis @ curve.second_half_axis) / 2
