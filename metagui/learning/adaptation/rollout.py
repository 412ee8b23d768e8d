"""Runs a task policy on an arm: each segment's skill policy until it is done, then the next."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.control.tick import GO_HOME_FIRST
from metagui.arms.kinematics import has_cartesian_way
from metagui.learning.adaptation.task_policy import TaskPolicyError
from metagui.learning.policy.features import limit_displacement, motion_from_action
from metagui.learning.policy.track import Tracker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import FloatArray, Observation, SceneObject
    from metagui.arms.control.loop import ControlLoop
    from metagui.arms.control.tick import JointMove
    from metagui.arms.kinematics import ToolMotion
    from metagui.learning.adaptation.task_policy import SkillPolicy, TaskPolicy
    from metagui.learning.policy.feature_layout import Array


@dataclass(frozen=True)
class RolloutSettings:
    """Conditions for the end of a skill policy, its timeout and the recovery when stuck."""

    done_threshold: float = 0.5
    """Minimum done probability of a decision that counts as done."""
    done_decisions: int = 2
    """Number of such decisions in a row that ends a policy."""
    settled_threshold: float = 0.15
    """Minimum done probability of a policy at rest."""
    settled_decisions: int = 10
    """Number of such decisions in a row at rest that ends a policy, since it will not move any more."""
    rest_distance_m: float = 0.001
    """Displacement per decision below which a policy is at rest, m."""
    max_duration_ratio: float = 2.0
    """Maximum duration relative to the longest demonstration of the segment."""
    extra_decisions: int = 150
    """Number of decisions added to the maximum duration."""
    stuck_decisions: int = 20
    """Number of decisions over which a policy must make progress."""
    stuck_distance_m: float = 0.004
    """Minimum movement in these decisions, m; below it the policy is stuck."""
    shake_size_m: float = 0.006
    """Standard deviation of the random steps that free a stuck policy, m."""
    shake_decisions: int = 4
    """Number of random steps."""


class RolloutController(ABC):
    """Carries out the segments of a task in order. Implements Controller.

    ``outcome`` is empty during the run, then for example "done", "timed out in segment 2" or "stopped". Raises
    TaskPolicyError if the scene has other objects than the takes.
    """

    def __init__(self, task_policy: TaskPolicy, objects: Sequence[SceneObject]) -> None:
        names = tuple(obj.name for obj in objects)
        if names != task_policy.object_names:
            raise TaskPolicyError(
                f"'{task_policy.task}' was adapted with the objects {', '.join(task_policy.object_names)}; this scene "
                f"has {', '.join(names)}. The arm does not move; adapt the task to takes of this scene."
            )
        self.task_policy = task_policy
        self.instruction_index = 0
        """Index of the current segment."""
        self.outcome = ""
        self._started = False
        self._present: tuple[SkillPolicy, Array, Array] | None = None
        """The skill policy and the features of the present state."""

    @property
    def current_instruction(self) -> str | None:
        """Text of the current instruction; None after the end."""
        return None if self.finished else f"{self.task_policy.task}, segment {self.instruction_index + 1}"

    @property
    def finished(self) -> bool:
        """True if the run is over."""
        return bool(self.outcome)

    @property
    def distance_to_reference(self) -> float:
        """Distance of the present state from the demonstrations, relative to the farthest of those."""
        present = self._present
        return 0.0 if present is None else present[0].distance_to_reference(*present[1:])

    def stop(self) -> None:
        """End the run; the arm holds from its next decision on."""
        self.outcome = self.outcome or "stopped"

    def decide(self, observation: Observation) -> ToolMotion | JointMove | None:
        """Return the next motion, None if the run is over; first the way home if the tool cannot start here."""
        if not self._started and not self.finished and not has_cartesian_way(observation.joints.positions):
            return GO_HOME_FIRST
        self._started = True
        return self._decide_next(observation)

    @abstractmethod
    def _decide_next(self, observation: Observation) -> ToolMotion | None:
        """Return the next motion, or None if the run is over."""

    def _end_segment(self) -> None:
        """Continue with the next segment, or end."""
        if self.instruction_index + 1 == self.task_policy.segment_count:
            self.outcome = "done"
        else:
            self.instruction_index += 1


class PolicyController(RolloutController):
    """Runs the skill policies of a task one after the other."""

    def __init__(
        self, task_policy: TaskPolicy, objects: Sequence[SceneObject], settings: RolloutSettings | None = None
    ) -> None:
        super().__init__(task_policy, objects)
        self.settings = settings or RolloutSettings()
        self.done_probability = 0.0
        """Done probability at the last decision."""
        self._tracker = Tracker(objects)
        self._decision_count = self._done_count = self._settled_count = 0
        self._stuck_recovery = StuckRecovery(self.settings)

    def _decide_next(self, observation: Observation) -> ToolMotion | None:
        while not self.finished:
            skill = self.task_policy.skills[self.instruction_index]
            features = self._tracker.observe(observation)
            action, self.done_probability = skill.act(*features)
            self._present = (skill, *features)
            self._decision_count += 1
            motion = motion_from_action(action, done=False)
            if self._is_done(motion):
                self._next_skill()
            elif self._decision_count > self._max_decisions(skill):
                self.outcome = f"timed out in segment {self.instruction_index + 1}"
            else:
                return self._stuck_recovery.recover(motion, observation.tool_position)
        return None

    def _max_decisions(self, skill: SkillPolicy) -> float:
        return skill.decisions * self.settings.max_duration_ratio + self.settings.extra_decisions

    def _is_done(self, motion: ToolMotion) -> bool:
        """Return whether the done probability was high for long enough, or moderate for longer at rest."""
        settings, probability = self.settings, self.done_probability
        resting = float(motion.displacement @ motion.displacement) < settings.rest_distance_m**2
        self._done_count = self._done_count + 1 if probability > settings.done_threshold else 0
        self._settled_count = self._settled_count + 1 if resting and probability > settings.settled_threshold else 0
        return self._done_count >= settings.done_decisions or self._settled_count >= settings.settled_decisions

    def _next_skill(self) -> None:
        """Continue with the next policy, or end."""
        self._decision_count = self._done_count = self._settled_count = 0
        self._stuck_recovery = StuckRecovery(self.settings)
        self._tracker.begin_segment()
        self._end_segment()


class StuckRecovery:
    """Frees a policy that stands still between two possible motions by a few random steps."""

    def __init__(self, settings: RolloutSettings) -> None:
        self._settings = settings
        self._recent_positions: deque[FloatArray] = deque(maxlen=settings.stuck_decisions)
        self._random = np.random.default_rng(0)
        self._remaining_steps = 0
        self._step = np.zeros(3)

    def recover(self, motion: ToolMotion, tool_position: FloatArray) -> ToolMotion:
        """Return the motion, or a random one while the policy is stuck; ``tool_position`` (3,) in m."""
        self._recent_positions.append(tool_position)
        if self._is_stuck():
            self._recent_positions.clear()
            self._remaining_steps = self._settings.shake_decisions
            self._step = self._random.normal(0.0, self._settings.shake_size_m, 3)
        if not self._remaining_steps:
            return motion
        self._remaining_steps -= 1
        return replace(motion, displacement=limit_displacement(self._step))

    def _is_stuck(self) -> bool:
        long_enough = len(self._recent_positions) == self._recent_positions.maxlen
        return (
            long_enough
            and float(np.ptp(np.array(self._recent_positions), axis=0).max()) < self._settings.stuck_distance_m
        )


def run_rollout(loop: ControlLoop, policy: RolloutController, max_seconds: float = 60.0) -> str:
    """Run a task policy in a loop without a clock; return the outcome.

    The run is stopped after ``max_seconds`` of arm time.
    """
    loop.run_inline(policy, round(max_seconds / loop.period))
    policy.stop()
    return policy.outcome
