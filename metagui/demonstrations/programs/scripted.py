"""Scripted demonstrators: whole libraries of takes from task programs, generated as fast as the machine allows.

Every take passes through the same control loop, safety gate and recorder as a user's, without waiting for the clock.
A scene in which the program is not achieved is discarded and the next one is tried. So is an ambiguous scene, in which
the take would fit another task as well: a user who teaches avoids them too. The scenes in which policies are evaluated
are never filtered.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.control.loop import ControlLoop
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.programs.ambiguity import is_unambiguous
from metagui.demonstrations.programs.instruction_state import make_primitive_state
from metagui.demonstrations.programs.program_controller import ProgramController
from metagui.demonstrations.programs.success import SuccessMonitor
from metagui.demonstrations.programs.task_distribution import draw_prefix, draw_style
from metagui.demonstrations.recording.take_builder import InMemoryRecorder
from metagui.generators import make_process_map

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metagui.arms.arm import Observation, Scene
    from metagui.arms.control.tick import JointMove
    from metagui.arms.kinematics import ToolMotion
    from metagui.demonstrations.demonstration import Demonstration, Instruction
    from metagui.demonstrations.primitives.primitive import MotionStyle
    from metagui.demonstrations.programs.program import TaskProgram
    from metagui.generators import OrderedMap

MAX_EXECUTION_TICKS = 6000
"""Maximum number of ticks of an execution (two minutes)."""
MAX_SCENE_ATTEMPTS = 60
"""Maximum number of scenes tried for one take."""


class ImpossibleProgramError(Exception):
    """The scripted demonstrator achieved a program in none of the scenes that were tried."""


@dataclass(frozen=True)
class GenerationSettings:
    """Settings of a generated library."""

    takes: int = 3
    """Number of takes per program."""
    seed: int = 0
    prefix_fraction: float = 0.0
    """Fraction of the takes that start after unrecorded random motion, so that segments start from many states."""
    workers: int | None = None
    """Number of processes; None for one per core."""


class ScriptedDemonstrator:
    """Carries out a program and monitors its success. Implements Controller.

    With ``reject_ambiguous`` it stops at an instruction whose object would be unclear from the take, and sets
    ``is_ambiguous``.
    """

    def __init__(self, program: TaskProgram, scene: Scene, style: MotionStyle, reject_ambiguous: bool = False) -> None:
        self._reject_ambiguous, self.is_ambiguous = reject_ambiguous, False
        # A restarted instruction would leave a half segment in the take; such a scene is not achieved.
        self._controller = ProgramController(scene.objects, style, may_restart=False)
        self._controller.add_instructions(*program.instructions)
        self.success_monitor = SuccessMonitor(program, scene.objects)

    @property
    def current_instruction(self) -> Instruction | None:
        """Instruction that is carried out now."""
        return self._controller.current_instruction

    @property
    def instruction_index(self) -> int:
        """Index of the instruction that was started last."""
        return self._controller.instruction_index

    @property
    def failure_reason(self) -> str:
        """Why the program was given up; empty if it was not."""
        return self._controller.failure_reason

    def is_successful(self, observation: Observation) -> bool:
        """Whether the program was achieved; not if it was given up, however near its goal an object was by then."""
        return not self.failure_reason and self.success_monitor.is_successful(observation)

    def describe_failure(self) -> str:
        """Return which instruction was not achieved, and why, as a sentence."""
        failed = next((result for result in self._controller.results if not result.achieved), None)
        if self.failure_reason or failed is None:
            return self.failure_reason or "The program was not carried out to its end."
        return f"{failed.describe()}."

    def decide(self, observation: Observation) -> ToolMotion | JointMove | None:
        """Return the next motion, or None if the program is done or was given up."""
        before = self.instruction_index
        if self.current_instruction is None and len(self.success_monitor.achieved) == before:
            self.success_monitor.end_instruction(observation)
        motion = self._controller.decide(observation)
        if self.instruction_index != before:
            self.success_monitor.begin_instruction(observation)
            if self._reject_ambiguous and self.current_instruction is not None:
                objects = self._controller.objects
                state = make_primitive_state(self.current_instruction, objects, observation)
                self.is_ambiguous = not is_unambiguous(state, objects)
        if self.is_ambiguous:
            self._controller.clear()
            return None
        if motion is not None and self.instruction_index >= 0:
            self.success_monitor.update(observation)
        return motion


def execute(loop: ControlLoop, demonstrator: ScriptedDemonstrator) -> bool:
    """Run a demonstrator to its end in a loop without a clock; return whether it achieved its program."""
    last = loop.run_inline(demonstrator, MAX_EXECUTION_TICKS)
    return last is not None and demonstrator.is_successful(last.observation)


def demonstrate(
    program: TaskProgram,
    seed: int,
    style: MotionStyle,
    setup: Sequence[Instruction],
    name: str,
    reject_ambiguous: bool = True,
) -> Demonstration | None:
    """Record one take of ``program`` in the scene of ``seed``, after ``setup``.

    Returns None if the program was not achieved or, with ``reject_ambiguous``, if the scene is ambiguous.
    """
    arm = SimulatedArm(seed, style.target_noise)
    arm.connect()
    loop = ControlLoop(arm, arm)
    if setup and not execute(loop, ScriptedDemonstrator(replace(program, instructions=tuple(setup)), arm, style)):
        return None
    recorder = InMemoryRecorder(program.name, arm, name)
    loop.add_sink(recorder.on_tick)
    achieved = execute(loop, ScriptedDemonstrator(program, arm, style, reject_ambiguous))
    arm.disconnect()
    return replace(recorder.stop(), success=True) if achieved else None


def generate_takes(program: TaskProgram, settings: GenerationSettings) -> list[Demonstration]:
    """Record ``settings.takes`` takes of one program. Raises ImpossibleProgramError."""
    rng = np.random.default_rng([settings.seed, zlib.crc32(program.name.encode())])
    return [_generate_take(program, settings, rng, f"{index + 1:03}") for index in range(settings.takes)]


def _generate_take(
    program: TaskProgram, settings: GenerationSettings, rng: np.random.Generator, name: str
) -> Demonstration:
    for _ in range(MAX_SCENE_ATTEMPTS):
        prefix = draw_prefix(rng, program.instructions[0]) if rng.random() < settings.prefix_fraction else ()
        style, scene = draw_style(rng), int(rng.integers(2**31))
        take = demonstrate(program, scene, style, (*prefix, *program.setup), name)
        if take is not None:
            return take
    raise ImpossibleProgramError(
        f"The script did not achieve {program.name!r} in any of {MAX_SCENE_ATTEMPTS} scenes. Nothing was written for "
        "it; check that its instructions can follow each other and are within reach."
    )


def generate_library(
    programs: Sequence[TaskProgram], settings: GenerationSettings, ordered_map: OrderedMap | None = None
) -> Iterator[tuple[TaskProgram, list[Demonstration]]]:
    """Yield every program with its takes, in order. Raises ImpossibleProgramError.

    The takes are recorded by ``settings.workers`` processes, or by those of ``ordered_map``.
    """
    run = ordered_map or make_process_map(settings.workers)
    yield from zip(programs, run(partial(generate_takes, settings=settings), programs), strict=True)
