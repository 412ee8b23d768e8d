"""Named columns of the policy's inputs and outputs, their scales, and the signs that mirror them left-right.

Every module that reads or writes feature columns takes their indices from here.
"""

# ruff: noqa: RUF009 - the helpers return dataclass fields, not values

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

VERSION = 4
"""Version of the feature definitions; raised whenever a feature changes its meaning. A prior fits one version."""

OBJECT_KINDS = ("cube", "zone", "table")
"""Kinds that the features distinguish: what is grasped and pushed, where it is put, and the table."""
FEATURE_KINDS = {
    "block": "cube", "cylinder": "cube", "bowl": "zone", "tray": "zone", "zone": "zone", "point": "zone",
    "table": "table",
}  # fmt: skip
"""Which of them every kind of object is: a container is a place, as a zone is."""
KIND_FEATURES = len(OBJECT_KINDS) + 1
"""Number of one-hot columns for the kind; the last one is the segment's start."""

COARSE_SCALE_M, FINE_SCALE_M, FINEST_SCALE_M = 0.1, 0.02, 0.008
"""Length scales of relative positions, m."""
DISPLACEMENT_SCALE_M = 0.008
"""Displacement per decision that the action value 1 stands for, m."""
TURN_SCALE_RAD = 0.15
"""Turn per decision that the action value 1 stands for, rad."""
GRIPPER_SCALE = 0.7
"""Action value of the fully open gripper; its negative is the closed gripper."""
YAW_SCALE_RAD = 0.8
"""Tool yaw that the feature value 1 stands for, rad."""


def _columns(start: int, *signs: int) -> Any:
    """Return a dataclass field for consecutive columns with their mirror signs."""
    return field(default_factory=lambda: slice(start, start + len(signs)), metadata={"signs": signs})


def _column(index: int, sign: int = 1) -> Any:
    """Return a dataclass field for one column with its mirror sign."""
    return field(default=index, metadata={"signs": (sign,)})


def mirror_signs(layout: Any) -> Array:
    """Return the signs (columns,) that turn a layout's features into those of the mirrored take."""
    return np.array([sign for column in fields(layout) for sign in column.metadata["signs"]], dtype=np.float32)


@dataclass(frozen=True)
class ObjectLayout:
    """Columns of one object's features; the segment's start pose is encoded as one more object, the last."""

    offset: slice = _columns(0, 1, -1, 1)
    """Position relative to the tool, world axes, in units of ``COARSE_SCALE_M``."""
    offset_fine: slice = _columns(3, 1, -1, 1)
    """tanh of the same at ``FINE_SCALE_M``."""
    offset_jaw: slice = _columns(6, 1, -1)
    """tanh of the horizontal position in the jaw's frame at ``FINEST_SCALE_M``."""
    height_finest: int = _column(8)
    """tanh of the vertical position at ``FINEST_SCALE_M``."""
    yaw: int = _column(9, -1)
    """Yaw relative to the tool, wrapped to a quarter turn, in units of pi/4."""
    kind: slice = _columns(10, *(1,) * KIND_FEATURES)
    """Kind, one-hot: ``OBJECT_KINDS``, then the segment's start."""
    held: int = _column(14)
    """1 if the object is held."""
    touched: int = _column(15)
    """1 if the object has been touched in this segment."""
    was_held: int = _column(16)
    """1 if the object has been held in this segment."""
    swept: int = _column(17, -1)
    """Angle by which the tool has gone round the object at this height, in turns."""
    moved: slice = _columns(18, 1, -1, 1)
    """Displacement of the object since the segment began, in units of ``COARSE_SCALE_M``."""
    box_centre: slice = _columns(21, 1, -1, 1)
    """Centre of the box that contains all ``offset`` values of the segment so far."""
    box_half_size: slice = _columns(24, 1, 1, 1)
    """Half size of that box. The distance the tool travelled would let the policy ignore the scene; whether it has
    been at a place does not."""

    @property
    def contact(self) -> slice:
        """Columns of ``held``, ``touched`` and ``was_held``."""
        return slice(self.held, self.was_held + 1)

    @property
    def history(self) -> slice:
        """Columns of ``held``, ``touched``, ``was_held`` and ``swept``."""
        return slice(self.held, self.swept + 1)

    def kind_column(self, kind: str) -> int:
        """Return the one-hot column of a kind in ``OBJECT_KINDS``."""
        return int(self.kind.start) + OBJECT_KINDS.index(kind)


@dataclass(frozen=True)
class GlobalLayout:
    """Columns of the features that belong to no object."""

    gripper: int = _column(0)
    """Opening, -1 closed to 1 open."""
    holding: int = _column(1)
    """1 if any object is held."""
    height: int = _column(2)
    """Height of the tool, in units of ``COARSE_SCALE_M``."""
    height_fine: int = _column(3)
    """tanh of the height at ``FINE_SCALE_M``."""
    yaw: int = _column(4, -1)
    """Tool yaw, in units of ``YAW_SCALE_RAD``."""
    cos_yaw: int = _column(5)
    sin_yaw: int = _column(6, -1)


@dataclass(frozen=True)
class ActionLayout:
    """Columns of an action."""

    displacement: slice = _columns(0, 1, -1, 1)
    """Displacement of the tool, in units of ``DISPLACEMENT_SCALE_M``."""
    turn: int = _column(3, -1)
    """Turn of the tool, in units of ``TURN_SCALE_RAD``."""
    gripper: int = _column(4)
    """Opening of the gripper, -``GRIPPER_SCALE`` closed to ``GRIPPER_SCALE`` open."""


OBJECT_LAYOUT, GLOBAL_LAYOUT, ACTION_LAYOUT = ObjectLayout(), GlobalLayout(), ActionLayout()

MIRROR_SIGNS = (mirror_signs(OBJECT_LAYOUT), mirror_signs(GLOBAL_LAYOUT), mirror_signs(ACTION_LAYOUT))
"""Signs that turn object features, global features and actions into those of the left-right mirrored take."""

OBJECT_FEATURES, GLOBAL_FEATURES, ACTION_SIZE = (len(signs) for signs in MIRROR_SIGNS)
OBJECT_INPUT_FEATURES = int(OBJECT_LAYOUT.box_centre.start)
"""Number of leading object features that the networks read directly; conditioning features are made from the box."""
