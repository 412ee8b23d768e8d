"""Which tag is on which object of the table, by default numbered in the order of the objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.cameras.mat import FIRST_OBJECT_TAG
from metagui.cameras.object_tracker import TaggedObject

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metagui.arms.arm import SceneObject

PAPER_TAG_HEIGHT_M = 0.0008
"""Height of the tag on a zone, or on the floor of a container, above the object's position, m."""


def number_tags(objects: Sequence[SceneObject]) -> dict[str, int]:
    """Return the tag of every object by its name: its own, or one that follows from its place; the table has none."""
    return {
        each.name: FIRST_OBJECT_TAG + index if each.tag is None else each.tag
        for index, each in enumerate(objects)
        if each.kind != "table"
    }


def make_tagged_objects(
    objects: Sequence[SceneObject], tags: Mapping[str, int] | None = None
) -> tuple[TaggedObject, ...]:
    """Return the objects that have a tag, lying flat on top of them; ``tags`` are their ids by name."""
    chosen = number_tags(objects) | dict(tags or {})
    found = []
    for each in objects:
        if each.name in chosen:
            tag_height = each.support_height or PAPER_TAG_HEIGHT_M
            found.append(TaggedObject(each.name, chosen[each.name], each.resting_height, tag_height, not each.is_solid))
    return tuple(found)
