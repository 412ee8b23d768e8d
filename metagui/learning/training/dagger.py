"""Corrections (DAgger, Ross et al. 2011): policies act, and every state is labelled with the expert's motion.

A policy trained on takes only has never seen the states that its own small errors lead to, such as a tool that sank
while dragging, and cannot recover from them. Therefore policies run on their training tasks, and every decision is
stored with the motion that the instruction's primitive (the expert) requests there.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from metagui.arms.control.loop import ControlLoop
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.primitives.primitive import PrimitiveMemory
from metagui.demonstrations.primitives.registry import PRIMITIVES
from metagui.demonstrations.programs.instruction_state import make_primitive_state
from metagui.demonstrations.programs.scripted import MAX_EXECUTION_TICKS, ScriptedDemonstrator, execute
from metagui.demonstrations.programs.task_distribution import draw_prefix, draw_style
from metagui.learning.adaptation.rollout import PolicyController, RolloutSettings
from metagui.learning.adaptation.selection import Candidate
from metagui.learning.adaptation.task_policy import SkillPolicy, TaskPolicy, build_reference
from metagui.learning.policy.dataset import (
    MIN_SEGMENT_DECISIONS,
    MetaDataset,
    concatenate_segments,
    meta_task_name,
)
from metagui.learning.policy.feature_layout import COARSE_SCALE_M, OBJECT_LAYOUT
from metagui.learning.policy.features import SegmentArrays, action_from_motion
from metagui.learning.policy.points import Points
from metagui.learning.policy.policy import PolicyModel, as_numpy
from metagui.learning.policy.task_sampler import sample_points
from metagui.learning.policy.track import Tracker
from metagui.learning.torch_utils.process_group import open_group
from metagui.learning.torch_utils.work_queue import map_in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from metagui.arms.arm import Observation, SceneObject
    from metagui.arms.control.tick import JointMove
    from metagui.arms.kinematics import ToolMotion
    from metagui.demonstrations.primitives.primitive import MotionStyle
    from metagui.demonstrations.programs.program import TaskProgram
    from metagui.learning.policy.feature_layout import Array
    from metagui.learning.torch_utils.functional_mlp import Params

SUPPORT_POINTS = 192
"""Number of support points for a policy, as in adaptation by a user."""
PREFIX_PROBABILITY = 0.5
"""Fraction of the episodes that start after random motion."""
PEOPLE_PROBABILITY = 0.6
"""Fraction of the policies that are adapted to takes by people, where there are any."""
CORRECTION_ROLLOUT = RolloutSettings(max_duration_ratio=1.0, extra_decisions=60)
"""Rollout limits; runs end early, because a stuck policy always sees the same state."""
STOPPED_RADIUS_M = 0.006
"""Distance from the place where a policy stopped within which its last decisions are no corrections, m."""


@dataclass(frozen=True)
class DaggerEpisode:
    """A policy to run, its program, and the seed of its scene."""

    program: TaskProgram
    task_policy: TaskPolicy
    seed: int


class DaggerController:
    """Runs a task policy and stores the expert's motion at every decision. Implements Controller."""

    def __init__(
        self, policy: PolicyController, program: TaskProgram, objects: Sequence[SceneObject], style: MotionStyle
    ) -> None:
        self.policy, self.program, self.objects, self.style = policy, program, objects, style
        self.rows: list[list[tuple[Array, Array, Array, np.float32]]] = [[] for _ in program.instructions]
        """For every instruction and decision, the columns of ``SegmentArrays``."""
        self._tracker = Tracker(objects)
        self._memory: PrimitiveMemory | None = None

    def decide(self, observation: Observation) -> ToolMotion | JointMove | None:
        """Return the policy's motion; store the expert's."""
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
        """Store the features of an observation and the motion that the instruction's primitive requests."""
        self._memory = self._memory or PrimitiveMemory.from_observation(now)
        self._memory.update(now)
        instruction = self.program.instructions[self.policy.instruction_index]
        state = make_primitive_state(instruction, self.objects, now, self._memory, self.style)
        motion = PRIMITIVES[instruction.action].law(state)
        row = (*self._tracker.observe(now), action_from_motion(motion), np.float32(motion.done))
        self.rows[self.policy.instruction_index].append(row)

    def segments(self) -> list[SegmentArrays]:
        """Return every instruction's decisions; empty for one that was not begun."""
        empty = SegmentArrays.empty(len(self.objects))
        return [SegmentArrays(*map(np.stack, zip(*rows, strict=True))) if rows else empty for rows in self.rows]


def run_dagger_episode(episode: DaggerEpisode) -> list[SegmentArrays]:
    """Run one policy in a scene; return its corrected decisions by instruction, none if the setup fails."""
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
    people: MetaDataset | None = None,
) -> Generator[int, None, MetaDataset | None]:
    """Run a policy of every program, with numbers of support takes used in turn; return the corrections.

    Yields the number of programs done. The result does not depend on the number of ``workers``, one per core if None.
    ``people`` are takes by people that most policies are adapted to. Returns None if stopped, or if nothing was run.
    """
    index = {name: task for task, name in enumerate(data.task_names)}
    usable: list[SegmentArrays] = []
    tasks: list[int] = []
    episodes = _prepare_episodes(model, params, (data, people), programs, index, seed, support_take_counts)
    ran = _run_in_order(episodes, workers or os.cpu_count() or 1)
    for count, (program, segments) in enumerate(ran):
        for instruction_index, segment in enumerate(segments):
            learnable = drop_stopped_tail(segment)
            if len(learnable) >= MIN_SEGMENT_DECISIONS:
                usable.append(learnable)
                tasks.append(index[meta_task_name(program.name, instruction_index)])
        yield count + 1
        if should_stop():
            ran.close()
            return None
    return concatenate_segments(usable, tasks, data.task_names) if usable else None


def drop_stopped_tail(segment: SegmentArrays) -> SegmentArrays:
    """Return the decisions whose correction the policy could know; all of them if the expert finished too.

    Otherwise the policy often stopped where its takes did, and the expert, which knows the hidden parameters, continued
    by a millimetre: from such corrections policies learn to hesitate (measured: pushes stood still). The decisions on
    the way to that place are kept.
    """
    if len(segment) == 0 or segment.done.any():
        return segment
    start_offsets = segment.object_features[:, -1, OBJECT_LAYOUT.offset] * COARSE_SCALE_M  # the segment's start is last
    is_distant = np.linalg.norm(start_offsets - start_offsets[-1], axis=1) > STOPPED_RADIUS_M
    kept = int(np.flatnonzero(is_distant)[-1]) + 1 if is_distant.any() else 0
    return segment.select(np.arange(kept))


def _prepare_episodes(
    model: PolicyModel,
    params: Params,
    sets: tuple[MetaDataset, MetaDataset | None],
    programs: Sequence[TaskProgram],
    index: Mapping[str, int],
    seed: int,
    support_take_counts: Sequence[int],
) -> Iterator[DaggerEpisode]:
    """Yield zero-step policies from a few takes of every program whose instructions are all in the data.

    The takes are from the second of the ``sets``, those by people, or from the first.
    """
    rng, (scripted, people) = np.random.default_rng(seed), sets
    known = set(people.task_indices.tolist()) if people is not None else set()
    names = tuple(obj.name for obj in SimulatedArm(0).objects)
    for count, program in zip(itertools.cycle(support_take_counts), programs, strict=False):
        tasks = [index.get(meta_task_name(program.name, i)) for i in range(len(program.instructions))]
        first, episode_seed = rng.random(), int(rng.integers(2**31))
        if any(task is None for task in tasks):
            continue
        skills = []
        data = scripted
        if people is not None and known.issuperset(tasks) and rng.random() < PEOPLE_PROBABILITY:
            data = people
        for task in tasks:
            takes = data.find_segments(task)  # type: ignore[arg-type]
            support = np.roll(takes, -int(first * len(takes)))[:count]
            skills.append(_start_skill(model, params, [data.get_segment(int(take)) for take in support], rng))
        yield DaggerEpisode(program, TaskPolicy(program.name, tuple(skills), names), episode_seed)


def _start_skill(
    model: PolicyModel, params: Params, takes: Sequence[SegmentArrays], rng: np.random.Generator
) -> SkillPolicy:
    """Return the zero-step policy that the encoder infers from some takes."""
    support = Points(*(torch.from_numpy(column)[None] for column in sample_points(takes, SUPPORT_POINTS, rng)))
    with torch.no_grad():
        policy = as_numpy(model.start(params, support))
    reference, scale = build_reference(policy, takes)
    return SkillPolicy(policy, Candidate.ZERO_STEP, "", {}, max(map(len, takes)), reference, scale)


def _run_in_order(
    episodes: Iterator[DaggerEpisode], workers: int
) -> Generator[tuple[TaskProgram, list[SegmentArrays]], None, None]:
    """Run episodes in the processes of a group; yield their results in order."""
    with open_group(workers) as group:
        yield from map_in_order(group, _run_named_episode, episodes)


def _run_named_episode(episode: DaggerEpisode) -> tuple[TaskProgram, list[SegmentArrays]]:
    """Run one episode; return its program, too."""
    return episode.program, run_dagger_episode(episode)
