"""Closed-loop success: for every program, show it, adapt, and run it in scenes never seen, against all rivals."""

from __future__ import annotations

import itertools
import math
import os
import pickle
import zlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from metagui.arms.control import ControlLoop
from metagui.arms.simulated import SimulatedArm
from metagui.demonstrations.families import random_style
from metagui.demonstrations.generate import Demonstrator, GenerateSettings, execute, takes_of
from metagui.demonstrations.judge import Judge
from metagui.learning.adaptation import adapt_task
from metagui.learning.race import RaceSettings
from metagui.learning.rollout import PolicyChain

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from metagui.arms.arm import Observation
    from metagui.arms.kinematics import Motion
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.programs import ClickProgram
    from metagui.learning.adapted import AdaptedTask
    from metagui.learning.prior import Prior

SCRIPT = "scripted demonstrator"
CHOSEN = "chosen"


@dataclass(frozen=True)
class EvaluateSettings:
    """What to measure."""

    shots: tuple[int, ...] = (1, 3)
    """Numbers of takes to adapt to."""
    scenes: int = 5
    """Unseen scenes a program."""
    seed: int = 0
    candidates: tuple[str, ...] = (CHOSEN, "zero-step", "adapted", "adapted + Adam", "fine-tune", "from scratch")
    """Which policies to run: the race's choice, or a candidate of that name whatever the race says."""
    solvable_only: bool = True
    """Leave out scenes that the scripted demonstrator does not solve."""
    workers: int | None = 1
    """Processes, each with whole programs; None for one a core."""


@dataclass(frozen=True)
class Episode:
    """One run in one scene."""

    program: str
    family: str
    shots: int
    """0 for the scripted demonstrator."""
    candidate: str
    scene: int
    success: bool
    outcome: str
    clicks_achieved: int


@dataclass(frozen=True)
class Success:
    """Success of one candidate in one family."""

    family: str
    shots: int
    candidate: str
    episodes: int
    rate: float
    low: float
    """Lower end of the 95 % interval (Wilson)."""
    high: float


class JudgedChain:
    """A policy chain watched by a judge, click by click. Implements Controller."""

    def __init__(self, chain: PolicyChain, judge: Judge) -> None:
        self.chain, self.judge = chain, judge
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
        if self._watched >= 0 and (self.chain.click_index != self._watched or self.chain.outcome == "done"):
            self.judge.end(observation)
        if self.chain.click_index != self._watched and not self.chain.finished:
            self._watched = self.chain.click_index
            self.judge.begin(observation)
        if motion is not None:
            self.judge.watch(observation)
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
    judged = JudgedChain(PolicyChain(adapted, arm.anchors), Judge(program, arm.anchors))
    last = loop.run_inline(judged, round(seconds / loop.period))
    judged.chain.stop()
    achieved = sum(judged.judge.achieved)
    success = last is not None and judged.chain.outcome == "done" and judged.judge.success(last.observation)
    return success, judged.chain.outcome, achieved


def evaluate(
    prior: Prior,
    programs: Sequence[ClickProgram],
    settings: EvaluateSettings | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Generator[Episode, None, tuple[Success, ...]]:
    """Yield one record an episode; return the success rates by family, shots and candidate, and overall.

    Raises ImpossibleProgramError for a program that the scripted demonstrator cannot show.
    """
    settings = settings or EvaluateSettings()
    episodes: list[Episode] = []
    for episode in _episodes(prior, programs, settings):
        episodes.append(episode)
        yield episode
        if should_stop():
            break
    return summarise(episodes)


def _episodes(prior: Prior, programs: Sequence[ClickProgram], settings: EvaluateSettings) -> Iterator[Episode]:
    """Run all programs, one after the other or side by side, in the same order and with the same results."""
    workers = min(settings.workers or os.cpu_count() or 1, len(programs))
    if workers <= 1:
        for program in programs:
            yield from _program(prior, program, settings)
        return
    # More threads than free cores spin: one each.
    with ProcessPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        # As bytes: tensors would be handed over through shared memory and a thread that outlives the pool.
        packed = itertools.repeat(pickle.dumps(prior))
        done = pool.map(_whole_program, packed, programs, itertools.repeat(settings))
        try:
            yield from itertools.chain.from_iterable(done)
        finally:
            pool.shutdown(cancel_futures=True)


def _whole_program(prior: bytes, program: ClickProgram, settings: EvaluateSettings) -> list[Episode]:
    return list(_program(pickle.loads(prior), program, settings))


def _program(prior: Prior, program: ClickProgram, settings: EvaluateSettings) -> Iterator[Episode]:
    """Run all episodes of one program."""
    takes = takes_of(program, GenerateSettings(max(settings.shots), settings.seed))
    rng = np.random.default_rng([settings.seed, 1, zlib.crc32(program.name.encode())])
    scenes = []
    for scene in (int(s) for s in rng.integers(2**31, size=settings.scenes)):
        solved, achieved = _scripted(program, scene)
        yield Episode(program.name, program.family, 0, SCRIPT, scene, solved, "done" if solved else "failed", achieved)
        if solved or not settings.solvable_only:
            scenes.append(scene)
    for shots in settings.shots:
        for name, adapted in _candidates(prior, takes[:shots], settings):
            for scene in scenes:
                success, outcome, achieved = run_in_scene(program, adapted, scene)
                yield Episode(program.name, program.family, shots, name, scene, success, outcome, achieved)


def _scripted(program: ClickProgram, scene: int) -> tuple[bool, int]:
    """Return whether the script solves a scene, and the clicks it achieves."""
    arm = SimulatedArm(scene)
    arm.connect()
    loop = ControlLoop(arm, arm)
    style = random_style(np.random.default_rng(scene))
    if program.setup and not execute(loop, Demonstrator(replace(program, clicks=program.setup), arm, style)):
        return False, 0
    demonstrator = Demonstrator(program, arm, style)
    return execute(loop, demonstrator), sum(demonstrator.judge.achieved)


def _candidates(
    prior: Prior, takes: Sequence[Demonstration], settings: EvaluateSettings
) -> Generator[tuple[str, AdaptedTask], None, None]:
    """Adapt once, then yield the choice and every candidate asked for."""
    race = adapt_task(prior, takes, RaceSettings(keep_all=True, seed=settings.seed))
    while True:
        try:
            next(race)
        except StopIteration as finished:
            adapted: AdaptedTask = finished.value
            break
    for name in settings.candidates:
        if name == CHOSEN:
            yield name, adapted
        elif all(name in click.others for click in adapted.clicks):
            yield name, adapted.with_candidate(name)


def summarise(episodes: Iterable[Episode]) -> tuple[Success, ...]:
    """Return success rates with Wilson's 95 % intervals, by family and under the family "all"."""
    groups: dict[tuple[str, int, str], list[bool]] = {}
    for e in episodes:
        for family in (e.family, "all"):
            groups.setdefault((family, e.shots, e.candidate), []).append(e.success)
    return tuple(
        Success(*key, len(won), sum(won) / len(won), *wilson(sum(won), len(won))) for key, won in groups.items()
    )


def wilson(won: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """Return Wilson's interval of a proportion."""
    p, n = won / of, float(of)
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, (middle - half) / (1 + z * z / n)), min(1.0, (middle + half) / (1 + z * z / n))
