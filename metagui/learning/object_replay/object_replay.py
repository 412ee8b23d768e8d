"""Object-relative replay: one take's motion, repeated relative to the objects. Nothing is learnt.

Of several takes, every segment repeats the one that has to be deformed least in the present scene; all of them decide
on the reference objects (see ``replay_stages``).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from metagui.demonstrations.recording.segmentation import align_segmentation
from metagui.learning.object_replay.reference_choice import NO_OBJECT
from metagui.learning.object_replay.replay_motion import ReplaySettings, StageMotion
from metagui.learning.object_replay.replay_push import PushMotion
from metagui.learning.object_replay.replay_stages import ReplaySegment, divide_into_stages, extract_segments
from metagui.learning.policy.dataset import MIN_SEGMENT_DECISIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import Observation
    from metagui.arms.kinematics import ToolMotion
    from metagui.demonstrations.demonstration import Demonstration


@dataclass(frozen=True)
class ObjectReplay:
    """A task's demonstrations, prepared for replay relative to objects."""

    segments: tuple[tuple[ReplaySegment, ...], ...]
    """For every segment, that segment of every take."""
    settings: ReplaySettings = field(default_factory=ReplaySettings)


def build_object_replay(takes: Sequence[Demonstration]) -> ObjectReplay:
    """Return the replay of a task's takes; those with an unusual number of segments are left out.

    Segments that are too short in every take are left out, as in adaptation. Raises FeatureError.
    """
    extracted = [extract_segments(take) for take in align_segmentation(takes)]
    usual = Counter(map(len, extracted)).most_common(1)[0][0]
    used = [segments for segments in extracted if len(segments) == usual]
    columns = ([take[index] for take in used if len(take[index]) >= MIN_SEGMENT_DECISIONS] for index in range(usual))
    return ObjectReplay(tuple(tuple(divide_into_stages(column)) for column in columns if column))


class SegmentReplay:
    """Repeats one segment: the take that fits the present scene best, stage by stage."""

    def __init__(self, takes: Sequence[ReplaySegment], observation: Observation, settings: ReplaySettings) -> None:
        self._segment = min(takes, key=lambda take: compute_deformation(take, observation))
        self._settings = settings
        self._stage_index = 0
        self._motion: StageMotion | PushMotion | None = None

    def decide(self, observation: Observation) -> ToolMotion | None:
        """Return the next motion, or None if the segment is over."""
        while self._stage_index < len(self._segment.stages):
            if self._motion is None:
                stage = self._segment.stages[self._stage_index]
                kind = StageMotion if stage.pushed == NO_OBJECT else PushMotion
                self._motion = kind(self._segment.demonstrated, stage, observation, self._settings)
            motion = self._motion.decide(observation)
            if motion is not None:
                return motion
            self._motion = None
            self._stage_index += 1
        return None


def compute_deformation(segment: ReplaySegment, observation: Observation) -> float:
    """Return how far a segment's references have moved horizontally against its start, m, summed over stages."""
    take, stages = segment
    points = [observation.tool_position - take.tool_positions[0]]
    for stage in stages:
        indices = [index for index in (stage.pushed, stage.reference) if index != NO_OBJECT]
        points += [observation.scene.positions[index] - take.object_positions[0, index] for index in indices]
    return float(sum(np.linalg.norm(np.diff(np.array(points)[:, :2], axis=0), axis=1)))
