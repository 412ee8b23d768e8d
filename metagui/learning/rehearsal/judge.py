"""Judges a run by what the takes achieved, segment by segment and at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.control.tick import TICKS_PER_DECISION
from metagui.learning.policy.dataset import MIN_SEGMENT_DECISIONS
from metagui.learning.rehearsal import paths
from metagui.learning.rehearsal.goals import (
    MIN_COVERAGE,
    PATH_TOLERANCE_M,
    TOOL,
    PathGoal,
    SegmentGoal,
    count_touches,
    get_origin,
    get_subject_path,
    infer_goal,
    measure_top,
)
from metagui.learning.rehearsal.motion_record import MotionRecord, split_take

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import FloatArray, Observation, SceneObject
    from metagui.demonstrations.demonstration import Demonstration

MAX_DISTURBANCE_M = 0.020
"""Largest displacement of an object that is touched and stays, m. Objects that no take touches may be moved: in some
scenes they are in the way, of the demonstrator, too."""
DRIFT_M = 0.006
"""Distance by which an object may leave its place after the segment that put it there, m."""
MIN_REVERSE_COVERAGE = 0.66
"""Fraction of a run's points, from where it enters the path, that the demonstrated path has to pass: a path that is
followed twice instead of once has half."""

CLOSED_PATH_ENTRIES = 8
"""Number of points at which a run may enter a closed path."""


def infer_goals(takes: Sequence[Demonstration]) -> list[SegmentGoal]:
    """Return what a task's takes achieved in every segment that adaptation makes a policy for.

    The takes must have equal objects and equal numbers of segments. Raises FeatureError.
    """
    split = [split_take(take) for take in takes]
    shortest = TICKS_PER_DECISION * (MIN_SEGMENT_DECISIONS - 1) + 1
    columns = [[take[i] for take in split if len(take[i]) >= shortest] for i in range(len(split[0]))]
    return [infer_goal(column, takes[0].objects) for column in columns if column]


class Judge:
    """Compares one run with the goals; after the first failure it has a reason."""

    def __init__(self, goals: Sequence[SegmentGoal], objects: Sequence[SceneObject]) -> None:
        self._goals, self._objects = goals, objects
        self._final: dict[int, tuple[FloatArray, float]] = {}
        self.failure = ""
        """What was not achieved, for users; empty if nothing is missing so far."""

    def judge_segment(self, index: int, record: MotionRecord) -> bool:
        """Return whether a segment that has just ended achieved its goal."""
        goal = self._goals[index]
        reason = (
            self._find_wrong_hold(goal, record)
            or self._find_wrong_place(goal, record)
            or self._find_wrong_touch(goal, record)
            or _find_wrong_path(goal.path, record)
        )
        if reason:
            self.failure = f"{reason} in segment {index + 1}"
        return not reason

    def judge_end(self, observation: Observation) -> bool:
        """Return whether all objects are still where they were put."""
        for index, (position, tolerance) in self._final.items():
            if np.linalg.norm(observation.scene.positions[index] - position) > tolerance + DRIFT_M:
                self.failure = f"the {self._objects[index].name} did not stay where it was put"
        return not self.failure

    def _find_wrong_hold(self, goal: SegmentGoal, record: MotionRecord) -> str:
        held = frozenset(np.flatnonzero(record.held[-1]).tolist())
        if goal.held_at_end is not None and held != goal.held_at_end:
            wrong = min(held ^ goal.held_at_end)
            return f"the {self._objects[wrong].name} was {'still ' if wrong in held else 'not '}held"
        for index in goal.held_during:
            if not record.held[:, index].any():
                return f"the {self._objects[index].name} was not grasped"
        rises = record.measure_rise()
        for index, least in goal.min_rises.items():
            if rises[index] < least:
                return f"the {self._objects[index].name} was not lifted"
        for index, most in goal.max_rises.items():
            if measure_top(record, index) > most:
                return f"the {self._objects[index].name} was lifted"
        return ""

    def _find_wrong_place(self, goal: SegmentGoal, record: MotionRecord) -> str:
        for place in goal.places:
            wanted = get_origin(record, place.reference, place.subject) + place.offset
            distance = float(np.linalg.norm(get_subject_path(record, place.subject)[-1] - wanted))
            name = "tool" if place.subject == TOOL else self._objects[place.subject].name
            if distance > place.tolerance:
                return f"the {name} ended {1000 * distance:.0f} mm from its place"
            if place.subject != TOOL:
                self._final[place.subject] = wanted, place.tolerance
        for index in goal.held_at_end or ():
            self._final.pop(index, None)
        return ""

    def _find_wrong_touch(self, goal: SegmentGoal, record: MotionRecord) -> str:
        for index, (least, most) in goal.touches.items():
            count, name = count_touches(record.touched[:, index]), self._objects[index].name
            if count == 0:
                return f"the {name} was not touched"
            if count < least or (least > 1 and count > most):
                return f"the {name} was touched {count} times instead of {least}"
            if record.measure_displacement()[index] > MAX_DISTURBANCE_M:
                return f"the {name} was pushed away"
        return ""


def _find_wrong_path(goal: PathGoal | None, record: MotionRecord) -> str:
    """Return why a run did not follow the path; empty if it did."""
    if goal is None:
        return ""
    run = paths.thin(record.tool_positions) - get_origin(record, goal.reference, TOOL)
    entered = run[paths.find_entry(run) :]
    best, reason = 0.0, ""
    for template in goal.templates:
        for path in _list_entries(template):
            coverage = paths.measure_coverage(path, run, PATH_TOLERANCE_M)
            if coverage < MIN_COVERAGE:
                best = max(best, coverage)
            elif paths.is_closed(template) and _was_repeated(path, entered):
                reason = "the path was repeated too often"
            else:
                return ""
    return reason or f"only {best:.0%} of the path was followed"


def _list_entries(template: FloatArray) -> list[FloatArray]:
    """Return the path, and if it is closed also those that begin elsewhere on it: the entry depends on the approach."""
    if not paths.is_closed(template):
        return [template]
    starts = np.linspace(0, len(template), CLOSED_PATH_ENTRIES, endpoint=False).astype(int)
    return [np.roll(template, -start, axis=0) for start in starts]


def _was_repeated(path: FloatArray, entered: FloatArray) -> bool:
    """Return whether a closed path is too short for what a run did after entering it."""
    return paths.measure_coverage(entered, path, PATH_TOLERANCE_M) < MIN_REVERSE_COVERAGE
