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
from metagui.demonstrations.primitives.primitive import Memory
from metagui.demonstrations.primitives.registry import LAWS
from metagui.demonstrations.programs.program import situation
from metagui.demonstrations.programs.scripted import LONGEST, Demonstrator, execute
from metagui.demonstrations.programs.task_distribution import random_prefix, random_style
from metagui.learning.adaptation.adapted_task import AdaptedClick, AdaptedTask, reference_of
from metagui.learning.adaptation.rollout import PolicyChain, RunSettings
from metagui.learning.policy.dataset import LEAST_ROWS, MetaDataset, points_from, stored
from metagui.learning.policy.features import SegmentArrays, Tracker, action_from_motion
from metagui.learning.policy.policy import Points, PolicyModel, as_numpy

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from metagui.arms.arm import Anchor, Observation
    from metagui.arms.kinematics import Motion
    from metagui.demonstrations.primitives.primitive import Style
    from metagui.demonstrations.programs.program import ClickProgram
    from metagui.learning.policy.features import Array
    from metagui.learning.torch_utils.functional_mlp import Params

POINTS = 192
"""Points of the takes from which a policy is started, as for a person."""
PREFIXES = 0.5
"""Share of the episodes that start after random motion."""
HURRY = RunSettings(patience=1.0, extra_decisions=60)
"""Runs end soon where nothing comes of them: what a stuck policy sees is always the same."""
AHEAD = 64
"""Episodes prepared while others run."""


@dataclass(frozen=True)
class Episode:
    """A policy to be run, and what it is to do."""

    program: ClickProgram
    policy: AdaptedTask
    seed: int


class CorrectedChain:
    """A policy chain that acts while the clicks' laws say what should be done. Implements Controller."""

    def __init__(self, chain: PolicyChain, program: ClickProgram, anchors: Sequence[Anchor], style: Style) -> None:
        self.chain, self.program, self.anchors, self.style = chain, program, anchors, style
        self.rows: list[list[tuple[Array, Array, Array, np.float32]]] = [[] for _ in program.clicks]
        """Click by click and decision by decision, the parts of ``SegmentArrays``."""
        self._tracker = Tracker(anchors)
        self._memory: Memory | None = None

    def decide(self, observation: Observation) -> Motion | None:
        """Return the chain's motion; keep what the law of its click asks for."""
        if self.chain.finished:
            return None
        before = self.chain.click_index
        self._correct(observation)
        motion = self.chain.decide(observation)
        if self.chain.click_index != before:
            self._tracker.begin()
            self._memory = None
            self._correct(observation)
        return motion

    def _correct(self, now: Observation) -> None:
        """Keep what is seen and what the law asks for."""
        self._memory = self._memory or Memory.begin(now)
        self._memory.update(now)
        click = self.program.clicks[self.chain.click_index]
        motion = LAWS[click.verb](situation(click, self.anchors, now, self._memory, self.style))
        seen = self._tracker.observe(now)
        self.rows[self.chain.click_index].append((*seen, action_from_motion(motion), np.float32(motion.done)))

    def segments(self) -> list[SegmentArrays]:
        """Return every click's decisions; none of one that was not begun."""
        empty = SegmentArrays.empty(len(self.anchors))
        return [SegmentArrays(*map(np.stack, zip(*rows, strict=True))) if rows else empty for rows in self.rows]


def run(episode: Episode) -> list[SegmentArrays]:
    """Run one policy in a scene and return its corrected decisions, click by click; nothing if it cannot begin."""
    rng, program = np.random.default_rng(episode.seed), episode.program
    arm = SimulatedArm(int(rng.integers(2**31)))
    arm.connect()
    loop = ControlLoop(arm, arm)
    style = replace(random_style(rng), wobble=0.0)
    setup = random_prefix(rng, program.clicks[0]) if rng.random() < PREFIXES else ()
    before = replace(program, clicks=(*setup, *program.setup))
    if before.clicks and not execute(loop, Demonstrator(before, arm, style)):
        return []
    corrected = CorrectedChain(PolicyChain(episode.policy, arm.anchors, HURRY), program, arm.anchors, style)
    loop.run_inline(corrected, LONGEST)
    arm.disconnect()
    return corrected.segments()


def corrections(
    model: PolicyModel,
    params: Params,
    data: MetaDataset,
    programs: Sequence[ClickProgram],
    seed: int,
    shown: Sequence[int] = (1,),
    workers: int | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Generator[int, None, MetaDataset | None]:
    """Run a policy of every program, started from as many takes as ``shown`` says in turn; return the corrections.

    The same numbers come whatever the ``workers``, one a core if None. Returns None if stopped, or nothing was run.
    """
    index = {name: task for task, name in enumerate(data.names)}
    kept: list[SegmentArrays] = []
    tasks: list[int] = []
    ran = _in_order(_episodes(model, params, data, programs, index, seed, shown), workers or os.cpu_count() or 1)
    for count, (program, segments) in enumerate(ran):
        for click, segment in enumerate(segments):
            if is_plain(segment):
                kept.append(segment)
                tasks.append(index[f"{program.name} / {click + 1}"])
        yield count + 1
        if should_stop():
            ran.close()
            return None
    return stored(kept, tasks, data.names) if kept else None


def is_plain(segment: SegmentArrays) -> bool:
    """Return whether a correction says what the policy could have known: the law came to its end as well.

    Else the policy often stopped where its takes did, and the law, which knows the hidden numbers, went on by a
    millimetre: from such corrections policies learn to hesitate. Measured: pushes stood still.
    """
    return len(segment) >= LEAST_ROWS and bool(segment.done.any())


def _episodes(
    model: PolicyModel,
    params: Params,
    data: MetaDataset,
    programs: Sequence[ClickProgram],
    index: Mapping[str, int],
    seed: int,
    shown: Sequence[int],
) -> Iterator[Episode]:
    """Prepare policies without steps, from a few takes of every program whose clicks are all in the data."""
    rng = np.random.default_rng(seed)
    names = tuple(anchor.name for anchor in SimulatedArm(0).anchors)
    for count, program in zip(itertools.cycle(shown), programs, strict=False):
        tasks = [index.get(f"{program.name} / {click + 1}") for click in range(len(program.clicks))]
        which, own = rng.random(), int(rng.integers(2**31))
        if any(task is None for task in tasks):
            continue
        clicks = []
        for task in tasks:
            takes = data.takes_of(task)  # type: ignore[arg-type]
            some = np.roll(takes, -int(which * len(takes)))[:count]
            clicks.append(_started(model, params, [data.segment(int(take)) for take in some], rng))
        yield Episode(program, AdaptedTask(program.name, tuple(clicks), names), own)


def _started(
    model: PolicyModel, params: Params, takes: Sequence[SegmentArrays], rng: np.random.Generator
) -> AdaptedClick:
    """Return the policy that the encoder starts from some takes."""
    shown = Points(*(torch.from_numpy(column)[None] for column in points_from(takes, POINTS, rng)))
    with torch.no_grad():
        policy = as_numpy(model.start(params, shown))
    reference, scale = reference_of(policy, takes)
    return AdaptedClick(policy, "zero-step", "", {}, max(map(len, takes)), reference, scale)


def _in_order(
    episodes: Iterator[Episode], workers: int
) -> Generator[tuple[ClickProgram, list[SegmentArrays]], None, None]:
    """Run episodes in several processes, a few ahead, and yield what came of them in their order."""
    if workers == 1:
        yield from ((episode.program, run(episode)) for episode in episodes)
        return
    with ProcessPoolExecutor(workers) as pool:
        try:
            waiting: deque[tuple[ClickProgram, Future[list[SegmentArrays]]]] = deque()
            for episode in episodes:
                waiting.append((episode.program, pool.submit(run, episode)))
                if len(waiting) > AHEAD:
                    program, ran = waiting.popleft()
                    yield program, ran.result()
            yield from ((program, ran.result()) for program, ran in waiting)
        finally:
            pool.shutdown(cancel_futures=True)
