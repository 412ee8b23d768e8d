"""The window's end of one arm: connects it, passes clicks on, records, lets a policy drive, stops it.

The control thread never calls Qt; a timer here looks into its slots thirty times a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject, QTimer, Signal

from metagui.arms.arm import ArmError, HandGuidable
from metagui.arms.control.loop import ControlLoop
from metagui.demonstrations.programs.program_controller import ProgramController
from metagui.demonstrations.recording.recorder import Recorder
from metagui.gui.arm.capabilities import Randomisable, Restorable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from metagui.arms.arm import FloatArray
    from metagui.arms.control.tick import Controller, Tick
    from metagui.demonstrations.demonstration import Demonstration, Instruction, TeachingMethod
    from metagui.gui.arm.capabilities import SceneArm

POLL_PERIOD_MS = 33
"""ms."""
_EMERGENCY_HOLD_TICKS = 3
"""Ticks an emergency hold lasts before clicks move the arm again."""


class Finishable(Protocol):
    """A controller that comes to an end."""

    @property
    def finished(self) -> bool:
        """Whether it is over."""


class ArmController(QObject):
    """One arm with its control loop, the person's queue of clicks and the recorder."""

    ticked = Signal(object)
    """The newest Tick."""
    failed = Signal(str, bool)
    """What went wrong in words, and whether the connection is lost."""
    instruction_failed = Signal(str)
    """Why a click was given up, in words."""
    recording_failed = Signal(str)
    run_ended = Signal()
    alarm_raised = Signal(str)
    """Why the safety gate holds, in words."""

    def __init__(self, arm: SceneArm, library: Path) -> None:
        super().__init__()
        self.arm = arm
        self.recorder = Recorder(library)
        self.program_controller = ProgramController(self.arm.objects)
        self.loop: ControlLoop | None = None
        self._teaching_controller: Controller | None = None
        """Who moves the arm while nothing runs; None for clicks."""
        self.connection_lost = False
        """Whether the last error was a broken connection, so that the arm may come back."""
        self._run: Finishable | None = None
        self._run_controller: Controller | None = None
        """Who moves the arm while something runs."""
        self._held_at: int | None = None
        self._last_tick_index = -1
        self._reported_problem = self._reported_alarm = ""
        self._timer = QTimer(self, interval=POLL_PERIOD_MS)
        self._timer.timeout.connect(self.poll)

    @property
    def is_connected(self) -> bool:
        """Whether the loop ticks."""
        return self.loop is not None and self.loop.running

    @property
    def latest_tick(self) -> Tick | None:
        """The newest tick."""
        return None if self.loop is None else self.loop.latest

    def attach(self, arm: SceneArm) -> None:
        """Begin to tick with a connected arm; it stays where it is."""
        self.arm = arm
        self.loop = ControlLoop(arm, arm)
        self._teaching_controller, self._held_at = None, None
        self._activate_teaching_controller()
        self._last_tick_index = -1
        self.loop.start()
        self._timer.start()

    def detach(self) -> Callable[[], None] | None:
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

    def set_teaching_controller(self, controller: Controller | None) -> None:
        """Let another controller than clicks move the arm while nothing runs; None is clicks again."""
        self._teaching_controller = controller
        if self._run is None and self._held_at is None:
            self._activate_teaching_controller()

    def _activate_teaching_controller(self) -> None:
        """Let whoever teaches move the arm, with nothing left over from before."""
        self.program_controller = ProgramController(self.arm.objects)
        if self.loop is not None:
            self.loop.set_controller(self._teaching_controller or self.program_controller)

    @property
    def torque_off(self) -> bool:
        """Whether a person can lead the arm by hand."""
        return isinstance(self.arm, HandGuidable) and self.arm.hand_guiding

    def set_torque_off(self, torque_off: bool) -> None:
        """Switch the torque off so that a person can lead the arm, or hold where it is. Raises ArmError."""
        if self.loop is None or not isinstance(self.arm, HandGuidable):
            raise ArmError(f"{self.arm.name} cannot be led by hand. Nothing was changed.")
        with self.loop.between_ticks():
            if torque_off:
                self.arm.start_hand_guiding()
            else:
                self.arm.hold()
            self._activate_teaching_controller()

    def add_instructions(self, *instructions: Instruction) -> None:
        """Queue what was clicked."""
        self._reported_problem = ""
        self.program_controller.add_instructions(*instructions)

    @property
    def pending_count(self) -> int:
        """Clicks that wait or are being carried out."""
        return self.program_controller.pending_count

    def randomise_scene(self, seed: int) -> None:
        """Scatter the scene anew, the arm at home, where that is possible: things on a real table stay."""
        if self.loop is not None and isinstance(self.arm, Randomisable):
            with self.loop.between_ticks():
                self.arm.randomise(seed)
                self._activate_teaching_controller()

    def restore_state(self, state: FloatArray) -> None:
        """Go back to a stored state (D,), where that is possible. Raises ArmError."""
        if self.loop is not None and isinstance(self.arm, Restorable):
            with self.loop.between_ticks():
                self.arm.set_state(state)
                self._activate_teaching_controller()

    # Recording

    def start_recording(self, task: str, led_by: TeachingMethod = "clicks") -> None:
        """Begin a take. Raises RecordingError."""
        if self.loop is None:
            raise ArmError("No arm is connected, so nothing can be recorded. Press Connect first.")
        with self.loop.between_ticks():
            self.recorder.start(task, self.arm, self.arm, led_by)
            self.loop.add_sink(self.recorder.on_tick)

    def finish_recording(self) -> Demonstration:
        """End the take and return it. Raises RecordingError if there is nothing in it."""
        self._detach_recorder()
        return self.recorder.stop()

    def discard_recording(self) -> None:
        """End the take and throw it away."""
        self._detach_recorder()
        self.recorder.abort()

    def _detach_recorder(self) -> None:
        if self.loop is not None:
            self.loop.remove_sink(self.recorder.on_tick)

    # Running

    def start_run(self, controller: Controller, run: Finishable) -> None:
        """Let a policy move the arm until ``run`` is finished; where the arm was just halted, once that has ended."""
        if self.loop is not None:
            self._run, self._run_controller = run, controller
            if self._held_at is None:
                self.loop.set_controller(controller)

    def halt(self) -> None:
        """Hold the arm now, a limp one too, past all queues, and forget whatever moved it."""
        self.program_controller.clear()
        self._run = None
        if self.loop is not None:
            self.loop.request_emergency_hold()
            self._held_at = self.loop.latest.index if self.loop.latest else 0

    # Thirty times a second

    def poll(self) -> None:
        """Look into the loop's slots and pass on what is new."""
        loop = self.loop
        if loop is None:
            return
        if loop.error is not None:
            error, loop.error = loop.error, None
            self.connection_lost = error.connection_lost
            self._on_error(error.message, error.fatal)
        tick = loop.latest
        if tick is not None and tick.index != self._last_tick_index:
            self._last_tick_index = tick.index
            self._end_emergency_hold(tick)
            self.ticked.emit(tick)
            self._report_alarm(tick.alarm or "")
        self._report_problem()
        self._report_run_end()
        if self.recorder.failure_reason:
            self.recording_failed.emit(self.recorder.failure_reason)

    def _on_error(self, message: str, fatal: bool) -> None:
        self._run = self._teaching_controller = None
        if not fatal:
            self._activate_teaching_controller()
        self.failed.emit(message, fatal)

    def _end_emergency_hold(self, tick: Tick) -> None:
        if self._held_at is not None and tick.index > self._held_at + _EMERGENCY_HOLD_TICKS and self.loop is not None:
            self._held_at = None
            self.loop.release_hold()
            self.loop.set_controller(
                self._run_controller if self._run else self._teaching_controller or self.program_controller
            )

    def _report_problem(self) -> None:
        if self.program_controller.failure_reason and self.program_controller.failure_reason != self._reported_problem:
            self._reported_problem = self.program_controller.failure_reason
            self.instruction_failed.emit(self.program_controller.failure_reason)

    def _report_alarm(self, alarm: str) -> None:
        if alarm != self._reported_alarm:
            self._reported_alarm = alarm
            if alarm and self._held_at is None:
                self.alarm_raised.emit(alarm)

    def _report_run_end(self) -> None:
        if self._run is not None and self._run.finished:
            self._run = None
            self._activate_teaching_controller()
            self.run_ended.emit()
