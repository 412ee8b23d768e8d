"""A chain of policies under a judge's eyes: whether it did, click by click, what its program asks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.control.loop import ControlLoop
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.programs.scripted import Demonstrator, execute
from metagui.demonstrations.programs.success import Judge
from metagui.demonstrations.programs.task_distribution import random_style
from metagui.learning.adaptation.rollout import PolicyChain

if TYPE_CHECKING:
    from metagui.arms.arm import Observation
    from metagui.arms.kinematics import Motion
    from metagui.demonstrations.programs.program import ClickProgram
    from metagui.learning.adaptation.adapted_task import AdaptedTask


class JudgedChain:
    """A policy chain watched by a judge, click by click. Implements Controller.

    A ``strict`` one ends at the first click that was not achieved: nothing after it can make it good.
    """

    def __init__(self, chain: PolicyChain, judge: Judge, strict: bool = False) -> None:
        self.chain, self.judge, self.strict = chain, judge, strict
        self.finished = False
        """Whether the run is over, and judged: the chain itself is over a moment sooner."""
        self._watched = -1

    @property
    def current_click(self) -> str | None:
        """What the chain is doing."""
        return self.chain.current_click

    @property
    def click_index(self) -> int:
        """How many clicks the chain has ended."""
        return self.chain.click_index

    def decide(self, observation: Observation) -> Motion | None:
        """Return the chain's motion; tell the judge when a click begins and ends."""
        motion = self.chain.decide(observation)
        watched = self._watched
        if watched >= 0 and (self.chain.click_index != watched or self.chain.outcome == "done"):
            self._watched = -1  # who is asked again, once all is done, judges nothing twice
            if not self.judge.end(observation) and self.strict:
                self.chain.outcome, self.finished = f"missed in click {watched + 1}", True
                return None
        if self.chain.click_index != self._watched and not self.chain.finished:
            self._watched = self.chain.click_index
            self.judge.begin(observation)
        if motion is not None:
            self.judge.watch(observation)
        self.finished = self.chain.finished
        return motion


def run_in_scene(
    program: ClickProgram, adapted: AdaptedTask, scene: int, seconds: float = 60.0
) -> tuple[bool, str, int]:
    """Run adapted policies in the scene of a seed; return success, the outcome in words, the clicks achieved."""
    arm = SimulatedArm(scene)
    arm.connect()
    loop = ControlLoop(arm, arm)
    if program.setup:
        execute(loop, Demonstrator(replace(program, clicks=program.setup), arm, random_style(np.random.default_rng(0))))
    judged = JudgedChain(PolicyChain(adapted, arm.anchors), Judge(program, arm.anchors), strict=True)
    last = loop.run_inline(judged, round(seconds / loop.period))
    judged.chain.stop()
    achieved = sum(judged.judge.achieved)
    success = last is not None and judged.chain.outcome == "done" and judged.judge.success(last.observation)
    return success, judged.chain.outcome, achieved


def script_in_scene(program: ClickProgram, scene: int) -> tuple[bool, str, int]:
    """Let the scripted demonstrator do it in the scene of a seed; return the same."""
    arm = SimulatedArm(scene)
    arm.connect()
    loop = ControlLoop(arm, arm)
    style = random_style(np.random.default_rng(scene))
    if program.setup and not execute(loop, Demonstrator(replace(program, clicks=program.setup), arm, style)):
        return False, "failed", 0
    demonstrator = Demonstrator(program, arm, style)
    solved = execute(loop, demonstrator)
    return solved, "done" if solved else "failed", sum(demonstrator.judge.achieved)
