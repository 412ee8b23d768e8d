"""Dynamic time warping of two takes: the baseline that needs no training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from metagui.learning.policy.feature_layout import Array
    from metagui.learning.similarity.trajectory import Trajectories


def dtw_distance(a: Trajectories, b: Trajectories, end_effector_only: bool = False) -> float:
    """Return the dynamic-time-warping distance of two takes (one take each) with the same objects in the same order.

    With ``end_effector_only``, only the tool's displacement, its height and the gripper are compared.
    """
    x, y = (_select_channels(each, end_effector_only) for each in (a, b))
    cost = np.linalg.norm(x[:, None] - y[None], axis=-1)
    total = np.full((len(x) + 1, len(y) + 1), np.inf)
    total[0, 0] = 0.0
    for i in range(len(x)):
        row = np.minimum(total[i, :-1], total[i, 1:])
        for j in range(len(y)):
            total[i + 1, j + 1] = cost[i, j] + min(row[j], total[i + 1, j])
    return float(total[-1, -1] / (len(x) + len(y)))


def _select_channels(take: Trajectories, end_effector_only: bool) -> Array:
    """Return the compared channels (TRAJECTORY_POINTS, C) of one take."""
    shared: Array = take.global_channels[0]
    if end_effector_only:
        return shared
    objects = take.object_channels[0].reshape(len(shared), -1)
    return np.hstack([objects, shared])
