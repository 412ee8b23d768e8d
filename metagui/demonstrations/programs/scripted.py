"""Scripted demonstrators: whole libraries of takes from click programs, as fast as the machine allows.

Every take runs through the same control loop, safety gate and recorder as a person's; only the clock is missing.
A scene in which the script does not achieve the program is thrown away and the next one is tried, and so is one in
which a take could not be told from another task's: a person who teaches puts things so that it is plain which is
meant. Scenes in which a policy is tried are never chosen like this.
"""

from __future__ import annotations

import itertools
import os
import zlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.control.loop import ControlLoop
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.programs.ambiguity import is_plain
from metagui.demonstrations.programs.program import ClickProgram, ProgramController, situation
from metagui.demonstrations.programs.success import Judge
from metagui.demonstrations.programs.task_distribution import random_prefix, random_style
from metagui.demonstrations.recording.take_builder import MemoryRecorder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metagui.arms.arm import Observation, Scene
    from metagui.arms.kinematics import Motion
    from metagui.demonstrations.demonstration import Click, Demonstration
    from metagui.demonstrations.primitives.primitive import Style

LONGEST = 6000
"""Ticks (two minutes) after which an execution is given up, whatever it does."""
TRIES = 60
"""Scenes to try before a program is called impossible."""


class ImpossibleProgramError(Exception):
    """The scripted demonstrator achieved a program in no scene that was tried."""


@dataclass(frozen=True)
class GenerateSettings:
    """How a library is generated."""

    takes: int = 3
    seed: int = 0
    prefixes: float = 0.0
    """Share of the takes that start after unrecorded random motion, so that segments start from many states."""
    workers: int | None = None
    """Processes; None for one a core."""


class Demonstrator:
    """A scripted person: carries out a program's clicks, watched by a judge. Implements Controller.

    One who is ``choosy`` stops where it would not be plain what a click is about; ``unclear`` tells.
    """

    def __init__(self, program: ClickProgram, scene: Scene, style: Style, choosy: bool = False) -> None:
        self._choosy, self.unclear = choosy, False
        self._controller = ProgramController(scene.anchors, style)
        self._controller.add(*program.clicks)
        self.judge = Judge(program, scene.anchors)

    @property
    def current_click(self) -> Click | None:
        """The click being carried out."""
        return self._controller.current_click

    @property
    def click_index(self) -> int:
        """How many clicks were begun, less one."""
        return self._controller.click_index

    def decide(self, observation: Observation) -> Motion | None:
        """Return the next motion, or None when the program is over or given up."""
        before = self.click_index
        if self.current_click is None and len(self.judge.achieved) == before:
            self.judge.end(observation)
        motion = self._controller.decide(observation)
        if self.click_index != before:
            self.judge.begin(observation)
            if self._choosy and self.current_click is not None:
                anchors = self._controller.anchors
                self.unclear = not is_plain(situation(self.current_click, anchors, observation), anchors)
        if self.unclear:
            self._controller.clear()
            return None
        if motion is not None:
            self.judge.watch(observation)
        return motion


def execute(loop: ControlLoop, demonstrator: Demonstrator) -> bool:
    """Run a demonstrator to its end in a loop without a clock; return whether the judge is content."""
    last = loop.run_inline(demonstrator, LONGEST)
    return last is not None and demonstrator.judge.success(last.observation)


def demonstrate(
    program: ClickProgram, seed: int, style: Style, setup: Sequence[Click], name: str, choosy: bool = True
) -> Demonstration | None:
    """Record one take of ``program`` in the scene of ``seed``, after ``setup``.

    Returns None if it was not achieved, or, for the ``choosy``, if another task would have looked the same.
    """
    arm = SimulatedArm(seed, style.tremble)
    arm.connect()
    loop = ControlLoop(arm, arm)
    if setup and not execute(loop, Demonstrator(replace(program, clicks=tuple(setup)), arm, style)):
        return None
    recorder = MemoryRecorder(program.name, arm, name)
    loop.add_sink(recorder.on_tick)
    achieved = execute(loop, Demonstrator(program, arm, style, choosy))
    arm.disconnect()
    return replace(recorder.stop(), success=True) if achieved else None


def takes_of(program: ClickProgram, settings: GenerateSettings) -> list[Demonstration]:
    """Record ``settings.takes`` takes of one program. Raises ImpossibleProgramError."""
    rng = np.random.default_rng([settings.seed, zlib.crc32(program.name.encode())])
    return [_take(program, settings, rng, f"{index + 1:03}") for index in range(settings.takes)]


def _take(program: ClickProgram, settings: GenerateSettings, rng: np.random.Generator, name: str) -> Demonstration:
    for _ in range(TRIES):
        prefix = random_prefix(rng, program.clicks[0]) if rng.random() < settings.prefixes else ()
        style, scene = random_style(rng), int(rng.integers(2**31))
        take = demonstrate(program, scene, style, (*prefix, *program.setup), name)
        if take is not None:
            return take
    raise ImpossibleProgramError(
        f"The script did not achieve {program.name!r} in any of {TRIES} scenes. Nothing was written for it; check "
        "that its clicks can follow each other and lie within reach."
    )


def generate(
    programs: Sequence[ClickProgram], settings: GenerateSettings
) -> Iterator[tuple[ClickProgram, list[Demonstration]]]:
    """Yield every program with its takes, in order, recorded by several processes. Raises ImpossibleProgramError."""
    workers = min(settings.workers or os.cpu_count() or 1, len(programs))
    if workers == 1:
        yield from ((program, takes_of(program, settings)) for program in programs)
        return
    with ProcessPoolExecutor(workers) as pool:
        try:
            yield from zip(programs, pool.map(takes_of, programs, itertools.repeat(settings)), strict=True)
        finally:
            pool.shutdown(cancel_futures=True)
