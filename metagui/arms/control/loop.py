"""The control loop: observe, decide, gate, command, publish, fifty times a second on absolute deadlines.

One thread a connected arm. The same tick runs without a thread and without waiting (``step_once``), which is
how thousands of demonstrations are generated faster than real time.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import logging
import sys
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
from metagui.arms.control.interpolator import CommandInterpolator
from metagui.arms.control.safety_gate import SafetyGate
from metagui.arms.control.tick import (
    TICKS_PER_DECISION,
    Controller,
    ControllerError,
    LoopFailure,
    LoopStuckError,
    SinkError,
    StatefulArm,
    Tick,
)
from metagui.arms.kinematics import CartesianServo, compute_tool_pose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from metagui.arms.arm import Arm, Scene

__all__ = [
    "TICKS_PER_DECISION",
    "ControlLoop",
    "Controller",
    "ControllerError",
    "LoopFailure",
    "LoopStuckError",
    "SinkError",
    "StatefulArm",
    "Tick",
]

SWITCH_INTERVAL_S = 0.0005
"""How long another thread may keep the interpreter once the loop wants it, s. Python's own 5 ms, at each of the loop's
waits for the bus, cost every tenth tick at 100 Hz while something was learnt; shorter than this only costs."""
_log = logging.getLogger(__name__)


class ControlLoop:
    """Drives one connected arm among the anchors of one scene.

    ``latest`` and ``error`` are slots that any thread may read. Sinks and ``on_error`` are called in the
    control thread and must be quick. Whatever ends the loop, the arm is made to hold.
    """

    def __init__(
        self,
        arm: Arm,
        scene: Scene,
        gate: SafetyGate | None = None,
        servo: CartesianServo | None = None,
        period: float = CONTROL_PERIOD_S,
        on_error: Callable[[LoopFailure], None] | None = None,
    ) -> None:
        self.arm = arm
        self.scene = scene
        self.gate = gate or SafetyGate(arm.joints, period)
        self.period = period
        self.latest: Tick | None = None
        self.error: LoopFailure | None = None
        self._on_error = on_error
        self._guidable = arm if isinstance(arm, HandGuidable) else None
        self._read_state = arm.get_state if isinstance(arm, StatefulArm) else None
        self._sinks: tuple[Callable[[Tick], None], ...] = ()
        self._controller: Controller | None = None
        self._interpolator = CommandInterpolator(servo or CartesianServo())
        self._tick_lock = threading.RLock()
        self._controller_lock = threading.Lock()
        self._hold_requested = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._index = 0
        self._missed = 0
        self._simulated_time = 0.0

    # What other threads may call

    def start(self) -> None:
        """Begin ticking in a thread of its own; the arm stays where it is until a controller is set."""
        if self.running:
            return
        _tune_interpreter()
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
        """Whether the thread is alive."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def controller(self) -> Controller | None:
        """Who moves the arm at present."""
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
        """Stop calling ``sink``; when this returns, no call to it is under way."""
        with self._tick_lock:
            self._sinks = tuple(other for other in self._sinks if other != sink)

    def request_emergency_hold(self) -> None:
        """Stop where the arm is, past all queues, and forget the controller. Never waits."""
        self._hold_requested.set()

    def release_hold(self) -> None:
        """Allow motion again after an emergency hold; nothing moves until a controller is set."""
        self._hold_requested.clear()

    @property
    def holding(self) -> bool:
        """Whether an emergency hold is in force."""
        return self._hold_requested.is_set()

    @contextlib.contextmanager
    def between_ticks(self) -> Iterator[None]:
        """Keep the loop from ticking while the arm or scene is changed from outside, then start from there."""
        with self._tick_lock:
            try:
                yield
            finally:
                self._reset_targets()

    # Without a thread

    def step_once(self) -> Tick:
        """Run one tick now, without waiting, on the loop's own clock. Raises what the tick raises, holding."""
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
        """Run up to ``ticks`` ticks under ``controller``, until it has nothing more to do; return the last."""
        self.set_controller(controller)
        tick = None
        for _ in range(ticks):
            tick = self.step_once()
            if controller is not None and tick.is_decision and self._interpolator.decision is None:
                break
        return tick

    # In the control thread

    def _run(self) -> None:
        deadline = time.perf_counter()
        try:
            while not self._stopping.is_set() and threading.main_thread().is_alive():
                time.sleep(max(0.0, deadline - time.perf_counter()))
                started = time.perf_counter()
                try:
                    with self._tick_lock:
                        self._tick(started, started - deadline, live=True)
                except Exception as error:  # noqa: BLE001 - the boundary: whatever failed, the arm holds
                    if self._recover(error):
                        return
                deadline = self._next_deadline(deadline)
        finally:
            self._hold_arm()

    def _next_deadline(self, deadline: float) -> float:
        """Return the next deadline, also one that has just passed: a tick is better late than never.

        Where a whole period has passed, what cannot be made up for is missed, and waited past.
        """
        deadline += self.period
        late = time.perf_counter() - deadline
        if late < self.period:
            return deadline
        lost = int(late / self.period) + 1
        self._missed += lost
        return deadline + lost * self.period

    def _tick(self, started: float, lateness: float, live: bool) -> Tick:
        observation = self._observe(started)
        state = None if self._read_state is None else make_read_only(self._read_state())
        asked, sent = (
            self._follow_hand(observation) if self._is_hand_guided else self._command_arm(observation, started, live)
        )
        tick = Tick(
            self._index, started, lateness, self._missed, observation, asked, sent, state,
            *self._interpolator.active_instruction, self.gate.alarm,
        )  # fmt: skip
        self._index += 1
        self._publish(tick)
        return tick

    @property
    def _is_hand_guided(self) -> bool:
        """Whether a person leads the arm by hand; an emergency hold ends that."""
        if self._guidable is None or not self._guidable.hand_guiding:
            return False
        if self._hold_requested.is_set():
            self.arm.hold()
        return self._guidable.hand_guiding

    def _follow_hand(self, observation: Observation) -> tuple[Command, Command]:
        """Follow the hand: nothing is sent, nobody is asked, and whoever comes next starts from here."""
        self._interpolator.reset()
        here = self.gate.follow_hand(observation.joints)
        return here, here

    def _command_arm(self, observation: Observation, started: float, live: bool) -> tuple[Command, Command]:
        """Ask, let through what is safe, send it; return what was asked and what was sent."""
        asked = self._request_command(observation)
        age = time.perf_counter() - started if live else 0.0
        held = self._hold_requested.is_set()
        allowed = self.gate.filter_command(None if held else asked, observation.joints, age, held)
        return _copy_command(asked) or allowed, self.arm.command(allowed)

    def _observe(self, started: float) -> Observation:
        joints = self.arm.observe()
        position, yaw = compute_tool_pose(joints.positions)
        return Observation(started, joints, make_read_only(position), yaw, self.scene.observe_scene())

    def _request_command(self, observation: Observation) -> Command | None:
        """Return what the controller wants; an emergency hold forgets the controller instead."""
        with self._controller_lock:  # never forget one that was set once the hold had been released
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
        """Hold, forget who was moving the arm, say what happened; return whether the loop has to end."""
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
        """Forget what was planned and sent: the next target starts wherever the arm is."""
        self._interpolator.reset()
        self.gate.reset()

    def _hold_arm(self) -> None:
        """Hold, even if the arm can no longer be reached: then its servos keep their last target."""
        try:
            self.arm.hold()
        except Exception as error:  # noqa: BLE001 - the last resort must not hide what led to it
            _log.warning("hold failed: %s", error)


@functools.cache
def _tune_interpreter() -> None:
    """Let the interpreter serve a ticking loop sooner, once a process.

    A collection of all that modules made at import holds every thread for a tenth of a second: it is left out.
    """
    sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_INTERVAL_S))
    gc.collect()
    gc.freeze()


def _copy_command(command: Command | None) -> Command | None:
    """Return a copy that nobody can change."""
    return None if command is None else Command(read_only_copy(command.positions))
