"""What happened in one segment of a take or a run, sample by sample: the input of the judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metagui.learning.policy import features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import BoolArray, FloatArray, Observation
    from metagui.demonstrations.demonstration import Demonstration


@dataclass(frozen=True)
class MotionRecord:
    """T samples at the control rate, with A objects, in the arm's base frame."""

    tool_positions: FloatArray
    """(T, 3) m."""
    object_positions: FloatArray
    """(T, A, 3) m."""
    held: BoolArray
    """(T, A)"""
    touched: BoolArray
    """(T, A)"""

    def __len__(self) -> int:
        return len(self.tool_positions)

    @classmethod
    def from_observations(cls, observations: Sequence[Observation]) -> MotionRecord:
        """Return the record of consecutive observations."""
        scenes = [each.scene for each in observations]
        return cls(
            np.array([each.tool_position for each in observations]),
            np.array([scene.positions for scene in scenes]),
            np.array([scene.held for scene in scenes]),
            np.array([scene.touched for scene in scenes]),
        )

    def measure_displacement(self) -> FloatArray:
        """Return how far every object is from where it began, (A,) m."""
        return np.asarray(np.linalg.norm(self.object_positions[-1] - self.object_positions[0], axis=1))

    def measure_rise(self) -> FloatArray:
        """Return how much higher every object ends than it began, (A,) m."""
        return np.asarray(self.object_positions[-1, :, 2] - self.object_positions[0, :, 2])


def split_take(take: Demonstration) -> list[MotionRecord]:
    """Return the record of every segment of a take, within its trim; a record may be empty."""
    first, last = take.trim or (0, len(take))
    spans = [(max(start, first), min(stop, last)) for start, stop in features.segment_spans(take)]
    return [
        MotionRecord(
            take.tool_positions[start:stop],
            take.object_positions[start:stop],
            take.held[start:stop],
            take.touched[start:stop],
        )
        for start, stop in spans
    ]
