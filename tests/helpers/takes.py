"""Takes for tests: recorded with the fake arm, with the simulated arm, and by the scripted demonstrator."""

from __future__ import annotations

import functools
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from metagui.arms.control.loop import ControlLoop
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.programs.program import TaskProgram
from metagui.demonstrations.programs.program_controller import ProgramController
from metagui.demonstrations.programs.scripted import GenerationSettings, generate_takes
from metagui.demonstrations.recording.take_builder import InMemoryRecorder
from tests.helpers.fakes import FakeArm, ScriptedController, make_motion

if TYPE_CHECKING:
    from typing import Any

    from metagui.demonstrations.demonstration import Demonstration

EXAMPLE_PROGRAMS = (
    TaskProgram("above red", (Instruction("reach", "red cube", None, {"offset": (0.0, 0.0, 0.06)}),)),
    TaskProgram("above green", (Instruction("reach", "green cube", None, {"offset": (0.02, 0.0, 0.06)}),)),
    TaskProgram("lift blue", (Instruction("grasp", "blue cube", None, {"height": 0.07}),)),
    TaskProgram("press red", (Instruction("press", "red cube"),)),
    TaskProgram("put red on violet", (Instruction("grasp", "red cube"), Instruction("place", "violet zone"))),
    TaskProgram("circle", (Instruction("trace", "yellow zone", None, {"radius": 0.03, "offset": (0.0, 0.0, 0.06)}),)),
)
REACH_ABOVE_TABLE = Instruction("reach", "table", None, {"offset": (0.0, 0.03, 0.08)})
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
"""Strategy for any text that a file can hold."""


@functools.cache
def generate_example_takes(takes_per_program: int = 3) -> dict[str, tuple[Demonstration, ...]]:
    """Return the takes of every example program by its name; generated once per process."""
    settings = GenerationSettings(takes=takes_per_program, seed=5, prefix_fraction=0.5, workers=1)
    return {program.name: tuple(generate_takes(program, settings)) for program in EXAMPLE_PROGRAMS}


def record_fake_take(task: str = "reach red", ticks: int = 20, arm: Any = None) -> Demonstration:
    """Return a take of ``ticks`` samples in which the fake arm, or ``arm``, moves sideways."""
    arm = arm or FakeArm()
    loop, recorder = ControlLoop(arm, arm), InMemoryRecorder(task, arm)
    loop.add_sink(recorder.on_tick)
    instruction = Instruction("reach", "red cube", None, {"offset": (0.0, 0.0, 0.05)})
    loop.set_controller(ScriptedController(*[make_motion(y=0.002)] * (ticks // 4), instruction=instruction))
    for _ in range(ticks):
        loop.step_once()
    return recorder.stop()


def record_simulated_take() -> Demonstration:
    """Return a take in which the simulated arm puts the red cube on the yellow zone."""
    arm = SimulatedArm(1)
    arm.connect()
    loop, recorder = ControlLoop(arm, arm), InMemoryRecorder("put", arm)
    loop.add_sink(recorder.on_tick)
    controller = ProgramController(arm.objects)
    controller.add_instructions(Instruction("grasp", "red cube"), Instruction("place", "yellow zone"))
    loop.run_inline(controller, 1000)
    return recorder.stop()


def hold_still(take: Demonstration, at: int, seconds: float) -> Demonstration:
    """Return the take with its sample ``at`` repeated, so that everything rests there for some seconds."""
    count = round(seconds * 50)
    index = np.concatenate([np.arange(at), np.full(count, at), np.arange(at, len(take))])
    arrays = {
        each.name: getattr(take, each.name)[index]
        for each in fields(take)
        if isinstance(getattr(take, each.name), np.ndarray) and len(getattr(take, each.name)) == len(take)
    }
    steps = np.concatenate([[0.0], np.diff(take.time)])[index]
    steps[at : at + count] = 0.02
    steps[steps <= 0.0] = 0.02
    arrays["time"] = take.time[0] + np.cumsum(steps) - steps[0]
    segments = tuple(
        replace(s, start=s.start + count * (s.start > at), stop=s.stop + count * (s.stop > at)) for s in take.segments
    )
    timing = replace(
        take.timing,
        lateness=take.timing.lateness[index],
        latency=take.timing.latency[index],
        retries=take.timing.retries[index],
    )
    return replace(take, segments=segments, timing=timing, **arrays)
