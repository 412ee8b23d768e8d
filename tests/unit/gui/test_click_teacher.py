"""What a click means: the same proposal for the hint and for the motion."""

from __future__ import annotations

import numpy as np
import pytest

from metagui.arms.simulation.scene import SCENE_OBJECTS, TABLE_CENTRE_M
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.demonstration import Instruction
from metagui.gui.scene.overlays import make_path_markers, make_proposal_markers
from metagui.gui.teaching.click_teacher import CLICK_TOOLS, ClickTeacher, make_home, make_jog, name_from_instructions

POINT = np.array([0.2, 0.05, 0.0])


@pytest.fixture
def teacher() -> ClickTeacher:
    return ClickTeacher(SCENE_OBJECTS)


def test_grasp_then_place_and_the_tools_follow(teacher: ClickTeacher) -> None:
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
    ("verb", "anchor", "words"),
    [
        ("grasp", "yellow zone", "Click a cube to grasp it"),
        ("press", "table", "Click a cube to press it"),
        ("place", "yellow zone", "grasp a cube first"),
        ("push", "violet zone", "Click the cube to push first"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(teacher: ClickTeacher, verb: str, anchor: str, words: str) -> None:
    teacher.choose_tool(verb)
    refused = teacher.propose(anchor, POINT, None)
    assert refused.instruction is None
    assert refused.is_refused
    assert words in refused.hint


def test_a_held_cube_is_placed_before_anything_else(teacher: ClickTeacher) -> None:
    teacher.accept(teacher.propose("red cube", POINT, None))
    assert teacher.propose("red cube", POINT, None).is_refused
    for verb in ("grasp", "push"):
        teacher.choose_tool(verb)
        assert "red cube is held" in teacher.propose("blue cube", POINT, None).hint


def test_push_asks_for_the_cube_then_for_the_target(teacher: ClickTeacher) -> None:
    teacher.choose_tool("push")
    first = teacher.propose("blue cube", POINT, None)
    assert first.instruction is None
    assert not first.is_refused
    teacher.accept(first)
    assert teacher.propose("yellow zone", POINT, None).instruction == Instruction("push", "blue cube", "yellow zone")
    beside = teacher.propose("table", POINT, None).instruction
    assert beside is not None
    assert beside.parameters["offset"] == pytest.approx((*(POINT - TABLE_CENTRE_M)[:2], 0.0))


def test_going_to_a_thing_ends_above_it_and_to_a_point_above_the_point(teacher: ClickTeacher) -> None:
    teacher.choose_tool("reach")
    above = teacher.propose("red cube", POINT, None).instruction
    assert above is not None
    assert above.parameters["offset"] == (0.0, 0.0, 0.05)
    point = teacher.propose("table", POINT, None).instruction
    assert point is not None
    assert point.parameters["offset"] == pytest.approx((-0.015, 0.05, 0.05))


def test_what_cannot_be_reached_is_refused_before_anything_moves(teacher: ClickTeacher) -> None:
    arm = SimulatedArm(1)
    arm.connect()
    teacher.choose_tool("reach")
    far = teacher.propose("table", np.array([0.43, 0.3, 0.0]), arm.observe_all())
    assert far.is_refused
    assert far.instruction is None
    assert "reach" in far.hint
    assert teacher.propose("table", TABLE_CENTRE_M, arm.observe_all()).instruction is not None


def test_tasks_are_named_by_their_clicks() -> None:
    clicks = [Instruction("grasp", "red cube"), make_jog(True), Instruction("place", "yellow zone"), make_home()]
    assert name_from_instructions(clicks) == "grasp red cube → place on yellow zone"
    assert name_from_instructions([make_jog(False)]) == "free motion"


def test_every_tool_shows_a_ghost_of_what_it_would_do(teacher: ClickTeacher) -> None:
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


def test_a_path_is_a_chain_that_ends_in_a_ball() -> None:
    points = np.linspace([0.1, 0.0, 0.1], [0.2, 0.1, 0.0], 400)
    marks = make_path_markers(points, (1.0, 0.0, 0.0))
    assert marks[-1].shape == "ball"
    assert 50 < len(marks) < 120
    assert make_path_markers(points[:1], (1.0, 0.0, 0.0)) == ()
