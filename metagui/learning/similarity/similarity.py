"""Ranks the stored tasks by similarity to a take or task, with calibrated verdicts."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from metagui.learning.similarity.embeddings import (
    MAX_EMBEDDING_DISTANCE,
    Distances,
    Embeddings,
    concatenate_embeddings,
    measure_distances,
)
from metagui.learning.similarity.verdicts import UNRANKED, Verdict, VerdictCalibration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

MAX_WARM_START_DISTANCE = 1.2
"""Maximum distance of a task whose policies are used as a starting point: 1.0 for the same motion with another object,
1.4 for unrelated tasks."""
DIFFERENCE_WORDS = {
    "numbers": "same motion and objects, other place or size",
    "objects": "same motion, other object",
    "motion": "same objects, other motion",
}
"""What is said of two tasks of the same kind."""
GRADE_WORDS = {"same": "same task", "different": "different task", "unranked": ""}


@dataclass(frozen=True)
class Neighbour:
    """One stored task, ranked by its distance to a take or task."""

    task: str
    take: str | None
    """Name of its nearest take, where that was asked for."""
    distance: float
    """Distance of the tasks, 0 to 2: root mean square over their takes."""
    motion_distance: float
    """Distance of the motions, 0 to 2."""
    objects_distance: float
    """Distance of the objects and their roles, 0 to 2."""
    verdict: Verdict

    @property
    def similarity(self) -> float:
        """1 for equal embeddings, 0 for opposite ones."""
        return 1.0 - self.distance / MAX_EMBEDDING_DISTANCE


def describe_verdict(verdict: Verdict) -> str:
    """Return a verdict in words, empty without calibration."""
    return DIFFERENCE_WORDS[verdict.differs] if verdict.grade == "kind" else GRADE_WORDS[verdict.grade]


def rank(
    query: Embeddings,
    library: Mapping[str, Embeddings],
    calibration: VerdictCalibration | None,
    takes: Mapping[str, Sequence[str]] | None = None,
) -> list[Neighbour]:
    """Return all tasks of a library, nearest first, for the embeddings of takes of one task.

    ``takes`` contains the names of every task's takes in the order of their embeddings.
    """
    filled = {task: each for task, each in library.items() if len(each)}
    if not filled or not len(query):
        return []
    centre, rows = query.mean(), concatenate_embeddings(list(filled.values()))
    starts = np.cumsum([0, *(len(each) for each in filled.values())]).tolist()
    distances = measure_distances(centre, rows.means_of_groups(starts[:-1]))[0]
    ranked = rank_by_distances(list(filled), distances, calibration)
    if not takes:
        return ranked
    of_takes = measure_distances(centre, rows).task[0]
    places = zip(filled, itertools.pairwise(starts), strict=True)
    nearest = {task: takes[task][int(of_takes[start:stop].argmin())] for task, (start, stop) in places}
    return [replace(each, take=nearest[each.task]) for each in ranked]


def rank_by_distances(
    tasks: Sequence[str], distances: Distances, calibration: VerdictCalibration | None
) -> list[Neighbour]:
    """Return tasks as neighbours, nearest first; ``distances`` (tasks,)."""
    verdicts = calibration.judge(distances) if calibration else [UNRANKED] * len(tasks)
    columns = (distances.task.tolist(), distances.motion.tolist(), distances.objects.tolist())
    rows = zip(tasks, *columns, verdicts, strict=True)
    found = [Neighbour(task, None, near, motion, objects, verdict) for task, near, motion, objects, verdict in rows]
    return sorted(found, key=lambda neighbour: neighbour.distance)


def find_warm_start(ranked: Sequence[Neighbour], policy_path: Callable[[str], Path]) -> dict[str, Path]:
    """Return the policy file of the nearest task that has one; empty if no such task is near."""
    for neighbour in sorted(ranked, key=lambda n: n.distance):
        if neighbour.distance < MAX_WARM_START_DISTANCE and policy_path(neighbour.task).is_file():
            return {neighbour.task: policy_path(neighbour.task)}
    return {}
