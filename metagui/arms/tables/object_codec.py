"""Scene objects as JSON values, as in takes, journals and table files.

``size`` and the kind ``cube`` are those of version 0.1, which knew no other blocks: every metagui reads them. What it
did not know is in keys of its own, ``dimensions`` and ``tag``, which are there only where ``size`` does not say all.
"""

from __future__ import annotations

import math
from typing import Any, cast

from metagui.arms.arm import ObjectKind, SceneObject

_KIND_IN_FILES = {"block": "cube"}
_KIND_OF_FILES = {name: kind for kind, name in _KIND_IN_FILES.items()}
_FLAT_KINDS = ("zone", "point")


def object_to_dict(scene_object: SceneObject) -> dict[str, Any]:
    """Return a scene object as JSON values."""
    values: dict[str, Any] = {
        "name": scene_object.name,
        "kind": _KIND_IN_FILES.get(scene_object.kind, scene_object.kind),
        "size": scene_object.width,
        "colour": list(scene_object.colour),
    }
    if tuple(scene_object.size) != _read_size(values, scene_object.kind):
        values["dimensions"] = list(scene_object.size)
    return values if scene_object.tag is None else values | {"tag": scene_object.tag}


def object_from_dict(values: dict[str, Any]) -> SceneObject:
    """Invert ``object_to_dict``; keys of newer versions are ignored. Raises KeyError, TypeError, ValueError."""
    name, kind, colour, tag = values["name"], values["kind"], tuple(values["colour"]), values.get("tag")
    if not isinstance(name, str) or not isinstance(kind, str) or len(colour) != 3:
        raise ValueError(f"not an object: {name!r}, {kind!r}, {colour}")
    kind = _KIND_OF_FILES.get(kind, kind)
    size = _read_size(values, kind)
    if not all(map(_is_number, (*size, *colour))):
        raise ValueError(f"{name!r} has a size or a colour that is not finite")
    if tag is not None and (isinstance(tag, bool) or not isinstance(tag, int)):
        raise ValueError(f"{name!r} has a tag that is no whole number")
    x, y, z = map(float, size)
    return SceneObject(name, cast("ObjectKind", kind), (x, y, z), colour, tag)


def _read_size(values: dict[str, Any], kind: str) -> tuple[Any, ...]:
    """Return the size along three axes; files of older versions have one edge length."""
    if "dimensions" not in values:
        edge = values["size"]
        return (edge, edge, 0.0 if kind in _FLAT_KINDS else edge)
    size = tuple(values["dimensions"])
    if len(size) != 3:
        raise ValueError(f"an object has {len(size)} dimensions, not three")
    return size


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False
