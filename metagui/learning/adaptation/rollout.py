"""Runs a chain of adapted policies on an arm: each click's policy until it knows that it is done."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.kinematics import MAX_DISPLACEMENT_M
from metagui.learning.adaptation.adapted_task import TaskPolicyError
from metagui.learning.policy.features import motion_from_action
from metagui.learning.policy.track import Tracker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import FloatArray, Observation, SceneObject
    from metagui.arms.control.loop import ControlLoop
    from metagui.arms.kinematics import ToolMotion
    from metagui.learning.adaptation.adapted_task import TaskPolicy


@dataclass(frozen=True)
class RolloutSettings:
    """When a policy is done, and when it has had its time."""

    done_threshold: float = 0.5
    """Probability of being done that counts."""
    done_decisions: int = 2
    """Decisions in a row that must be that sure."""
    settled_threshold: float = 0.15
    """Less is enough of a policy that has come to rest …"""
    settled_decisions: int = 10
    """… for this many decisions: nothing more will happen."""
    rest_distance_m: float = 0.001
    """Asking for less than this in a decision is rest, m."""
    max_duration_ratio: float = 2.0
    """A click may take this many times as long as in its longest demonstration …"""
    extra_decisions: int = 150
    """… and this many decisions more."""
    stuck_decisions: int = 20
    """A policy that has not come on for so many decisions …"""
    stuck_distance_m: float = 0.004
    """… by this much, m, …"""
    shake_size_m: float = 0.006
    """… is shaken free by random steps of this size, m, …"""
    shake_decisions: int = 4
    """… so many of them."""


class PolicyController:
    """The learnt task as a controller: one policy after the other. Implements Controller.

    ``outcome`` is empty while it runs, then one of "done", "timed out in click 2", "stopped".
    """

    def __init__(
        self, task_policy: TaskPolicy, objects: Sequence[SceneObject], settings: RolloutSettings | None = None
    ) -> None:
        names = tuple(anchor.name for anchor in objects)
        if names != task_policy.object_names:
            raise TaskPolicyError(
                f"'{task_policy.task}' was adapted with the objects {', '.join(task_policy.object_names)}; this scene "
                f"has {', '.join(names)}. The arm does not move; adapt the task to takes of this scene."
            )
        self.task_policy = task_policy
        self.settings = settings or RolloutSettings()
        self.instruction_index = 0
        self.outcome = ""
        self.distance_to_reference = 0.0
        """How far the present state is from the demonstrations; 1 is as far as the farthest of those."""
        self.done_probability = 0.0
        self._tracker = Tracker(objects)
        self._decision_count = self._done_count = self._settled_count = 0
        self._stuck_recovery = StuckRecovery(self.settings)

    @property
    def current_instruction(self) -> str | None:
        """What is being done, in words; None when nothing is."""
        return None if self.finished else f"{self.task_policy.task}, click {self.instruction_index + 1}"

    @property
    def finished(self) -> bool:
        """Whether the run is over."""
        return bool(self.outcome)

    @property
    def is_timed_out(self) -> bool:
        """Whether it ended because a click took too long."""
        return self.outcome.startswith("timed out")

    def stop(self) -> None:
        """End the run; the arm holds at its next decision."""
        self.outcome = self.outcome or "stopped"

    def decide(self, observation: Observation) -> ToolMotion | None:
        """Return the next motion, or None when the run is over."""
        while not self.finished:
            click = self.task_policy.skills[self.instruction_index]
            anchors, globals_ = self._tracker.observe(observation)
            action, self.done_probability = click.act(anchors, globals_)
            self.distance_to_reference = click.distance_to_reference(anchors, globals_)
            self._decision_count += 1
            motion = motion_from_action(action, done=False)
            if self._is_done(motion):
                self._next_skill()
            elif (
                self._decision_count
                > click.decisions * self.settings.max_duration_ratio + self.settings.extra_decisions
            ):
                self.outcome = f"timed out in click {self.instruction_index + 1}"
            else:
                return self._stuck_recovery.recover(motion, observation.tool_position)
        return None

    def _is_done(self, motion: ToolMotion) -> bool:
        """Whether the policy has been sure for long enough, or at rest for longer and half sure."""
        settings, sure = self.settings, self.done_probability
        resting = float(motion.displacement @ motion.displacement) < settings.rest_distance_m**2
        self._done_count = self._done_count + 1 if sure > settings.done_threshold else 0
        self._settled_count = self._settled_count + 1 if resting and sure > settings.settled_threshold else 0
        return self._done_count >= settings.done_decisions or self._settled_count >= settings.settled_decisions

    def _next_skill(self) -> None:
        """Go on to the next policy, or end."""
        self._decision_count = self._done_count = self._settled_count = 0
        self._stuck_recovery = StuckRecovery(self.settings)
        self._tracker.begin_segment()
        if self.instruction_index + 1 == len(self.task_policy.skills):
            self.outcome = "done"
        else:
            self.instruction_index += 1


class StuckRecovery:
    """Frees a policy that stands still between two ways to go on, as a ball on a ridge, by a few random steps."""

    def __init__(self, settings: RolloutSettings) -> None:
        self._settings = settings
        self._recent_positions: deque[FloatArray] = deque(maxlen=settings.stuck_decisions)
        self._random = np.random.default_rng(0)
        self._remaining_steps = 0
        self._step = np.zeros(3)

    def recover(self, motion: ToolMotion, tool_position: FloatArray) -> ToolMotion:
        """Return the motion, or a random one while the policy is stuck; ``tool`` (3,) is where it is now."""
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


def limit_displacement(displacement: FloatArray) -> FloatArray:
    """Return the step (3,), no longer than one decision may ask."""
    return displacement * min(1.0, MAX_DISPLACEMENT_M / max(float(np.linalg.norm(displacement)), 1e-9))


def run_rollout(loop: ControlLoop, policy: PolicyController, max_seconds: float = 60.0) -> str:
    """Run a chain in a loop without a clock, to its end or for ``seconds`` of the arm's time; return the outcome."""
    loop.run_inline(policy, round(max_seconds / loop.period))
    policy.stop()
    return policy.outcome
