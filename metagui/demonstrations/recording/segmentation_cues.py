"""Cues for boundaries in takes without instructions: grasps, releases and touches with the rise after them, and rests.

Thresholds are in seconds and metres, far above a hand's tremor and below its deliberate motions.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from metagui.demonstrations.recording.smoothed_trajectory import (
    MIN_PAUSE_S,
    REST_RADIUS_M,
    REST_WINDOW_S,
    RETAINED_REST_S,
    find_runs,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import BoolArray, FloatArray
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.recording.smoothed_trajectory import SmoothedTrajectory

BoundaryKind = Literal["grip", "touch", "rest"]

SLOW_RADIUS_M = 0.015
"""The tool is slow if it stays within this radius during the rest window, m: a boundary if other takes have it too."""
MIN_HOLD_S, MAX_CONTACT_GAP_S = 0.10, 0.40
"""Minimum duration of a hold, and maximum interruption of one hold or touch, s."""
MIN_RISE_M, MIN_TRAVEL_M = 0.015, 0.025
"""A rise by the former ends a contact; a horizontal motion by the latter before it ends it without a rise, m."""
RISE_LOOKAHEAD_S, MAX_RISE_REMAINDER_M = 0.25, 0.004
"""A rise is over if the tool rises by less than the latter, m, during the former, s."""
MAX_RISE_DURATION_S = 5.0
"""Maximum time between a contact and the end of its rise, s."""
APPROACH_RADIUS_M, APPROACH_HEIGHT_M = 0.025, 0.045
"""Horizontal and vertical distance from a coming contact within which the tool is aligning, m.

That is no pause, however long it takes: a policy learns precision from those samples."""
MAX_REGRASP_DISTANCE_M = 0.045
"""Maximum distance from the place of a release at which a second grasp of the same cube continues the grip, m."""
MIN_CARRY_DISTANCE_M = 0.015
"""Minimum displacement of a held cube, m; with less, the grip was an attempt."""
MIN_PUSH_DISTANCE_M = 0.005
"""Minimum displacement of a touched object that counts as a push, m."""
STRAIGHT_COSINE, DIRECTION_DISTANCE_M, HESITATION_STRENGTH = 0.8, 0.02, 0.3
"""After a hesitation the tool goes on in the same direction: minimum cosine of the directions, the distance over which
they are measured, m, and the factor on the strength of such a rest."""
TURN_COSINE, MIN_STROKE_COUNT, STROKE_STRENGTH = -0.7, 3, 1.25
"""At a turn the tool goes back: maximum cosine of the directions, the number of consecutive turns that make strokes,
and the strength of each. Strokes are separate segments, because a policy without a phase cannot tell at which pass over
the same place it is."""


@dataclass(frozen=True)
class Boundary:
    """Place between two segments."""

    stop: int
    """First sample after the segment before it."""
    start: int
    """First sample of the segment after it."""
    kind: BoundaryKind
    strength: float
    """Evidence for the boundary: 1 or more suffices; with less, other takes of the task must have it too."""
    cue: str = "rest"
    """Event at the boundary, such as ``grasp 2``; only boundaries with equal cues correspond to each other."""


@dataclass(frozen=True)
class _Contact:
    """A grasp or release at one sample, or a touch during several."""

    start: int
    stop: int
    object_index: int
    cue: str
    is_push: bool = True
    """True if the object was displaced."""

    @property
    def kind(self) -> BoundaryKind:
        """Kind of the boundary after the contact."""
        return "touch" if self.cue.startswith("touch") else "grip"


def find_contact_boundaries(take: Demonstration, trajectory: SmoothedTrajectory) -> tuple[list[Boundary], BoolArray]:
    """Return the boundaries at the ends of rises after contacts, and the samples (N,) of contacts."""
    found: list[Boundary] = []
    contacts = _find_contacts(take, trajectory)
    in_contact = np.zeros(len(take), dtype=bool)
    for index, contact in enumerate(contacts):
        kind = contact.kind
        in_contact[_find_approach_start(trajectory, contact.start) : contact.stop + 1] = True
        if found and contact.stop < found[-1].stop + trajectory.count_samples(MAX_CONTACT_GAP_S):  # during the rise
            continue
        later = (other.stop for other in contacts[index + 1 :] if kind == "touch" or other.kind == "grip")
        limit = min(next(later, len(take)), contact.stop + trajectory.count_samples(MAX_RISE_DURATION_S))
        end = _find_rise_end(trajectory, contact.stop, limit)
        if end is None and kind == "grip":
            end = min(contact.stop + trajectory.count_samples(RETAINED_REST_S), len(take))
        if end is not None:
            found.append(Boundary(end, end, kind, 2.0 if kind == "grip" else 1.5, contact.cue))
            in_contact[contact.stop : end] = True
    return found, in_contact


def find_rests(trajectory: SmoothedTrajectory) -> list[Boundary]:
    """Return a boundary wherever the tool rests or is slow."""
    half = trajectory.count_samples(REST_WINDOW_S) // 2
    found = []
    for start, stop in find_runs((trajectory.extent < SLOW_RADIUS_M) & ~trajectory.rotating):
        extent = trajectory.extent[start:stop]
        resting = np.flatnonzero(extent < REST_RADIUS_M)
        if len(resting):
            begin, end = start + int(resting[0]) - half, start + int(resting[-1]) + half + 1
            strength = (end - begin) / trajectory.sample_rate / MIN_PAUSE_S
            retained = max(min(begin + trajectory.count_samples(RETAINED_REST_S), end), 0)
        else:
            retained = begin = end = start + int(extent.argmin())
            strength = 0.5 * REST_RADIUS_M / float(extent.min())
        backwards = _compute_direction(trajectory.positions[max(begin, 0) :: -1])
        forwards = _compute_direction(trajectory.positions[end:])
        cosine = float(-backwards @ forwards)
        is_turn = cosine < TURN_COSINE and bool(np.linalg.norm(forwards[:2]) > -TURN_COSINE)
        cue = f"turn {_name_axis(forwards)}" if is_turn else "rest"
        strength *= HESITATION_STRENGTH if cosine > STRAIGHT_COSINE else 1.0
        found.append(Boundary(retained, end, "rest", strength, cue))
    return found


def mark_strokes(boundaries: Sequence[Boundary]) -> list[Boundary]:
    """Return the boundaries with the turns of strokes strengthened, and all other turns as rests."""
    found: list[Boundary] = []
    for is_turn, group in itertools.groupby(boundaries, key=lambda each: each.cue.startswith("turn")):
        run = list(group)
        if is_turn and len(run) >= MIN_STROKE_COUNT:
            run = [replace(each, strength=STROKE_STRENGTH) for each in run]
        elif is_turn:
            run = [replace(each, cue="rest") for each in run]
        found += run
    return found


def _find_contacts(take: Demonstration, trajectory: SmoothedTrajectory) -> list[_Contact]:
    """Return all contacts in the order of their ends, with the strokes of one push merged."""
    found: list[_Contact] = []
    for index in range(len(take.objects)):
        for first, final, last in _find_grips(take, trajectory, index):
            found += [_Contact(first, final, index, f"grasp {index}")] * (final > 0)
            found += [_Contact(last, last, index, f"release {index}")] * (last < len(take))
        positions = take.object_positions[:, index, :2]
        for start, stop in _find_touches(take, trajectory, index):
            if stop < len(take):
                is_push = float(np.linalg.norm(positions[stop] - positions[start])) > MIN_PUSH_DISTANCE_M
                found.append(_Contact(start, stop, index, f"touch {index}", is_push))
    merged: list[_Contact] = []
    for contact in sorted(found, key=lambda each: each.stop):
        before = merged[-1] if merged else None
        is_stroke = before and before.kind == contact.kind == "touch" and before.is_push and contact.is_push
        if before and is_stroke and before.object_index == contact.object_index:
            contact = replace(merged.pop(), stop=contact.stop)
        merged.append(contact)
    return merged


def _find_grips(take: Demonstration, trajectory: SmoothedTrajectory, index: int) -> list[tuple[int, int, int]]:
    """Return first grasp, final grasp and release of every grip of an object; a grasp tried again is one grip."""
    positions, found = take.object_positions[:, index], list[tuple[int, int, int]]()
    max_gap, min_length = trajectory.count_samples(MAX_CONTACT_GAP_S), trajectory.count_samples(MIN_HOLD_S)
    for start, stop in find_runs(take.held[:, index], max_gap, min_length):
        if found and _is_regrasp(take, trajectory, index, found[-1][2], start):
            first, final, last = found.pop()
            distance = np.linalg.norm(positions[final:last] - positions[final], axis=1).max(initial=0.0)
            found.append((first, final if distance > MIN_CARRY_DISTANCE_M else start, stop))
        else:
            found.append((start, start, stop))
    return found


def _is_regrasp(take: Demonstration, trajectory: SmoothedTrajectory, index: int, release: int, grasp: int) -> bool:
    """Whether a grasp continues the grip that ended at ``release``: nearby, with nothing else held meanwhile."""
    if not trajectory.stays_within(release, grasp, MAX_REGRASP_DISTANCE_M):
        return False
    return not np.delete(take.held[release:grasp], index, axis=1).any()


def _find_touches(take: Demonstration, trajectory: SmoothedTrajectory, index: int) -> list[tuple[int, int]]:
    """Return the samples [start, stop) of every touch outside grips; nearby ones are merged."""
    flags = take.touched[:, index] | take.held[:, index]
    found: list[tuple[int, int]] = []
    for start, stop in find_runs(flags, trajectory.count_samples(MAX_CONTACT_GAP_S)):
        is_same = found and trajectory.stays_within(found[-1][1], start, APPROACH_RADIUS_M)
        found.append((found.pop()[0] if is_same else start, stop))
    return [(start, stop) for start, stop in found if not take.held[start:stop, index].any()]


def _find_approach_start(trajectory: SmoothedTrajectory, sample: int) -> int:
    """Return the first sample from which the tool stays next to or above its position at a contact."""
    sample = min(sample, len(trajectory.positions) - 1)
    relative = trajectory.positions[: sample + 1] - trajectory.positions[sample]
    height = relative[:, 2]
    is_away = np.linalg.norm(relative[:, :2], axis=1) > APPROACH_RADIUS_M
    is_away |= (height > APPROACH_HEIGHT_M) | (height < -APPROACH_RADIUS_M)
    return int(np.flatnonzero(is_away)[-1]) + 1 if is_away.any() else 0


def _find_rise_end(trajectory: SmoothedTrajectory, sample: int, limit: int) -> int | None:
    """Return the first sample after the rise that follows a contact; None if the tool moves aside first."""
    height, ahead = trajectory.positions[:, 2], trajectory.count_samples(RISE_LOOKAHEAD_S)
    lowest = float(height[max(sample - trajectory.count_samples(MAX_CONTACT_GAP_S), 0) : sample + 1].min())
    for now in range(sample, limit):
        if height[now] - lowest >= MIN_RISE_M:
            if height[min(now + ahead, limit - 1)] - height[now] < MAX_RISE_REMAINDER_M:
                return now
        elif np.linalg.norm((trajectory.positions[now] - trajectory.positions[sample])[:2]) > MIN_TRAVEL_M:
            return None
    return None


def _compute_direction(path: FloatArray) -> FloatArray:
    """Return the unit vector (3,) from the first point of a path (N, 3) to the first distant one; zero if none is."""
    relative = path - path[:1]
    distant = np.flatnonzero(np.linalg.norm(relative, axis=1) > DIRECTION_DISTANCE_M)
    return relative[distant[0]] / np.linalg.norm(relative[distant[0]]) if len(distant) else np.zeros(3)


def _name_axis(direction: FloatArray) -> str:
    """Return the signed horizontal axis nearest to a direction (3,), such as ``+x``."""
    axis = int(np.abs(direction[:2]).argmax())
    return f"{'+' if direction[axis] > 0 else '-'}{'xy'[axis]}"
