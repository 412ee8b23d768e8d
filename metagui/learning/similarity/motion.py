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
    return rank_paths({name: {take.name: compute_path(take) for take in found} for name, found in takes.items()}, task)


def rank_paths(paths: Mapping[str, Mapping[str, FloatArray | None]], task: str) -> list[MotionNeighbour]:
    """Return the other tasks, the most similar motion first, given the paths of all takes by task and take."""
    known = {name: {take: p for take, p in found.items() if p is not None} for name, found in paths.items()}
    own = [path.ravel() for path in known.pop(task).values()]
    found = []
    for name, others in known.items():
        if others and own:
            distances = _compute_distances(np.stack([path.ravel() for path in others.values()]), np.stack(own))
            nearest = distances.min(axis=1)
            distance, take = min(zip(nearest.tolist(), others, strict=True))
            found.append(MotionNeighbour(name, take, distance))
    return sorted(found, key=lambda neighbour: neighbour.distance)


def compute_path(take: Demonstration) -> FloatArray | None:
    """Return a path (PATH_POINTS, 4) of tool position and gripper, m; None if the tool's position is not known."""
    first, last = take.trim or (0, len(take))
    tool = take.tool_positions[first:last]
    if not np.isfinite(tool).all():
        return None
    gripper = GRIPPER_WEIGHT_M * normalise_gripper(take.joint_positions[first:last, -1:])
    values = np.concatenate([tool - tool[:1], gripper], axis=1)
    at, old = np.linspace(0, len(values) - 1, PATH_POINTS), np.arange(len(values))
    return np.stack([np.interp(at, old, column) for column in values.T], axis=1)


def _compute_distances(paths: FloatArray, others: FloatArray) -> FloatArray:
    """Return the root mean square distances (n, m), m, of paths (n, 4 PATH_POINTS) and others (m, 4 PATH_POINTS)."""
    squared = np.sum((paths[:, None] - others[None]) ** 2, axis=2)
    return np.asarray(np.sqrt(squared / PATH_POINTS))
