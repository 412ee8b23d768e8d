"""Choose a task program from a file and execute its setup, for the commands ``record`` and ``run``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from metagui.cli.output import CommandError

if TYPE_CHECKING:
    from pathlib import Path

    from metagui.arms.control.loop import ControlLoop
    from metagui.demonstrations.programs.program import TaskProgram

MAX_SETUP_S = 120.0
"""Longest time for the setup of a program on a real arm, s."""


def choose_program(programs: tuple[TaskProgram, ...], task: str, path: Path) -> TaskProgram:
    """Return the program named like the task, or the only program. Raises CommandError."""
    named = [program for program in programs if program.name == task]
    if named or len(programs) == 1:
        return (named or list(programs))[0]
    names = ", ".join(repr(program.name) for program in programs)
    raise CommandError(f"{path} has no program called {task!r}. Nothing was recorded; it has {names}.")


def execute_setup(loop: ControlLoop, program: TaskProgram) -> None:
    """Execute the unrecorded instructions at the start of a program; without waiting on the simulated arm.

    Raises CommandError if they are not achieved.
    """
    from metagui.arms.simulation.simulated_arm import SimulatedArm
    from metagui.cli.realtime import run_controller
    from metagui.demonstrations.primitives.primitive import MotionStyle
    from metagui.demonstrations.programs.scripted import ScriptedDemonstrator, execute

    if not program.setup:
        return
    demonstrator = ScriptedDemonstrator(replace(program, instructions=program.setup), loop.scene, MotionStyle())
    if isinstance(loop.arm, SimulatedArm):
        achieved = execute(loop, demonstrator)
    else:
        last = run_controller(loop, demonstrator, MAX_SETUP_S)
        achieved = demonstrator.success_monitor.is_successful(last.observation)
    if not achieved:
        raise CommandError(
            f"The setup of {program.name!r} was not achieved: {demonstrator.describe_failure()} Nothing was recorded; "
            "choose another scene with --seed, or move the object with --object."
        )
