"""Object-relative replay, a baseline that learns nothing: repeats one take's motion relative to the objects.

Of several takes, every segment repeats the one that has to be deformed least in the present scene; all of them decide
on the reference objects (see ``replay_stages``).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from metagui.demonstrations.recording.segmentation import align_segmentation
from metagui.learning.adaptation.task_policy import TaskPolicyError
from metagui.learning.evaluation.replay_motion import ReplaySettings, StageMotion
from metagui.learning.evaluation.replay_push import PushMotion
from metagui.learning.evaluation.replay_stages import NO_OBJECT, ReplaySegment, divide_into_stages, extract_segments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import Observation, SceneObject
    from metagui.arms.kinematics import ToolMotion
    from metagui.demonstrations.demonstration import Demonstration


@dataclass(frozen=True)
class ObjectReplay:
    """A task's demonstrations, prepared for replay relative to objects."""

    task: str
    segments: tuple[tuple[ReplaySegment, ...], ...]
    """For every segment, that segment of every take."""
    object_names: tuple[str, ...]
    """Names of the scene's objects, in the order of the takes."""
    settings: ReplaySettings = field(default_factory=ReplaySettings)


def build_object_replay(takes: Sequence[Demonstration]) -> ObjectReplay:
    """Return the replay of a task's takes; those with an unusual number of segments are left out.

    Raises FeatureError.
    """
    extracted = [extract_segments(take) for take in align_segmentation(takes)]
    usual = Counter(map(len, extracted)).most_common(1)[0][0]
    used = [segments for segments in extracted if len(segments) == usual]
    columns = ([take[index] for take in used if len(take[index])] for index in range(usual))
    segments = tuple(tuple(divide_into_stages(column)) for column in columns if column)
    return ObjectReplay(takes[0].task, segments, tuple(obj.name for obj in takes[0].objects))


class ObjectReplayController:
    """Repeats the segments of a task one after the other. Implements RolloutController."""

    def __init__(self, replay: ObjectReplay, objects: Sequence[SceneObject]) -> None:
        names = tuple(obj.name for obj in objects)
        if names != replay.object_names:
            raise TaskPolicyError(
                f"'{replay.task}' was shown with the objects {', '.join(replay.object_names)}; this scene has "
                f"{', '.join(names)}. The arm does not move; choose takes of this scene."
            )
        self.replay = replay
        self.instruction_index = 0
        self.outcome = ""
        self._segment: ReplaySegment | None = None
        self._stage_index = 0
        self._motion: StageMotion | PushMotion | None = None

    @property
    def current_instruction(self) -> str | None:
        """Text of the current instruction; None after the end."""
        return None if self.finished else f"{self.replay.task}, segment {self.instruction_index + 1}"

    @property
    def finished(self) -> bool:
        """True if the run is over."""
        return bool(self.outcome)

    def stop(self) -> None:
        """End the run; the arm holds from its next decision on."""
        self.outcome = self.outcome or "stopped"

    def decide(self, observation: Observation) -> ToolMotion | None:
        """Return the next motion, or None if the run is over."""
        while not self.finished:
            if self._segment is None:
                takes = self.replay.segments[self.instruction_index]
                self._segment = min(takes, key=lambda take: compute_deformation(take, observation))
                self._stage_index = 0
            if self._stage_index == len(self._segment.stages):
                self._next_segment()
                continue
            if self._motion is None:
                stage = self._segment.stages[self._stage_index]
                kind = StageMotion if stage.pushed == NO_OBJECT else PushMotion
                self._motion = kind(self._segment.demonstrated, stage, observation, self.replay.settings)
            motion = self._motion.decide(observation)
            if motion is not None:
                return motion
            self._motion = None
            self._stage_index += 1
        return None

    def _next_segment(self) -> None:
        """Continue with the next segment, or end."""
        self._segment = None
        if self.instruction_index + 1 == len(self.replay.segments):
            self.outcome = "done"
        else:
            self.instruction_index += 1


def compute_deformation(segment: ReplaySegment, observation: Observation) -> float:
    """Return how far a segment's references have moved horizontally against its start, m, summed over stages."""
    take, stages = segment
    points = [observation.tool_position - take.tool_positions[0]]
    for stage in stages:
        indices = [index for index in (stage.pushed, stage.reference) if index != NO_OBJECT]
        points += [observation.scene.positions[index] - take.object_positions[0, index] for index in indices]
    return float(sum(np.linalg.norm(np.diff(np.array(points)[:, :2], axis=0), axis=1)))
