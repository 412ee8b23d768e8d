"""Infers what the takes achieved in a segment: what a run has to achieve, too. No program is read, only the takes.

A fact counts if the takes agree on it: which objects moved, where they ended relative to which other object, what was
held and how high, what was touched and how often, where the tool ended if nothing else happened, and its path if that
was more than the way to its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metagui.learning.object_replay.reference_choice import NO_OBJECT, choose_reference
from metagui.learning.rehearsal import paths

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from metagui.arms.arm import BoolArray, FloatArray, SceneObject
    from metagui.learning.rehearsal.motion_record import MotionRecord

TOOL = -1
"""Index that stands for the tool as the subject of a place."""
MOVED_M = 0.008
"""Least displacement of an object that was moved, m."""
MIN_CONTACT_SAMPLES = 5
"""Least number of samples for which an object is held, or touched and pushed, on purpose."""
TOUCH_GAP_SAMPLES = 10
"""Number of samples without contact after which a contact counts as another one."""
OBJECT_TOLERANCE_M, TOOL_TOLERANCE_M, MAX_TOLERANCE_M = 0.016, 0.014, 0.030
"""Tolerance of the end of an object and of the tool, m; wider, up to the last, if the takes themselves differ."""
PATH_TOLERANCE_M, MIN_COVERAGE = 0.012, 0.75
"""Tolerance of a path, m, and the fraction of its points that a run has to pass."""
MIN_PATH_M, MIN_COMMON_EXTENT_M, MIN_DIRECTION_SPREAD_RAD = 0.03, 0.035, 0.5
"""Least length of a path that is required, m; horizontal extent of what takes that come from different directions, rad,
have in common, above which it is a path although it is straight, m."""


@dataclass(frozen=True)
class Place:
    """Where an object or the tool is to end."""

    subject: int
    """Index of the object; ``TOOL`` for the tool."""
    reference: int
    """Index of the object that it is relative to; ``NO_OBJECT`` for its own position at the start of the segment."""
    offset: FloatArray
    """(3,) displacement from the reference, m."""
    tolerance: float
    """Largest distance from there, m."""


@dataclass(frozen=True)
class PathGoal:
    """A path of the tool that is to be followed, in order."""

    reference: int
    """As in ``Place``."""
    templates: tuple[FloatArray, ...]
    """(n, 3) thinned paths relative to the reference, one per take, m; any of them will do."""


@dataclass(frozen=True)
class SegmentGoal:
    """What is to be achieved in one segment."""

    places: tuple[Place, ...]
    held_at_end: frozenset[int] | None
    """Objects held at the end; None if the takes differ."""
    held_during: frozenset[int]
    """Objects held at some time."""
    min_rises: Mapping[int, float]
    """Least height by which an object held at the end is lifted, m."""
    max_rises: Mapping[int, float]
    """Largest height above its first by which a dragged object may be lifted, m."""
    touches: Mapping[int, tuple[int, int]]
    """Fewest and most contacts with objects that stay."""
    path: PathGoal | None


def infer_goal(records: Sequence[MotionRecord], objects: Sequence[SceneObject]) -> SegmentGoal:
    """Return what the takes achieved in one segment, from its record in every take, none of them empty."""
    held_at_end = _find_agreed([r.held[-1] for r in records])
    held_at_start, kept = (
        _find_agreed([r.held[0] for r in records]) or frozenset[int](),
        held_at_end or frozenset[int](),
    )
    held_during = _find_held(records) | kept
    pushed = frozenset[int]() if held_during else _find_pushed(records)
    moved, changed = held_during | pushed, held_during - (kept & held_at_start)
    touches = {} if moved else _count_common_touches(records)
    path = None if pushed else _infer_path(records, moved, has_effect=bool(changed or touches))
    places = [_infer_place(records, index, moved) for index in sorted(moved - kept)]
    if path is None:
        tool = _infer_place(records, TOOL, moved)
        is_only_motion = not (changed or pushed or touches)
        is_common = len(records) > 2 and tool.tolerance <= TOOL_TOLERANCE_M and bool(kept)
        places += [tool] if is_only_motion or is_common else []
    rises = {index: min(float(r.measure_rise()[index]) for r in records) for index in kept}
    tops = {
        index: max(measure_top(r, index) for r in records) for index in held_during - (held_at_start or frozenset())
    }
    return SegmentGoal(
        tuple(places),
        held_at_end,
        held_during,
        {index: rise / 2 for index, rise in rises.items() if rise > MOVED_M},
        {index: 0.6 * objects[index].size[2] for index, top in tops.items() if top < objects[index].size[2] / 2},
        touches,
        path,
    )


def get_subject_path(record: MotionRecord, subject: int) -> FloatArray:
    """Return the positions (T, 3) of an object or the tool, m."""
    return record.tool_positions if subject == TOOL else record.object_positions[:, subject]


def count_touches(touched: BoolArray) -> int:
    """Return how often an object is touched, from flags (T,); short interruptions do not count."""
    samples = np.flatnonzero(touched)
    return 0 if not len(samples) else 1 + int((np.diff(samples) > TOUCH_GAP_SAMPLES).sum())


def get_origin(record: MotionRecord, reference: int, subject: int) -> FloatArray:
    """Return the position (3,) at the start of a record of what places and paths are relative to, m."""
    positions = get_subject_path(record, subject) if reference == NO_OBJECT else record.object_positions[:, reference]
    return np.asarray(positions[0])


def measure_top(record: MotionRecord, index: int) -> float:
    """Return how much an object rises above its first height, m."""
    heights = record.object_positions[:, index, 2]
    return float(heights.max() - heights[0])


def _find_held(records: Sequence[MotionRecord]) -> frozenset[int]:
    """Return the objects that were held in all takes."""
    counts = np.min([record.held.sum(axis=0) for record in records], axis=0)
    return frozenset(np.flatnonzero(counts >= MIN_CONTACT_SAMPLES).tolist())


def _find_pushed(records: Sequence[MotionRecord]) -> frozenset[int]:
    """Return the objects that were touched and moved in all takes; what was brushed against does not count."""
    contacts = np.min([record.touched.sum(axis=0) for record in records], axis=0)
    displaced = np.min([record.measure_displacement() for record in records], axis=0)
    least = max(MOVED_M, float(displaced.max()) / 2)
    return frozenset(np.flatnonzero((contacts >= MIN_CONTACT_SAMPLES) & (displaced >= least)).tolist())


def _infer_place(records: Sequence[MotionRecord], subject: int, moved: Collection[int]) -> Place:
    """Return where an object or the tool ended in the takes."""
    own = [get_subject_path(record, subject) for record in records]
    reference = choose_reference(own, [r.object_positions for r in records], moved, at_end=True)
    offsets = np.array([path[-1] - get_origin(r, reference, subject) for path, r in zip(own, records, strict=True)])
    middle = np.median(offsets, axis=0)
    spread = float(np.linalg.norm(offsets - middle, axis=1).max())
    least = TOOL_TOLERANCE_M if subject == TOOL else OBJECT_TOLERANCE_M
    return Place(subject, reference, middle, min(max(least, 2.0 * spread), MAX_TOLERANCE_M))


def _infer_path(records: Sequence[MotionRecord], moved: Collection[int], has_effect: bool) -> PathGoal | None:
    """Return the path that the takes have in common, None if it is only the way to the end."""
    thinned = [paths.thin(record.tool_positions) for record in records]
    if has_effect and not _most(paths.is_repetitive(path) for path in thinned):
        return None
    reference = _choose_path_reference(thinned, records, moved)
    relative = [p - get_origin(r, reference, TOOL) for p, r in zip(thinned, records, strict=True)]
    common = [_find_common_part(path, relative) for path in relative]
    if any(paths.measure_length(path) < MIN_PATH_M for path in common):
        return None
    is_detour = _most(not paths.is_approach(path) for path in relative)
    if not is_detour and not _is_common_line(relative, common):
        return None
    return PathGoal(reference, tuple(common))


def _choose_path_reference(
    thinned: Sequence[FloatArray], records: Sequence[MotionRecord], moved: Collection[int]
) -> int:
    """Return the object relative to which the middle of the paths (n, 3) is equal in all takes, and near."""
    own = []
    for path in thinned:
        later = path[paths.find_entry(path) :]
        own.append(np.array([path[0], (later.min(axis=0) + later.max(axis=0)) / 2]))
    return choose_reference(own, [r.object_positions[:1].repeat(2, axis=0) for r in records], moved, at_end=True)


def _find_common_part(path: FloatArray, others: Sequence[FloatArray]) -> FloatArray:
    """Return a path (n, 3) without the way to its beginning, and without what the other takes do not share."""
    shared = paths.find_common_suffix(path, [o for o in others if o is not path], PATH_TOLERANCE_M, MIN_COVERAGE)
    return path[max(shared, paths.find_entry(path)) :]


def _is_common_line(relative: Sequence[FloatArray], common: Sequence[FloatArray]) -> bool:
    """Return whether takes that come from different directions share a line."""
    starts, ends = np.array([p[0] for p in relative]), np.array([p[-1] for p in relative])
    extents = [float(np.linalg.norm(np.ptp(path[:, :2], axis=0))) for path in common]
    spread = paths.measure_direction_spread(starts, ends)
    return len(relative) > 1 and min(extents) > MIN_COMMON_EXTENT_M and spread > MIN_DIRECTION_SPREAD_RAD


def _count_common_touches(records: Sequence[MotionRecord]) -> dict[int, tuple[int, int]]:
    """Return the fewest and most contacts with every object that was touched in all takes."""
    counts = [[count_touches(flags) for flags in record.touched.T] for record in records]
    return {i: (min(c), max(c)) for i, c in enumerate(zip(*counts, strict=True)) if min(c) > 0}


def _find_agreed(flags: Sequence[BoolArray]) -> frozenset[int] | None:
    """Return the indices of the flags (A,) that are set, None if the takes differ."""
    found = {frozenset(np.flatnonzero(each).tolist()) for each in flags}
    return found.pop() if len(found) == 1 else None


def _most(flags: Iterable[bool]) -> bool:
    """Return whether more than half of the flags are true."""
    values = list(flags)
    return 2 * sum(values) > len(values)


def list_needed(goals: Sequence[SegmentGoal]) -> frozenset[int]:
    """Return the indices of all objects that goals mention, the table included."""
    needed = {index for goal in goals for place in goal.places for index in (place.subject, place.reference)}
    for goal in goals:
        needed |= goal.held_during | goal.touches.keys() | (goal.held_at_end or frozenset())
        needed |= set() if goal.path is None else {goal.path.reference}
    return frozenset(index for index in needed if index >= 0)


def get_fixed_targets(goals: Sequence[SegmentGoal], positions: FloatArray) -> list[FloatArray]:
    """Return the places (3,) that are relative to objects which never move, from the objects' positions (A, 3), m."""
    places = [place for goal in goals for place in goal.places]
    moved = {place.subject for place in places} | {index for goal in goals for index in goal.held_during}
    return [
        positions[place.reference] + place.offset
        for place in places
        if place.reference != NO_OBJECT and place.reference not in moved
    ]
