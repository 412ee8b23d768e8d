"""Run a controller in real time through the control loop that the window uses, and wait for its end."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any

from metagui.cli.output import CommandError, print_note

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metagui.arms.arm import Command, Observation
    from metagui.arms.control.loop import ControlLoop
    from metagui.arms.control.tick import Controller, JointMove, Tick
    from metagui.arms.kinematics import ToolMotion

POLL_PERIOD_S = 0.05
"""Time between two checks whether a controller has finished, s."""


class OneShotController:
    """Wraps a controller and stops calling it after its first empty decision. Implements Controller."""

    def __init__(self, controller: Controller) -> None:
        self.finished = False
        self._controller = controller

    @property
    def current_instruction(self) -> Any:
        """The instruction being executed, None if there is none."""
        return getattr(self._controller, "current_instruction", None)

    @property
    def instruction_index(self) -> int:
        """Index of the current instruction, -1 before the first."""
        return int(getattr(self._controller, "instruction_index", -1))

    def decide(self, observation: Observation) -> ToolMotion | Command | JointMove | None:
        """Return the controller's motion; None from its end on."""
        motion = None if self.finished else self._controller.decide(observation)
        self.finished = motion is None
        return motion


def run_controller(
    loop: ControlLoop,
    controller: Controller | None,
    seconds: float,
    sinks: Sequence[Callable[[Tick], None]] = (),
    is_interrupted: Callable[[], bool] = lambda: False,
) -> Tick:
    """Run a loop's thread until ``controller`` ends or ``seconds`` have passed; return the last tick.

    ``is_interrupted`` ends it earlier. Without a controller only the time limit ends it: the arm is guided by hand. In
    every case the loop is stopped and the arm holds. Raises CommandError if the loop failed.
    """
    deadline = time.monotonic() + seconds
    wrapped = None if controller is None else OneShotController(controller)
    loop.set_controller(wrapped)
    for sink in sinks:
        loop.add_sink(sink)
    loop.start()
    alarm: str | None = None
    announced: JointMove | None = None
    try:
        while loop.running and loop.error is None and time.monotonic() < deadline:
            alarm = _report_alarm(loop, alarm)
            announced = _announce_joint_move(loop.latest, announced)
            if (wrapped is not None and wrapped.finished) or is_interrupted():
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


def _announce_joint_move(tick: Tick | None, announced: JointMove | None) -> JointMove | None:
    """Print why the arm moves by itself, once for every move; return the move."""
    move = None if tick is None else tick.joint_move
    if move is not None and move is not announced:
        print_note(move.reason)
    return move


def _report_alarm(loop: ControlLoop, reported: str | None) -> str | None:
    """Print the loop's alarm unless it is the one that was reported; return it."""
    alarm = None if loop.latest is None else loop.latest.alarm
    if alarm is not None and alarm != reported:
        print_note(alarm)
    return alarm


def draw_seed() -> int:
    """Return a random scene seed."""
    return secrets.randbelow(2**31)
