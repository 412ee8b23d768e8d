"""What shows in a take where one thing ends: things grasped, let go or touched and a rise after it, and rests.

Thresholds are in seconds and metres, far above what a hand trembles and below what it does on purpose.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import BoolArray, FloatArray
    from metagui.demonstrations.demonstration import Demonstration

BoundaryKind = Literal["grip", "touch", "rest"]

SMOOTHING_WINDOW_S = 0.16
"""A trembling hand's period, s: averaged over, it is gone."""
REST_WINDOW_S, REST_RADIUS_M = 0.30, 0.005
"""At rest is who stays within so many metres for so many seconds."""
REST_ROTATION_RAD = 0.12
"""Who turns the tool or moves the gripper by more than this during that time does not rest, rad."""
SLOW_RADIUS_M = 0.015
"""Who stays within this for that long is slow: a possible cut, if the other takes have one there."""
MIN_PAUSE_S = 0.50
"""A rest of this length is a cut by itself, s."""
MIN_HOLD_S, MAX_CONTACT_GAP_S = 0.10, 0.40
"""Holding for less is none; holding or touching again within the latter is still the same, s."""
MIN_RISE_M, MIN_TRAVEL_M = 0.015, 0.025
"""Rising by the former after a contact ends it; going aside by the latter before does so without a rise, m."""
RISE_LOOKAHEAD_S, MAX_RISE_REMAINDER_M = 0.25, 0.004
"""The rise is over when so many seconds would bring less than so many metres more."""
MAX_RISE_DURATION_S = 5.0
"""Seconds after a contact in which a rise is looked for."""
BESIDE, OVER = 0.025, 0.045
"""Who stays within the former beside and the latter above the place of a coming contact aligns, m: that is no pause,
however long it takes, and from those moments precision is learnt."""
LET_GO = 0.045
"""A cube grasped again before the tool has gone farther from where it was let go than this is one grip, m."""
CARRIED = 0.015
"""A cube that was moved by less while it was held was not carried: that grip was an attempt, m."""
MIN_PUSH_DISTANCE_M = 0.005
"""What was moved by more while it was touched was pushed, m."""
STRAIGHT, ASIDE, ON_THE_WAY = 0.8, 0.02, 0.3
"""Who goes on after a rest in the direction they came from, by this cosine, over so many metres before and after,
hesitated on the way: that rest counts this much."""
BACK, STROKES, OF_STROKES = -0.7, 3, 1.25
"""Who goes back where they came from, by this cosine, turned; so many turns in a row are strokes to and fro, and each
then counts this much: a policy without phase cannot know in which pass over one place it is."""
RETAINED_REST_S = 0.08
"""How much of a pause stays with what it ends, s, so that the end is learnt as rest."""


@dataclass(frozen=True)
class Boundary:
    """A place between two segments."""

    stop: int
    """First sample after what came before."""
    start: int
    """First sample of what follows."""
    kind: BoundaryKind
    strength: float
    """1 and more is a cut by itself; less is one only if other takes of the task have it."""
    sign: str = "rest"
    """What shows there: only cuts of one sign are alike."""


@dataclass(frozen=True)
class SmoothedTrajectory:
    """A take's motion without trembling: N samples."""

    positions: FloatArray
    """(N, 3) m."""
    extent: FloatArray
    """(N,) within how many metres the tool stays during the window about a sample."""
    rotating: BoolArray
    """(N,) whether the gripper moves or the tool turns during that window."""
    sample_rate: float
    """Samples a second."""

    @classmethod
    def from_take(cls, take: Demonstration) -> SmoothedTrajectory:
        """Look at a take."""
        rate = 1.0 / max(float(np.median(np.diff(take.time))) if len(take) > 1 else 0.02, 1e-3)
        width = max(round(SMOOTHING_WINDOW_S * rate), 1) | 1
        position = _smooth(take.tool_positions, width)
        window = max(round(REST_WINDOW_S * rate), 2) | 1
        extent = np.linalg.norm(_compute_window_range(position, window), axis=1)
        turning = np.column_stack([take.joint_positions[:, -1], np.unwrap(take.tool_yaws)])
        busy = np.asarray((_compute_window_range(_smooth(turning, width), window) > REST_ROTATION_RAD).any(axis=1))
        return cls(position, extent, busy, rate)

    def count_samples(self, duration: float) -> int:
        """Return how many samples a time is, one at least."""
        return max(round(duration * self.sample_rate), 1)

    def measure_travel(self, start: int, stop: int) -> float:
        """Return how far the tool gets away from where it is at ``start``, m; nowhere once the take is over."""
        if start >= len(self.positions):
            return 0.0
        return float(np.linalg.norm(self.positions[start:stop] - self.positions[start], axis=1).max(initial=0.0))

    def stays(self, start: int, stop: int, within: float) -> bool:
        """Return whether the tool gets no farther than ``within``, m, from where it is at ``start`` until ``stop``."""
        return self.measure_travel(start, stop) <= within

    def find_active_range(self, first: int, last: int) -> tuple[int, int]:
        """Return the samples [start, stop) between the rest at the beginning and the one at the end."""
        moving = np.flatnonzero((self.extent > REST_RADIUS_M) | self.rotating)
        moving = moving[(moving >= first) & (moving < last)]
        if not len(moving):
            return first, last
        half = self.count_samples(REST_WINDOW_S) // 2  # windows about a sample reach into the rest after it
        begin = first if moving[0] - first < self.count_samples(MIN_PAUSE_S) else int(moving[0])
        end = int(moving[-1]) + 1 - half + self.count_samples(RETAINED_REST_S)
        return begin, last if last - end < 2 * self.count_samples(RETAINED_REST_S) else max(end, begin + 1)


def _smooth(values: FloatArray, window: int) -> FloatArray:
    """Average (N, D) over ``width`` samples, an odd number."""
    padded = np.pad(values, ((window // 2, window // 2), (0, 0)), mode="edge")
    total = np.cumsum(np.concatenate([np.zeros((1, values.shape[1])), padded]), axis=0)
    return np.asarray((total[window:] - total[:-window]) / window)


def _compute_window_range(values: FloatArray, window: int) -> FloatArray:
    """Largest less smallest of (N, D) within ``window`` samples about each."""
    padded = np.pad(values, ((window // 2, window // 2), (0, 0)), mode="edge")
    views = np.lib.stride_tricks.sliding_window_view(padded, window, axis=0)
    return np.asarray(views.max(axis=-1) - views.min(axis=-1))


def _find_runs(flags: BoolArray, max_gap: int = 0, min_length: int = 1) -> list[tuple[int, int]]:
    """Return the runs [start, stop) of true flags (N,); shorter gaps are filled, then shorter runs dropped."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    runs: list[tuple[int, int]] = []
    for start, stop in edges.reshape(-1, 2).tolist():
        if runs and start - runs[-1][1] <= max_gap:
            start = runs.pop()[0]
        runs.append((start, stop))
    return [(start, stop) for start, stop in runs if stop - start >= min_length]


@dataclass(frozen=True)
class _Contact:
    """Something was grasped or let go at one sample, or touched during many."""

    start: int
    stop: int
    object_index: int
    sign: str
    pushed: bool = True
    """Whether it was pushed."""

    @property
    def kind(self) -> BoundaryKind:
        """Whether it was a touch alone."""
        return "touch" if self.sign.startswith("touch") else "grip"


def _grips(take: Demonstration, motion: SmoothedTrajectory, anchor: int) -> list[tuple[int, int, int]]:
    """Return when a thing was first grasped, when for good, and when let go: a grasp made anew is one grip."""
    where, found = take.object_positions[:, anchor], list[tuple[int, int, int]]()
    for start, stop in _find_runs(
        take.held[:, anchor], motion.count_samples(MAX_CONTACT_GAP_S), motion.count_samples(MIN_HOLD_S)
    ):
        if found and motion.stays(found[-1][2], start, LET_GO) and not _others_held(take, anchor, found[-1][2], start):
            first, sure, last = found.pop()
            carried = np.linalg.norm(where[sure:last] - where[sure], axis=1).max(initial=0.0) > CARRIED
            found.append((first, sure if carried else start, stop))
        else:
            found.append((start, start, stop))
    return found


def _others_held(take: Demonstration, anchor: int, start: int, stop: int) -> bool:
    return bool(np.delete(take.held[start:stop], anchor, axis=1).any())


def _touches(take: Demonstration, motion: SmoothedTrajectory, anchor: int) -> list[tuple[int, int]]:
    """Return the samples of every touch that is no part of a grip; several without going away are one."""
    flags = take.touched[:, anchor] | take.held[:, anchor]
    found: list[tuple[int, int]] = []
    for start, stop in _find_runs(flags, motion.count_samples(MAX_CONTACT_GAP_S)):
        begin = found.pop()[0] if found and motion.stays(found[-1][1], start, BESIDE) else start
        found.append((begin, stop))
    return [spell for spell in found if not take.held[slice(*spell), anchor].any()]


def _find_contacts(take: Demonstration, trajectory: SmoothedTrajectory) -> list[_Contact]:
    """Return all contacts in the order of their ends; several strokes of one push are one."""
    found: list[_Contact] = []
    for anchor in range(len(take.objects)):
        for first, sure, last in _grips(take, trajectory, anchor):
            found += [_Contact(first, sure, anchor, f"grasp {anchor}")] * (sure > 0)
            found += [_Contact(last, last, anchor, f"release {anchor}")] * (last < len(take))
        where = take.object_positions[:, anchor, :2]
        for start, stop in _touches(take, trajectory, anchor):
            if stop < len(take):
                moved = float(np.linalg.norm(where[stop] - where[start])) > MIN_PUSH_DISTANCE_M
                found.append(_Contact(start, stop, anchor, f"touch {anchor}", moved))
    merged: list[_Contact] = []
    for contact in sorted(found, key=lambda c: c.stop):
        before = merged[-1] if merged else None
        strokes = before and before.kind == contact.kind == "touch" and before.pushed and contact.pushed
        if before and strokes and before.object_index == contact.object_index:
            contact = replace(merged.pop(), stop=contact.stop)
        merged.append(contact)
    return merged


def find_contact_boundaries(take: Demonstration, trajectory: SmoothedTrajectory) -> tuple[list[Boundary], BoolArray]:
    """Return the cuts where a contact's rise is over, and which samples (N,) belong to a contact, so are no rest."""
    found: list[Boundary] = []
    contacts = _find_contacts(take, trajectory)
    belongs = np.zeros(len(take), dtype=bool)
    for index, contact in enumerate(contacts):
        kind = contact.kind
        belongs[_find_approach_start(trajectory, contact.start) : contact.stop + 1] = True
        if found and contact.stop < found[-1].stop + trajectory.count_samples(MAX_CONTACT_GAP_S):  # on the way up
            continue
        later = (other.stop for other in contacts[index + 1 :] if kind == "touch" or other.kind == "grip")
        limit = min(next(later, len(take)), contact.stop + trajectory.count_samples(MAX_RISE_DURATION_S))
        end = _find_rise_end(trajectory, contact.stop, limit)
        if end is None and kind == "grip":
            end = min(contact.stop + trajectory.count_samples(RETAINED_REST_S), len(take))
        if end is not None:
            found.append(Boundary(end, end, kind, 2.0 if kind == "grip" else 1.5, contact.sign))
            belongs[contact.stop : end] = True
    return found, belongs


def _find_approach_start(trajectory: SmoothedTrajectory, sample: int) -> int:
    """Return since when the tool has been beside or above where it is at a contact."""
    sample = min(sample, len(trajectory.positions) - 1)
    way = trajectory.positions[: sample + 1] - trajectory.positions[sample]
    away = (np.linalg.norm(way[:, :2], axis=1) > BESIDE) | (way[:, 2] > OVER) | (way[:, 2] < -BESIDE)
    return int(np.flatnonzero(away)[-1]) + 1 if away.any() else 0


def _find_rise_end(trajectory: SmoothedTrajectory, sample: int, limit: int) -> int | None:
    """Return the first sample after the rise that follows a contact; None if the tool goes aside before."""
    height, ahead = trajectory.positions[:, 2], trajectory.count_samples(RISE_LOOKAHEAD_S)
    lowest = float(height[max(sample - trajectory.count_samples(MAX_CONTACT_GAP_S), 0) : sample + 1].min())
    for now in range(sample, limit):
        if height[now] - lowest >= MIN_RISE_M:
            if height[min(now + ahead, limit - 1)] - height[now] < MAX_RISE_REMAINDER_M:
                return now
        elif np.linalg.norm((trajectory.positions[now] - trajectory.positions[sample])[:2]) > MIN_TRAVEL_M:
            return None
    return None


def find_rests(trajectory: SmoothedTrajectory) -> list[Boundary]:
    """Return every place where the tool rests or is slow."""
    half = trajectory.count_samples(REST_WINDOW_S) // 2
    found = []
    for start, stop in _find_runs((trajectory.extent < SLOW_RADIUS_M) & ~trajectory.rotating):
        extent = trajectory.extent[start:stop]
        deep = np.flatnonzero(extent < REST_RADIUS_M)
        if len(deep):
            begin, end = start + int(deep[0]) - half, start + int(deep[-1]) + half + 1
            strength = (end - begin) / trajectory.sample_rate / MIN_PAUSE_S
            kept = max(min(begin + trajectory.count_samples(RETAINED_REST_S), end), 0)
        else:
            kept = begin = end = start + int(extent.argmin())
            strength = 0.5 * REST_RADIUS_M / float(extent.min())
        before, after = _direction(trajectory.positions[max(begin, 0) :: -1]), _direction(trajectory.positions[end:])
        along = float(-before @ after)
        turned = along < BACK and bool(np.linalg.norm(after[:2]) > -BACK)
        sign = f"turn {_quarter(after)}" if turned else "rest"
        found.append(Boundary(kept, end, "rest", strength * (ON_THE_WAY if along > STRAIGHT else 1.0), sign))
    return found


def strokes(cuts: Sequence[Boundary]) -> list[Boundary]:
    """Return the cuts with turns that follow each other made certain, for the tool was wiped; others are rests."""
    found: list[Boundary] = []
    for turning, group in itertools.groupby(cuts, key=lambda cut: cut.sign.startswith("turn")):
        run = list(group)
        change = {"strength": OF_STROKES} if len(run) >= STROKES else {"sign": "rest"}
        found += [replace(cut, **change) for cut in run] if turning else run
    return found


def _direction(path: FloatArray) -> FloatArray:
    """Return the direction (3,) in which a path (N, 3) leads away from its first point; zero if it leads nowhere."""
    way = path - path[:1]
    far = np.flatnonzero(np.linalg.norm(way, axis=1) > ASIDE)
    return way[far[0]] / np.linalg.norm(way[far[0]]) if len(far) else np.zeros(3)


def _quarter(direction: FloatArray) -> str:
    """Return in which of four ways along the table (3,) leads."""
    axis = int(np.abs(direction[:2]).argmax())
    return f"{'+' if direction[axis] > 0 else '-'}{'xy'[axis]}"
