"""Property tests: from every legal pose, Home arrives and clicks, runs and keys begin, and nothing is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from metagui.arms.arm import Command
from metagui.arms.control.loop import ControlLoop
from metagui.arms.control.tick import GO_HOME_FIRST, PEAK_SPEED_RAD_S, ControllerError, JointMove
from metagui.arms.kinematics import GRIPPER_CLOSED_RAD, HOME_ANGLES_RAD, has_cartesian_way
from metagui.arms.simulation.collision_checker import CollisionChecker
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.teleoperation.leader import LeaderController
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.programs.program_controller import ProgramController
from tests.helpers import poses
from tests.helpers.emulated_table import EmulatedTable
from tests.helpers.fakes import FakeArm, ScriptedController

if TYPE_CHECKING:
    from metagui.arms.tables.table import Table

SAMPLE = 12
"""Number of seeded poses in each test; ``python -m benchmarks.poses`` tries 1,000."""


def _place_arm(seed: int) -> tuple[SimulatedArm, ControlLoop, poses.TouchAudit]:
    """Return an arm in a random legal pose in a random scene, its loop, and an audit of every tick."""
    arm = SimulatedArm(seed)
    arm.connect()
    poses.set_joint_positions(arm, poses.draw_legal_pose(np.random.default_rng(seed), arm))
    loop, audit = ControlLoop(arm, arm), poses.TouchAudit(arm.objects)
    loop.add_sink(audit)
    return arm, loop, audit


def _assert_nothing_touched(audit: poses.TouchAudit) -> None:
    assert not audit.contacts
    assert audit.max_object_shift < 0.001


@pytest.mark.parametrize("seed", range(SAMPLE))
def test_home_arrives_from_any_pose(seed: int) -> None:
    arm, loop, audit = _place_arm(seed)
    assert poses.go_home(loop)
    _assert_nothing_touched(audit)
    assert has_cartesian_way(arm.observe().positions)


@pytest.mark.parametrize("seed", range(100, 100 + SAMPLE // 2))
def test_click_begins_in_any_pose(seed: int) -> None:
    _, loop, audit = _place_arm(seed)
    assert poses.begin_click(loop)
    _assert_nothing_touched(audit)


@pytest.mark.parametrize("seed", range(200, 200 + SAMPLE // 2))
def test_key_moves_gripper_in_any_pose(seed: int) -> None:
    _, loop, audit = _place_arm(seed)
    assert poses.press_key(loop)
    _assert_nothing_touched(audit)


@pytest.mark.parametrize("seed", range(3))
def test_home_arrives_from_any_pose_over_the_bus(seed: int) -> None:
    arm = SimulatedArm(seed)
    pose = poses.draw_legal_pose(np.random.default_rng(seed), arm)
    loop, audit = EmulatedTable(seed, pose=pose).loop, poses.TouchAudit(arm.objects)
    loop.add_sink(audit)
    assert poses.go_home(loop)
    _assert_nothing_touched(audit)


@pytest.mark.parametrize(
    "pose",
    [
        poses.CALIBRATION_POSE_RAD,
        np.array([0.0, 1.2, -1.0, 0.2, 0.0, 0.0]),  # lying forward
        np.array([0.6, -1.6, 1.5, 1.2, 0.0, 0.3]),  # folded
        np.array([0.0, 0.0, -1.6, 0.0, 0.0, 0.0]),  # straight up
    ],
)
def test_named_poses_have_a_way_home(pose: np.ndarray) -> None:
    arm = SimulatedArm(4)
    arm.connect()
    poses.set_joint_positions(arm, pose)
    assert not has_cartesian_way(arm.observe().positions)
    loop = ControlLoop(arm, arm)
    audit, move_audit = poses.TouchAudit(arm.objects), poses.TouchAudit(arm.objects, only_joint_moves=True)
    loop.add_sink(audit)
    loop.add_sink(move_audit)
    assert poses.begin_click(loop)
    _assert_nothing_touched(audit)
    assert 0.0 < move_audit.max_step <= 1.001 * PEAK_SPEED_RAD_S * loop.period


def test_arm_that_lies_on_the_table_leaves_upwards() -> None:
    """The model may see the arm inside the table, as calibration is never exact."""
    arm = SimulatedArm(0)
    arm.connect()
    poses.set_joint_positions(arm, np.array([1.4, 1.03, -0.6, 0.3, 0.0, 0.3]))
    checker = CollisionChecker(0.0)
    checker.begin(HOME_ANGLES_RAD, arm.objects, arm.observe_scene())
    assert any("table" in pair for pair in checker.describe_contacts(arm.observe().positions))
    assert poses.go_home(ControlLoop(arm, arm))


def test_held_cube_is_kept_and_carried_around_the_others() -> None:
    arm = SimulatedArm(2)
    arm.connect()
    loop, controller = ControlLoop(arm, arm), ProgramController(arm.objects)
    controller.add_instructions(Instruction("grasp", "red cube"))
    loop.run_inline(controller, 1000)
    assert arm.observe_scene().held[0]
    others = arm.observe_scene().positions[1:]
    away = HOME_ANGLES_RAD + np.array([0.9, 0.4, -0.8, -0.6, 1.2, 0.0])
    loop.run_inline(ScriptedController(JointMove(away, "away")), 1000)
    assert not has_cartesian_way(arm.observe().positions)
    assert poses.go_home(loop)
    assert arm.observe_scene().held[0]
    assert np.abs(arm.observe_scene().positions[1:] - others).max() < 0.001


def test_blocked_arm_gives_up_and_says_which_joint() -> None:
    class BlockedArm(FakeArm):
        def command(self, command: Command) -> Command:
            """Follow, except for the elbow."""
            sent = super().command(command)
            self.positions[2] = 0.0
            return sent

    arm = BlockedArm(np.zeros(6))
    loop = ControlLoop(arm, arm)
    goal = JointMove(np.array([0.0, 0.0, -1.0, 0.0, 0.0, 0.0]), "a test")
    with pytest.raises(ControllerError, match="elbow_flex stays"):
        loop.run_inline(ScriptedController(goal), 2000)
    assert arm.sent_log[-1][0] == "hold"


def test_pose_without_a_way_is_refused_and_nothing_moves() -> None:
    """A goal inside the table has no free path; the message says what to do."""
    arm = SimulatedArm(0)
    arm.connect()
    loop = ControlLoop(arm, arm)
    before = arm.observe().positions
    goal = JointMove(np.array([0.0, 1.7, 0.0, 0.5, 0.0, GRIPPER_CLOSED_RAD]), "a test")
    with pytest.raises(ControllerError, match="No way was found"):
        loop.run_inline(ScriptedController(goal), 4000)
    assert np.abs(arm.observe().positions - before).max() < 0.01


def test_move_that_is_not_required_leaves_the_rest_to_the_controller() -> None:
    """As a replay or a leader whose first pose lies on the table: the controller goes on from where the arm is."""
    arm = SimulatedArm(0)
    arm.connect()
    on_table = np.array([0.0, 1.7, 0.0, 0.5, 0.0, GRIPPER_CLOSED_RAD])
    goes_on = Command(HOME_ANGLES_RAD - 0.05)
    loop = ControlLoop(arm, arm)
    loop.run_inline(ScriptedController(JointMove(on_table, "a test", is_required=False), *[goes_on] * 30), 4000)
    assert np.abs(arm.observe().positions - goes_on.positions).max() < 0.02


@pytest.mark.parametrize("seed", range(300, 304))
def test_replay_and_leader_reach_their_first_pose_around_everything(seed: int) -> None:
    arm, loop, audit = _place_arm(seed)
    leader = FakeArm(poses.draw_legal_pose(np.random.default_rng(seed + 1), arm))
    controller = LeaderController(leader)
    loop.set_controller(controller)
    for _ in range(3000):
        loop.step_once()
        if controller.synchronised:
            break
    assert np.abs(arm.observe().positions - leader.positions)[:-1].max() < 0.06
    _assert_nothing_touched(audit)


def test_models_of_the_planner_are_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling takes longer than a tick."""
    made = []

    class CountedChecker(CollisionChecker):
        def __init__(self, clearance: float, table: Table) -> None:
            made.append(clearance)
            super().__init__(clearance, table)

    monkeypatch.setattr("metagui.arms.control.joint_mover.CollisionChecker", CountedChecker)
    _, loop, _ = _place_arm(1)
    assert poses.go_home(loop)
    loop.run_inline(ScriptedController(JointMove(poses.CALIBRATION_POSE_RAD, "a test")), 1000)
    assert poses.go_home(loop)
    assert len(made) == len(set(made))


def test_joint_move_is_in_the_ticks_and_ends_on_halt() -> None:
    _, loop, _ = _place_arm(3)
    controller = ProgramController(loop.scene.objects)
    controller.add_instructions(poses.HOME)
    loop.set_controller(controller)
    tick = loop.step_once()
    assert tick.joint_move is GO_HOME_FIRST
    for _ in range(60):
        loop.step_once()
    loop.request_emergency_hold()
    held = loop.step_once()
    assert held.joint_move is None
    loop.release_hold()
    after = [loop.step_once() for _ in range(20)][-1]
    assert np.abs(after.sent.positions - held.sent.positions).max() < 1e-9
