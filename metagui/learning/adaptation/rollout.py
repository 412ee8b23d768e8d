"""Runs a chain of adapted policies on an arm: each click's policy until it knows that it is done."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.kinematics import MAX_STEP
from metagui.learning.adaptation.adapted_task import AdaptedError
from metagui.learning.policy.features import Tracker, motion_from_action

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import Anchor, FloatArray, Observation
    from metagui.arms.control.loop import ControlLoop
    from metagui.arms.kinematics import Motion
    from metagui.learning.adaptation.adapted_task import AdaptedTask


@dataclass(frozen=True)
class RunSettings:
    """When a policy is done, and when it has had its time."""

    done_at: float = 0.5
    """Probability of being done that counts."""
    done_decisions: int = 2
    """Decisions in a row that must be that sure."""
    settled_at: float = 0.15
    """Less is enough of a policy that has come to rest …"""
    settled_decisions: int = 10
    """… for this many decisions: nothing more will happen."""
    rest: float = 0.001
    """Asking for less than this in a decision is rest, m."""
    patience: float = 2.0
    """A click may take this many times as long as in its longest demonstration …"""
    extra_decisions: int = 150
    """… and this many decisions more."""
    stuck_decisions: int = 20
    """A policy that has not come on for so many decisions …"""
    stuck_way: float = 0.004
    """… by this much, m, …"""
    shake: float = 0.006
    """… is shaken free by random steps of this size, m, …"""
    shake_decisions: int = 4
    """… so many of them."""


class PolicyChain:
    """The learnt task as a controller: one policy after the other. Implements Controller.

    ``outcome`` is empty while it runs, then one of "done", "timed out in click 2", "stopped".
    """

    def __init__(self, adapted: AdaptedTask, anchors: Sequence[Anchor], settings: RunSettings | None = None) -> None:
        names = tuple(anchor.name for anchor in anchors)
        if names != adapted.anchors:
            raise AdaptedError(
                f"'{adapted.task}' was learnt with {', '.join(adapted.anchors)}, and here there is {', '.join(names)}. "
                "The arm does not move; adapt the task to takes of this scene."
            )
        self.adapted = adapted
        self.settings = settings or RunSettings()
        self.click_index = 0
        self.outcome = ""
        self.distance = 0.0
        """How far the present state is from the demonstrations; 1 is as far as the farthest of those."""
        self.done_probability = 0.0
        self._tracker = Tracker(anchors)
        self._decisions = self._sure = self._settled = 0
        self._shaker = Shaker(self.settings)

    @property
    def current_click(self) -> str | None:
        """What is being done, in words; None when nothing is."""
        return None if self.finished else f"{self.adapted.task}, click {self.click_index + 1}"

    @property
    def finished(self) -> bool:
        """Whether the run is over."""
        return bool(self.outcome)

    @property
    def timed_out(self) -> bool:
        """Whether it ended because a click took too long."""
        return self.outcome.startswith("timed out")

    def stop(self) -> None:
        """End the run; the arm holds at its next decision."""
        self.outcome = self.outcome or "stopped"

    def decide(self, observation: Observation) -> Motion | None:
        """Return the next motion, or None when the run is over."""
        while not self.finished:
            click = self.adapted.clicks[self.click_index]
            anchors, globals_ = self._tracker.observe(observation)
            action, self.done_probability = click.act(anchors, globals_)
            self.distance = click.distance(anchors, globals_)
            self._decisions += 1
            motion = motion_from_action(action, done=False)
            if self._is_done(motion):
                self._next_click()
            elif self._decisions > click.decisions * self.settings.patience + self.settings.extra_decisions:
                self.outcome = f"timed out in click {self.click_index + 1}"
            else:
                return self._shaker.freed(motion, observation.tool_position)
        return None

    def _is_done(self, motion: Motion) -> bool:
        """Whether the policy has been sure for long enough, or at rest for longer and half sure."""
        settings, sure = self.settings, self.done_probability
        resting = float(motion.displacement @ motion.displacement) < settings.rest**2
        self._sure = self._sure + 1 if sure > settings.done_at else 0
        self._settled = self._settled + 1 if resting and sure > settings.settled_at else 0
        return self._sure >= settings.done_decisions or self._settled >= settings.settled_decisions

    def _next_click(self) -> None:
        """Go on to the next policy, or end."""
        self._decisions = self._sure = self._settled = 0
        self._shaker = Shaker(self.settings)
        self._tracker.begin()
        if self.click_index + 1 == len(self.adapted.clicks):
            self.outcome = "done"
        else:
            self.click_index += 1


class Shaker:
    """Frees a policy that stands still between two ways to go on, as a ball on a ridge, by a few random steps."""

    def __init__(self, settings: RunSettings) -> None:
        self._settings = settings
        self._been: deque[FloatArray] = deque(maxlen=settings.stuck_decisions)
        self._random = np.random.default_rng(0)
        self._left = 0
        self._step = np.zeros(3)

    def freed(self, motion: Motion, tool: FloatArray) -> Motion:
        """Return the motion, or a random one while the policy is stuck; ``tool`` (3,) is where it is now."""
        self._been.append(tool)
        if self._is_stuck():
            self._been.clear()
            self._left = self._settings.shake_decisions
            self._step = self._random.normal(0.0, self._settings.shake, 3)
        if not self._left:
            return motion
        self._left -= 1
        return replace(motion, displacement=limited(self._step))

    def _is_stuck(self) -> bool:
        long_enough = len(self._been) == self._been.maxlen
        return long_enough and float(np.ptp(np.array(self._been), axis=0).max()) < self._settings.stuck_way


def limited(step: FloatArray) -> FloatArray:
    """Return the step (3,), no longer than one decision may ask."""
    return step * min(1.0, MAX_STEP / max(float(np.linalg.norm(step)), 1e-9))


def rollout(loop: ControlLoop, chain: PolicyChain, seconds: float = 60.0) -> str:
    """Run a chain in a loop without a clock, to its end or for ``seconds`` of the arm's time; return the outcome."""
    loop.run_inline(chain, round(seconds / loop.period))
    chain.stop()
    return chain.outcome
