"""Plans a path of the joints around the table, the objects and the arm itself: RRT-Connect with shortcuts.

Two trees grow from the start and the goal towards random poses and towards each other; the first attempt to connect
them is the straight line, which is the answer most of the time. See Kuffner and LaValle, "RRT-Connect: an efficient
approach to single-query path planning", ICRA 2000. The random numbers have a fixed seed, so that the same pose in the
same scene always gives the same path.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.simulation.collision_checker import JOINT_REACHES_M, compute_path_length

if TYPE_CHECKING:
    from collections.abc import Generator

    from metagui.arms.arm import FloatArray
    from metagui.arms.simulation.collision_checker import CollisionChecker

MAX_ATTEMPTS = 3000
"""Number of random poses after which planning is given up."""
EXTENSION_M = 0.12
"""Longest edge of a tree, as a bound on the motion of any point of the arm, m."""
SHORTCUT_ATTEMPTS = 60
"""Number of attempts to replace a part of the path by a straight line."""
Path = list["FloatArray"]
"""Corners of a path, joint angles (J,) each, rad."""


class _Tree:
    """Poses (N, 5) of the arm's joints that are connected by free straight lines."""

    def __init__(self, root: FloatArray) -> None:
        self.poses: list[FloatArray] = [root]
        self.parents = [-1]
        self._scaled = np.zeros((256, len(JOINT_REACHES_M)))
        self._scaled[0] = root[:5] * JOINT_REACHES_M

    def add(self, pose: FloatArray, parent: int) -> int:
        """Add a pose; return its index."""
        index = len(self.poses)
        if index == len(self._scaled):
            self._scaled = np.concatenate([self._scaled, np.zeros_like(self._scaled)])
        self._scaled[index] = pose[:5] * JOINT_REACHES_M
        self.poses.append(pose)
        self.parents.append(parent)
        return index

    def find_nearest(self, pose: FloatArray) -> int:
        """Return the index of the nearest pose."""
        differences = self._scaled[: len(self.poses)] - pose[:5] * JOINT_REACHES_M
        return int(np.abs(differences).sum(axis=1).argmin())

    def trace_back(self, index: int) -> Path:
        """Return the poses from ``index`` to the root."""
        path = []
        while index >= 0:
            path.append(self.poses[index])
            index = self.parents[index]
        return path


def plan_path(
    checker: CollisionChecker, start: FloatArray, goal: FloatArray, lower: FloatArray, upper: FloatArray
) -> Generator[None, None, Path | None]:
    """Return the corners of a free path from ``start`` to ``goal``, joint angles (6,) each, or None; in small steps.

    ``checker`` has begun at ``start``. The gripper keeps its angle. ``lower`` and ``upper`` are the joint limits (6,).
    The generator yields about every millisecond, so that a control loop can plan between its ticks.
    """
    goal = np.append(goal[:5], start[5:])
    if checker.is_path_free(start, goal):
        return [start, goal]
    yield
    if not checker.is_free(goal):
        return None
    rng = np.random.default_rng(0)
    own, other = _Tree(start), _Tree(goal)
    for _ in range(MAX_ATTEMPTS):
        sample = np.append(rng.uniform(lower[:5], upper[:5]), start[5:])
        added = _extend(checker, own, sample)
        yield
        if added is not None and (met := (yield from _connect(checker, other, own.poses[added]))) is not None:
            path = own.trace_back(added)[::-1] + other.trace_back(met)[1:]
            path = path if path[0] is start else path[::-1]
            return (yield from _shorten(checker, path, rng))
        own, other = other, own
    return None


def _extend(checker: CollisionChecker, tree: _Tree, target: FloatArray) -> int | None:
    """Grow a tree by one edge towards ``target``; return the index of the new pose, None if it is not free."""
    nearest = tree.find_nearest(target)
    start = tree.poses[nearest]
    change = target - start
    length = compute_path_length(change)
    end = target if length <= EXTENSION_M else start + change * (EXTENSION_M / length)
    return tree.add(end, nearest) if checker.is_path_free(start, end) else None


def _connect(checker: CollisionChecker, tree: _Tree, target: FloatArray) -> Generator[None, None, int | None]:
    """Grow a tree to ``target`` as far as it is free; return the index of the target if it was reached."""
    while True:
        added = _extend(checker, tree, target)
        yield
        if added is None:
            return None
        if tree.poses[added] is target:
            return added


def _shorten(checker: CollisionChecker, path: Path, rng: np.random.Generator) -> Generator[None, None, Path]:
    """Return the path with parts replaced by straight lines between random points of it."""
    for _ in range(SHORTCUT_ATTEMPTS):
        if len(path) == 2:
            break
        lengths = [compute_path_length(after - before) for before, after in itertools.pairwise(path)]
        first, last = sorted(rng.uniform(0.0, math.fsum(lengths), 2))
        before, one = _find_point(path, lengths, first)
        after, two = _find_point(path, lengths, last)
        if before != after and checker.is_path_free(one, two):
            path = [*path[: before + 1], one, two, *path[after + 1 :]]
        yield
    corners = [path[0]]
    for pose in path[1:]:
        if compute_path_length(pose - corners[-1]) > 1e-9:
            corners.append(pose)
    return corners


def _find_point(path: Path, lengths: list[float], distance: float) -> tuple[int, FloatArray]:
    """Return the edge and the pose at a distance along the path."""
    for edge, length in enumerate(lengths):
        if distance <= length or edge == len(lengths) - 1:
            fraction = min(distance / length, 1.0) if length > 0 else 0.0
            return edge, path[edge] + (path[edge + 1] - path[edge]) * fraction
        distance -= length
    raise AssertionError("a path has at least one edge")
