"""What shows in a take where one thing ends: things grasped, let go or touched and a rise after it, and rests.

Thresholds are in seconds and metres, far above what a hand trembles and below what it does on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from metagui.arms.arm import BoolArray, FloatArray
    from metagui.demonstrations.demonstration import Demonstration

Kind = Literal["grip", "touch", "rest"]

SMOOTHING = 0.16
"""A trembling hand's period, s: averaged over, it is gone."""
REST_WINDOW, REST_WITHIN = 0.30, 0.005
"""At rest is who stays within so many metres for so many seconds."""
STILL_TURN = 0.12
"""Who turns the tool or moves the gripper by more than this during that time does not rest, rad."""
SLOW_WITHIN = 0.015
"""Who stays within this for that long is slow: a possible cut, if the other takes have one there."""
PAUSE = 0.50
"""A rest of this length is a cut by itself, s."""
FLICKER, AGAIN = 0.10, 0.40
"""Holding for less is none; holding or touching again within the latter is still the same, s."""
LEAST_RISE, LEAST_TRAVEL = 0.015, 0.025
"""Rising by the former after a contact ends it; going aside by the latter before does so without a rise, m."""
RISE_AHEAD, RISE_LEFT = 0.25, 0.004
"""The rise is over when so many seconds would bring less than so many metres more."""
LONGEST_RISE = 5.0
"""Seconds after a contact in which a rise is looked for."""
BEFORE_CONTACT = 1.5
"""A rest this shortly before a contact, and near it, belongs to it, s: who grasps looks first."""
PUSHED = 0.005
"""What was moved by more while it was touched was pushed, m."""
KEPT_REST = 0.08
"""How much of a pause stays with what it ends, s, so that the end is learnt as rest."""


@dataclass(frozen=True)
class Cut:
    """A place between two segments."""

    stop: int
    """First sample after what came before."""
    start: int
    """First sample of what follows."""
    kind: Kind
    strength: float
    """1 and more is a cut by itself; less is one only if other takes of the task have it."""


@dataclass(frozen=True)
class Motion:
    """A take's motion without trembling: N samples."""

    position: FloatArray
    """(N, 3) m."""
    extent: FloatArray
    """(N,) within how many metres the tool stays during the window about a sample."""
    busy: BoolArray
    """(N,) whether the gripper moves or the tool turns during that window."""
    rate: float
    """Samples a second."""

    @classmethod
    def of(cls, take: Demonstration) -> Motion:
        """Look at a take."""
        rate = 1.0 / max(float(np.median(np.diff(take.time))) if len(take) > 1 else 0.02, 1e-3)
        width = max(round(SMOOTHING * rate), 1) | 1
        position = _smooth(take.tool_positions, width)
        window = max(round(REST_WINDOW * rate), 2) | 1
        extent = np.linalg.norm(_range(position, window), axis=1)
        turning = np.column_stack([take.joint_positions[:, -1], np.unwrap(take.tool_yaws)])
        busy = np.asarray((_range(_smooth(turning, width), window) > STILL_TURN).any(axis=1))
        return cls(position, extent, busy, rate)

    def samples(self, seconds: float) -> int:
        """Return how many samples a time is, one at least."""
        return max(round(seconds * self.rate), 1)

    def travel(self, start: int, stop: int) -> float:
        """Return how far the tool gets away from where it is at ``start``, m; nowhere once the take is over."""
        if start >= len(self.position):
            return 0.0
        return float(np.linalg.norm(self.position[start:stop] - self.position[start], axis=1).max(initial=0.0))

    def active(self, first: int, last: int) -> tuple[int, int]:
        """Return the samples [start, stop) between the rest at the beginning and the one at the end."""
        moving = np.flatnonzero((self.extent > REST_WITHIN) | self.busy)
        moving = moving[(moving >= first) & (moving < last)]
        if not len(moving):
            return first, last
        half = self.samples(REST_WINDOW) // 2  # windows about a sample reach into the rest after it
        begin = first if moving[0] - first < self.samples(PAUSE) else int(moving[0])
        end = int(moving[-1]) + 1 - half + self.samples(KEPT_REST)
        return begin, last if last - end < 2 * self.samples(KEPT_REST) else max(end, begin + 1)


def _smooth(values: FloatArray, width: int) -> FloatArray:
    """Average (N, D) over ``width`` samples, an odd number."""
    padded = np.pad(values, ((width // 2, width // 2), (0, 0)), mode="edge")
    total = np.cumsum(np.concatenate([np.zeros((1, values.shape[1])), padded]), axis=0)
    return np.asarray((total[width:] - total[:-width]) / width)


def _range(values: FloatArray, window: int) -> FloatArray:
    """Largest less smallest of (N, D) within ``window`` samples about each."""
    padded = np.pad(values, ((window // 2, window // 2), (0, 0)), mode="edge")
    views = np.lib.stride_tricks.sliding_window_view(padded, window, axis=0)
    return np.asarray(views.max(axis=-1) - views.min(axis=-1))


def _spells(flags: BoolArray, gap: int = 0, least: int = 1) -> list[tuple[int, int]]:
    """Return the runs [start, stop) of true flags (N,); shorter gaps are filled, then shorter runs dropped."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    runs: list[tuple[int, int]] = []
    for start, stop in edges.reshape(-1, 2).tolist():
        if runs and start - runs[-1][1] <= gap:
            start = runs.pop()[0]
        runs.append((start, stop))
    return [(start, stop) for start, stop in runs if stop - start >= least]


@dataclass(frozen=True)
class _Contact:
    """Something was grasped or let go at one sample, or touched during many."""

    begin: int
    end: int
    anchor: int
    kind: Kind
    moved: bool
    """Whether it was pushed."""


def _contacts(take: Demonstration, motion: Motion) -> list[_Contact]:
    """Return all contacts in the order of their ends; several strokes of one push are one."""
    found: list[_Contact] = []
    flicker, again = motion.samples(FLICKER), motion.samples(AGAIN)
    for anchor in range(len(take.anchors)):
        held = _spells(take.held[:, anchor], again, flicker)
        found += [_Contact(e, e, anchor, "grip", True) for spell in held for e in spell if 0 < e < len(take)]
        where = take.anchor_positions[:, anchor, :2]
        for start, stop in _spells(take.touched[:, anchor] | take.held[:, anchor], again):
            if stop < len(take) and not any(a < stop and start < b for a, b in held):
                moved = float(np.linalg.norm(where[stop] - where[start])) > PUSHED
                found.append(_Contact(start, stop, anchor, "touch", moved))
    merged: list[_Contact] = []
    for contact in sorted(found, key=lambda c: c.end):
        before = merged[-1] if merged else None
        strokes = before and before.kind == contact.kind == "touch" and before.moved and contact.moved
        if before and strokes and before.anchor == contact.anchor:
            contact = replace(merged.pop(), end=contact.end)
        merged.append(contact)
    return merged


def after_contacts(take: Demonstration, motion: Motion) -> list[tuple[int, Cut]]:
    """Return where every contact's rise is over, and the sample from which a rest is part of that contact."""
    found: list[tuple[int, Cut]] = []
    contacts = _contacts(take, motion)
    for index, contact in enumerate(contacts):
        if found and contact.end < found[-1][1].stop + motion.samples(AGAIN):  # on the way up
            continue
        kind = contact.kind
        later = (other.end for other in contacts[index + 1 :] if kind == "touch" or other.kind == "grip")
        limit = min(next(later, len(take)), contact.end + motion.samples(LONGEST_RISE))
        end = _risen(motion, contact.end, limit)
        if end is None and kind == "grip":
            end = min(contact.end + motion.samples(KEPT_REST), len(take))
        if end is not None:
            found.append((_approach(motion, contact.begin), Cut(end, end, kind, 2.0 if kind == "grip" else 1.5)))
    return found


def _approach(motion: Motion, sample: int) -> int:
    """Return since when the tool has been near where it is at a contact, a second at most."""
    first = max(sample - motion.samples(BEFORE_CONTACT), 0)
    away = np.linalg.norm(motion.position[first : sample + 1] - motion.position[sample], axis=1) > LEAST_TRAVEL
    return first + (int(np.flatnonzero(away)[-1]) + 1 if away.any() else 0)


def _risen(motion: Motion, sample: int, limit: int) -> int | None:
    """Return the first sample after the rise that follows a contact; None if the tool goes aside before."""
    height, ahead = motion.position[:, 2], motion.samples(RISE_AHEAD)
    lowest = float(height[max(sample - motion.samples(AGAIN), 0) : sample + 1].min())
    for now in range(sample, limit):
        if height[now] - lowest >= LEAST_RISE:
            if height[min(now + ahead, limit - 1)] - height[now] < RISE_LEFT:
                return now
        elif np.linalg.norm((motion.position[now] - motion.position[sample])[:2]) > LEAST_TRAVEL:
            return None
    return None


def rests(motion: Motion) -> list[Cut]:
    """Return every place where the tool rests or is slow."""
    half = motion.samples(REST_WINDOW) // 2
    found = []
    for start, stop in _spells((motion.extent < SLOW_WITHIN) & ~motion.busy):
        extent = motion.extent[start:stop]
        deep = np.flatnonzero(extent < REST_WITHIN)
        if len(deep):
            begin, end = start + int(deep[0]) - half, start + int(deep[-1]) + half + 1
            seconds = (end - begin) / motion.rate
            kept = min(begin + motion.samples(KEPT_REST), end)
            found.append(Cut(max(kept, 0), end, "rest", seconds / PAUSE))
        else:
            middle = start + int(extent.argmin())
            found.append(Cut(middle, middle, "rest", 0.5 * REST_WITHIN / float(extent.min())))
    return found
