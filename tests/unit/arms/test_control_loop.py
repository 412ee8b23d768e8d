"""Tests of the control loop: deadlines, interpolation, and that the arm holds after any failure."""

import math
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metagui.arms.arm import CONTROL_PERIOD_S, Command
from metagui.arms.control.loop import ControlLoop
from metagui.arms.control.tick import ControllerError, SinkError
from metagui.arms.control.tick_timer import TickTimer
from metagui.arms.kinematics import HOME_ANGLES_RAD, JOINTS
from metagui.arms.simulation.simulated_arm import SimulatedArm
from tests.helpers.clocks import PATIENCE_S, SteppedClock, sleep, wait_until
from tests.helpers.fakes import CONNECTION_LOST, FakeArm, ScriptedController, make_command, make_motion


@pytest.fixture
def arm():
    return FakeArm()


@pytest.fixture
def loop(arm):
    loop = ControlLoop(arm, arm)
    yield loop
    loop.stop()


@pytest.fixture
def clock():
    return SteppedClock()


@pytest.fixture
def timed_loop(arm, clock):
    """A loop on a clock that only its sleeps and the test advance."""
    loop = ControlLoop(arm, arm, clock=clock, sleep=clock.sleep)
    yield loop
    loop.stop()


def assert_safe(arm):
    """Assert that targets are finite, within the limits and at most one tick's travel from the last or the hold."""
    before = HOME_ANGLES_RAD
    for what, positions in arm.sent_log:
        if what == "command":
            assert np.all(np.isfinite(positions))
            for joint, target, last in zip(JOINTS, positions, before, strict=True):
                assert joint.lower <= target <= joint.upper
                assert abs(target - last) <= joint.max_velocity * CONTROL_PERIOD_S + 1e-12
        before = positions


number = st.one_of(st.floats(width=64), st.floats(-0.02, 0.02), st.sampled_from([math.nan, math.inf, 1e300]))
plan = st.one_of(
    st.none(),
    st.builds(make_motion, number, number, number, number, number),
    st.lists(number, min_size=6, max_size=6).map(lambda values: Command(np.array(values))),
    st.just(RuntimeError("a bug")),
)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@given(st.lists(plan, max_size=30), st.sets(st.integers(0, 60)), st.sets(st.integers(0, 60)))
def test_loop_any_controller_keeps_arm_safe(plans, holds, releases):
    arm = FakeArm()
    loop = ControlLoop(arm, arm)
    controller = ScriptedController(*plans)
    loop.set_controller(controller)
    for index in range(2 * len(plans) + 2):
        if index in holds:
            loop.request_emergency_hold()
        if index in releases:
            loop.release_hold()
        try:
            loop.step_once()
        except ControllerError:
            assert arm.sent_log[-1][0] == "hold"
    assert_safe(arm)


def test_run_inline_decides_every_second_tick(loop):
    """A controller decides at every second tick of the loop's own clock."""
    steps = ScriptedController(*[make_motion()] * 5)
    last = loop.run_inline(steps, 100)
    np.testing.assert_allclose(np.diff(steps.times), 2 * CONTROL_PERIOD_S)
    assert last.index == 10
    assert last.time == pytest.approx(10 * CONTROL_PERIOD_S)
    assert last.missed_deadlines == 0


def test_loop_motion_is_split_over_two_ticks(loop):
    loop.set_controller(ScriptedController(make_motion(x=0.004), make_motion(x=0.004)))
    ticks = [loop.step_once() for _ in range(6)]
    moved = np.diff([tick.observation.tool_position[0] for tick in ticks])
    np.testing.assert_allclose(moved[:4], 0.002, atol=2e-5)
    assert abs(moved[4]) < 1e-9


def test_loop_finished_controller_keeps_position():
    arm = SimulatedArm(1)
    arm.connect()
    loop = ControlLoop(arm, arm)
    last = loop.run_inline(ScriptedController(*[make_motion(y=0.004, z=0.002)] * 20), 100)
    rest = loop.run_inline(None, 200)
    np.testing.assert_array_equal(rest.sent.positions, last.sent.positions)
    assert np.linalg.norm(rest.observation.tool_position - last.observation.tool_position) < 0.004
    again = loop.run_inline(ScriptedController(make_motion()), 2)
    np.testing.assert_allclose(again.sent.positions[:5], rest.sent.positions[:5], atol=1e-3)


def test_loop_last_decision_belongs_to_instruction(loop):
    """The decision that ends an instruction still belongs to it."""

    class OneInstruction(ScriptedController):
        def decide(self, observation):
            motion = super().decide(observation)
            if motion is not None and motion.done:
                self.current_instruction = None
            return motion

    loop.set_controller(OneInstruction(make_motion(), make_motion(done=True), instruction="an instruction"))
    instructions = [(tick.instruction, tick.instruction_index) for tick in (loop.step_once() for _ in range(6))]
    assert instructions == [("an instruction", 0)] * 4 + [(None, 0)] * 2


def test_tick_state_is_state_at_observation():
    arm = SimulatedArm(2)
    arm.connect()
    loop = ControlLoop(arm, arm)
    before = arm.get_state()
    np.testing.assert_array_equal(loop.step_once().state, before)


def test_loop_keeps_absolute_deadlines(timed_loop, clock):
    """Deadlines do not drift, and ``latest`` is the newest tick."""
    ticks = []

    def take_time(tick):
        ticks.append(tick)
        clock.advance((0.3, 0.9, 1.6, 2.5)[len(ticks) % 4] * CONTROL_PERIOD_S)

    timed_loop.add_sink(take_time)
    timed_loop.start()
    wait_until(lambda: len(ticks) > 25)
    timed_loop.stop()
    deadlines = np.array([tick.time - tick.lateness for tick in ticks])
    periods = np.diff(deadlines) / CONTROL_PERIOD_S
    np.testing.assert_allclose(periods, np.round(periods), atol=1e-6)
    assert all(tick.lateness >= 0 for tick in ticks)
    assert ticks[-1].missed_deadlines == round(periods.sum()) - (len(ticks) - 1)
    assert timed_loop.latest is ticks[-1]


def test_loop_slow_tick_counts_missed_deadlines(timed_loop, clock):
    """Missed deadlines are counted and skipped."""
    ticks = []

    def slow(tick):
        ticks.append(tick)
        clock.advance(2.3 * CONTROL_PERIOD_S)

    timed_loop.add_sink(slow)
    timed_loop.start()
    wait_until(lambda: len(ticks) > 8)
    timed_loop.stop()
    assert [tick.missed_deadlines for tick in ticks] == [2 * index for index in range(len(ticks))]
    periods = np.diff([tick.time - tick.lateness for tick in ticks]) / CONTROL_PERIOD_S  # from deadline to deadline
    np.testing.assert_allclose(periods, 3.0, atol=1e-6)


@pytest.mark.parametrize(("late", "periods", "missed"), [(-0.5, 1, 0), (0.6, 1, 0), (1.2, 3, 2), (3.5, 5, 4)])
def test_timer_late_tick_keeps_next_deadline(late, periods, missed):
    """``late`` periods after the next deadline, that deadline is kept if less than a period has passed."""
    clock = SteppedClock(100.0)
    timer = TickTimer(0.02, clock, clock.sleep)
    timer.start()
    clock.advance((1.0 + late) * timer.period)
    timer.advance()
    now, lateness = timer.wait()
    assert now - lateness == pytest.approx(100.0 + periods * timer.period)
    assert timer.missed_deadlines == missed


def test_loop_slow_decision_is_not_executed(timed_loop, clock, arm):
    class Slow(ScriptedController):
        def decide(self, observation):
            clock.advance(0.15)
            return super().decide(observation)

    timed_loop.set_controller(Slow(make_command(0.01)))
    timed_loop.start()
    wait_until(lambda: timed_loop.gate.report.stale > 0)
    timed_loop.stop()
    np.testing.assert_allclose(arm.sent_log[0][1], HOME_ANGLES_RAD)


def test_loop_controller_error_holds_and_continues(loop, arm, caplog):
    errors = []
    loop._on_error = errors.append
    loop.start()
    loop.set_controller(ScriptedController(make_command(0.05), RuntimeError("a bug")))
    wait_until(lambda: errors)
    count = len(arm.sent_log)
    wait_until(lambda: len(arm.sent_log) > count + 5)
    assert loop.running
    assert loop.controller is None
    assert errors == [loop.error]
    assert loop.error.message == "ScriptedController failed: a bug. The arm is holding its position."
    assert not loop.error.fatal
    assert "hold" in {what for what, _ in arm.sent_log}
    assert "a bug" in caplog.text
    assert_safe(arm)


@pytest.mark.parametrize("method", ["observe", "command"])
def test_loop_lost_arm_holds_and_ends(loop, arm, method):
    loop.start()
    wait_until(lambda: loop.latest)
    arm.errors[method] = CONNECTION_LOST
    wait_until(lambda: not loop.running)
    assert arm.sent_log[-1][0] == "hold"
    assert loop.error.fatal
    assert loop.error.message == str(CONNECTION_LOST)


def test_loop_failed_hold_keeps_original_error(loop, arm):
    loop.start()
    wait_until(lambda: loop.latest)
    arm.errors |= {"hold": OSError("gone"), "observe": CONNECTION_LOST}
    wait_until(lambda: not loop.running)
    assert loop.error.message == str(CONNECTION_LOST)


def test_loop_sink_error_removes_sink_and_holds(loop, arm, caplog):
    def broken(tick):
        raise ValueError("no room")

    seen = []
    loop.add_sink(broken)
    loop.add_sink(seen.append)
    loop.start()
    wait_until(lambda: len(seen) > 3)
    assert "no room" in loop.error.message
    assert loop.running
    assert "hold" in {what for what, _ in arm.sent_log}
    assert "no room" in caplog.text


def test_loop_controller_set_after_release_is_kept(loop):
    """A controller set while a tick still sees the released hold is not removed by that tick."""
    steps = ScriptedController(*[make_command(0.4)] * 10)

    class Late(threading.Event):
        """Releases the hold and sets a controller in the middle of the tick that still saw the hold."""

        def is_set(self):
            was_set = super().is_set()
            if was_set and not others:
                others.append(threading.Thread(target=lambda: (loop.release_hold(), loop.set_controller(steps))))
                others[0].start()
                others[0].join(0.2)
            return was_set

    others = []
    loop._hold_requested = Late()
    loop.request_emergency_hold()
    loop.step_once()
    others[0].join()
    assert loop.controller is steps
    assert not loop.holding


def test_emergency_hold_stops_and_removes_controller(loop, arm):
    loop.start()
    loop.set_controller(ScriptedController(*[make_command(0.4)] * 1000))
    wait_until(lambda: loop.latest and loop.latest.sent.positions[0] > HOME_ANGLES_RAD[0] + 0.1)
    loop.request_emergency_hold()
    wait_until(lambda: loop.gate.report.held > 3)
    stopped = loop.latest.sent.positions
    assert loop.controller is None
    assert stopped[0] < HOME_ANGLES_RAD[0] + 0.35
    loop.set_controller(ScriptedController(*[make_command(0.4)] * 1000))
    count = loop.gate.report.held
    wait_until(lambda: loop.gate.report.held > count + 3)
    loop.release_hold()
    index = loop.latest.index
    wait_until(lambda: loop.latest.index > index + 5)
    np.testing.assert_allclose(loop.latest.sent.positions, stopped)
    loop.set_controller(ScriptedController(*[make_command(0.4)] * 1000))
    wait_until(lambda: loop.latest.sent.positions[0] > stopped[0] + 0.01)
    assert_safe(arm)


def test_stop_repeated_holds_arm(loop, arm):
    loop.start()
    loop.start()
    wait_until(lambda: loop.latest)
    loop.stop()
    loop.stop()
    assert not loop.running
    assert arm.sent_log[-1][0] == "hold"
    loop.start()
    index = loop.latest.index
    wait_until(lambda: loop.latest.index > index)


def test_step_once_failure_holds_and_raises(loop, arm):
    arm.errors["command"] = CONNECTION_LOST
    with pytest.raises(type(CONNECTION_LOST)):
        loop.step_once()
    assert arm.sent_log[-1][0] == "hold"
    arm.errors.clear()
    loop.add_sink(lambda tick: 1 / 0)
    with pytest.raises(SinkError, match="division by zero"):
        loop.step_once()
    assert arm.sent_log[-1][0] == "hold"


def test_step_once_while_running_raises(loop):
    loop.start()
    with pytest.raises(RuntimeError, match="stop it before"):
        loop.step_once()


def test_between_ticks_scene_change_resets_target():
    """The next target starts at the pose of the changed scene."""
    arm = SimulatedArm(0)
    arm.connect()
    loop = ControlLoop(arm, arm)
    loop.start()
    try:
        loop.set_controller(ScriptedController(*[make_motion(y=0.006)] * 1000))
        wait_until(lambda: loop.latest and loop.latest.observation.tool_position[1] > 0.04)
        for seed in range(5):
            with loop.between_ticks():
                loop.set_controller(None)
                arm.randomise(seed)
                index = loop.latest.index
            wait_until(lambda i=index: loop.latest.index > i)  # type: ignore[misc]
            np.testing.assert_allclose(loop.latest.sent.positions, HOME_ANGLES_RAD, atol=1e-6)
        assert loop.error is None
    finally:
        loop.stop()


def test_remove_sink_returns_after_last_call(loop):
    seen = []

    def sink(tick):
        sleep(0.005)
        seen.append(tick)

    loop.add_sink(sink)
    loop.start()
    wait_until(lambda: seen)
    loop.remove_sink(sink)
    count, index = len(seen), loop.latest.index
    wait_until(lambda: loop.latest.index > index + 3)
    assert len(seen) == count


def test_loop_main_thread_ends_holds_arm():
    """When the program ends without stopping the loop, the arm is held first."""
    program = """
import sys
sys.path[:0] = sys.argv[1:]
from tests.helpers.clocks import wait_until
from tests.helpers.fakes import FakeArm
from metagui.arms.control.loop import ControlLoop
class PrintingArm(FakeArm):
    def hold(self):
        sys.stdout.write("held"); sys.stdout.flush()
arm = PrintingArm()
loop = ControlLoop(arm, arm)
loop.start()
wait_until(lambda: loop.latest)
"""
    paths = [path for path in sys.path if path]
    done = subprocess.run([sys.executable, "-c", program, *paths], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.stdout == "held", done.stderr
