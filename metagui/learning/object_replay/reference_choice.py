"""Chooses the object relative to which a motion ends equally in all takes, and near."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from metagui.arms.arm import FloatArray

NO_OBJECT = -1
"""Index that stands for no object; as a reference, the pose in which the motion began."""
DISTANCE_WEIGHT, START_PENALTY_M = 0.1, 0.004
"""Weight of the distance to an object against the spread between takes, and the handicap of the motion's start, m."""


def choose_reference(
    paths: Sequence[FloatArray], objects: Sequence[FloatArray], excluded: Collection[int], at_end: bool
) -> int:
    """Return the index of the reference object, or ``NO_OBJECT`` for the motion's own start.

    ``paths`` are (T, 3) per take, ``objects`` (T, A, 3), m. With one take the nearest object is the reference.
    Distances are those at the end, or means in which later samples count more.
    """
    ends, distances = [], []
    for path, positions in zip(paths, objects, strict=True):
        starts = np.repeat(path[:1, None], len(path), axis=0)
        offsets = path[:, None] - np.concatenate([positions, starts], axis=1)
        horizontal = np.hypot(offsets[..., 0], offsets[..., 1])
        weights = np.eye(len(path))[-1] if at_end else np.arange(1.0, len(path) + 1.0) ** 2
        distances.append(weights @ horizontal / weights.sum())
        ends.append(offsets[-1])
    spread = np.std(ends, axis=0)[:, :2].max(axis=1)
    scores = spread + DISTANCE_WEIGHT * np.mean(distances, axis=0)
    scores[-1] += START_PENALTY_M
    scores[list(excluded)] = np.inf
    best = int(scores.argmin())
    return NO_OBJECT if best == len(scores) - 1 else best
