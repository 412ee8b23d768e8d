"""Model of the arm in a pose, alone on the table, for pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mujoco

from metagui.arms.simulation import scene
from metagui.arms.tables.table import DEFAULT_TABLE, Table

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray


class PosedModel:
    """Computes the states in which a renderer draws the arm in a pose, with all objects out of reach."""

    def __init__(self, table: Table = DEFAULT_TABLE) -> None:
        self._model = scene.load_model(table)
        self._data = mujoco.MjData(self._model)
        scene.apply_layout(self._model, self._data, scene.make_parked_layout(table), table)

    def compute_state(self, positions: FloatArray) -> FloatArray:
        """Return the state (D,) of the arm at joint angles (J,), rad, which may be beyond its limits."""
        self._data.qpos[: len(positions)] = positions
        return scene.get_state(self._model, self._data)
