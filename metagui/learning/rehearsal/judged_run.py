"""A policy run that is judged by what the task's takes show: which object ended where, relative to what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.arms.control.tick import TICKS_PER_DECISION, JointMove
from metagui.learning.policy.features import FeatureError
from metagui.learning.rehearsal.goals import list_needed
from metagui.learning.rehearsal.judge import Judge, infer_goals
from metagui.learning.rehearsal.motion_record import MotionRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import Observation, SceneObject
    from metagui.arms.kinematics import ToolMotion
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.adaptation.rollout import RolloutController
    from metagui.learning.rehearsal.goals import SegmentGoal


class JudgedRun:
    """Runs a task policy to its end and judges every segment. Implements Controller.

    Unlike a rehearsal it goes on after a failure: a person who watches wants to see the rest.
    """

    def __init__(self, policy: RolloutController, goals: Sequence[SegmentGoal], objects: Sequence[SceneObject]) -> None:
        self.policy = policy
        self.failures: list[str] = []
        """What was not achieved, in order; empty if nothing is missing so far."""
        self.needed_objects = frozenset(objects[index].name for index in list_needed(goals) if index < len(objects) - 1)
        """Names of the objects whose places the takes depend on."""
        self._judge = Judge(goals, objects)
        self._observations: list[Observation] = []
        self._segment = 0

    @property
    def current_instruction(self) -> str | None:
        """Text of the current segment; None after the end."""
        return self.policy.current_instruction

    @property
    def instruction_index(self) -> int:
        """Index of the current segment."""
        return self.policy.instruction_index

    @property
    def finished(self) -> bool:
        """True if the run is over."""
        return self.policy.finished

    def decide(self, observation: Observation) -> ToolMotion | JointMove | None:
        """Return the policy's motion; judge every segment when it ends."""
        was_finished = self.policy.finished
        motion = self.policy.decide(observation)
        if was_finished or isinstance(motion, JointMove):
            return motion
        self._observations += [observation] * TICKS_PER_DECISION  # goals count samples at the rate of takes
        if self.policy.instruction_index != self._segment or self.policy.outcome == "done":
            self._judge_segment()
            self._segment, self._observations = self.policy.instruction_index, []
        if self.policy.outcome == "done" and not self.failures and not self._judge.judge_end(observation):
            self.failures.append(self._judge.failure)
        return motion

    def look_again(self, observation: Observation) -> None:
        """Judge the end once more, by what is known a moment later: a camera sees it after it has happened."""
        if self.policy.outcome == "done" and not self.failures and not self._judge.judge_end(observation):
            self.failures.append(self._judge.failure)

    def _judge_segment(self) -> None:
        if not self._judge.judge_segment(self._segment, MotionRecord.from_observations(self._observations)):
            self.failures.append(self._judge.failure)


def make_judged_run(
    policy: RolloutController, takes: Sequence[Demonstration], objects: Sequence[SceneObject]
) -> JudgedRun | None:
    """Return a run that is judged by the takes, None if they do not show the segments of the policy."""
    try:
        goals = infer_goals(takes) if takes else []
    except FeatureError:
        return None
    return JudgedRun(policy, goals, objects) if goals and len(goals) == policy.task_policy.segment_count else None
