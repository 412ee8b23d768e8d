"""The table: the record of one to ten objects from which scene, model, view and files follow."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from metagui.arms.arm import WALL_THICKNESS_M, ArmError, ObjectKind, SceneObject

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CUBE_SIZE_M = 0.025
"""Edge length of the default table's cubes, m."""
ZONE_SIZE_M = 0.060
"""Edge length of the default table's zones, m."""
TABLE_CENTRE_M = np.array([0.215, 0.0, 0.0])
"""Position of the object *table*; points on the empty table are offsets from it, m."""
TABLE_TOP = SceneObject("table", "table", (0.0, 0.0, 0.0), (0.6, 0.6, 0.6))
"""The table itself, the last of the scene's objects."""
MAX_OBJECTS = 10
"""Maximum number of objects on one table."""
FIRST_TAG_ID, MAX_TAG_ID = 10, 586
"""Ids of the tags for objects; the tags below are the mat's."""
RESERVED_NAMES = frozenset({
    "world", "base", "shoulder", "upper_arm", "lower_arm", "wrist", "gripper", "moving_jaw", "fixed_finger",
    "moving_finger", "tool", "table", "edge", "grid", "sky", "print", "servo", "horn", "finger",
})  # fmt: skip
"""Names of parts of the arm's model, which no object can have."""
_NAME_PATTERN = re.compile(r"\w[\w .+-]{0,39}")


class TableError(ArmError):
    """A table is not possible; the message states what is wrong and what would be right. Nothing was changed."""


class SizeLimits(NamedTuple):
    """Smallest and largest horizontal size and height of a kind of object, m."""

    horizontal: tuple[float, float]
    height: tuple[float, float]


SIZE_LIMITS: Mapping[ObjectKind, SizeLimits] = {
    "block": SizeLimits((0.008, 0.150), (0.008, 0.120)),
    "cylinder": SizeLimits((0.008, 0.120), (0.008, 0.120)),
    "bowl": SizeLimits((0.030, 0.160), (0.008, 0.120)),
    "tray": SizeLimits((0.030, 0.200), (0.008, 0.120)),
    "zone": SizeLimits((0.010, 0.200), (0.0, 0.0)),
    "point": SizeLimits((0.004, 0.030), (0.0, 0.0)),
}
"""Sizes that objects of each kind can have."""


@dataclass(frozen=True)
class Table:
    """One to ten objects of a scene, in the order of its arrays. Raises TableError if they do not fit together."""

    objects: tuple[SceneObject, ...]

    def __post_init__(self) -> None:
        """Check every object, and that names and tags differ."""
        if not 1 <= len(self.objects) <= MAX_OBJECTS:
            raise TableError(
                f"A table has 1 to {MAX_OBJECTS} objects, not {len(self.objects)}. Nothing was changed; "
                f"{'remove some' if self.objects else 'add one'}."
            )
        for each in self.objects:
            check_object(each)
        _require_unique("name", [each.name.casefold() for each in self.objects])
        _require_unique("tag", [str(tag) for tag in self.tags.values()])

    @property
    def scene_objects(self) -> tuple[SceneObject, ...]:
        """Return the objects and, last, the table itself."""
        return (*self.objects, TABLE_TOP)

    @property
    def tags(self) -> dict[str, int]:
        """Return the ids of the objects' tags by name; an object without its own has that of its place in the list."""
        return {
            each.name: FIRST_TAG_ID + index if each.tag is None else each.tag for index, each in enumerate(self.objects)
        }

    @classmethod
    def from_scene_objects(cls, objects: Sequence[SceneObject]) -> Table:
        """Return the table of a scene's objects, such as a take's; the default one of none. Raises TableError."""
        found = tuple(each for each in objects if each.kind != "table")
        return cls(found) if found else DEFAULT_TABLE


def check_object(scene_object: SceneObject) -> None:
    """Raise TableError unless an object can lie on a table."""
    name, kind = scene_object.name, scene_object.kind
    if not _NAME_PATTERN.fullmatch(name) or name != name.strip(" ."):
        raise TableError(
            f"{name[:60]!r} cannot name an object. Nothing was changed; use 1 to 40 letters, digits, spaces and "
            "-, _, + or a dot."
        )
    if name.casefold() in RESERVED_NAMES:
        raise TableError(f"{name!r} names a part of the arm or the table. Nothing was changed; choose another name.")
    if kind not in SIZE_LIMITS:
        raise TableError(
            f"The {name} has the kind {str(kind)[:40]!r}. Nothing was changed; a kind can be {', '.join(SIZE_LIMITS)}."
        )
    if problem := _find_size_problem(scene_object):
        raise TableError(f"The {name} cannot be a {kind}: {problem}. Nothing was changed; change its size.")
    if not all(0.0 <= part <= 1.0 for part in scene_object.colour):
        raise TableError(
            f"The colour of the {name} is {scene_object.colour}. Nothing was changed; use three numbers from 0 to 1."
        )
    if scene_object.tag is not None and not FIRST_TAG_ID <= scene_object.tag <= MAX_TAG_ID:
        raise TableError(
            f"The {name} has the tag {scene_object.tag}. Nothing was changed; tags of objects have the ids "
            f"{FIRST_TAG_ID} to {MAX_TAG_ID}."
        )


def _find_size_problem(scene_object: SceneObject) -> str:
    """Return what is wrong with an object's size, as a clause; empty if nothing is."""
    limits, (x, y, z) = SIZE_LIMITS[scene_object.kind], scene_object.size
    if not all(map(math.isfinite, scene_object.size)):
        return "its size is not finite"
    for text, value, (low, high) in (("depth", x, limits.horizontal), ("width", y, limits.horizontal)):
        if not low <= value <= high:
            return f"its {text} is {value * 1000:.1f} mm, not {low * 1000:.0f} to {high * 1000:.0f}"
    low, high = limits.height
    if high == 0.0 and z != 0.0:
        return f"it is flat, but its height is {z * 1000:.1f} mm"
    if not low <= z <= high:
        return f"its height is {z * 1000:.1f} mm, not {low * 1000:.0f} to {high * 1000:.0f}"
    if scene_object.is_round and x != y:
        return f"it is round, but its depth is {x * 1000:.1f} mm and its width {y * 1000:.1f}"
    if scene_object.is_container and z <= 2 * WALL_THICKNESS_M:
        return f"it is only {z * 1000:.1f} mm high"
    return ""


def _require_unique(what: str, values: Sequence[str]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise TableError(
                f"Two objects have the {what} {value!r}. Nothing was changed; give each object its own {what}."
            )


def _make_cube(name: str, colour: tuple[float, float, float]) -> SceneObject:
    return SceneObject(name, "block", (CUBE_SIZE_M,) * 3, colour)


def _make_zone(name: str, colour: tuple[float, float, float]) -> SceneObject:
    return SceneObject(name, "zone", (ZONE_SIZE_M, ZONE_SIZE_M, 0.0), colour)


DEFAULT_TABLE = Table(
    (
        _make_cube("red cube", (0.84, 0.20, 0.16)),
        _make_cube("green cube", (0.13, 0.60, 0.33)),
        _make_cube("blue cube", (0.16, 0.42, 0.82)),
        _make_zone("yellow zone", (0.96, 0.79, 0.22)),
        _make_zone("violet zone", (0.60, 0.45, 0.80)),
    )
)
"""Three cubes and two zones: the table of every arm for which no other is chosen."""
SCENE_OBJECTS = DEFAULT_TABLE.scene_objects
"""Objects of the default table, and the table itself."""
