"""Teaching by hand guiding, by a leader and by velocity: none of them can damage the arm."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from metagui.arms.arm import CONTROL_PERIOD_S, ArmError
from metagui.arms.control.loop import ControlLoop
from metagui.arms.control.tick import ControllerError
from metagui.arms.feetech.control_table import RAD_PER_TICK
from metagui.arms.feetech.protocol import InstructionCode, Packet
from metagui.arms.gripper import GRIPPER_BACKLASH_RAD, SQUEEZE_RAD, GripTracker, compute_squeezes, find_closing
from metagui.arms.kinematics import GRIPPER_CLOSED_RAD, GRIPPER_OPEN_RAD, HOME_ANGLES_RAD, JOINTS, ToolMotion
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.simulation.twinned_arm import TwinnedArm
from metagui.arms.teleoperation.leader import LeaderController
from metagui.arms.teleoperation.velocity import MAX_TOOL_SPEED_M_S, VELOCITY_TIMEOUT_S, VelocityController
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.programs.program_controller import ProgramController
from metagui.demonstrations.recording.recorder import Recorder
from metagui.demonstrations.recording.replay import ReplayController
from metagui.demonstrations.storage.library import Library
from tests.helpers.clocks import SteppedClock
from tests.helpers.emulated_bench import EmulatedBench, WriteMonitor
from tests.helpers.fakes import FakeArm, HoldingController
from tests.helpers.takes import record_simulated_take

if TYPE_CHECKING:
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration


class TwinnedBench(EmulatedBench):
    """An emulated arm on a port that can be unplugged, with its digital twin and a control loop."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.twinned = TwinnedArm(self.arm, lockstep=True)
        self.twinned.connect()
        self.loop = ControlLoop(self.twinned, self.twinned)

    def follow_hand_path(self, path: np.ndarray, joint: int = 0) -> None:
        """Guide one joint along ``path``, rad, one tick for each angle."""
        for angle in path:
            self.emulated_arm.move_joint_by_hand(joint, float(angle))
            self.emulated_arm.advance()
            self.loop.step_once()
        self.emulated_arm.move_joint_by_hand(joint, None)


@pytest.fixture
def bench() -> TwinnedBench:
    return TwinnedBench()


def moves(bench: TwinnedBench) -> list[Packet]:
    """Return a list that collects all packets that could move the arm."""
    seen: list[Packet] = []

    def look(packet: Packet) -> None:
        if packet.code not in (InstructionCode.PING, InstructionCode.READ, InstructionCode.SYNC_READ):
            seen.append(packet)

    bench.emulated_arm.bus.on_packet = look
    return seen


# Hand guiding


def test_hand_guiding_sends_no_command(bench: TwinnedBench) -> None:
    velocity = VelocityController()
    bench.loop.set_controller(velocity)
    bench.twinned.start_hand_guiding()
    written = moves(bench)
    for _ in range(10):
        velocity.set_velocity(0.2, 0.0, 0.0, 0.0, False)
        bench.follow_hand_path(np.array([0.1]))
    assert written == []
    tick = bench.loop.step_once()
    np.testing.assert_array_equal(tick.sent.positions, tick.observation.joints.positions)
    assert not any(bench.read_torque())


def test_stop_during_hand_guiding_holds_the_position(bench: TwinnedBench) -> None:
    bench.twinned.start_hand_guiding()
    bench.follow_hand_path(np.linspace(0.0, 0.6, 40))
    bench.loop.request_emergency_hold()
    bench.loop.step_once()
    assert all(bench.read_torque())
    assert not bench.twinned.hand_guiding
    for _ in range(30):
        bench.loop.step_once()
    assert bench.emulated_arm.read_joint_angles()[0] == pytest.approx(0.6, abs=0.02)


def test_motion_after_hand_guiding_starts_slowly(bench: TwinnedBench) -> None:
    bench.twinned.start_hand_guiding()
    bench.follow_hand_path(np.linspace(0.0, 0.6, 40))
    bench.twinned.hold()
    bench.loop.set_controller(HoldingController(HOME_ANGLES_RAD))
    targets = [bench.loop.step_once().sent.positions[0] for _ in range(60)]
    assert targets[0] == pytest.approx(0.6, abs=0.03)
    assert targets[-1] < 0.05
    steps = -np.diff([0.6, *targets])
    assert steps[:4].max() < 0.5 * JOINTS[0].max_velocity * CONTROL_PERIOD_S
    assert steps.max() <= JOINTS[0].max_velocity * CONTROL_PERIOD_S + RAD_PER_TICK


def test_hand_guided_take_stores_next_positions_as_actions(bench: TwinnedBench, tmp_path: Path) -> None:
    library = Library(tmp_path)
    recorder = Recorder(library.root)
    bench.twinned.start_hand_guiding()
    recorder.start("wave", bench.twinned, bench.twinned, teaching_method="hand")
    bench.loop.add_sink(recorder.on_tick)
    bench.follow_hand_path(np.concatenate([np.linspace(0.0, 0.5, 30), np.linspace(0.5, 0.2, 20)]))
    take = recorder.stop()
    kept = library.load_take("wave", library.add_take(take).name)
    assert kept.teaching_method == "hand"
    np.testing.assert_array_equal(kept.command_sent[:-1], take.joint_positions[1:])
    np.testing.assert_array_equal(kept.command_requested[:, :-1], kept.command_sent[:, :-1])
    np.testing.assert_array_equal(kept.command_requested[:, -1], GRIPPER_OPEN_RAD)
    assert np.ptp(kept.joint_positions[:, 0]) > 0.4
    path = next((tmp_path / "wave").glob("*.hdf5"))
    with h5py.File(path) as file:
        assert file.attrs["led_by"] == "hand"
        scale, offset = (file["data/demo_0/actions"].attrs[name] for name in ("scale", "offset"))
        actions = file["data/demo_0/actions"][()] * scale + offset
        np.testing.assert_allclose(actions[:-1], file["data/demo_0/obs/joint_positions"][1:], atol=1e-3)


def test_takes_without_teaching_method_count_as_clicked(tmp_path: Path) -> None:
    library = Library(tmp_path)
    name = library.add_take(record_simulated_take()).name
    path = next((tmp_path / "put").glob("*.hdf5"))
    for kind in (None, "telepathy"):
        with h5py.File(path, "r+") as file:
            if "led_by" in file.attrs:
                del file.attrs["led_by"]
            if kind:
                file.attrs["led_by"] = kind
        assert library.load_take("put", name).teaching_method == "clicks"


@pytest.mark.parametrize("change", [0.0, 0.004])
def test_grip_tracker_tells_closing_from_opening(change: float) -> None:
    grip = GripTracker(GRIPPER_OPEN_RAD)
    closing = [grip.compute_squeeze(angle) for angle in np.linspace(GRIPPER_OPEN_RAD, 0.11, 20)]
    assert abs(closing[0]) < 1e-9
    assert closing[-1] == pytest.approx(SQUEEZE_RAD)
    assert grip.compute_squeeze(0.11 + change) >= SQUEEZE_RAD * 0.79
    opening = [grip.compute_squeeze(angle) for angle in np.linspace(0.11, 0.11 + 3 * GRIPPER_BACKLASH_RAD, 20)]
    assert abs(opening[-1]) < 1e-9
    assert grip.compute_squeeze(0.02) == 0.0


@pytest.mark.parametrize("rebound", [0.0, 0.004, 0.025])
def test_grip_that_gives_way_is_still_closed(rebound: float) -> None:
    opened, closed = np.full(20, GRIPPER_OPEN_RAD), np.full(30, 0.09 + rebound)
    stroke = np.linspace(GRIPPER_OPEN_RAD, 0.09, 20)
    angles = np.concatenate([opened, stroke, closed, np.linspace(0.09 + rebound, GRIPPER_OPEN_RAD, 20), opened])
    closing = find_closing(angles)
    assert np.flatnonzero(np.diff(closing)).tolist() == [19, 69], "from the first to the last sample of the grip"
    assert compute_squeezes(angles)[40:70] == pytest.approx(SQUEEZE_RAD)
    assert not compute_squeezes(angles)[70:].any()


def test_closed_empty_gripper_is_not_squeezed() -> None:
    angles = np.linspace(GRIPPER_OPEN_RAD, 0.0, 60)
    assert find_closing(angles)[-1]
    assert compute_squeezes(angles)[-1] == 0.0


# Leader


def follow(leader: Any, loop: ControlLoop, ticks: int) -> LeaderController:
    controller = LeaderController(leader)
    loop.run_inline(controller, ticks)
    return controller


def test_simulated_arm_follows_a_leader_without_torque() -> None:
    leader, follower = EmulatedBench(), SimulatedArm(1)
    leader.arm.connect()
    leader.arm.start_hand_guiding()
    for joint, change in ((0, 0.5), (4, -0.4)):
        leader.emulated_arm.move_joint_by_hand(joint, HOME_ANGLES_RAD[joint] + change)
    leader.emulated_arm.advance(60)
    written = moves(leader)  # type: ignore[arg-type]
    follower.connect()
    loop, sent = ControlLoop(follower, follower), []
    loop.add_sink(lambda tick: sent.append(tick.sent.positions[0]))
    controller = LeaderController(leader.arm)
    loop.run_inline(controller, 20)
    assert not controller.synchronised
    assert np.diff(sent).max() < 0.9 * CONTROL_PERIOD_S
    loop.run_inline(controller, 100)
    assert controller.synchronised
    leader.emulated_arm.move_joint_by_hand(0, HOME_ANGLES_RAD[0] - 0.2)
    for _ in range(60):
        leader.emulated_arm.advance(2)
        loop.run_inline(controller, 2)
    np.testing.assert_allclose(follower.observe().positions, leader.emulated_arm.read_joint_angles(), atol=0.02)
    assert written == []
    leader.arm.disconnect(disable_torque=True)


def test_real_arm_follows_a_leader(bench: TwinnedBench) -> None:
    leader = EmulatedBench()
    leader.arm.connect()
    leader.arm.start_hand_guiding()
    leader.emulated_arm.move_joint_by_hand(0, 0.4)
    leader.emulated_arm.advance(60)
    follow(leader.arm, bench.loop, 100)
    assert bench.emulated_arm.read_joint_angles()[0] == pytest.approx(0.4, abs=0.02)


def test_lost_leader_makes_the_follower_hold(bench: TwinnedBench) -> None:
    leader = EmulatedBench()
    leader.arm.connect()
    leader.arm.start_hand_guiding()
    controller = follow(leader.arm, bench.loop, 10)
    leader.port.unplugged = True
    with pytest.raises(ControllerError, match=r"leader was lost.*holds its position.*unplugged"):
        bench.loop.run_inline(controller, 4)
    assert all(bench.read_torque())
    where = bench.emulated_arm.read_joint_angles()
    for _ in range(20):
        bench.loop.run_inline(None, 1)
    np.testing.assert_allclose(bench.emulated_arm.read_joint_angles(), where, atol=0.01)


def test_leader_with_other_joints_is_refused() -> None:
    class Two(FakeArm):
        name = "two joints"

    arm = SimulatedArm(0)
    arm.connect()
    with pytest.raises(ControllerError, match="two joints has 2 joints and the arm that should follow has 6"):
        follow(Two(positions=np.zeros(2)), ControlLoop(arm, arm), 2)


# Velocity


def test_velocity_command_expires() -> None:
    arm, clock = SimulatedArm(0), SteppedClock()
    arm.connect()
    loop, velocity = ControlLoop(arm, arm), VelocityController(clock)
    loop.run_inline(None, 5)
    start = arm.observe_all().tool_position
    assert loop.run_inline(velocity, 2).requested is not None
    for _ in range(25):
        velocity.set_velocity(0.0, 0.06, 0.02, 0.3, True)
        loop.run_inline(velocity, 2)
    moved = arm.observe_all().tool_position - start
    np.testing.assert_allclose(moved, (0.0, 0.06, 0.02), atol=0.004)
    assert arm.observe_all().tool_yaw == pytest.approx(0.3, abs=0.03)
    clock.advance(VELOCITY_TIMEOUT_S + 0.01)
    loop.run_inline(velocity, 20)
    rest = arm.observe_all().tool_position
    loop.run_inline(velocity, 40)
    np.testing.assert_allclose(arm.observe_all().tool_position, rest, atol=5e-4)
    velocity.set_velocity(0.0, 0.0, 0.0, 0.0, False)
    loop.run_inline(velocity, 100)
    assert arm.observe().positions[-1] == pytest.approx(GRIPPER_CLOSED_RAD, abs=0.02)


number = st.one_of(st.floats(-1, 1), st.floats(), st.sampled_from([math.nan, math.inf, 1e300]))


@given(number, number, number, number)
def test_any_velocity_is_limited(vx: float, vy: float, vz: float, turn: float) -> None:
    velocity = VelocityController()
    velocity.set_velocity(vx, vy, vz, turn, True)
    arm = SimulatedArm()
    arm.connect()
    motion = velocity.decide(arm.observe_all())
    assert isinstance(motion, ToolMotion)
    assert np.linalg.norm(motion.displacement) <= MAX_TOOL_SPEED_M_S * 2 * CONTROL_PERIOD_S + 1e-12
    assert math.isfinite(motion.yaw_change)


# Any sequence of operations

fault = st.sampled_from(["none", "none", "none", "lost", "late", "corrupted", "partial", "garbage"])
operation = st.one_of(
    st.tuples(st.just("step"), st.integers(1, 6)),
    st.tuples(st.sampled_from(["guide", "hold", "stop", "go", "unplug", "plug", "clicks", "replay"]), st.none()),
    st.tuples(st.just("velocity"), st.tuples(number, number, number, number, st.booleans())),
    st.tuples(st.just("lead"), st.lists(number, min_size=6, max_size=6)),
    st.tuples(st.just("hand"), st.tuples(st.integers(0, 5), st.floats(-3, 3))),
    st.tuples(st.just("faults"), st.lists(fault, max_size=12)),
    st.tuples(st.just("mark"), st.tuples(st.sampled_from(["red cube", "violet zone"]), number, number)),
)


class StressedBench(TwinnedBench):
    """An arm in its control loop on which random operations are carried out."""

    def __init__(self, take: Demonstration) -> None:
        super().__init__(max_feedback_age=0.02)
        self.take = take
        self.emulated_arm.faults.late_delay = 0.01
        self.emulated_arm.bus.on_packet = WriteMonitor(self)
        self.before: np.ndarray | None = None

    def do(self, what: str, value: Any) -> None:
        loop, arm = self.loop, self.twinned
        if what == "step":
            for _ in range(value):
                self.step()
        elif what == "plug" and arm.connected:
            arm.connect()  # has no effect, so the gate is not reset
        elif what in ("guide", "hold", "plug"):
            self.before = None
            getattr(arm, {"plug": "connect", "guide": "start_hand_guiding"}.get(what, what))()
            loop.gate.reset()
        elif what in ("stop", "go"):
            (loop.request_emergency_hold if what == "stop" else loop.release_hold)()
        elif what == "unplug":
            self.port.unplugged = True
        elif what == "hand":
            self.emulated_arm.move_joint_by_hand(*value)
        elif what == "faults":
            self.emulated_arm.faults.scripted_faults.clear()
            self.emulated_arm.faults.scripted_faults.extend(value)
        elif what == "mark":
            arm.place_object(*value)
        else:
            loop.set_controller(self.controller(what, value))

    def controller(self, what: str, value: Any) -> Any:
        if what == "velocity":
            velocity = VelocityController(self.clock)
            velocity.set_velocity(*value)
            return velocity
        if what == "lead":
            return LeaderController(FakeArm(positions=value))
        if what == "replay":
            return ReplayController(self.take)
        clicks = ProgramController(self.twinned.objects)
        clicks.add_instructions(Instruction("reach", "red cube"), Instruction("grasp", "red cube"))
        return clicks

    def step(self) -> None:
        """Step once; check that the sent command is finite, and within the limits around the one before."""
        try:
            tick = self.loop.step_once()
        except (ArmError, ControllerError):
            self.before = None
            raise
        sent = tick.sent.positions
        assert np.isfinite(sent).all()
        if self.twinned.hand_guiding:
            self.before = None
        elif self.before is not None:
            most = [joint.max_velocity * CONTROL_PERIOD_S + 2 * RAD_PER_TICK for joint in JOINTS]
            assert np.all(np.abs(sent - self.before) <= most)
        self.before = None if self.twinned.hand_guiding else sent


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@given(st.lists(operation, max_size=25))
@example([("step", 2), ("velocity", (0.0, 0.0, 0.0, 0.0, False)), ("step", 6), ("plug", None), ("step", 1)])
@settings(max_examples=40, deadline=None)
def test_any_sequence_of_operations_keeps_the_arm_safe(operations: list[tuple[str, Any]]) -> None:
    stressed = StressedBench(TAKE)
    last_resort = [("faults", ()), ("step", 1)]
    for what, value in [*operations, *last_resort]:
        try:
            if what == "plug":
                stressed.port.unplugged = False
            stressed.do(what, value)
        except (ArmError, ControllerError):
            stressed.loop.set_controller(None)
    if stressed.twinned.connected and not stressed.port.unplugged:
        stressed.twinned.disconnect()
        assert all(stressed.read_torque())


TAKE = record_simulated_take()
