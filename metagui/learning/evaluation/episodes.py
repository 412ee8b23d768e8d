"""A chain of policies under a judge's eyes: whether it did, click by click, what its program asks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.control.loop import ControlLoop
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.programs.scripted import ScriptedDemonstrator, execute
from metagui.demonstrations.programs.success import SuccessMonitor
from metagui.demonstrations.programs.task_distribution import draw_style
from metagui.learning.adaptation.rollout import PolicyController

if TYPE_CHECKING:
    from metagui.arms.arm import Observation
    from metagui.arms.kinematics import ToolMotion
    from metagui.demonstrations.programs.program import TaskProgram
    from metagui.learning.adaptation.adapted_task import TaskPolicy


class EvaluatedPolicyController:
    """A policy chain watched by a judge, click by click. Implements Controller.

    A ``strict`` one ends at the first click that was not achieved: nothing after it can make it good.
    """

    def __init__(self, policy: PolicyController, judge: SuccessMonitor, strict: bool = False) -> None:
        self.policy, self.judge, self.strict = policy, judge, strict
        self.finished = False
        """Whether the run is over, and judged: the chain itself is over a moment sooner."""
        self._watched_segment = -1

    @property
    def current_instruction(self) -> str | None:
        """What the chain is doing."""
        return self.policy.current_instruction

    @property
    def instruction_index(self) -> int:
        """How many clicks the chain has ended."""
        return self.policy.instruction_index

    def decide(self, observation: Observation) -> ToolMotion | None:
        """Return the chain's motion; tell the judge when a click begins and ends."""
        motion = self.policy.decide(observation)
        watched = self._watched_segment
        if watched >= 0 and (self.policy.instruction_index != watched or self.policy.outcome == "done"):
            self._watched_segment = -1  # who is asked again, once all is done, judges nothing twice
            if not self.judge.end_instruction(observation) and self.strict:
                self.policy.outcome, self.finished = f"missed in click {watched + 1}", True
                return None
        if self.policy.instruction_index != self._watched_segment and not self.policy.finished:
            self._watched_segment = self.policy.instruction_index
            self.judge.begin_instruction(observation)
        if motion is not None:
            self.judge.update(observation)
        self.finished = self.policy.finished
        return motion


def run_policy_episode(
    program: TaskProgram, task_policy: TaskPolicy, scene_seed: int, max_seconds: float = 60.0
) -> tuple[bool, str, int]:
    """Run adapted policies in the scene of a seed; return success, the outcome in words, the clicks achieved."""
    arm = SimulatedArm(scene_seed)
    arm.connect()
    loop = ControlLoop(arm, arm)
    if program.setup:
        execute(
            loop,
            ScriptedDemonstrator(
                replace(program, instructions=program.setup), arm, draw_style(np.random.default_rng(0))
            ),
        )
    judged = EvaluatedPolicyController(
        PolicyController(task_policy, arm.objects), SuccessMonitor(program, arm.objects), strict=True
    )
    last = loop.run_inline(judged, round(max_seconds / loop.period))
    judged.policy.stop()
    achieved = sum(judged.judge.achieved)
    success = last is not None and judged.policy.outcome == "done" and judged.judge.is_successful(last.observation)
    return success, judged.policy.outcome, achieved


def run_scripted_episode(program: TaskProgram, scene_seed: int) -> tuple[bool, str, int]:
    """Let the scripted demonstrator do it in the scene of a seed; return the same."""
    arm = SimulatedArm(scene_seed)
    arm.connect()
    loop = ControlLoop(arm, arm)
    style = draw_style(np.random.default_rng(scene_seed))
    if program.setup and not execute(
        loop, ScriptedDemonstrator(replace(program, instructions=program.setup), arm, style)
    ):
        return False, "failed", 0
    demonstrator = ScriptedDemonstrator(program, arm, style)
    solved = execute(loop, demonstrator)
    return solved, "done" if solved else "failed", sum(demonstrator.success_monitor.achieved)
