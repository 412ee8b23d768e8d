"""``metagui replay``: replay a stored take on an arm."""

from typing import Annotated

import typer

from metagui.cli.aliases import CommandWithAliases
from metagui.cli.app import app
from metagui.cli.arm_option import ArmAddress, ObjectPlacements, connect_arm
from metagui.cli.library import open_library
from metagui.cli.options import AsJson, LibraryFolder
from metagui.cli.output import CommandError, print_note, print_result

MAX_APPROACH_S = 120.0
"""Longest time to reach the start of the take, s."""


@app.command(cls=CommandWithAliases)
def replay(
    task: Annotated[str, typer.Argument(help="The task that the take belongs to.")],
    take: Annotated[str, typer.Argument(help="Name of the take to replay.")],
    arm: ArmAddress = None,
    objects: ObjectPlacements = None,
    speed: Annotated[float, typer.Option(min=0.1, max=1.0, help="Fraction of the take's own speed.")] = 1.0,
    library: LibraryFolder = None,
    as_json: AsJson = False,
) -> None:
    """Replay a stored take: move slowly to its start, then repeat its motion."""
    from metagui.arms.control.loop import ControlLoop
    from metagui.arms.simulation.simulated_arm import SimulatedArm
    from metagui.cli.realtime import run_controller
    from metagui.demonstrations.recording.replay import ReplayController

    stored = open_library(library).load_take(task, take)
    controller = ReplayController(stored, speed)
    with connect_arm(arm, objects, 0) as connected:
        if isinstance(connected, SimulatedArm) and stored.states is not None:
            connected.set_state(stored.states[0])
        print_note(f"Replaying take {take!r} of {task!r} on {connected.name} …")
        run_controller(ControlLoop(connected, connected), controller, MAX_APPROACH_S + stored.duration / speed)
    progress, blocked = round(controller.progress, 3), controller.blocked_reason
    document = {"task": task, "take": take, "arm": connected.name, "progress": progress, "blocked": blocked}
    row = (task, take, connected.name, f"{progress:.0%}")
    print_result(document, ("task", "take", "arm", "progress"), [row], as_json)
    if blocked:
        raise CommandError(f"The arm could not follow: {blocked}. It holds; check what blocks it.")
    if not controller.finished:
        raise typer.Exit(1)
