"""Corrections (DAgger, Ross et al. 2011): policies act, and the laws say what should have been done instead.

A policy that imitates takes alone sees only what good hands see. Its small errors add up to states that no take
shows, such as a tool that sank while it drags, and nothing has taught it the way back. So policies run on what they
were trained on, and every decision is kept with the motion that the click's law asks for there.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from metagui.arms.control.loop import ControlLoop
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.primitives.primitive import PrimitiveMemory
from metagui.demonstrations.primitives.registry import PRIMITIVES
from metagui.demonstrations.programs.program import make_primitive_state
from metagui.demonstrations.programs.scripted import MAX_EXECUTION_TICKS, ScriptedDemonstrator, execute
from metagui.demonstrations.programs.task_distribution import draw_prefix, draw_style
from metagui.learning.adaptation.adapted_task import SkillPolicy, TaskPolicy, build_reference
from metagui.learning.adaptation.rollout import PolicyController, RolloutSettings
from metagui.learning.policy.dataset import MIN_SEGMENT_DECISIONS, MetaDataset, concatenate_segments
from metagui.learning.policy.features import SegmentArrays, action_from_motion
from metagui.learning.policy.points import Points
from metagui.learning.policy.policy import PolicyModel, as_numpy
from metagui.learning.policy.task_sampler import sample_points
from metagui.learning.policy.track import Tracker

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from metagui.arms.arm import Observation, SceneObject
    from metagui.arms.kinematics import ToolMotion
    from metagui.demonstrations.primitives.primitive import MotionStyle
    from metagui.demonstrations.programs.program import TaskProgram
    from metagui.learning.policy.feature_layout import Array
    from metagui.learning.torch_utils.functional_mlp import Params

SUPPORT_POINTS = 192
"""Points of the takes from which a policy is started, as for a person."""
PREFIX_PROBABILITY = 0.5
"""Share of the episodes that start after random motion."""
CORRECTION_ROLLOUT = RolloutSettings(max_duration_ratio=1.0, extra_decisions=60)
"""Runs end soon where nothing comes of them: what a stuck policy sees is always the same."""
MAX_QUEUED_EPISODES = 64
"""Episodes prepared while others run."""


@dataclass(frozen=True)
class DaggerEpisode:
    """A policy to be run, and what it is to do."""

    program: TaskProgram
    task_policy: TaskPolicy
    seed: int


class DaggerController:
    """A policy chain that acts while the clicks' laws say what should be done. Implements Controller."""

    def __init__(
        self, policy: PolicyController, program: TaskProgram, objects: Sequence[SceneObject], style: MotionStyle
    ) -> None:
        self.policy, self.program, self.objects, self.style = policy, program, objects, style
        self.rows: list[list[tuple[Array, Array, Array, np.float32]]] = [[] for _ in program.instructions]
        """Click by click and decision by decision, the parts of ``SegmentArrays``."""
        self._tracker = Tracker(objects)
        self._memory: PrimitiveMemory | None = None

    def decide(self, observation: Observation) -> ToolMotion | None:
        """Return the chain's motion; keep what the law of its click asks for."""
        if self.policy.finished:
            return None
        before = self.policy.instruction_index
        self._record_correction(observation)
        motion = self.policy.decide(observation)
        if self.policy.instruction_index != before:
            self._tracker.begin_segment()
            self._memory = None
            self._record_correction(observation)
        return motion

    def _record_correction(self, now: Observation) -> None:
        """Keep what is seen and what the law asks for."""
        self._memory = self._memory or PrimitiveMemory.from_observation(now)
        self._memory.update(now)
        click = self.program.instructions[self.policy.instruction_index]
        motion = PRIMITIVES[click.action](make_primitive_state(click, self.objects, now, self._memory, self.style))
        seen = self._tracker.observe(now)
        self.rows[self.policy.instruction_index].append((*seen, action_from_motion(motion), np.float32(motion.done)))

    def segments(self) -> list[SegmentArrays]:
        """Return every click's decisions; none of one that was not begun."""
        empty = SegmentArrays.empty(len(self.objects))
        return [SegmentArrays(*map(np.stack, zip(*rows, strict=True))) if rows else empty for rows in self.rows]


def run_dagger_episode(episode: DaggerEpisode) -> list[SegmentArrays]:
    """Run one policy in a scene and return its corrected decisions, click by click; nothing if it cannot begin."""
    rng, program = np.random.default_rng(episode.seed), episode.program
    arm = SimulatedArm(int(rng.integers(2**31)))
    arm.connect()
    loop = ControlLoop(arm, arm)
    style = replace(draw_style(rng), step_noise=0.0)
    setup = draw_prefix(rng, program.instructions[0]) if rng.random() < PREFIX_PROBABILITY else ()
    before = replace(program, instructions=(*setup, *program.setup))
    if before.instructions and not execute(loop, ScriptedDemonstrator(before, arm, style)):
        return []
    corrected = DaggerController(
        PolicyController(episode.task_policy, arm.objects, CORRECTION_ROLLOUT), program, arm.objects, style
    )
    loop.run_inline(corrected, MAX_EXECUTION_TICKS)
    arm.disconnect()
    return corrected.segments()


def collect_corrections(
    model: PolicyModel,
    params: Params,
    data: MetaDataset,
    programs: Sequence[TaskProgram],
    seed: int,
    support_take_counts: Sequence[int] = (1,),
    workers: int | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Generator[int, None, MetaDataset | None]:
    """Run a policy of every program, started from as many takes as ``shown`` says in turn; return the corrections.

    The same numbers come whatever the ``workers``, one a core if None. Returns None if stopped, or nothing was run.
    """
    index = {name: task for task, name in enumerate(data.task_names)}
    kept: list[SegmentArrays] = []
    tasks: list[int] = []
    ran = _run_in_order(
        _prepare_episodes(model, params, data, programs, index, seed, support_take_counts),
        workers or os.cpu_count() or 1,
    )
    for count, (program, segments) in enumerate(ran):
        for click, segment in enumerate(segments):
            if is_usable(segment):
                kept.append(segment)
                tasks.append(index[f"{program.name} / {click + 1}"])
        yield count + 1
        if should_stop():
            ran.close()
            return None
    return concatenate_segments(kept, tasks, data.task_names) if kept else None


def is_usable(segment: SegmentArrays) -> bool:
    """Return whether a correction says what the policy could have known: the law came to its end as well.

    Else the policy often stopped where its takes did, and the law, which knows the hidden numbers, went on by a
    millimetre: from such corrections policies learn to hesitate. Measured: pushes stood still.
    """
    return len(segment) >= MIN_SEGMENT_DECISIONS and bool(segment.done.any())


def _prepare_episodes(
    model: PolicyModel,
    params: Params,
    data: MetaDataset,
    programs: Sequence[TaskProgram],
    index: Mapping[str, int],
    seed: int,
    support_take_counts: Sequence[int],
) -> Iterator[DaggerEpisode]:
    """Prepare policies without steps, from a few takes of every program whose clicks are all in the data."""
    rng = np.random.default_rng(seed)
    names = tuple(anchor.name for anchor in SimulatedArm(0).objects)
    for count, program in zip(itertools.cycle(support_take_counts), programs, strict=False):
        tasks = [index.get(f"{program.name} / {click + 1}") for click in range(len(program.instructions))]
        which, own = rng.random(), int(rng.integers(2**31))
        if any(task is None for task in tasks):
            continue
        clicks = []
        for task in tasks:
            takes = data.find_segments(task)  # type: ignore[arg-type]
            some = np.roll(takes, -int(which * len(takes)))[:count]
            clicks.append(_start_skill(model, params, [data.get_segment(int(take)) for take in some], rng))
        yield DaggerEpisode(program, TaskPolicy(program.name, tuple(clicks), names), own)


def _start_skill(
    model: PolicyModel, params: Params, takes: Sequence[SegmentArrays], rng: np.random.Generator
) -> SkillPolicy:
    """Return the policy that the encoder starts from some takes."""
    shown = Points(*(torch.from_numpy(column)[None] for column in sample_points(takes, SUPPORT_POINTS, rng)))
    with torch.no_grad():
        policy = as_numpy(model.start(params, shown))
    reference, scale = build_reference(policy, takes)
    return SkillPolicy(policy, "zero-step", "", {}, max(map(len, takes)), reference, scale)


def _run_in_order(
    episodes: Iterator[DaggerEpisode], workers: int
) -> Generator[tuple[TaskProgram, list[SegmentArrays]], None, None]:
    """Run episodes in several processes, a few ahead, and yield what came of them in their order."""
    if workers == 1:
        yield from ((episode.program, run_dagger_episode(episode)) for episode in episodes)
        return
    with ProcessPoolExecutor(workers) as pool:
        try:
            waiting: deque[tuple[TaskProgram, Future[list[SegmentArrays]]]] = deque()
            for episode in episodes:
                waiting.append((episode.program, pool.submit(run_dagger_episode, episode)))
                if len(waiting) > MAX_QUEUED_EPISODES:
                    program, ran = waiting.popleft()
                    yield program, ran.result()
            yield from ((program, ran.result()) for program, ran in waiting)
        finally:
            pool.shutdown(cancel_futures=True)
