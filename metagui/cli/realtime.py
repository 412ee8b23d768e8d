"""Let a controller move an arm in real time, through the same loop as the window's, and wait for its end."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any

from metagui.cli.output import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metagui.arms.arm import Command, Observation
    from metagui.arms.control.loop import Controller, ControlLoop, Tick
    from metagui.arms.kinematics import ToolMotion

POLL_PERIOD_S = 0.05
"""Seconds between two looks at whether a controller is over."""


class OneShotController:
    """A controller that is not asked again once it had nothing more to do. Implements Controller."""

    def __init__(self, controller: Controller) -> None:
        self.finished = False
        self._controller = controller

    @property
    def current_instruction(self) -> Any:
        """What is being done."""
        return getattr(self._controller, "current_instruction", None)

    @property
    def instruction_index(self) -> int:
        """How many clicks were begun, less one."""
        return int(getattr(self._controller, "instruction_index", -1))

    def decide(self, observation: Observation) -> ToolMotion | Command | None:
        """Return the controller's motion; None once and for ever when it is over."""
        motion = None if self.finished else self._controller.decide(observation)
        self.finished = motion is None
        return motion


def run_controller(
    loop: ControlLoop, controller: Controller | None, seconds: float, sinks: Sequence[Callable[[Tick], None]] = ()
) -> Tick:
    """Run a loop's thread under ``controller`` until that is over or its time is; return the last tick.

    Without a controller only its time ends it: a person leads the arm by hand.

    Whatever happens, the loop is stopped and the arm holds. Raises VerbError if the loop failed.
    """
    deadline = time.monotonic() + seconds
    asked = None if controller is None else OneShotController(controller)
    loop.set_controller(asked)
    for sink in sinks:
        loop.add_sink(sink)
    loop.start()
    try:
        while loop.running and loop.error is None and time.monotonic() < deadline:
            if asked is not None and asked.finished:
                break
            time.sleep(POLL_PERIOD_S)
    finally:
        loop.stop()
        for sink in sinks:
            loop.remove_sink(sink)
    if loop.error is not None:
        raise CommandError(loop.error.message)
    if loop.latest is None:
        raise CommandError("The control loop ended before its first tick; the arm did not move. Try again.")
    return loop.latest


def draw_seed() -> int:
    """Return a seed that nobody has chosen."""
    return secrets.randbelow(2**31)
