"""Runs the object-relative replay of a task like a policy, and selects the controller that a task policy needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.learning.adaptation.rollout import PolicyController, RolloutController
from metagui.learning.adaptation.task_policy import Provenance, TaskPolicy, TaskPolicyError
from metagui.learning.object_replay.object_replay import SegmentReplay, build_object_replay
from metagui.learning.policy.track import Tracker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import Observation, SceneObject
    from metagui.arms.kinematics import ToolMotion
    from metagui.demonstrations.demonstration import Demonstration


class ObjectReplayController(RolloutController):
    """Repeats the segments of a task one after the other."""

    def __init__(self, task_policy: TaskPolicy, objects: Sequence[SceneObject]) -> None:
        super().__init__(task_policy, objects)
        if task_policy.replay is None:
            raise TaskPolicyError(
                f"'{task_policy.task}' has no takes to replay. The arm does not move; adapt the task again."
            )
        self._replay = task_policy.replay
        self._segment: SegmentReplay | None = None
        self._tracker = Tracker(objects) if task_policy.skills else None

    def _decide_next(self, observation: Observation) -> ToolMotion | None:
        while not self.finished:
            if self._segment is None:
                takes = self._replay.segments[self.instruction_index]
                self._segment = SegmentReplay(takes, observation, self._replay.settings)
                if self._tracker is not None:
                    self._tracker.begin_segment()
            motion = self._segment.decide(observation)
            if motion is not None:
                self._observe(observation)
                return motion
            self._segment = None
            self._end_segment()
        return None

    def _observe(self, observation: Observation) -> None:
        """Note the present state, for its distance from the demonstrations."""
        if self._tracker is not None:
            self._present = (self.task_policy.skills[self.instruction_index], *self._tracker.observe(observation))


def make_rollout_controller(task_policy: TaskPolicy, objects: Sequence[SceneObject]) -> RolloutController:
    """Return the controller that carries out an adapted policy or a replay. Raises TaskPolicyError."""
    kind = PolicyController if task_policy.replay is None else ObjectReplayController
    return kind(task_policy, objects)


def make_replay_policy(takes: Sequence[Demonstration]) -> TaskPolicy:
    """Return the task policy that replays takes relative to objects, without learnt policies. Raises FeatureError."""
    names = tuple(obj.name for obj in takes[0].objects)
    provenance = Provenance(takes=tuple(take.name for take in takes))
    return TaskPolicy(takes[0].task, (), names, provenance, build_object_replay(takes))
