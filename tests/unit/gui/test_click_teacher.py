"""What a click means: the same proposal for the hint and for the motion."""

from __future__ import annotations

import numpy as np
import pytest

from metagui.arms.simulation.scene import ANCHORS, TABLE_CENTRE
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.demonstration import Click
from metagui.gui.scene.overlays import marks_for, path_marks
from metagui.gui.teaching.click_teacher import TOOLS, Teacher, home, name_of, nudge

POINT = np.array([0.2, 0.05, 0.0])


@pytest.fixture
def teacher() -> Teacher:
    return Teacher(ANCHORS)


def test_grasp_then_place_and_the_tools_follow(teacher: Teacher) -> None:
    first = teacher.propose("red cube", POINT, None)
    assert first.click == Click("grasp", "red cube")
    teacher.accept(first)
    assert teacher.verb == "place"
    assert teacher.hand.held == "red cube"
    second = teacher.propose("yellow zone", POINT, None)
    assert second.click == Click("place", "yellow zone")
    teacher.accept(second)
    assert teacher.verb == "grasp"
    assert teacher.hand.held is None


@pytest.mark.parametrize(
    ("verb", "anchor", "words"),
    [
        ("grasp", "yellow zone", "Click a cube to grasp it"),
        ("press", "table", "Click a cube to press it"),
        ("place", "yellow zone", "grasp a cube first"),
        ("push", "violet zone", "Click the cube to push first"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(teacher: Teacher, verb: str, anchor: str, words: str) -> None:
    teacher.choose(verb)
    refused = teacher.propose(anchor, POINT, None)
    assert refused.click is None
    assert refused.refused
    assert words in refused.hint


def test_a_held_cube_is_placed_before_anything_else(teacher: Teacher) -> None:
    teacher.accept(teacher.propose("red cube", POINT, None))
    assert teacher.propose("red cube", POINT, None).refused
    for verb in ("grasp", "push"):
        teacher.choose(verb)
        assert "red cube is held" in teacher.propose("blue cube", POINT, None).hint


def test_push_asks_for_the_cube_then_for_the_target(teacher: Teacher) -> None:
    teacher.choose("push")
    first = teacher.propose("blue cube", POINT, None)
    assert first.click is None
    assert not first.refused
    teacher.accept(first)
    assert teacher.propose("yellow zone", POINT, None).click == Click("push", "blue cube", "yellow zone")
    beside = teacher.propose("table", POINT, None).click
    assert beside is not None
    assert beside.parameters["offset"] == pytest.approx((*(POINT - TABLE_CENTRE)[:2], 0.0))


def test_going_to_a_thing_ends_above_it_and_to_a_point_above_the_point(teacher: Teacher) -> None:
    teacher.choose("reach")
    above = teacher.propose("red cube", POINT, None).click
    assert above is not None
    assert above.parameters["offset"] == (0.0, 0.0, 0.05)
    point = teacher.propose("table", POINT, None).click
    assert point is not None
    assert point.parameters["offset"] == pytest.approx((-0.015, 0.05, 0.05))


def test_what_cannot_be_reached_is_refused_before_anything_moves(teacher: Teacher) -> None:
    arm = SimulatedArm(1)
    arm.connect()
    teacher.choose("reach")
    far = teacher.propose("table", np.array([0.43, 0.3, 0.0]), arm.observation())
    assert far.refused
    assert far.click is None
    assert "reach" in far.hint
    assert teacher.propose("table", TABLE_CENTRE, arm.observation()).click is not None


def test_tasks_are_named_by_their_clicks() -> None:
    clicks = [Click("grasp", "red cube"), nudge(True), Click("place", "yellow zone"), home()]
    assert name_of(clicks) == "grasp red cube → place on yellow zone"
    assert name_of([nudge(False)]) == "free motion"


def test_every_tool_shows_a_ghost_of_what_it_would_do(teacher: Teacher) -> None:
    def pose(_name: str) -> tuple[np.ndarray, float]:
        return POINT + (0.0, 0.0, 0.0125), 0.3

    for tool in TOOLS:
        teacher.choose(tool.verb)
        if tool.verb == "place":
            teacher.choose("grasp")
            teacher.accept(teacher.propose("blue cube", POINT, None))
        target = "yellow zone" if tool.verb == "place" else "red cube"
        assert marks_for(teacher.propose(target, POINT, None), pose, (0.0, 0.4, 0.7), ANCHORS), tool.verb
        teacher.hand = type(teacher.hand)()
    assert marks_for(teacher.propose("table", POINT, None), pose, (0.0, 0.4, 0.7), ANCHORS)


def test_a_path_is_a_chain_that_ends_in_a_ball() -> None:
    points = np.linspace([0.1, 0.0, 0.1], [0.2, 0.1, 0.0], 400)
    marks = path_marks(points, (1.0, 0.0, 0.0))
    assert marks[-1].shape == "ball"
    assert 50 < len(marks) < 120
    assert path_marks(points[:1], (1.0, 0.0, 0.0)) == ()
