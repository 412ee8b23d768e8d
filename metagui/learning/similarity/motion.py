"""Similarity by motion alone, for takes without objects, which the encoder of similar tasks cannot compare.

The distance is that of two paths of tool and gripper, each from its own start and resampled to equal length. It is not
calibrated: where a motion is relative to an object, it says nothing about the task.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metagui.learning.policy.track import normalise_gripper

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metagui.arms.arm import FloatArray
    from metagui.demonstrations.demonstration import Demonstration

PATH_POINTS = 64
"""Number of points of a resampled path."""
GRIPPER_WEIGHT_M = 0.05
"""Length that a full opening of the gripper counts as, m."""


@dataclass(frozen=True)
class MotionNeighbour:
    """Another task, compared by the motion of its takes."""

    task: str
    take: str
    """Its take with the most similar motion."""
    distance: float
    """Smallest distance of two takes, m."""


def rank_by_motion(takes: Mapping[str, Sequence[Demonstration]], task: str) -> list[MotionNeighbour]:
    """Return the other tasks, the most similar motion first; takes whose tool's path is not known are left out."""
    own = [path for path in map(_make_path, takes[task]) if path is not None]
    found = []
    for name, others in takes.items():
        pairs = [(take.name, _make_path(take)) for take in others if name != task]
        distances = [(_compute_distance(path, mine), take) for take, path in pairs if path is not None for mine in own]
        if distances:
            distance, take = min(distances)
            found.append(MotionNeighbour(name, take, distance))
    return sorted(found, key=lambda neighbour: neighbour.distance)


def _make_path(take: Demonstration) -> FloatArray | None:
    """Return a path (PATH_POINTS, 4) of tool position and gripper, m; None if the tool's position is not known."""
    first, last = take.trim or (0, len(take))
    tool = take.tool_positions[first:last]
    if not np.isfinite(tool).all():
        return None
    gripper = GRIPPER_WEIGHT_M * normalise_gripper(take.joint_positions[first:last, -1:])
    values = np.concatenate([tool - tool[:1], gripper], axis=1)
    at, old = np.linspace(0, len(values) - 1, PATH_POINTS), np.arange(len(values))
    return np.stack([np.interp(at, old, column) for column in values.T], axis=1)


def _compute_distance(path: FloatArray, other: FloatArray) -> float:
    """Return the root mean square distance of two paths, m."""
    return float(np.sqrt(np.mean(np.sum((path - other) ** 2, axis=1))))
