"""Converts a replay to named arrays and JSON values, and back, for the file of a task policy."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from metagui.learning.object_replay.object_replay import ObjectReplay
from metagui.learning.object_replay.replay_stages import DemonstratedSegment, ReplaySegment, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

ReplayRows = list[list[list[dict[str, Any]]]]
"""For every segment and take, its stages as JSON values."""


def pack_replay(replay: ObjectReplay) -> tuple[dict[str, NDArray[Any]], ReplayRows]:
    """Return the arrays, named ``SEGMENT/TAKE/FIELD``, and the stages."""
    arrays = {
        f"{index}/{take}/{each.name}": np.array(getattr(own.demonstrated, each.name))
        for index, takes in enumerate(replay.segments)
        for take, own in enumerate(takes)
        for each in fields(DemonstratedSegment)
    }
    return arrays, [[[asdict(stage) for stage in own.stages] for own in takes] for takes in replay.segments]


def unpack_replay(arrays: Mapping[str, NDArray[Any]], rows: ReplayRows) -> ObjectReplay:
    """Return the replay of packed arrays and stages. Raises KeyError and TypeError."""

    def unpack(prefix: str, stages: list[dict[str, Any]]) -> ReplaySegment:
        columns = (arrays[f"{prefix}/{each.name}"] for each in fields(DemonstratedSegment))
        return ReplaySegment(DemonstratedSegment(*columns), tuple(Stage(**stage) for stage in stages))

    return ObjectReplay(
        tuple(
            tuple(unpack(f"{index}/{take}", stages) for take, stages in enumerate(takes))
            for index, takes in enumerate(rows)
        )
    )
