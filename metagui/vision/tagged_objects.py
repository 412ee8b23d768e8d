"""Which tag is on which object of the table, by default numbered in the order of the objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.cameras.mat import FIRST_OBJECT_TAG
from metagui.cameras.object_tracker import TaggedObject

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metagui.arms.arm import SceneObject

FLAT_TAG_HEIGHT_M = 0.0008
"""Height of the tag on a flat zone above the table, m."""


def number_tags(objects: Sequence[SceneObject]) -> dict[str, int]:
    """Return the default tag of every object by its name; the table has none."""
    return {each.name: FIRST_OBJECT_TAG + index for index, each in enumerate(objects) if each.kind != "table"}


def make_tagged_objects(
    objects: Sequence[SceneObject], tags: Mapping[str, int] | None = None
) -> tuple[TaggedObject, ...]:
    """Return the objects that have a tag, lying flat on top of them; ``tags`` are their ids by name."""
    chosen = number_tags(objects) | dict(tags or {})
    found = []
    for each in objects:
        if each.name in chosen:
            is_flat = each.kind == "zone"
            half = 0.0 if is_flat else each.size / 2
            tag_height = FLAT_TAG_HEIGHT_M if is_flat else half
            found.append(TaggedObject(each.name, chosen[each.name], half, tag_height, is_flat))
    return tuple(found)
