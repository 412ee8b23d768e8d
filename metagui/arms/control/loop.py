"""The control loop: observe, decide, filter, command and publish, 50 times per second on absolute deadlines.

There is one thread per connected arm. The same tick also runs without a thread and without waiting (``step_once``),
which generates thousands of demonstrations faster than real time.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import TYPE_CHECKING

from metagui.arms.arm import (
    CONTROL_PERIOD_S,
    ArmError,
    Command,
    ConnectionLostError,
    HandGuidable,
    Observation,
    make_read_only,
    read_only_copy,
)
from metagui.arms.control.cartesian_servo import CartesianServo
from metagui.arms.control.interpolator import CommandInterpolator
from metagui.arms.control.joint_mover import JointMover
from metagui.arms.control.realtime_priority import request_realtime_priority
from metagui.arms.control.safety_gate import SafetyGate
from metagui.arms.control.tick import (
    Controller,
    ControllerError,
    LoopFailure,
    LoopStuckError,
    SinkError,
    StatefulArm,
    Tick,
)
from metagui.arms.control.tick_timer import TickTimer, tune_interpreter
from metagui.arms.kinematics import compute_tool_pose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from metagui.arms.arm import Arm, Scene

_log = logging.getLogger(__name__)


class ControlLoop:
    """Drives one connected arm in one scene.

    ``latest``, ``error`` and ``priority_refusal`` (why the thread has no real-time priority, if so) may be read from
    any thread. Sinks and ``on_error`` are called in the control thread and must be quick. Whatever ends the loop, the
    arm is made to hold. ``clock`` returns the time, s, and ``sleep`` waits.
    """

    def __init__(
        self,
        arm: Arm,
        scene: Scene,
        gate: SafetyGate | None = None,
        servo: CartesianServo | None = None,
        period: float = CONTROL_PERIOD_S,
        on_error: Callable[[LoopFailure], None] | None = None,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.arm = arm
        self.scene = scene
        self.gate = gate or SafetyGate(arm.joints, period)
        self.period = period
        self.latest: Tick | None = None
        self.error: LoopFailure | None = None
        self.priority_refusal = ""
        self._on_error = on_error
        self._clock = clock
        self._guidable = arm if isinstance(arm, HandGuidable) else None
        self._read_state = arm.get_state if isinstance(arm, StatefulArm) else None
        self._sinks: tuple[Callable[[Tick], None], ...] = ()
        self._controller: Controller | None = None
        self._interpolator = CommandInterpolator(servo or CartesianServo(), JointMover(arm, scene))
        self._tick_lock = threading.RLock()
        self._controller_lock = threading.Lock()
        self._hold_requested = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._timer = TickTimer(period, clock, sleep)
        self._index, self._simulated_time = 0, 0.0

    # Methods for other threads

    def start(self) -> None:
        """Start ticking in a new thread; the arm holds until a controller is set."""
        if self.running:
            return
        tune_interpreter()
        self._reset_targets()
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name=f"control {self.arm.name}")
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        """End the thread and wait for it; the arm holds. Raises LoopStuckError."""
        self._stopping.set()
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return
        thread.join(timeout)
        if thread.is_alive():
            raise LoopStuckError(
                f"The control loop did not end within {timeout:.0f} s, so the arm may still be powered. "
                "It holds its last position; switch off its supply if it must not."
            )
        self._thread = None

    @property
    def running(self) -> bool:
        """Return whether the thread is alive."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def controller(self) -> Controller | None:
        """The controller that moves the arm, None if there is none."""
        return self._controller

    def set_controller(self, controller: Controller | None) -> None:
        """Let ``controller`` move the arm from the next decision on; None holds the last target."""
        with self._controller_lock:
            self._controller = controller

    def add_sink(self, sink: Callable[[Tick], None]) -> None:
        """Call ``sink`` with every tick, in the control thread."""
        with self._tick_lock:
            self._sinks = (*self._sinks, sink)

    def remove_sink(self, sink: Callable[[Tick], None]) -> None:
        """Stop calling ``sink``; when this returns, no call to it is in progress."""
        with self._tick_lock:
            self._sinks = tuple(other for other in self._sinks if other != sink)

    def request_emergency_hold(self) -> None:
        """Stop the arm at its present position, bypassing all queues, and remove the controller. Never waits."""
        self._hold_requested.set()

    def release_hold(self) -> None:
        """Allow motion again after an emergency hold; nothing moves until a controller is set."""
        self._hold_requested.clear()

    @property
    def holding(self) -> bool:
        """Return whether an emergency hold is in effect."""
        return self._hold_requested.is_set()

    @contextlib.contextmanager
    def between_ticks(self) -> Iterator[None]:
        """Pause the loop while the arm or scene is changed from outside; the next target starts there."""
        with self._tick_lock:
            try:
                yield
            finally:
                self._reset_targets()

    # Methods for running without a thread

    def step_once(self) -> Tick:
        """Run one tick now, on the loop's own clock; an error makes the arm hold and is raised."""
        if self.running:
            raise RuntimeError("The loop ticks in its own thread; stop it before stepping it.")
        try:
            with self._tick_lock:
                tick = self._tick(self._simulated_time, 0.0, live=False)
        except BaseException:
            self._hold_arm()
            raise
        self._simulated_time += self.period
        return tick

    def run_inline(self, controller: Controller | None, ticks: int) -> Tick | None:
        """Run up to ``ticks`` ticks with ``controller``, until its first empty decision; return the last tick."""
        self.set_controller(controller)
        tick = None
        for _ in range(ticks):
            tick = self.step_once()
            if controller is not None and tick.is_decision and self._interpolator.decision is None:
                break
        return tick

    # Methods in the control thread

    def _run(self) -> None:
        self.priority_refusal = request_realtime_priority()
        self._timer.start()
        try:
            while not self._stopping.is_set() and threading.main_thread().is_alive():
                started, lateness = self._timer.wait()
                try:
                    with self._tick_lock:
                        self._tick(started, lateness, live=True)
                except Exception as error:  # noqa: BLE001 - the boundary: whatever failed, the arm holds
                    if self._recover(error):
                        return
                self._timer.advance()
        finally:
            self._hold_arm()

    def _tick(self, started: float, lateness: float, live: bool) -> Tick:
        observation = self._observe(started)
        state = None if self._read_state is None else make_read_only(self._read_state())
        requested, sent = (
            self._follow_hand(observation) if self._is_hand_guided else self._command_arm(observation, started, live)
        )
        tick = Tick(
            self._index, started, lateness, self._timer.missed_deadlines, observation, requested, sent, state,
            *self._interpolator.active_instruction, self.gate.alarm or observation.joints.alarm or None,
            self._interpolator.joint_move,
        )  # fmt: skip
        self._index += 1
        self._publish(tick)
        return tick

    @property
    def _is_hand_guided(self) -> bool:
        """Return whether a person guides the arm by hand; an emergency hold ends hand guiding."""
        if self._guidable is None or not self._guidable.hand_guiding:
            return False
        if self._hold_requested.is_set():
            self.arm.hold()
        return self._guidable.hand_guiding

    def _follow_hand(self, observation: Observation) -> tuple[Command, Command]:
        """Send nothing and call no controller; the next controller starts at the present position."""
        self._interpolator.reset()
        present = self.gate.follow_hand(observation.joints)
        return present, present

    def _command_arm(self, observation: Observation, started: float, live: bool) -> tuple[Command, Command]:
        """Get a command, filter it and send it; return the requested and the sent command."""
        requested = self._request_command(observation)
        age = self._clock() - started if live else 0.0
        held = self._hold_requested.is_set()
        allowed = self.gate.filter_command(None if held else requested, observation.joints, age, held)
        return _copy_command(requested) or allowed, self.arm.command(allowed)

    def _observe(self, started: float) -> Observation:
        joints = self.arm.observe()
        position, yaw = compute_tool_pose(joints.positions)
        return Observation(started, joints, make_read_only(position), yaw, self.scene.observe_scene())

    def _request_command(self, observation: Observation) -> Command | None:
        """Return the controller's command; during an emergency hold, remove the controller instead."""
        with self._controller_lock:  # never remove a controller that was set after the hold was released
            held = self._hold_requested.is_set()
            if held:
                self._controller = None
        if held:
            self._interpolator.reset()
            return None
        return self._interpolator.compute_command(self._index, self._controller, observation, self.gate.sent)

    def _publish(self, tick: Tick) -> None:
        self.latest = tick
        for sink in self._sinks:
            try:
                sink(tick)
            except Exception as error:
                self.remove_sink(sink)
                raise SinkError(f"A listener failed and was removed: {error}") from error

    def _recover(self, error: Exception) -> bool:
        """Hold, remove the controller and report the error; return whether the loop must end."""
        fatal = not isinstance(error, ControllerError | SinkError)
        self._hold_arm()
        self._controller = None
        self._reset_targets()
        if not isinstance(error, ArmError):
            _log.error("control loop of %s", self.arm.name, exc_info=error)
        advice = "Connect again." if fatal else "The arm is holding its position."
        message = str(error) if isinstance(error, ArmError) else f"{error or type(error).__name__}. {advice}"
        self.error = LoopFailure(message, fatal, isinstance(error, ConnectionLostError))
        if self._on_error is not None:
            self._on_error(self.error)
        return fatal

    def _reset_targets(self) -> None:
        """Discard planned and sent targets: the next target starts at the arm's present position."""
        self._interpolator.reset()
        self.gate.reset()

    def _hold_arm(self) -> None:
        """Hold, even if the arm cannot be reached any more: then its servos keep their last target."""
        try:
            self.arm.hold()
        except Exception as error:  # noqa: BLE001 - the last resort must not hide its cause
            _log.warning("hold failed: %s", error)


def _copy_command(command: Command | None) -> Command | None:
    """Return a read-only copy."""
    return None if command is None else Command(read_only_copy(command.positions))
