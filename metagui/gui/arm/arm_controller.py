"""The window's end of one arm: connects it, passes clicks on, records, lets a policy drive, stops it.

The control thread never calls Qt; a timer here looks into its slots thirty times a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject, QTimer, Signal

from metagui.arms.arm import ArmError, Guidable
from metagui.arms.control.loop import ControlLoop
from metagui.demonstrations.programs.program import ProgramController
from metagui.demonstrations.recording.recorder import Recorder
from metagui.gui.arm.capabilities import Restoring, Scattering

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from metagui.arms.arm import FloatArray
    from metagui.arms.control.tick import Controller, Tick
    from metagui.demonstrations.demonstration import Click, Demonstration, Leading
    from metagui.gui.arm.capabilities import DeskArm

POLL_PERIOD = 33
"""ms."""
_HOLD_TICKS = 3
"""Ticks an emergency hold lasts before clicks move the arm again."""


class Run(Protocol):
    """A controller that comes to an end."""

    @property
    def finished(self) -> bool:
        """Whether it is over."""


class ArmDesk(QObject):
    """One arm with its control loop, the person's queue of clicks and the recorder."""

    ticked = Signal(object)
    """The newest Tick."""
    failed = Signal(str, bool)
    """What went wrong in words, and whether the connection is lost."""
    refused = Signal(str)
    """Why a click was given up, in words."""
    recording_failed = Signal(str)
    run_ended = Signal()
    alarmed = Signal(str)
    """Why the safety gate holds, in words."""

    def __init__(self, arm: DeskArm, library: Path) -> None:
        super().__init__()
        self.arm = arm
        self.recorder = Recorder(library)
        self.clicks = ProgramController(self.arm.anchors)
        self.loop: ControlLoop | None = None
        self._teacher: Controller | None = None
        """Who moves the arm while nothing runs; None for clicks."""
        self.lost = False
        """Whether the last error was a broken connection, so that the arm may come back."""
        self._run: Run | None = None
        self._driver: Controller | None = None
        """Who moves the arm while something runs."""
        self._held_at: int | None = None
        self._seen = -1
        self._told_problem = self._told_alarm = ""
        self._timer = QTimer(self, interval=POLL_PERIOD)
        self._timer.timeout.connect(self.poll)

    @property
    def connected(self) -> bool:
        """Whether the loop ticks."""
        return self.loop is not None and self.loop.running

    @property
    def latest(self) -> Tick | None:
        """The newest tick."""
        return None if self.loop is None else self.loop.latest

    def take_over(self, arm: DeskArm) -> None:
        """Begin to tick with a connected arm; it stays where it is."""
        self.arm = arm
        self.loop = ControlLoop(arm, arm)
        self._teacher, self._held_at = None, None
        self._give_to_teacher()
        self._seen = -1
        self.loop.start()
        self._timer.start()

    def let_go(self) -> Callable[[], None] | None:
        """Stop listening to the arm; return what ends its thread, holds and closes it. Raises ArmError when called."""
        self._timer.stop()
        self._run = None
        loop, arm, self.loop = self.loop, self.arm, None
        if loop is None:
            return None

        def end() -> None:
            loop.stop()
            if arm.connected:
                arm.disconnect()

        return end

    # Teaching

    def teach_with(self, controller: Controller | None) -> None:
        """Let another controller than clicks move the arm while nothing runs; None is clicks again."""
        self._teacher = controller
        if self._run is None and self._held_at is None:
            self._give_to_teacher()

    def _give_to_teacher(self) -> None:
        """Let whoever teaches move the arm, with nothing left over from before."""
        self.clicks = ProgramController(self.arm.anchors)
        if self.loop is not None:
            self.loop.set_controller(self._teacher or self.clicks)

    @property
    def limp(self) -> bool:
        """Whether a person can lead the arm by hand."""
        return isinstance(self.arm, Guidable) and self.arm.guiding

    def set_limp(self, limp: bool) -> None:
        """Switch the torque off so that a person can lead the arm, or hold where it is. Raises ArmError."""
        if self.loop is None or not isinstance(self.arm, Guidable):
            raise ArmError(f"{self.arm.name} cannot be led by hand. Nothing was changed.")
        with self.loop.between_ticks():
            if limp:
                self.arm.guide()
            else:
                self.arm.hold()
            self._give_to_teacher()

    def click(self, *clicks: Click) -> None:
        """Queue what was clicked."""
        self._told_problem = ""
        self.clicks.add(*clicks)

    @property
    def pending(self) -> int:
        """Clicks that wait or are being carried out."""
        return self.clicks.pending

    def randomise(self, seed: int) -> None:
        """Scatter the scene anew, the arm at home, where that is possible: things on a real table stay."""
        if self.loop is not None and isinstance(self.arm, Scattering):
            with self.loop.between_ticks():
                self.arm.randomise(seed)
                self._give_to_teacher()

    def restore(self, state: FloatArray) -> None:
        """Go back to a stored state (D,), where that is possible. Raises ArmError."""
        if self.loop is not None and isinstance(self.arm, Restoring):
            with self.loop.between_ticks():
                self.arm.restore(state)
                self._give_to_teacher()

    # Recording

    def record(self, task: str, led_by: Leading = "clicks") -> None:
        """Begin a take. Raises RecordingError."""
        if self.loop is None:
            raise ArmError("No arm is connected, so nothing can be recorded. Press Connect first.")
        with self.loop.between_ticks():
            self.recorder.start(task, self.arm, self.arm, led_by)
            self.loop.add_sink(self.recorder.on_tick)

    def finish_recording(self) -> Demonstration:
        """End the take and return it. Raises RecordingError if there is nothing in it."""
        self._stop_listening()
        return self.recorder.stop()

    def abort_recording(self) -> None:
        """End the take and throw it away."""
        self._stop_listening()
        self.recorder.abort()

    def _stop_listening(self) -> None:
        if self.loop is not None:
            self.loop.remove_sink(self.recorder.on_tick)

    # Running

    def drive(self, controller: Controller, run: Run) -> None:
        """Let a policy move the arm until ``run`` is finished; where the arm was just halted, once that has ended."""
        if self.loop is not None:
            self._run, self._driver = run, controller
            if self._held_at is None:
                self.loop.set_controller(controller)

    def halt(self) -> None:
        """Hold the arm now, a limp one too, past all queues, and forget whatever moved it."""
        self.clicks.clear()
        self._run = None
        if self.loop is not None:
            self.loop.emergency_hold()
            self._held_at = self.loop.latest.index if self.loop.latest else 0

    # Thirty times a second

    def poll(self) -> None:
        """Look into the loop's slots and pass on what is new."""
        loop = self.loop
        if loop is None:
            return
        if loop.error is not None:
            error, loop.error = loop.error, None
            self.lost = error.lost
            self._on_error(error.message, error.fatal)
        tick = loop.latest
        if tick is not None and tick.index != self._seen:
            self._seen = tick.index
            self._end_hold(tick)
            self.ticked.emit(tick)
            self._tell_alarm(tick.alarm or "")
        self._tell_problem()
        self._tell_end()
        if self.recorder.failure:
            self.recording_failed.emit(self.recorder.failure)

    def _on_error(self, message: str, fatal: bool) -> None:
        self._run = self._teacher = None
        if not fatal:
            self._give_to_teacher()
        self.failed.emit(message, fatal)

    def _end_hold(self, tick: Tick) -> None:
        if self._held_at is not None and tick.index > self._held_at + _HOLD_TICKS and self.loop is not None:
            self._held_at = None
            self.loop.release()
            self.loop.set_controller(self._driver if self._run else self._teacher or self.clicks)

    def _tell_problem(self) -> None:
        if self.clicks.problem and self.clicks.problem != self._told_problem:
            self._told_problem = self.clicks.problem
            self.refused.emit(self.clicks.problem)

    def _tell_alarm(self, alarm: str) -> None:
        if alarm != self._told_alarm:
            self._told_alarm = alarm
            if alarm and self._held_at is None:
                self.alarmed.emit(alarm)

    def _tell_end(self) -> None:
        if self._run is not None and self._run.finished:
            self._run = None
            self._give_to_teacher()
            self.run_ended.emit()
