"""Rehearses candidates in simulation and selects the one that succeeds most often.

All candidates run in the same fresh scenes, and a run counts if it achieves what the takes achieved (see ``judge``).
A candidate that has fallen too far behind is dropped. The number of scenes is limited by the duration of the takes, so
that a rehearsal takes a few seconds; no clock is read, so that it can be repeated.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.control.loop import ControlLoop
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.tables.table import Table
from metagui.learning.adaptation.rehearsal_score import RehearsalScore
from metagui.learning.adaptation.replay_rollout import make_rollout_controller
from metagui.learning.rehearsal.judge import Judge, infer_goals
from metagui.learning.rehearsal.motion_record import MotionRecord
from metagui.learning.rehearsal.scenes import draw_scenes

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from metagui.arms.arm import Observation
    from metagui.arms.control.tick import JointMove, Tick
    from metagui.arms.kinematics import ToolMotion
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.adaptation.rollout import RolloutController
    from metagui.learning.adaptation.task_policy import TaskPolicy
    from metagui.learning.rehearsal.goals import SegmentGoal
    from metagui.learning.rehearsal.scenes import StartScene

MAX_RUN_TICKS = 6000
"""Longest run, in control periods (two minutes)."""


@dataclass(frozen=True)
class RehearsalSettings:
    """How many scenes are rehearsed, and when a candidate is dropped."""

    scenes: int = 20
    """Largest number of scenes."""
    min_scenes: int = 8
    """Number of scenes that are rehearsed however long the takes are."""
    max_ticks: int = 45_000
    """Control periods that all runs together may take if they last as long as the takes."""
    trial_scenes: int = 5
    """Number of scenes after which a candidate can be dropped."""
    drop_deficit: int = 3
    """Number of successes that a dropped candidate is behind the best one."""
    margin: int = 1
    """Number of successes by which a candidate must be better than a simpler one to replace it."""
    seed: int = 0
    """Seed of the scenes."""


@dataclass(frozen=True)
class RehearsalStep:
    """Progress: one more run."""

    candidate: str
    successes: int
    """Number of this candidate's successes so far."""
    runs: int
    """Number of its runs so far."""
    scene: int
    """Number of scenes rehearsed so far."""
    scenes: int
    """Number of scenes to rehearse."""


class RehearsedRun:
    """Runs a task policy and judges every segment when it ends. Implements Controller."""

    def __init__(self, policy: RolloutController, judge: Judge) -> None:
        self.policy, self.judge = policy, judge
        self._observations: list[Observation] = []
        self._segment = 0

    def on_tick(self, tick: Tick) -> None:
        """Record a tick; a sink of the control loop."""
        self._observations.append(tick.observation)

    def decide(self, observation: Observation) -> ToolMotion | JointMove | None:
        """Return the policy's motion, None after its end or the first failure."""
        motion = self.policy.decide(observation)
        if self.policy.outcome == "done" or self.policy.instruction_index != self._segment:
            record = MotionRecord.from_observations([*self._observations, observation])
            if not self.judge.judge_segment(self._segment, record):
                self.policy.stop()
                return None
            self._segment, self._observations = self.policy.instruction_index, []
        return motion


def run_rehearsed(policy: TaskPolicy, goals: Sequence[SegmentGoal], scene: StartScene, arm: SimulatedArm) -> str:
    """Run a task policy in a scene; return what it did not achieve, empty if it succeeded."""
    scene.apply(arm)
    loop = ControlLoop(arm, arm)
    run = RehearsedRun(make_rollout_controller(policy, arm.objects), Judge(goals, arm.objects))
    loop.add_sink(run.on_tick)
    loop.run_inline(run, MAX_RUN_TICKS)
    if not run.judge.failure and run.policy.outcome != "done":
        return f"it {run.policy.outcome or 'did not end'}"
    run.judge.judge_end(arm.observe_all())
    return run.judge.failure


def rehearse(
    takes: Sequence[Demonstration],
    candidates: Mapping[str, TaskPolicy],
    settings: RehearsalSettings | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Generator[RehearsalStep, None, dict[str, RehearsalScore]]:
    """Yield one record per run; return the score of every candidate. Raises FeatureError and TaskPolicyError."""
    settings = settings or RehearsalSettings()
    goals = infer_goals(takes)
    arm = SimulatedArm(table=Table.from_scene_objects(takes[0].objects))
    arm.connect()
    scores = {name: RehearsalScore() for name in candidates}
    count = choose_scene_count(takes, len(candidates), settings)
    rng = np.random.default_rng([settings.seed, 15, zlib.crc32(takes[0].task.encode())])
    drawn = draw_scenes(takes, goals, rng)
    racing = list(candidates)
    for number in range(1, count + 1):
        scene = next(drawn)
        for name in racing:
            if should_stop():
                return scores
            scores[name] = scores[name].add(run_rehearsed(candidates[name], goals, scene, arm))
            yield RehearsalStep(name, scores[name].successes, scores[name].runs, number, count)
        racing = _drop_hopeless(racing, scores, number, count, settings)
    return scores


def choose_scene_count(takes: Sequence[Demonstration], candidate_count: int, settings: RehearsalSettings) -> int:
    """Return the number of scenes that takes of this duration leave time for."""
    ticks = float(np.mean([len(take) for take in takes])) * candidate_count
    return int(min(max(settings.max_ticks / ticks, settings.min_scenes), settings.scenes))


def select_rehearsed(scores: Mapping[str, RehearsalScore], settings: RehearsalSettings | None = None) -> str | None:
    """Return the candidate with the most successes, the simplest of equals; None without enough runs.

    ``scores`` are in the order from the simplest candidate to the most complex one.
    """
    settings = settings or RehearsalSettings()
    most = max((score.runs for score in scores.values()), default=0)
    if most < settings.trial_scenes:
        return None
    complete = {name: score for name, score in scores.items() if score.runs == most}
    best = next(iter(complete))
    for name, score in complete.items():
        if score.successes >= complete[best].successes + settings.margin:
            best = name
    return best


def _drop_hopeless(
    racing: Sequence[str],
    scores: Mapping[str, RehearsalScore],
    number: int,
    count: int,
    settings: RehearsalSettings,
) -> list[str]:
    """Return the candidates that still race: those that are not far behind and can still win."""
    if number < settings.trial_scenes:
        return list(racing)
    best = max(scores[name].successes for name in racing)
    reachable = max(best - (count - number), best - settings.drop_deficit + 1)
    return [name for name in racing if scores[name].successes >= reachable]
