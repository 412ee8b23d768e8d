"""Tests of task labels: motion, objects, and when two tasks are the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from metagui.arms.tables.table import SCENE_OBJECTS
from metagui.demonstrations.demonstration import Instruction
from metagui.learning.similarity.task_labels import TaskLabels, is_same_task, label_instructions, label_take
from tests.helpers.takes import generate_example_takes

KINDS = {each.name: each.kind for each in SCENE_OBJECTS}
GRASP = Instruction("grasp", "red cube", None, {"height": 0.07})


def _label(*instructions: Instruction) -> TaskLabels:
    return label_instructions(instructions, KINDS)


def _reach(x: float, name: str = "red cube") -> TaskLabels:
    return _label(Instruction("reach", name, None, {"offset": (x, 0.0, 0.06)}))


def _trace(**parameters: object) -> TaskLabels:
    return _label(Instruction("trace", "red cube", None, {"offset": (0.0, 0.0, 0.06)} | parameters))


def test_motion_and_objects_are_labelled_apart() -> None:
    red, green = _reach(0.0), _reach(0.03, "green cube")
    assert red.motion == green.motion
    assert red.objects != green.objects
    press = _label(Instruction("press", "red cube"))
    assert press.objects == red.objects
    assert press.motion != red.motion


def test_placing_on_a_zone_on_a_cube_and_beside_it_are_three_motions() -> None:
    goals = (("violet zone", 0.0), ("green cube", 0.0), ("green cube", 0.05))
    labels = [
        _label(GRASP, Instruction("place", name, None, {"offset": (distance, 0.0, 0.0)})) for name, distance in goals
    ]
    assert len({label.motion for label in labels}) == 3


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (_reach(0.0), _reach(0.008), True),
        (_reach(0.0), _reach(0.02), False),
        (_reach(0.0), _reach(0.0, "green cube"), False),
        (_label(replace(GRASP, parameters={"height": 0.06})), _label(GRASP), True),
        (_trace(radius=0.03, direction=1.0), _trace(radius=0.034, direction=1.0), True),
        (
            _trace(radius=0.03, direction=1.0),
            _trace(radius=0.03, direction=-1.0),
            False,
        ),
        (_trace(shape="circle", radius=0.03), _trace(shape="ellipse", radius=0.03), False),
        (_trace(shape="line", length=0.06, angle=3.1), _trace(shape="line", length=0.06, angle=-3.1), True),
        (_trace(shape="line", length=0.06, angle=0.0), _trace(shape="line", length=0.06, angle=0.5), False),
        (TaskLabels("a", None, None), TaskLabels("b", None, None), False),
        (TaskLabels("a", None, None), TaskLabels("a", None, None), True),
    ],
)
def test_same_task_within_the_tolerance_of_success(one: TaskLabels, other: TaskLabels, same: bool) -> None:
    assert is_same_task(one, other) is same
    assert is_same_task(other, one) is same


def test_take_without_instructions_is_labelled_by_its_task_alone() -> None:
    take = generate_example_takes()["press red"][0]
    assert label_take(take) == _label(Instruction("press", "red cube"))
    led = replace(take, segments=tuple(replace(each, instruction=None) for each in take.segments))
    assert label_take(led) == TaskLabels("press red", None, None)
