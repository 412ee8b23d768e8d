"""Objects of a data set that metagui exported and another program changed, read back from their state vector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from metagui.arms.tables.object_codec import object_from_dict
from metagui.arms.tables.table import TABLE_CENTRE_M
from metagui.demonstrations.formats.foreign_take import ObjectMotion
from metagui.demonstrations.storage.errors import ContentError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from metagui.arms.arm import SceneObject

NUMBERS_PER_OBJECT = 5


def decode_environment(objects: Any, names: tuple[str, ...] | None, values: NDArray[Any]) -> ObjectMotion | None:
    """Return the objects' motion from their state (N, 5 K); None if the objects are not described.

    Raises ContentError if the description is damaged.
    """
    if objects is None:
        return None
    try:
        found = tuple(object_from_dict(each) for each in objects)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ContentError("the description of its objects is damaged") from error
    movable = [index for index, each in enumerate(found) if each.kind != "table"]
    if names is None or [name.rsplit(".", 1)[0] for name in names[::NUMBERS_PER_OBJECT]] != _names(found, movable):
        return None
    count = len(values)
    state = np.asarray(values, dtype=np.float64).reshape(count, len(movable), NUMBERS_PER_OBJECT)
    if not np.isfinite(state).all():
        raise ContentError("its objects' positions contain numbers that are not finite")
    positions = np.tile(TABLE_CENTRE_M, (count, len(found), 1))
    yaws, held = np.zeros((count, len(found))), np.zeros((count, len(found)), dtype=np.bool_)
    positions[:, movable], yaws[:, movable], held[:, movable] = state[..., :3], state[..., 3], state[..., 4] > 0.5
    return ObjectMotion(found, positions, yaws, held, held)


def _names(objects: tuple[SceneObject, ...], indices: list[int]) -> list[str]:
    return [objects[index].name for index in indices]
