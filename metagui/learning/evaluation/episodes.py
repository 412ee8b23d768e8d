"""Evaluation episodes: a task policy runs in a scene, and every instruction of its program is checked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.control.loop import ControlLoop
from metagui.arms.control.tick import JointMove
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.programs.scripted import ScriptedDemonstrator, execute
from metagui.demonstrations.programs.success import SuccessMonitor
from metagui.demonstrations.programs.task_distribution import draw_style
from metagui.learning.adaptation.replay_rollout import make_rollout_controller

if TYPE_CHECKING:
    from metagui.arms.arm import Observation
    from metagui.arms.kinematics import ToolMotion
    from metagui.demonstrations.programs.program import TaskProgram
    from metagui.learning.adaptation.rollout import RolloutController
    from metagui.learning.adaptation.task_policy import TaskPolicy


class EvaluatedPolicyController:
    """Runs a task policy and checks every instruction. Implements Controller.

    If ``strict``, the run ends at the first instruction that was not achieved, because the episode has failed.
    """

    def __init__(self, policy: RolloutController, success_monitor: SuccessMonitor, strict: bool = False) -> None:
        self.policy, self.success_monitor, self.strict = policy, success_monitor, strict
        self.finished = False
        """True if the run is over and its last instruction has been checked."""
        self._watched_segment = -1

    @property
    def current_instruction(self) -> str | None:
        """Text of the current instruction; None if none is being executed."""
        return self.policy.current_instruction

    @property
    def instruction_index(self) -> int:
        """Index of the current instruction."""
        return self.policy.instruction_index

    def decide(self, observation: Observation) -> ToolMotion | JointMove | None:
        """Return the policy's motion; begin and end the check of every instruction."""
        motion = self.policy.decide(observation)
        if isinstance(motion, JointMove):
            return motion
        watched = self._watched_segment
        if watched >= 0 and (self.policy.instruction_index != watched or self.policy.outcome == "done"):
            self._watched_segment = -1  # a further call after the end checks nothing twice
            if not self.success_monitor.end_instruction(observation) and self.strict:
                self.policy.outcome, self.finished = f"missed in segment {watched + 1}", True
                return None
        if self.policy.instruction_index != self._watched_segment and not self.policy.finished:
            self._watched_segment = self.policy.instruction_index
            self.success_monitor.begin_instruction(observation)
        if motion is not None:
            self.success_monitor.update(observation)
        self.finished = self.policy.finished
        return motion


def run_policy_episode(
    program: TaskProgram, task_policy: TaskPolicy, scene_seed: int, max_seconds: float = 60.0
) -> tuple[bool, str, int]:
    """Run a task policy in the scene of a seed; return success, outcome and instructions achieved."""
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
    evaluated = EvaluatedPolicyController(
        make_rollout_controller(task_policy, arm.objects), SuccessMonitor(program, arm.objects), strict=True
    )
    last = loop.run_inline(evaluated, round(max_seconds / loop.period))
    evaluated.policy.stop()
    monitor, outcome = evaluated.success_monitor, evaluated.policy.outcome
    success = last is not None and outcome == "done" and monitor.is_successful(last.observation)
    return success, outcome, sum(monitor.achieved)


def run_scripted_episode(program: TaskProgram, scene_seed: int) -> tuple[bool, str, int]:
    """Run the scripted demonstrator in the scene of a seed; return the same as ``run_policy_episode``."""
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
