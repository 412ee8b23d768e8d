"""From a click to an instruction, and the previews that are drawn for it."""

from __future__ import annotations

import numpy as np
import pytest

from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.tables.table import SCENE_OBJECTS, TABLE_CENTRE_M
from metagui.demonstrations.demonstration import Instruction
from metagui.gui.scene.overlays import make_path_markers, make_proposal_markers
from metagui.gui.teaching.click_teacher import CLICK_TOOLS, ClickTeacher, make_home, make_jog, name_from_instructions

POINT = np.array([0.2, 0.05, 0.0])


@pytest.fixture
def teacher() -> ClickTeacher:
    return ClickTeacher(SCENE_OBJECTS)


def test_accept_grasp_then_place_switches_tools(teacher: ClickTeacher) -> None:
    first = teacher.propose("red cube", POINT, None)
    assert first.instruction == Instruction("grasp", "red cube")
    teacher.accept(first)
    assert teacher.action == "place"
    assert teacher.expected_grasp.object_name == "red cube"
    second = teacher.propose("yellow zone", POINT, None)
    assert second.instruction == Instruction("place", "yellow zone")
    teacher.accept(second)
    assert teacher.action == "grasp"
    assert teacher.expected_grasp.object_name is None


@pytest.mark.parametrize(
    ("action", "object_name", "text"),
    [
        ("grasp", "yellow zone", "Click a cube to grasp it"),
        ("press", "table", "Click a cube to press it"),
        ("place", "yellow zone", "grasp a cube first"),
        ("push", "violet zone", "Click the cube to push first"),
    ],
)
def test_propose_impossible_is_refused_with_reason(
    teacher: ClickTeacher, action: str, object_name: str, text: str
) -> None:
    teacher.choose_tool(action)
    refused = teacher.propose(object_name, POINT, None)
    assert refused.instruction is None
    assert refused.is_refused
    assert text in refused.hint


def test_propose_with_held_cube_is_refused(teacher: ClickTeacher) -> None:
    """While a cube is held, neither a grasp nor a push is possible."""
    teacher.accept(teacher.propose("red cube", POINT, None))
    assert teacher.propose("red cube", POINT, None).is_refused
    for action in ("grasp", "push"):
        teacher.choose_tool(action)
        assert "red cube is held" in teacher.propose("blue cube", POINT, None).hint


def test_propose_push_takes_cube_then_target(teacher: ClickTeacher) -> None:
    teacher.choose_tool("push")
    first = teacher.propose("blue cube", POINT, None)
    assert first.instruction is None
    assert not first.is_refused
    teacher.accept(first)
    assert teacher.propose("yellow zone", POINT, None).instruction == Instruction("push", "blue cube", "yellow zone")
    on_table = teacher.propose("table", POINT, None).instruction
    assert on_table is not None
    assert on_table.parameters["offset"] == pytest.approx((*(POINT - TABLE_CENTRE_M)[:2], 0.0))


def test_propose_reach_ends_above_object_or_point(teacher: ClickTeacher) -> None:
    teacher.choose_tool("reach")
    above = teacher.propose("red cube", POINT, None).instruction
    assert above is not None
    assert above.parameters["offset"] == (0.0, 0.0, 0.05)
    point = teacher.propose("table", POINT, None).instruction
    assert point is not None
    assert point.parameters["offset"] == pytest.approx((-0.015, 0.05, 0.05))


def test_propose_out_of_reach_is_refused(teacher: ClickTeacher) -> None:
    arm = SimulatedArm(1)
    arm.connect()
    teacher.choose_tool("reach")
    far = teacher.propose("table", np.array([0.43, 0.3, 0.0]), arm.observe_all())
    assert far.is_refused
    assert far.instruction is None
    assert "reach" in far.hint
    assert teacher.propose("table", TABLE_CENTRE_M, arm.observe_all()).instruction is not None


def test_name_from_instructions_skips_jogs_and_home() -> None:
    instructions = [Instruction("grasp", "red cube"), make_jog(True), Instruction("place", "yellow zone"), make_home()]
    assert name_from_instructions(instructions) == "grasp red cube → place on yellow zone"
    assert name_from_instructions([make_jog(False)]) == "free motion"


def test_proposal_markers_exist_for_every_tool(teacher: ClickTeacher) -> None:
    def pose(_name: str) -> tuple[np.ndarray, float]:
        return POINT + (0.0, 0.0, 0.0125), 0.3

    for tool in CLICK_TOOLS:
        teacher.choose_tool(tool.action)
        if tool.action == "place":
            teacher.choose_tool("grasp")
            teacher.accept(teacher.propose("blue cube", POINT, None))
        target = "yellow zone" if tool.action == "place" else "red cube"
        assert make_proposal_markers(teacher.propose(target, POINT, None), pose, (0.0, 0.4, 0.7), SCENE_OBJECTS), (
            tool.action
        )
        teacher.expected_grasp = type(teacher.expected_grasp)()
    assert make_proposal_markers(teacher.propose("table", POINT, None), pose, (0.0, 0.4, 0.7), SCENE_OBJECTS)


def test_path_markers_are_thinned_and_end_in_ball() -> None:
    points = np.linspace([0.1, 0.0, 0.1], [0.2, 0.1, 0.0], 400)
    markers = make_path_markers(points, (1.0, 0.0, 0.0))
    assert markers[-1].shape == "ball"
    assert 50 < len(markers) < 120
    assert make_path_markers(points[:1], (1.0, 0.0, 0.0)) == ()
