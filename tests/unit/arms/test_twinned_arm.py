"""Tests of a real arm with its digital twin: the twin's objects move like those of the emulated arm."""

from __future__ import annotations

import numpy as np
import pytest

from metagui.arms.arm import Arm, ArmError, Command, ConnectionLostError, HandGuidable, NotConnectedError
from metagui.arms.control.tick import StatefulArm
from metagui.arms.feetech.serial_port import PortError
from metagui.arms.kinematics import GRIPPER_CLOSED_RAD, GRIPPER_OPEN_RAD, inverse_kinematics
from metagui.arms.simulation.scene import PlacementError
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.simulation.twinned_arm import TwinnedArm
from metagui.arms.so101.so101_arm import SO101Arm
from metagui.arms.tables.table import TABLE_CENTRE_M
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.primitives.primitive import MotionStyle
from metagui.demonstrations.programs.program_controller import ProgramController
from tests.helpers.emulated_table import EmulatedTable as Table


@pytest.fixture
def table() -> Table:
    return Table()


def test_twinned_arm_has_interface_of_simulated_arm(table: Table) -> None:
    assert isinstance(table.arm, Arm)
    assert isinstance(table.arm, StatefulArm)
    assert isinstance(table.arm, HandGuidable)
    assert [a.name for a in table.arm.objects] == [a.name for a in SimulatedArm.objects]
    assert table.arm.get_state().shape == SimulatedArm(0).get_state().shape
    assert table.arm.device == "emulated"
    np.testing.assert_allclose(table.arm.get_state()[1:7], table.emulated_arm.read_joint_angles(), atol=3e-3)


@pytest.mark.parametrize("seed", [3, 8])
def test_twin_grasp_and_place_match_real_scene(seed: int) -> None:
    table = Table(seed)
    errors = table.do(Instruction("grasp", "red cube", None, {"height": 0.08}))
    assert table.arm.observe_scene().held[0]
    assert table.real().held[0]
    assert table.real().positions[0, 2] > 0.06
    errors += table.do(Instruction("place", "yellow zone"))
    assert not table.arm.observe_scene().held.any()
    assert max(errors) < 0.008
    assert errors[-1] < 0.004
    assert np.linalg.norm(table.real().positions[0, :2] - table.real().positions[3, :2]) < 0.01


@pytest.mark.parametrize(("start", "way"), [((0.2, 0.05), (0.0, -0.05)), ((0.22, 0.0), (-0.03, 0.0))])
def test_twin_gentle_push_matches_real_scene(
    table: Table, start: tuple[float, float], way: tuple[float, float]
) -> None:
    """A fast push would not match: without a camera it is unknown how far a cube slides."""
    for name, place in (("red cube", (0.0, 0.3)), ("blue cube", (0.0, -0.3)), ("green cube", start)):
        table.emulated_arm.simulated.place_object(name, *place)
    table.mark()
    goal = np.array(start) + way
    offset = (*(goal - TABLE_CENTRE_M[:2]).tolist(), 0.0)
    errors = table.do(
        Instruction("push", "green cube", "table", {"offset": offset}), style=MotionStyle(speed_fraction=0.3)
    )
    assert max(errors) < 0.006
    assert np.linalg.norm(table.real().positions[1, :2] - goal) < 0.01


def test_twin_press_matches_real_scene(table: Table) -> None:
    errors = table.do(Instruction("press", "blue cube"))
    assert max(errors) < 0.002


# Placing objects


def test_twin_unplaced_objects_are_parked() -> None:
    arm = TwinnedArm(SO101Arm("nowhere"))
    assert arm.placed_objects == frozenset()
    where = arm.observe_scene().positions[:-1]
    assert np.all(np.linalg.norm(where[:, :2] - (0.039, 0.0), axis=1) > 0.3)
    arm.place_object("yellow zone", 0.2, 0.1, 0.3)
    assert arm.placed_objects == {"yellow zone"}
    np.testing.assert_allclose(arm.observe_scene().positions[3, :2], (0.2, 0.1), atol=1e-9)
    assert arm.observe_scene().yaws[3] == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("name", "x", "y", "why"),
    [
        ("red cube", 0.9, 0.0, "not on the table"),
        ("red cube", float("nan"), 0.0, "not on the table"),
        ("violet zone", 0.0, 0.0, "the arm stands there"),
        ("red cube", 0.2, 0.11, "the green cube stands there"),
        ("table", 0.2, 0.0, "There is no 'table'.*choose from red cube"),
    ],
)
def test_place_object_invalid_position_raises(name: str, x: float, y: float, why: str) -> None:
    arm = TwinnedArm(SO101Arm("nowhere"))
    arm.place_object("green cube", 0.2, 0.1)
    before = arm.get_state()
    with pytest.raises(PlacementError, match=why):
        arm.place_object(name, x, y)
    np.testing.assert_array_equal(arm.get_state(), before)


def test_place_object_at_tool_uses_tool_pose(table: Table) -> None:
    with pytest.raises(NotConnectedError, match="was not read yet"):
        TwinnedArm(SO101Arm("nowhere")).place_object_at_tool("red cube")
    target = np.append(inverse_kinematics(np.array([0.24, -0.05, 0.03]), 0.2), GRIPPER_CLOSED_RAD)
    for _ in range(80):
        table.arm.command(Command(target))
        table.arm.observe()
    table.arm.place_object_at_tool("blue cube")
    np.testing.assert_allclose(table.arm.observe_scene().positions[2, :2], (0.24, -0.05), atol=0.002)
    assert table.arm.observe_scene().yaws[2] == pytest.approx(0.2, abs=0.02)


def test_twin_cube_under_finger_stays_until_it_leaves(table: Table) -> None:
    low = np.append(inverse_kinematics(np.array([0.24, -0.05, 0.012]), 0.0), GRIPPER_CLOSED_RAD)
    high = np.append(inverse_kinematics(np.array([0.24, -0.05, 0.08]), 0.0), GRIPPER_OPEN_RAD)
    for _ in range(100):
        table.arm.command(Command(low))
        table.arm.observe()
    table.arm.place_object_at_tool("blue cube")
    marked = table.arm.observe_scene().positions[2]
    for target in (low, high):
        for _ in range(40):
            table.arm.command(Command(target))
            table.arm.observe()
        np.testing.assert_allclose(table.arm.observe_scene().positions[2], marked, atol=5e-4)


# Hand guiding and the connection


def test_twin_hand_guided_cube_is_carried(table: Table) -> None:
    """The measured gripper stops at the cube's width; the twin squeezes a little more."""
    table.do(Instruction("grasp", "red cube", None, {"height": 0.07}))
    table.arm.start_hand_guiding()
    for joint, angle in enumerate(table.emulated_arm.read_joint_angles()):
        table.emulated_arm.move_joint_by_hand(joint, angle)
    start = table.emulated_arm.read_joint_angles()[0]
    for angle in np.linspace(start, start + 0.5, 50):
        table.emulated_arm.move_joint_by_hand(0, float(angle))
        table.emulated_arm.advance()
        table.loop.step_once()
    scene = table.arm.observe_scene()
    assert scene.held[0]
    tool = table.loop.step_once().observation.tool_position
    np.testing.assert_allclose(scene.positions[0], tool, atol=0.012)
    assert table.arm.hand_guiding
    table.arm.hold()
    assert not table.arm.hand_guiding


def test_twin_missed_cube_is_not_carried(table: Table) -> None:
    table.emulated_arm.simulated.place_object("red cube", 0.0, 0.3)
    controller = ProgramController(table.arm.objects)
    controller.add_instructions(Instruction("grasp", "red cube"))
    table.loop.run_inline(controller, 200)
    scene = table.arm.observe_scene()
    assert not scene.held.any()
    assert scene.positions[0, 2] < 0.02


def test_twinned_arm_not_guidable_raises() -> None:
    arm = TwinnedArm(SimulatedArm(0))
    arm.connect()
    assert not arm.hand_guiding
    with pytest.raises(ArmError, match="cannot be guided by hand"):
        arm.start_hand_guiding()


def test_twin_objects_stay_after_unplugging(table: Table) -> None:
    table.do(Instruction("press", "blue cube"))
    where = table.arm.observe_scene().positions
    table.port.unplugged = True
    with pytest.raises(ConnectionLostError):
        table.arm.observe()
    assert not table.arm.connected
    with pytest.raises(PortError):
        table.arm.connect()
    table.port.unplugged = False
    table.arm.connect()
    table.arm.observe()
    np.testing.assert_allclose(table.arm.observe_scene().positions, where, atol=1e-3)
    table.arm.disconnect()
    assert all(servo.torque_enabled for servo in table.emulated_arm.servos)


def test_twin_after_gap_jumps_without_pushing(table: Table) -> None:
    """After a gap the twin is at the arm's pose and has pushed no object."""
    table.arm.place_object("red cube", *table.loop.step_once().observation.tool_position[:2])
    before = table.arm.observe_scene().positions
    table.arm.disconnect()
    table.emulated_arm.servos[0].write(40, b"\0")
    table.emulated_arm.move_joint_by_hand(0, 1.2)
    table.emulated_arm.advance(60)
    with table.arm:
        table.arm.observe()
        np.testing.assert_allclose(table.arm.get_state()[1:7], table.emulated_arm.read_joint_angles(), atol=3e-3)
    np.testing.assert_allclose(table.arm.observe_scene().positions[:3], before[:3], atol=1e-3)
