"""Tests of simulated people: what they can do, their habits, the curves they draw, and their takes for training."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from metagui.demonstrations.demonstration import Instruction, Segment
from metagui.demonstrations.people.curves import REPEATED_SHAPES, compute_drawn_path
from metagui.demonstrations.people.habits import (
    FINAL_STYLES,
    HELD_OUT_STYLES,
    TUNING_STYLES,
    HumanStyle,
    draw_training_style,
)
from metagui.demonstrations.people.human_demonstrator import demonstrate_by_hand
from metagui.demonstrations.people.training_takes import (
    PeopleSettings,
    demonstrate_program_by_hand,
    generate_people_library,
    generate_people_takes,
    is_segmentation_right,
)
from metagui.demonstrations.programs.program import TaskProgram

ZONE, CUBE = "yellow zone", "red cube"
PROGRAMS = {
    "reach": (Instruction("reach", "table", None, {"offset": (0.0, 0.0, 0.07)}),),
    "press": (Instruction("press", CUBE),),
    "lift": (Instruction("grasp", CUBE, None, {"height": 0.07}),),
    "place": (Instruction("grasp", CUBE), Instruction("place", ZONE)),
    "beside": (Instruction("grasp", CUBE), Instruction("place", "blue cube", None, {"offset": (0.05, 0.0, 0.0)})),
    "stack": (Instruction("grasp", CUBE), Instruction("place", "blue cube")),
    "slide": (Instruction("grasp", CUBE, None, {"height": 0.015}), Instruction("slide", ZONE)),
    "push": (Instruction("push", CUBE, ZONE),),
    "circle": (Instruction("trace", ZONE, None, {"radius": 0.03, "offset": (0.0, 0.0, 0.06)}),),
    "corner": (
        Instruction("trace", ZONE, None, {"shape": "corner", "length": 0.05, "width": 0.03, "offset": (0, 0, 0.06)}),
    ),
    "rising line": (
        Instruction(
            "trace", ZONE, None,
            {"shape": "line", "plane": "vertical", "angle": 0.7, "length": 0.05, "offset": (0, 0, 0.08)},
        ),
    ),
}  # fmt: skip
EVERYONE = (*TUNING_STYLES, *HELD_OUT_STYLES, *FINAL_STYLES)
SEEDS = range(20, 24)


def _program(name: str) -> TaskProgram:
    return TaskProgram(name, PROGRAMS[name])


@pytest.mark.parametrize("name", PROGRAMS)
def test_person_can_do_every_action(name: str) -> None:
    style = replace(TUNING_STYLES[0], pause_probability=0.0)
    takes = [demonstrate_program_by_hand(_program(name), style, seed) for seed in SEEDS]
    found = [take for take in takes if take is not None]
    assert len(found) >= 3
    assert all(take.success and take.teaching_method == "hand" for take in found)
    assert all(len(take.segments) == len(PROGRAMS[name]) for take in found)


@pytest.mark.parametrize("style", EVERYONE, ids=lambda style: style.name)
def test_person_can_place(style: HumanStyle) -> None:
    takes = [demonstrate_program_by_hand(_program("place"), style, seed) for seed in SEEDS]
    assert sum(take is not None for take in takes) >= 3


def test_habits_kept_for_reports_are_outside_those_to_train_on() -> None:
    drawn = [draw_training_style(np.random.default_rng(seed)) for seed in range(200)]
    numbers = [each.name for each in fields(HumanStyle) if each.type in ("float", "bool")]
    ranges = {name: (min(v), max(v)) for name in numbers if (v := [float(getattr(each, name)) for each in drawn])}
    for style in (*HELD_OUT_STYLES, *FINAL_STYLES):
        outside = [name for name, (low, high) in ranges.items() if not low <= float(getattr(style, name)) <= high]
        assert len(outside) >= 3, style.name
    assert min(each.speed for each in drawn) < 0.25 * 0.4
    assert max(each.speed for each in drawn) > 0.25 * 0.9


def test_speed_changes_within_a_take() -> None:
    style = HumanStyle("tiring", 0.15, 0.0, speed_trend=-2.0, pause_probability=0.0, hesitation_probability=0.0)
    program = TaskProgram("presses", (Instruction("press", CUBE), Instruction("press", "blue cube")) * 2)
    take = demonstrate_by_hand(program.name, program.instructions, style, 20)
    assert take is not None
    speed = np.linalg.norm(np.diff(take.tool_positions, axis=0), axis=1)
    half = len(speed) // 2
    assert np.percentile(speed[:half], 95) > 1.5 * np.percentile(speed[half:], 95)


def test_overshoot_and_axes_show_in_the_path() -> None:
    instruction = PROGRAMS["reach"]
    plain = HumanStyle("plain", 0.2, 0.0, aim_error=0.0, tremor=0.0, curvature=0.0, hesitation_probability=0.0)
    straight, beyond = (
        demonstrate_by_hand("reach", instruction, style, 20) for style in (plain, replace(plain, overshoot=0.3))
    )
    assert straight is not None
    assert beyond is not None
    way = straight.tool_positions[-1] - straight.tool_positions[0]
    farthest = [
        ((take.tool_positions - take.tool_positions[0]) @ way / (way @ way)).max() for take in (straight, beyond)
    ]
    assert farthest[0] < 1.03
    assert farthest[1] > farthest[0] + 0.04
    angular = replace(plain, moves_along_axes=True)
    take = demonstrate_by_hand("press", PROGRAMS["press"], angular, 20)
    assert take is not None
    steps = np.abs(np.diff(take.tool_positions[::4], axis=0))
    moving = steps[steps.max(axis=1) > 0.004]
    assert np.mean(np.sort(moving, axis=1)[:, -2] < 0.3 * moving.max(axis=1)) > 0.6, "along one axis at a time"


@pytest.mark.parametrize("shape", REPEATED_SHAPES)
def test_repeated_shapes_visit_places_again(shape: str) -> None:
    parameters: dict[str, Any] = {"shape": shape, "radius": 0.03, "length": 0.06, "turns": 3}
    path = compute_drawn_path(parameters, np.array([0.05, 0.0, 0.0]))
    assert path.shape[1] == 3
    bearing = np.unwrap(np.arctan2(path[1:, 1], path[1:, 0]))
    if shape in ("stir", "spiral"):
        assert abs(bearing[-1] - bearing[0]) == pytest.approx(6 * np.pi, rel=0.03)
    crossings = np.flatnonzero(np.diff(np.sign(path[:, 0])) != 0)
    assert len(crossings) >= (1 if shape == "figure eight" else 5)
    take = demonstrate_by_hand(
        shape, (Instruction("trace", ZONE, None, parameters | {"offset": (0.0, 0.0, 0.06)}),), TUNING_STYLES[0], 20
    )
    assert take is not None
    centre = take.object_positions[0, [each.name for each in take.objects].index(ZONE)] + (0.0, 0.0, 0.06)
    distance = np.linalg.norm(take.tool_positions[:, None] - (centre + path)[None], axis=2).min(axis=0)
    assert np.mean(distance < 0.01) > 0.9


def test_curve_begins_at_the_point_nearest_to_the_hand() -> None:
    hand = np.array([0.0, -0.09, 0.01])
    for parameters in ({"radius": 0.03}, {"shape": "ellipse", "radius": 0.03, "ratio": 0.5}):
        path = compute_drawn_path(parameters, hand)
        nearest = path[np.linalg.norm(path - hand, axis=1).argmin()]
        assert np.linalg.norm(path[0] - nearest) < 0.002


def test_takes_to_train_on_are_by_one_person_and_repeatable() -> None:
    program, settings = _program("place"), PeopleSettings(3, 1, slow_script_fraction=0.0)
    first, again = generate_people_takes(program, settings), generate_people_takes(program, settings)
    assert [take.name for take in first] == ["001", "002", "003"]
    assert all(take.teaching_method == "hand" for take in first)
    assert all(tuple(each.instruction for each in take.segments) == program.instructions for take in first)
    np.testing.assert_array_equal(first[-1].tool_positions, again[-1].tool_positions)
    other = generate_people_takes(program, replace(settings, seed=2))
    assert len(other[0]) != len(first[0])


def test_slow_script_is_slower_than_the_script() -> None:
    slow = generate_people_takes(_program("reach"), PeopleSettings(6, 0, 0.0, slow_script_fraction=1.0))
    speed = [np.linalg.norm(np.diff(take.tool_positions, axis=0), axis=1).max() for take in slow]
    assert min(speed) < 0.65 * max(speed)
    assert {take.teaching_method for take in slow} == {"clicks"}


def test_library_of_people_does_not_depend_on_workers() -> None:
    programs = [_program("reach"), _program("press")]
    alone, parallel = (
        [take for _, takes in generate_people_library(programs, PeopleSettings(1, workers=n)) for take in takes]
        for n in (1, 2)
    )
    assert [take.task for take in alone] == ["reach", "press"]
    for one, other in zip(alone, parallel, strict=True):
        np.testing.assert_array_equal(one.tool_positions, other.tool_positions)


@pytest.mark.parametrize(
    ("found", "right"),
    [
        ((Segment(5, 100), Segment(120, 200)), True),
        ((Segment(0, 200),), False),
        ((Segment(0, 30), Segment(30, 200)), False),
    ],
)
def test_segments_that_were_found_must_agree_with_the_true_ones(found: tuple[Segment, ...], right: bool) -> None:
    assert is_segmentation_right(found, (Segment(0, 110), Segment(110, 205))) is right
