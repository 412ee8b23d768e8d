"""Sparkline of a take for the task list: the height of the tool over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray
    from metagui.demonstrations.demonstration import Demonstration

_SPARKLINE_POINTS = 28
"""Number of points of a sparkline."""


def compute_sparkline(take: Demonstration) -> FloatArray:
    """Return the height of the tool over a take at evenly spaced samples, scaled to [0, 1]."""
    height = take.tool_positions[:, 2]
    points = height[np.linspace(0, len(height) - 1, _SPARKLINE_POINTS).astype(int)]
    span = max(float(np.ptp(points)), 0.01)
    return np.asarray((points - points.min()) / span)
