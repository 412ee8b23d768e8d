"""Takes to train on by demonstrators of several kinds: simulated hands, each program by one person, and a slow script.

What is demonstrated, and how success is tested, is the same as for the scripted takes of ``programs.scripted``; only
who demonstrates differs. The scenes are others.
"""

from __future__ import annotations

import itertools
import zlib
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.control.loop import ControlLoop
from metagui.arms.control.tick import TICKS_PER_DECISION
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.demonstration import Segment
from metagui.demonstrations.people.habits import HumanStyle, draw_training_style
from metagui.demonstrations.people.human_demonstrator import MAX_HAND_GUIDED_TICKS, HumanDemonstrator
from metagui.demonstrations.programs.ambiguity import is_unambiguous
from metagui.demonstrations.programs.instruction_state import make_primitive_state
from metagui.demonstrations.programs.scripted import ScriptedDemonstrator, demonstrate, execute
from metagui.demonstrations.programs.success import SuccessMonitor
from metagui.demonstrations.programs.task_distribution import draw_prefix, draw_style
from metagui.demonstrations.recording.segmentation import align_segmentation
from metagui.demonstrations.recording.take_builder import InMemoryRecorder
from metagui.generators import make_process_map

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metagui.arms.arm import Command, Observation
    from metagui.demonstrations.demonstration import Demonstration, Instruction
    from metagui.demonstrations.programs.program import TaskProgram
    from metagui.generators import OrderedMap

MIN_SLOW_SPEED = 0.33
"""Minimum speed of the slow script as a fraction of the maximum."""
MAX_SCENES = 12
"""Maximum number of scenes tried for one take."""
MIN_OVERLAP = 0.6
"""Minimum overlap of a segment that was found with the true one, as a fraction of their union."""


@dataclass(frozen=True)
class PeopleSettings:
    """Settings of the takes by people."""

    takes: int = 4
    """Number of takes per program."""
    seed: int = 0
    prefix_fraction: float = 0.65
    """Fraction of the takes that start after unrecorded random motion."""
    slow_script_fraction: float = 0.2
    """Fraction of the programs that the script demonstrates, slowly; a simulated hand demonstrates the others."""
    workers: int | None = None
    """Number of processes; None for one per core."""


class MonitoredHuman:
    """A person who carries out a program, with its success monitored. Implements Controller."""

    def __init__(self, program: TaskProgram, style: HumanStyle, arm: SimulatedArm, rng: np.random.Generator) -> None:
        self._human = HumanDemonstrator(style, arm, arm.observe_all(), program.instructions, rng)
        self._program, self._objects = program, arm.objects
        self._monitor = SuccessMonitor(program, arm.objects)
        self._index, self._decisions = -1, 0
        self._starts: list[int] = []
        self.is_ambiguous = False
        """True if a take of this scene would fit another task as well."""

    def decide(self, observation: Observation) -> Command | None:
        """Return the person's command, None at the end or in an ambiguous scene."""
        command = self._human.decide(observation)
        index = self._human.action_index
        if index != self._index or command is None:
            if self._index >= 0:
                self._monitor.end_instruction(observation)
            if command is not None:
                self._begin(observation, index)
        if command is None or self.is_ambiguous:
            return None
        if index >= 0:
            self._monitor.update(observation)
        self._decisions += 1
        return command

    def _begin(self, observation: Observation, index: int) -> None:
        self._index = index
        self._starts.append(self._decisions * TICKS_PER_DECISION)
        self._monitor.begin_instruction(observation)
        state = make_primitive_state(self._program.instructions[index], self._objects, observation)
        self.is_ambiguous = not is_unambiguous(state, self._objects)

    def is_successful(self, last: Observation) -> bool:
        """Whether the person let go of the arm after achieving the program."""
        return self._human.finished and self._monitor.is_successful(last)

    def get_segments(self, length: int) -> tuple[Segment, ...]:
        """Return the true segments of the take with ``length`` samples, each with the pause after it."""
        spans = itertools.pairwise([*self._starts, length])
        return tuple(Segment(*span, each) for span, each in zip(spans, self._program.instructions, strict=True))


def generate_people_takes(program: TaskProgram, settings: PeopleSettings) -> list[Demonstration]:
    """Return takes of one program by one demonstrator, with segments; fewer where it failed in too many scenes."""
    rng = np.random.default_rng([settings.seed, 11, zlib.crc32(program.name.encode())])
    style = None if rng.random() < settings.slow_script_fraction else draw_training_style(rng)
    takes: list[Demonstration] = []
    for _ in range(settings.takes * MAX_SCENES):
        if len(takes) == settings.takes:
            break
        prefix = draw_prefix(rng, program.instructions[0]) if rng.random() < settings.prefix_fraction else ()
        setup, scene, name = (*prefix, *program.setup), int(rng.integers(2**31)), f"{len(takes) + 1:03}"
        if style is None:
            slow = replace(draw_style(rng), speed_fraction=rng.uniform(MIN_SLOW_SPEED, 1.0))
            take = demonstrate(program, scene, slow, setup, name)
        else:
            take = demonstrate_program_by_hand(program, style, scene, setup, name)
        if take is not None:
            takes.append(take)
    return takes if style is None else segment_as_recorded(takes)


def demonstrate_program_by_hand(
    program: TaskProgram, style: HumanStyle, seed: int, setup: Sequence[Instruction] = (), name: str = "001"
) -> Demonstration | None:
    """Record a take with its true segments in the scene of ``seed``; return None if it failed or is ambiguous."""
    arm = SimulatedArm(seed)
    arm.connect()
    loop = ControlLoop(arm, arm)
    if setup and not execute(
        loop,
        ScriptedDemonstrator(replace(program, instructions=tuple(setup)), arm, draw_style(np.random.default_rng(seed))),
    ):
        return None
    recorder = InMemoryRecorder(program.name, arm, name, teaching_method="hand")
    loop.add_sink(recorder.on_tick)
    person = MonitoredHuman(program, style, arm, np.random.default_rng([seed, 7]))
    last = loop.run_inline(person, MAX_HAND_GUIDED_TICKS)
    arm.disconnect()
    if last is None or not person.is_successful(last.observation):
        return None
    take = recorder.stop()
    return replace(take, success=True, segments=person.get_segments(len(take)))


def segment_as_recorded(takes: Sequence[Demonstration]) -> list[Demonstration]:
    """Return takes with the segments that are found in them, as a user's are; with the true ones where these differ."""
    found = align_segmentation([replace(take, segments=()) for take in takes])
    return [_take_right_segments(each, take) for each, take in zip(found, takes, strict=True)]


def _take_right_segments(found: Demonstration, true: Demonstration) -> Demonstration:
    """Return the take with the segments that were found, if they are right, else with the true ones."""
    if not is_segmentation_right(found.segments, true.segments):
        return true
    pairs = zip(found.segments, true.segments, strict=True)
    return replace(found, segments=tuple(replace(one, instruction=other.instruction) for one, other in pairs))


def is_segmentation_right(found: Sequence[Segment], true: Sequence[Segment]) -> bool:
    """Whether the segments correspond to the true ones, one to one."""
    return len(found) == len(true) and all(
        _compute_overlap(one, other) >= MIN_OVERLAP for one, other in zip(found, true, strict=True)
    )


def _compute_overlap(one: Segment, other: Segment) -> float:
    """Return the length of the intersection of two segments divided by that of their union."""
    common = min(one.stop, other.stop) - max(one.start, other.start)
    return common / (max(one.stop, other.stop) - min(one.start, other.start))


def generate_people_library(
    programs: Sequence[TaskProgram], settings: PeopleSettings, ordered_map: OrderedMap | None = None
) -> Iterator[tuple[TaskProgram, list[Demonstration]]]:
    """Yield every program with its takes by people, in order.

    The takes are recorded by ``settings.workers`` processes, or by those of ``ordered_map``.
    """
    run = ordered_map or make_process_map(settings.workers)
    yield from zip(programs, run(partial(generate_people_takes, settings=settings), programs), strict=True)
