"""Curves that people draw, also such as visit places twice: figure eight, stirring, wiping, spiral."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metagui.arms.arm import FloatArray

POINTS = 120
"""Number of points of a curve."""
STROKE_SHAPES = ("line", "corner", "zigzag", "wipe")
"""Shapes of straight strokes; the others are drawn from the point nearest to the hand, or from their centre."""
REPEATED_SHAPES = ("figure eight", "stir", "spiral", "wipe")
"""Shapes that only people draw: they visit places twice, or go round several times."""


def compute_drawn_path(parameters: Mapping[str, Any], hand: FloatArray) -> FloatArray:
    """Return the path (P, 3) of a trace relative to its centre, m, for a ``hand`` (3,) relative to that.

    The parameters are those of the instruction ``trace``; ``turns`` is the number of turns or strokes of a shape in
    REPEATED_SHAPES.
    """
    shape, radius = parameters.get("shape", "circle"), float(parameters.get("radius", 0.03))
    if shape in STROKE_SHAPES:
        along, across = _compute_strokes(parameters)
        angle = float(parameters.get("angle", 0.0))
        x, y = along * math.cos(angle) - across * math.sin(angle), along * math.sin(angle) + across * math.cos(angle)
    else:
        x, y = _compute_curve(shape, radius, parameters, hand)
    zeros = np.zeros_like(x)
    columns = [x, zeros, y] if parameters.get("plane") == "vertical" else [x, y, zeros]
    return np.stack(columns, axis=1)


def _compute_strokes(parameters: Mapping[str, Any]) -> tuple[FloatArray, FloatArray]:
    """Return the coordinates (P,) of a polyline along and across its direction, m."""
    half, width = float(parameters.get("length", 0.06)) / 2, float(parameters.get("width", 0.03))
    corners = {
        "line": ([-half, half], [0.0, 0.0]),
        "corner": ([-half, half, half], [0.0, 0.0, width]),
        "zigzag": (np.linspace(-half, half, 4), [-width / 2, width / 2, -width / 2, width / 2]),
    }
    shape = parameters["shape"]
    if shape == "wipe":
        strokes = 2 * int(parameters.get("turns", 3))
        along, across = half * (-1.0) ** np.arange(1, strokes + 2), np.zeros(strokes + 1)
    else:
        along, across = (np.asarray(values, dtype=float) for values in corners[shape])
    at = np.linspace(0.0, len(along) - 1.0, POINTS)
    index = np.arange(len(along))
    return np.interp(at, index, along), np.interp(at, index, across)


def _compute_curve(
    shape: str, radius: float, parameters: Mapping[str, Any], hand: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the coordinates (P,) of a curve in its plane, m."""
    turns, direction = float(parameters.get("turns", 2)), float(parameters.get("direction", 1.0))
    part = np.linspace(0.0, 1.0, POINTS)
    second = hand[2] if parameters.get("plane") == "vertical" else hand[1]
    ratio = float(parameters.get("ratio", 1.0))
    if shape == "figure eight":
        angle = 2 * math.pi * part
        return radius * np.sin(angle), direction * radius * 0.6 * np.sin(2 * angle)
    if shape == "spiral":
        angle = 2 * math.pi * turns * part
        return radius * part * np.cos(angle), direction * radius * part * np.sin(angle)
    count = turns if shape == "stir" else 1.0 + 0.1 / (2 * math.pi)
    angle = math.atan2(second / ratio, hand[0]) + direction * 2 * math.pi * count * part
    return radius * np.cos(angle), radius * ratio * np.sin(angle)
