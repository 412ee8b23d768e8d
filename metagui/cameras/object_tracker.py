"""Tracks named objects by their tags: from the tags of each picture to poses in the arm's base frame.

An object whose tag is hidden stays where it was last seen; one that the gripper holds rides with it, unless its tag is
seen elsewhere. How high a tag is follows from its size in the picture, which tells a stack from the table. A camera
that was knocked shows by the mat's tags: no object is measured until the mat is solved again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from metagui.cameras.mat import OBJECT_TAG_EDGE_M
from metagui.cameras.mat_view import MatNotSeenError, MatView, solve_mat_view

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from metagui.cameras.camera import FloatArray, Frame
    from metagui.cameras.mat import Mat, MatPose
    from metagui.cameras.tags import Tag

SightingStatus = Literal["seen", "held over", "carried", "stale"]
"""How a pose is known: in the last picture, from an earlier one, from the gripper, or from too long ago."""
STALE_S = 2.0
"""Age of a sighting from which on it is stale, s."""
MAX_SHIFT_PX = 3.0
"""Largest median distance of the mat's corners from their places, pixels per 1280 of width."""
KNOCKED_PICTURES = 3
"""Number of pictures in a row with shifted corners after which the camera counts as knocked."""
FROZEN_PICTURES = 8
"""Number of equal pictures in a row after which the camera counts as frozen; noise makes real ones differ."""
LEFT_BEHIND_PICTURES = 3
"""Number of pictures in a row that show an object elsewhere than in the gripper, after which it is not held."""
_PUT_DOWN_RADIUS_M = 0.03
_STACKED_RADIUS_M = 0.02
_LEVEL_TOLERANCE_M = 0.010
_LEFT_BEHIND_PX = 40.0
"""Distance of a tag from its place in the gripper at which it was left behind, pixels per 1280 of width."""


@dataclass(frozen=True)
class TaggedObject:
    """A named object and its tag."""

    name: str
    """Name of the object."""
    tag: int
    """Id of the tag that lies flat on top of it."""
    rest_height: float
    """Height of its centre above the table when it stands there, m."""
    tag_height: float
    """Height of the tag above its centre, m."""
    is_flat: bool = False
    """True if it always lies on the table."""


@dataclass(frozen=True)
class ToolGrip:
    """The gripper while it holds objects."""

    position: FloatArray
    """(3,) tool in the base frame, m."""
    yaw: float
    """Direction of the jaws, rad."""
    held: frozenset[str]
    """Names of the objects between the jaws."""


@dataclass(frozen=True)
class Sighting:
    """Pose of an object in the base frame."""

    position: FloatArray
    """(3,) centre, m."""
    yaw: float
    """Rotation about the vertical, rad."""
    time: float
    """When its tag was last seen (``perf_counter``), s."""
    status: SightingStatus
    """How the pose is known."""

    def get_age(self, now: float) -> float:
        """Return how long ago the tag was seen, s."""
        return max(now - self.time, 0.0)

    def compute_confidence(self, now: float) -> float:
        """Return 1 for an object in the last picture, less the longer its tag is hidden, 0 for a stale one."""
        if self.status == "carried":
            return 0.9
        return max(1.0 - self.get_age(now) / STALE_S, 0.0) if self.status != "stale" else 0.0


@dataclass(frozen=True)
class TrackedScene:
    """What is known after a picture."""

    time: float
    """Time of the picture, s."""
    objects: Mapping[str, Sighting]
    """Sightings by name; objects that were never seen are missing."""
    view: MatView | None
    """The camera's view of the mat; None while it is not known."""
    problem: str
    """What is wrong with the camera and what to do; empty if nothing is."""
    knocks: int
    """How often the camera, or the mat, was moved since the start."""

    def find_missing(self, names: Sequence[str]) -> list[str]:
        """Return those of the objects whose poses are unknown or stale."""
        found = self.objects
        return [name for name in names if name not in found or found[name].status == "stale"]


class ObjectTracker:
    """Tracks ``objects`` on a mat that lies in ``mat_pose``; use it in one thread."""

    def __init__(self, objects: Sequence[TaggedObject], mat: Mat, mat_pose: MatPose) -> None:
        self.objects = tuple(objects)
        self.mat = mat
        self.mat_pose = mat_pose
        self._view: MatView | None = None
        self._sightings: dict[str, Sighting] = {}
        self._heights = {each.name: each.rest_height for each in self.objects}
        self._grips: dict[str, tuple[FloatArray, float]] = {}
        self._elsewhere = {each.name: 0 for each in self.objects}
        self._shifted = self._equal = self._knocks = 0
        self._last: Frame | None = None

    def update(self, frame: Frame, tags: Sequence[Tag], grip: ToolGrip | None = None) -> TrackedScene:
        """Take in the tags of a picture, and the gripper at its time; return what is known then."""
        problem = self._find_frozen(frame) or self._find_view(frame, tags)
        found = {tag.id: tag for tag in tags} if not problem and not self._shifted else {}
        for each in self.objects:
            is_held = grip is not None and each.name in grip.held and each.name in self._sightings
            if is_held and grip is not None and not self._is_left_behind(each, grip, found.get(each.tag)):
                self._carry(each, grip)
            elif each.tag in found and self._view is not None:
                self._see(each, found[each.tag], frame.time)
            elif each.name in self._sightings:
                self._hold_over(each, frame.time)
        return TrackedScene(frame.time, dict(self._sightings), self._view, problem, self._knocks)

    def _find_frozen(self, frame: Frame) -> str:
        """Return the message on a camera that repeats one picture; empty if it does not."""
        is_equal = self._last is not None and np.array_equal(self._last.picture, frame.picture)
        self._equal, self._last = self._equal + 1 if is_equal else 0, frame
        if self._equal < FROZEN_PICTURES:
            return ""
        return (
            "The camera repeats the same picture, so objects are not seen any more. The arm keeps their last places. "
            "Unplug the camera and plug it in again."
        )

    def _find_view(self, frame: Frame, tags: Sequence[Tag]) -> str:
        """Update the view of the mat; return what is wrong with it."""
        if self._view is not None and not self._count_shift(frame, tags):
            return ""
        if self._view is not None and self._shifted < KNOCKED_PICTURES:
            return ""
        try:
            solved = solve_mat_view(tags, self.mat, frame.size)
        except MatNotSeenError as error:
            if self._view is None:
                return str(error)
            return (
                f"The camera was moved, and the mat has to be seen again: {error} Objects keep their last places until "
                "then."
            )
        if self._view is not None:
            self._knocks += 1
        self._view, self._shifted = solved, 0
        return ""

    def _count_shift(self, frame: Frame, tags: Sequence[Tag]) -> bool:
        """Return whether the visible tags of the mat are not where they were, and count such pictures."""
        assert self._view is not None
        distances = [np.linalg.norm(tag.corners - self._view.corners[tag.id], axis=1) for tag in tags if tag.id < 4]
        if not distances:
            return self._shifted > 0  # all hidden: nothing new is known
        is_shifted = float(np.median(distances)) > MAX_SHIFT_PX * frame.size[0] / 1280
        self._shifted = self._shifted + 1 if is_shifted else 0
        return is_shifted

    def _see(self, each: TaggedObject, tag: Tag, time: float) -> None:
        """Measure an object by its tag, at the height at which it stands."""
        self._grips.pop(each.name, None)
        estimate = self._estimate_height(each, tag)
        heights = [each.rest_height] if each.is_flat else list(self._list_heights(each, tag))
        height = min(heights, key=lambda known: abs(known - estimate))
        if estimate > height + _LEVEL_TOLERANCE_M and not each.is_flat:  # a hand holds it
            height = estimate
        point, yaw = self._measure(each, tag, height)
        self._heights[each.name] = height
        self._sightings[each.name] = Sighting(point, yaw, time, "seen")

    def _estimate_height(self, each: TaggedObject, tag: Tag) -> float:
        """Return the height of an object's centre, m, from the size of its tag, which lies flat; exact to 1 to 3 mm."""
        assert self._view is not None
        corners = self._view.view.locate(tag.corners, 0.0)
        edge = float(np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1).mean())
        level = float(self._view.view.position[2]) * (1.0 - OBJECT_TAG_EDGE_M / edge)
        return level - each.tag_height

    def _list_heights(self, each: TaggedObject, tag: Tag) -> Iterator[float]:
        """Yield the heights at which an object can stand, m: on the table, where it was put down, on another object."""
        yield each.rest_height
        last = self._sightings.get(each.name)
        if last is not None and self._heights[each.name] != each.rest_height:
            point, _ = self._measure(each, tag, self._heights[each.name])
            if math.hypot(*(point - last.position)[:2]) < _PUT_DOWN_RADIUS_M:
                yield self._heights[each.name]
        for other in self.objects:
            if other is not each and other.name in self._sightings:
                below = self._sightings[other.name].position
                height = float(below[2]) + other.tag_height + each.rest_height
                point, _ = self._measure(each, tag, height)
                if math.hypot(*(point - below)[:2]) < _STACKED_RADIUS_M:
                    yield height

    def _measure(self, each: TaggedObject, tag: Tag, height: float) -> tuple[FloatArray, float]:
        """Return the centre (3,), m, and yaw, rad, of an object whose centre is at ``height``, m, in the base frame."""
        assert self._view is not None
        view = self._view.view
        level = height + each.tag_height
        centre = self.mat_pose.to_base(view.locate(tag.centre, level))
        corners = self.mat_pose.to_base(view.locate(tag.corners, level))
        upward = corners[0] + corners[1] - corners[2] - corners[3]  # the printed up is the object's x
        return np.array([centre[0], centre[1], height]), math.atan2(upward[1], upward[0])

    def _is_left_behind(self, each: TaggedObject, grip: ToolGrip, tag: Tag | None) -> bool:
        """Return whether an object that counts as held is seen elsewhere, in several pictures in a row."""
        if tag is None or self._view is None:
            return self._elsewhere[each.name] >= LEFT_BEHIND_PICTURES
        position, _ = self._find_carried_pose(each, grip)
        view = self._view.view
        pixel = view.project(self.mat_pose.to_mat(position + (0.0, 0.0, each.tag_height)))
        is_elsewhere = math.hypot(*(pixel - tag.centre)) > _LEFT_BEHIND_PX * view.size[0] / 1280
        self._elsewhere[each.name] = self._elsewhere[each.name] + 1 if is_elsewhere else 0
        return self._elsewhere[each.name] >= LEFT_BEHIND_PICTURES

    def _carry(self, each: TaggedObject, grip: ToolGrip) -> None:
        """Move an object with the gripper, as it lay between the jaws when it was grasped."""
        position, yaw = self._find_carried_pose(each, grip)
        self._heights[each.name] = max(float(position[2]), each.rest_height)
        self._sightings[each.name] = Sighting(position, yaw, self._sightings[each.name].time, "carried")

    def _find_carried_pose(self, each: TaggedObject, grip: ToolGrip) -> tuple[FloatArray, float]:
        """Return position (3,), m, and yaw, rad, of an object between the jaws."""
        last = self._sightings[each.name]
        if each.name not in self._grips:
            self._grips[each.name] = _rotate(last.position - grip.position, -grip.yaw), last.yaw - grip.yaw
        offset, turn = self._grips[each.name]
        return grip.position + _rotate(offset, grip.yaw), turn + grip.yaw

    def _hold_over(self, each: TaggedObject, time: float) -> None:
        """Keep the last pose of an object that is not seen now."""
        self._grips.pop(each.name, None)
        self._elsewhere[each.name] = 0
        last = self._sightings[each.name]
        status: SightingStatus = "stale" if time - last.time > STALE_S else "held over"
        self._sightings[each.name] = replace(last, status=status)


def _rotate(vector: FloatArray, yaw: float) -> FloatArray:
    """Return a vector (3,) turned about the vertical by ``yaw``, rad."""
    sine, cosine = math.sin(yaw), math.cos(yaw)
    return np.array([cosine * vector[0] - sine * vector[1], sine * vector[0] + cosine * vector[1], vector[2]])
