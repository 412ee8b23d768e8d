"""Divides demonstrated segments into stages of one reference object each, for object-relative replay.

A stage is a part of a segment in which the same object, or none, is held or pushed. Its reference is the object
relative to which the motion is repeated. Contact decides first: what is grasped, pressed, or was just released.
Otherwise it is the object relative to which several takes agree best about the end, and with one take the nearest
object, with larger weights for later samples.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from metagui.arms.control.tick import TICKS_PER_DECISION
from metagui.demonstrations.primitives.primitive import wrap_quarter_turn
from metagui.learning.object_replay.reference_choice import NO_OBJECT, choose_reference
from metagui.learning.object_replay.tremor import remove_tremor
from metagui.learning.policy import features
from metagui.learning.policy.feature_layout import ACTION_LAYOUT, DISPLACEMENT_SCALE_M

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from metagui.arms.arm import BoolArray, FloatArray
    from metagui.demonstrations.demonstration import Demonstration

LED_METHODS = ("hand", "leader")
"""Methods of teaching in which a hand leads the arm, directly or by a second one."""
MIN_HOLD_DECISIONS = 3
"""Minimum number of decisions of a hold, and maximum interruption of one."""
MIN_PUSH_M, MIN_CARRY_M = 0.008, 0.015
"""Minimum horizontal displacement of an object that is pushed, and of one that is carried and not only lifted, m."""
ALIGNED_RAD = 0.12
"""Maximum angle between a released object and the reference for their yaws to be aligned, rad."""
ARRIVAL_RADIUS_M = 0.04
"""Minimum horizontal distance from the reference at which the approach ends, m."""


@dataclass(frozen=True)
class DemonstratedSegment:
    """One segment of one take: T decisions among A objects, in the arm's base frame."""

    tool_positions: FloatArray
    """(T, 3) m."""
    tool_yaws: FloatArray
    """(T,) rad."""
    steps: FloatArray
    """(T, 3) requested displacement of each decision, m."""
    gripper: FloatArray
    """(T,) requested gripper angle, rad."""
    object_positions: FloatArray
    """(T, A, 3) m."""
    object_yaws: FloatArray
    """(T, A) rad."""
    held: BoolArray
    """(T, A) without short holds and short interruptions."""
    touched: BoolArray
    """(T, A)"""

    def __len__(self) -> int:
        return len(self.tool_yaws)

    def get_path(self, carried: int) -> FloatArray:
        """Return the positions (T, 3) of the carried object, or of the tool for ``NO_OBJECT``, m."""
        return self.tool_positions if carried == NO_OBJECT else self.object_positions[:, carried]


@dataclass(frozen=True)
class Stage:
    """Decisions ``[start, stop)`` of a segment with one reference."""

    start: int
    stop: int
    reference: int = NO_OBJECT
    """Index of the reference object."""
    carried: int = NO_OBJECT
    """Index of the held object, whose path is repeated instead of the tool's."""
    pushed: int = NO_OBJECT
    """Index of the object that is pushed; the reference is then that of its goal."""
    aligns: bool = False
    """True if the tool turns with the reference object."""
    rotates: bool = False
    """True if positions relative to the reference turn with the tool."""
    contact: int | None = None
    """Decision at which the reference is first touched; None if it is not."""
    later_contacts: tuple[int, ...] = ()
    """Decisions at which it is touched again."""
    arrival: int = 0
    """First decision near the reference; before it, the path is blended from where the tool is."""

    @property
    def contacts(self) -> tuple[int, ...]:
        """Decisions at which a contact with the reference begins."""
        return () if self.contact is None else (self.contact, *self.later_contacts)

    @property
    def is_retreat(self) -> bool:
        """True if the tool leaves the reference, which it has just released."""
        return self.rotates and not self.aligns

    @property
    def is_grasp(self) -> bool:
        """True if the stage ends when the reference is grasped."""
        return self.rotates and self.aligns

    @property
    def signature(self) -> tuple[int, int]:
        """Carried and pushed object; equal for stages of several takes that correspond to each other."""
        return self.carried, self.pushed


class ReplaySegment(NamedTuple):
    """One segment of one take with its stages."""

    demonstrated: DemonstratedSegment
    stages: tuple[Stage, ...]


def extract_segments(take: Demonstration) -> list[DemonstratedSegment]:
    """Return a take's segments, one row per decision, within its trim; led by hand, without tremor.

    Raises FeatureError.
    """
    first, last = take.trim or (0, len(take))
    is_led = take.teaching_method in LED_METHODS
    tools, objects = take.tool_positions, take.object_positions
    if is_led:
        # The end of a press is fast, too.
        pressed = np.asarray(take.touched.any(axis=1) & ~take.held.any(axis=1))
        tools, objects = remove_tremor(tools, pressed), remove_tremor(objects, pressed)
    segments = []
    for (start, stop), arrays in zip(features.segment_spans(take), features.encode(take), strict=True):
        rows = np.arange(max(start, first), min(stop, last), TICKS_PER_DECISION)
        steps = arrays.actions[:, ACTION_LAYOUT.displacement].astype(np.float64) * DISPLACEMENT_SCALE_M
        segments.append(
            DemonstratedSegment(
                tools[rows],
                take.tool_yaws[rows],
                np.diff(tools[rows], axis=0, append=tools[rows[-1:]]) if is_led else steps,
                take.command_requested[rows, -1],
                objects[rows],
                take.object_yaws[rows],
                _smooth_flags(take.held[rows]),
                _any_per_decision(take.touched, rows),
            )
        )
    return segments


def _any_per_decision(flags: BoolArray, rows: NDArray[np.int64]) -> BoolArray:
    """Return whether a flag of (N, A) is set at any tick of the decisions that begin at ``rows`` (T,)."""
    ticks = np.minimum(rows[:, None] + np.arange(TICKS_PER_DECISION), len(flags) - 1)
    return np.asarray(flags[ticks].any(axis=1))


def divide_into_stages(takes: Sequence[DemonstratedSegment]) -> list[ReplaySegment]:
    """Return every take of one segment with its stages; the takes decide together on the references."""
    divided = [_split_by_contact(take) for take in takes]
    result = []
    for own, stages in zip(takes, divided, strict=True):
        signatures = [stage.signature for stage in stages]
        peers = [
            ReplaySegment(other, tuple(theirs))
            for other, theirs in zip(takes, divided, strict=True)
            if [stage.signature for stage in theirs] == signatures
        ]
        completed = tuple(_complete_stage(own, stages, index, peers) for index in range(len(stages)))
        result.append(ReplaySegment(own, completed))
    return result


def _smooth_flags(held: BoolArray) -> BoolArray:
    """Return the flags (T, A) without interruptions and then without holds that are too short."""
    smoothed = np.array(held)
    for flags, value in itertools.product(smoothed.T, (False, True)):
        changes = np.flatnonzero(np.diff(flags)) + 1
        for start, stop in itertools.pairwise([0, *changes.tolist(), len(flags)]):
            is_inner = start > 0 and stop < len(flags)
            if is_inner and flags[start] == value and stop - start < MIN_HOLD_DECISIONS:
                flags[start:stop] = not value
    return smoothed


def _split_by_contact(take: DemonstratedSegment) -> list[Stage]:
    """Return stages without references: they begin where the held object changes."""
    carried = np.where(take.held.any(axis=1), take.held.argmax(axis=1), NO_OBJECT)
    bounds = [0, *(np.flatnonzero(np.diff(carried)) + 1).tolist(), len(take)]
    stages = [Stage(a, b, carried=int(carried[a])) for a, b in itertools.pairwise(bounds) if b > a]
    return [replace(stage, pushed=_find_pushed(take, stages, index)) for index, stage in enumerate(stages)]


def _find_pushed(take: DemonstratedSegment, stages: Sequence[Stage], index: int) -> int:
    """Return the object that is touched and displaced most in a stage without a held object, if any."""
    stage = stages[index]
    if stage.carried != NO_OBJECT or len(stages) > 1:
        return NO_OBJECT  # what moves just before a grasp or after a release is not pushed
    rows = slice(stage.start, stage.stop)
    displacement = take.object_positions[stage.stop - 1] - take.object_positions[stage.start]
    distance = np.hypot(displacement[:, 0], displacement[:, 1]) * take.touched[rows].any(axis=0)
    return int(distance.argmax()) if distance.max() > MIN_PUSH_M else NO_OBJECT


def _complete_stage(
    take: DemonstratedSegment, stages: Sequence[Stage], index: int, peers: Sequence[ReplaySegment]
) -> Stage:
    """Return a stage with its reference, by contact or by the evidence of all takes."""
    stage = stages[index]
    rows = slice(stage.start, stage.stop)
    touched = take.touched[rows]
    if stage.pushed != NO_OBJECT:
        return replace(stage, reference=_choose_reference(peers, index, stage.pushed, at_end=True))
    if stage.carried != NO_OBJECT:
        return _complete_carry(take, stage, index, peers)
    if index + 1 < len(stages):  # it ends with a grasp
        grasped = stages[index + 1].carried
        stage = replace(stage, reference=grasped, aligns=True, rotates=True)
    elif index > 0:  # it begins with a release
        return replace(stage, reference=stages[index - 1].carried, rotates=True, arrival=stage.start)
    elif touched.any():
        pressed = int(touched.sum(axis=0).argmax())
        contact, *later = (stage.start + row for row in _find_contacts(touched[:, pressed]))
        stage = replace(stage, reference=pressed, contact=contact, later_contacts=tuple(later))
    else:
        stage = replace(stage, reference=_choose_reference(peers, index, NO_OBJECT, at_end=False))
    return replace(stage, arrival=find_arrival(take, stage))


def _find_contacts(touched: BoolArray) -> list[int]:
    """Return the decisions at which contacts begin, from flags (T,) of which one at least is set."""
    rows = np.flatnonzero(touched).tolist()
    return [
        row
        for before, row in zip([-MIN_HOLD_DECISIONS - 1, *rows], rows, strict=False)
        if row - before > MIN_HOLD_DECISIONS
    ]


def _complete_carry(take: DemonstratedSegment, stage: Stage, index: int, peers: Sequence[ReplaySegment]) -> Stage:
    """Return a stage in which an object is held with its goal's reference; a lift is relative to its start."""
    is_released, last = stage.stop < len(take), stage.stop - 1
    if not is_released and all(_is_lift(other, stages[index]) for other, stages in peers):
        return replace(stage, arrival=stage.start)
    reference = _choose_reference(peers, index, stage.carried, is_released)
    angle = take.object_yaws[last, reference] - take.object_yaws[last, stage.carried]
    aligns = is_released and reference != NO_OBJECT and abs(wrap_quarter_turn(float(angle))) < ALIGNED_RAD
    stage = replace(stage, reference=reference, aligns=aligns)
    return replace(stage, arrival=find_arrival(take, stage))


def _is_lift(take: DemonstratedSegment, stage: Stage) -> bool:
    """Return whether the carried object is displaced little horizontally."""
    path = take.get_path(stage.carried)
    displacement = path[stage.stop - 1] - path[stage.start]
    return math.hypot(displacement[0], displacement[1]) < MIN_CARRY_M


def _choose_reference(peers: Sequence[ReplaySegment], index: int, moving: int, at_end: bool) -> int:
    """Return the object relative to which the path of ``moving`` ends equally in all takes, and near."""
    rows = [slice(stages[index].start, stages[index].stop) for _, stages in peers]
    paths = [take.get_path(moving)[own] for (take, _), own in zip(peers, rows, strict=True)]
    objects = [take.object_positions[own] for (take, _), own in zip(peers, rows, strict=True)]
    return choose_reference(paths, objects, () if moving == NO_OBJECT else (moving,), at_end)


def find_arrival(take: DemonstratedSegment, stage: Stage) -> int:
    """Return the first decision at which the path is as near to the reference as in the second half of the stage."""
    if stage.reference == NO_OBJECT:
        return stage.start
    rows = slice(stage.start, stage.stop)
    offsets = take.get_path(stage.carried)[rows] - take.object_positions[rows, stage.reference]
    distance = np.hypot(offsets[:, 0], offsets[:, 1])
    radius = max(ARRIVAL_RADIUS_M, float(distance[len(distance) // 2 :].max()))
    return stage.start + int((distance <= radius).argmax())
