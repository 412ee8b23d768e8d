"""Controller of one arm for the window: control loop, queue of instructions, recorder, policy runs, halt.

The control thread never calls Qt; a timer here polls the control loop 30 times per second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject, QTimer, Signal

from metagui.arms.arm import CONTROL_RATE_HZ, ArmError, HandGuidable, OverloadClearable
from metagui.arms.control.loop import ControlLoop
from metagui.arms.guiding import GuidingStiffness
from metagui.demonstrations.programs.program_controller import ProgramController
from metagui.demonstrations.recording.recorder import Recorder
from metagui.gui.arm.capabilities import Randomisable, Restorable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from metagui.arms.arm import FloatArray
    from metagui.arms.control.tick import Controller, JointMove, Tick
    from metagui.demonstrations.demonstration import Demonstration, Instruction, TeachingMethod
    from metagui.gui.arm.capabilities import SceneArm
    from metagui.gui.core.messages import Messages

POLL_PERIOD_MS = 33
"""Time between two polls of the control loop, ms."""
_EMERGENCY_HOLD_TICKS = 3
"""Number of ticks of an emergency hold before other controllers move the arm again."""


class Finishable(Protocol):
    """A controller that ends by itself."""

    @property
    def finished(self) -> bool:
        """True once it has ended."""


class ArmController(QObject):
    """One arm with its control loop, its queue of instructions and its recorder."""

    ticked = Signal(object)
    """The newest Tick."""
    failed = Signal(str, bool)
    """Message of an error in the control loop, and True if the loop has ended."""
    run_ended = Signal()

    def __init__(self, arm: SceneArm, library: Path, messages: Messages) -> None:
        super().__init__()
        self._messages = messages
        self.arm = arm
        self.recorder = Recorder(library)
        self.program_controller = ProgramController(self.arm.objects)
        self.loop: ControlLoop | None = None
        self._teaching_controller: Controller | None = None
        """Controller while nothing runs; None for ``program_controller``, which executes instructions."""
        self.connection_lost = False
        """True if the last error was a broken connection, so that the arm can be reconnected."""
        self._run: Finishable | None = None
        self._run_controller: Controller | None = None
        """Controller while a policy or a replay runs."""
        self._held_at: int | None = None
        self._last_tick_index = -1
        self._reported_move: JointMove | None = None
        self.alarm = ""
        """Alarm of the newest tick; empty if there is none."""
        self._timer = QTimer(self, interval=POLL_PERIOD_MS)
        self._timer.timeout.connect(self.poll)

    @property
    def is_connected(self) -> bool:
        """True while the control loop runs."""
        return self.loop is not None and self.loop.running

    @property
    def latest_tick(self) -> Tick | None:
        """The newest tick, or None."""
        return None if self.loop is None else self.loop.latest

    @property
    def priority_refusal(self) -> str:
        """Why the control thread has no real-time priority; empty if it has, or without an arm."""
        return "" if self.loop is None else self.loop.priority_refusal

    def get_arm_state(self) -> FloatArray:
        """Return the full state (D,) of the arm and its scene, for the first picture."""
        return self.arm.get_state()

    def attach(self, arm: SceneArm) -> None:
        """Start the control loop with a connected arm, which holds its position."""
        self.arm = arm
        self.loop = ControlLoop(arm, arm)
        self._teaching_controller, self._held_at = None, None
        self._activate_teaching_controller()
        self._last_tick_index = -1
        self.loop.start()
        self._timer.start()

    def detach(self) -> Callable[[], None] | None:
        """Stop polling, and return a function that ends the loop and disconnects the arm; it raises ArmError."""
        self._timer.stop()
        self._run, self.alarm = None, ""
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
        """Set the controller that moves the arm while nothing runs; None for instructions."""
        self._teaching_controller = controller
        if self._run is None and self._held_at is None:
            self._activate_teaching_controller()

    def _activate_teaching_controller(self) -> None:
        """Activate the teaching controller, with an empty queue of instructions."""
        self.program_controller = ProgramController(self.arm.objects)
        if self.loop is not None:
            self.loop.set_controller(self._teaching_controller or self.program_controller)

    @property
    def torque_off(self) -> bool:
        """True while the arm can be guided by hand."""
        return isinstance(self.arm, HandGuidable) and self.arm.hand_guiding

    @property
    def is_limp(self) -> bool:
        """True while the torque of the arm is off."""
        return isinstance(self.arm, HandGuidable) and self.arm.limp

    def set_torque_off(self, torque_off: bool, stiffness: GuidingStiffness = GuidingStiffness.LIMP) -> None:
        """Start hand guiding with a stiffness, or hold the present position. Raises ArmError."""
        if self.loop is None or not isinstance(self.arm, HandGuidable):
            raise ArmError(f"{self.arm.name} cannot be guided by hand. Nothing was changed.")
        with self.loop.between_ticks():
            if torque_off:
                self.arm.start_hand_guiding(stiffness)
            else:
                self.arm.hold()
            self._activate_teaching_controller()

    @property
    def is_overloaded(self) -> bool:
        """True if motors of the connected arm have reduced their torque because of an overload."""
        return self.loop is not None and isinstance(self.arm, OverloadClearable) and bool(self.arm.overloaded)

    def clear_overload(self) -> None:
        """Give overloaded motors their torque back, at their present positions; errors are posted."""
        if self.loop is not None and isinstance(self.arm, OverloadClearable):
            try:
                with self.loop.between_ticks():
                    self.arm.clear_overload()
            except ArmError as error:
                self._messages.post_error(error)

    def add_instructions(self, *instructions: Instruction) -> None:
        """Queue instructions for the control loop."""
        self.program_controller.add_instructions(*instructions)

    @property
    def pending_count(self) -> int:
        """Number of instructions that wait or are being carried out."""
        return self.program_controller.pending_count

    @property
    def instruction_problem(self) -> str:
        """Reason why the last instruction was given up; empty if there is none."""
        return self.program_controller.failure_reason

    def randomise_scene(self, seed: int) -> None:
        """Randomise the scene, with the arm at home; a real scene does not change."""
        if self.loop is not None and isinstance(self.arm, Randomisable):
            with self.loop.between_ticks():
                self.arm.randomise(seed)
                self._activate_teaching_controller()

    def restore_state(self, state: FloatArray) -> None:
        """Set a simulated arm to a stored state (D,); a real arm does not change. Raises ArmError."""
        if self.loop is not None and isinstance(self.arm, Restorable):
            with self.loop.between_ticks():
                self.arm.set_state(state)
                self._activate_teaching_controller()

    # Recording

    def start_recording(self, task: str, teaching_method: TeachingMethod = "clicks") -> None:
        """Start recording a take. Raises ArmError, RecordingError, OSError."""
        if self.loop is None:
            raise ArmError("No arm is connected, so nothing can be recorded. Press Connect first.")
        with self.loop.between_ticks():
            self.recorder.start(task, self.arm, self.arm, teaching_method)
            self.loop.add_sink(self.recorder.on_tick)

    def finish_recording(self) -> Demonstration:
        """Stop recording and return the take. Raises RecordingError if it is empty."""
        self._detach_recorder()
        return self.recorder.stop()

    def discard_recording(self) -> None:
        """Stop recording and delete the take."""
        self._detach_recorder()
        self.recorder.abort()

    def clear_journal(self) -> None:
        """Delete the journal of the last take; call it only after the take is stored elsewhere."""
        self.recorder.clear_journal()

    @property
    def recording_problem(self) -> str:
        """Reason why the recorder had to stop; empty if there is none."""
        return self.recorder.failure_reason or ""

    @property
    def recorded_duration(self) -> float:
        """Length of the take being recorded, s."""
        return self.recorder.sample_count / CONTROL_RATE_HZ

    def _detach_recorder(self) -> None:
        if self.loop is not None:
            self.loop.remove_sink(self.recorder.on_tick)

    # Running

    def start_run(self, controller: Controller, run: Finishable) -> None:
        """Run a controller until ``run`` is finished; after a halt, it starts when the emergency hold ends."""
        if self.loop is not None:
            self._run, self._run_controller = run, controller
            if self._held_at is None:
                self.loop.set_controller(controller)

    def halt(self) -> None:
        """Hold the arm at once, also with the torque off; queued instructions and the run are dropped."""
        self.program_controller.clear()
        self._run = None
        if self.loop is not None:
            self.loop.request_emergency_hold()
            self._held_at = self.loop.latest.index if self.loop.latest else 0

    # Polling

    def poll(self) -> None:
        """Read the newest tick and error of the control loop, and emit what is new."""
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
            self._report_alarm(tick.alarm or "")
            self._report_joint_move(tick.joint_move)
            self.ticked.emit(tick)
        self._report_run_end()

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

    def _report_alarm(self, alarm: str) -> None:
        if alarm != self.alarm:
            self.alarm = alarm
            if alarm and self._held_at is None:
                self._messages.post(alarm, "warning", "clear_overload" if self.is_overloaded else "")

    def _report_joint_move(self, move: JointMove | None) -> None:
        """Say why the arm moves by itself, once for every move."""
        if move is not None and move is not self._reported_move:
            self._messages.post(move.reason)
        self._reported_move = move

    def _report_run_end(self) -> None:
        if self._run is not None and self._run.finished:
            self._run = None
            self._activate_teaching_controller()
            self.run_ended.emit()
