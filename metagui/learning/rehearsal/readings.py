"""Finds out where takes can be read in two ways: next to an object, or at a place on the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metagui.learning.object_replay.reference_choice import NO_OBJECT
from metagui.learning.policy.dataset import MIN_SEGMENT_DECISIONS
from metagui.learning.rehearsal.goals import (
    OBJECT_TOLERANCE_M,
    TOOL,
    get_origin,
    get_subject_path,
    infer_goal,
)
from metagui.learning.rehearsal.motion_record import MotionRecord, split_take

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import FloatArray, SceneObject
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.rehearsal.goals import Place

MAX_NEXT_TO_M = 0.10
"""Largest distance from an object at which a place counts as next to it, m."""


@dataclass(frozen=True)
class Reading:
    """Where one object or the tool is to end, as a run will do it, and what the takes could mean as well."""

    subject: str
    """Name of the object, or *gripper*."""
    chosen: str
    """The place that a run will choose, as a part of a sentence."""
    others: tuple[str, ...]
    """Other places that fit the takes; empty if there is one reading only."""
    reference: str
    """Name of the object that must be elsewhere in another take to settle a doubt."""

    def describe(self) -> str:
        """Return what a run will do, and if the takes leave a doubt, what settles it, as sentences."""
        text = f"read as: the {self.subject} ends {self.chosen}"
        if not self.others:
            return f"{text}."
        doubts = " or ".join(self.others)
        return f"{text}. It could also be {doubts}: a take in which the {self.reference} is elsewhere settles it."


def find_readings(takes: Sequence[Demonstration]) -> list[Reading]:
    """Return the readings of all places that the takes show. Raises FeatureError for unequal takes."""
    split = [split_take(take) for take in takes]
    columns = [[take[i] for take in split if len(take[i]) >= 2 * MIN_SEGMENT_DECISIONS] for i in range(len(split[0]))]
    objects = takes[0].objects
    return [
        _find_reading(records, place, objects)
        for records in columns
        if records
        for place in infer_goal(records, objects).places
        if place.reference != NO_OBJECT
    ]


def _find_reading(records: Sequence[MotionRecord], place: Place, objects: Sequence[SceneObject]) -> Reading:
    """Return the reading of one place, with the other objects at which all takes end alike."""
    fitting = [place.reference] + [
        index
        for index, each in enumerate(objects)
        if index not in (place.reference, place.subject) and _fits(records, place, index, each.kind == "table")
    ]
    chosen, *others = (_describe_place(objects[i], _measure_offsets(records, place, i)) for i in fitting)
    name = "gripper" if place.subject == TOOL else objects[place.subject].name
    movable = next((objects[i].name for i in fitting if objects[i].kind != "table"), objects[place.reference].name)
    return Reading(name, chosen, tuple(others), movable)


def _measure_offsets(records: Sequence[MotionRecord], place: Place, reference: int) -> FloatArray:
    """Return where every take ends relative to an object, (N, 2) m, seen from above."""
    paths = [get_subject_path(record, place.subject)[-1] for record in records]
    origins = [get_origin(record, reference, place.subject) for record in records]
    return (np.array(paths) - np.array(origins))[:, :2]


def _fits(records: Sequence[MotionRecord], place: Place, reference: int, is_table: bool) -> bool:
    """Return whether all takes end at the same place relative to an object, and near it."""
    offsets = _measure_offsets(records, place, reference)
    spread = float(np.linalg.norm(offsets - np.median(offsets, axis=0), axis=1).max())
    is_near = float(np.linalg.norm(offsets, axis=1).max()) < MAX_NEXT_TO_M
    return spread < OBJECT_TOLERANCE_M and (is_near or is_table)


def _describe_place(reference: SceneObject, offsets: FloatArray) -> str:
    """Return a place as text, from its offsets (N, 2) to an object, m."""
    if reference.kind == "table":
        return "at this place on the table"
    is_on = float(np.linalg.norm(offsets, axis=1).max()) < reference.width / 2
    return f"{'on' if is_on else 'next to'} the {reference.name}, wherever that is"
