"""Tests of the judge: what takes achieved, and whether a run with a known outcome achieved it, too."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.drawings import DRAWINGS, RED, STEADY, TUNING_HANDS, VIOLET, draw, draw_takes
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.programs.program import TaskProgram
from metagui.demonstrations.programs.scripted import GenerationSettings, generate_takes
from metagui.demonstrations.recording.segmentation import align_segmentation
from metagui.demonstrations.storage.hdf5 import read_take
from metagui.learning.object_replay.reference_choice import NO_OBJECT
from metagui.learning.rehearsal.goals import TOOL, count_touches
from metagui.learning.rehearsal.judge import Judge, infer_goals
from metagui.learning.rehearsal.motion_record import split_take
from tests.helpers.takes import EXAMPLE_PROGRAMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.rehearsal.motion_record import MotionRecord

HAND_LED = Path(__file__).parents[2] / "data" / "hand_led"
GREEN, BLUE = 1, 2
SLIDE = TaskProgram(
    "slide", (Instruction("grasp", "red cube", None, {"height": 0.02}), Instruction("slide", "violet zone"))
)
PUSH = TaskProgram("push", (Instruction("push", "red cube", "yellow zone", {"offset": (0.0, 0.0, 0.0)}),))
LEFT = TaskProgram("left", (Instruction("move", "table", None, {"offset": (0.0, 0.05, 0.0)}),))
PROGRAMS = {program.name: program for program in (*EXAMPLE_PROGRAMS, PUSH)}


@functools.cache
def _takes(name: str, count: int = 4) -> tuple[Demonstration, ...]:
    return tuple(generate_takes(PROGRAMS[name], GenerationSettings(count, 11)))


@functools.cache
def _hand_led(name: str) -> tuple[Demonstration, ...]:
    return align_segmentation([read_take(path) for path in sorted((HAND_LED / name).glob("*.hdf5"))])


def _judge(shown: Sequence[Demonstration], records: Sequence[MotionRecord]) -> str:
    """Return what a run did not achieve; empty if it achieved all."""
    judge = Judge(infer_goals(shown), SimulatedArm.objects)
    for index, record in enumerate(records):
        if not judge.judge_segment(index, record):
            return judge.failure
    return ""


def _change(record: MotionRecord, index: int, shift: tuple[float, float, float], start: int = 1) -> MotionRecord:
    """Return a record in which an object is displaced from a sample on."""
    positions = record.object_positions.copy()
    positions[start:, index] += shift
    return replace(record, object_positions=positions)


@pytest.mark.parametrize("name", sorted(PROGRAMS))
@pytest.mark.parametrize("shown", [1, 3])
def test_a_further_take_achieves_what_the_others_did(name: str, shown: int) -> None:
    *takes, further = _takes(name)
    assert _judge(takes[:shown], split_take(further)) == ""


@pytest.mark.parametrize("name", ["press red", "stack green on blue"])
def test_each_hand_led_take_achieves_what_the_others_did(name: str) -> None:
    takes = _hand_led(name)
    for index in range(3):
        assert _judge([take for i, take in enumerate(takes) if i != index], split_take(takes[index])) == ""
        assert _judge([takes[index - 1]], split_take(takes[index])) == ""


def test_another_task_is_not_achieved() -> None:
    assert "not touched" in _judge(_takes("press red"), split_take(_takes("above red")[0]))
    assert "not held" in _judge(_takes("lift blue"), split_take(_takes("press red")[0]))
    assert "mm from its place" in _judge(_takes("above green"), split_take(_takes("above red")[3]))
    assert "of the path" in _judge(_takes("circle"), split_take(_takes("above green")[0]))


def test_place_is_relative_to_the_zone() -> None:
    takes = _takes("put red on violet")
    (lift, place) = infer_goals(takes)
    assert lift.held_at_end == {RED}
    assert [(each.subject, each.reference) for each in place.places] == [(RED, VIOLET)]
    assert place.held_at_end == frozenset()
    grasped, placed = split_take(takes[0])
    assert "ended" in _judge(takes[1:], [grasped, _change(placed, RED, (0.03, 0.0, 0.0))])
    still_held = replace(placed, held=np.ones_like(placed.held) & (np.arange(6) == RED))
    assert "still held" in _judge(takes[1:], [grasped, still_held])


def test_hand_led_stack_is_relative_to_the_cube_below() -> None:
    takes = _hand_led("stack green on blue")
    place = infer_goals(takes)[-1]
    assert [(each.subject, each.reference) for each in place.places] == [(GREEN, BLUE)]
    assert place.places[0].offset[2] == pytest.approx(0.025, abs=0.003)
    *records, last = split_take(takes[0])
    assert "ended" in _judge(takes[1:], [*records, _change(last, GREEN, (0.03, 0.0, -0.025))])


def test_lift_has_to_leave_the_table() -> None:
    takes = _takes("lift blue")
    (record,) = split_take(takes[0])
    low = replace(record, object_positions=record.object_positions[[0] * len(record)])
    assert "not lifted" in _judge(takes[1:], [low])


def test_dragged_object_may_not_be_lifted() -> None:
    takes = generate_takes(SLIDE, GenerationSettings(3, 3))
    grasped, slid = split_take(takes[0])
    assert _judge(takes[1:], [grasped, slid]) == ""
    assert "was lifted" in _judge(takes[1:], [_change(grasped, RED, (0.0, 0.0, 0.03)), slid])


def test_pressed_object_may_not_be_pushed_away() -> None:
    takes = _takes("press red")
    (record,) = split_take(takes[0])
    assert "pushed away" in _judge(takes[1:], [_change(record, RED, (0.03, 0.0, 0.0))])


def test_move_is_relative_to_its_own_start() -> None:
    (goal,) = infer_goals(generate_takes(LEFT, GenerationSettings(3, 11, prefix_fraction=1.0)))
    assert [(place.subject, place.reference) for place in goal.places] == [(TOOL, NO_OBJECT)]


def test_touches_are_counted() -> None:
    flags = np.zeros(100, dtype=bool)
    flags[[10, 11, 13, 60]] = True
    assert count_touches(flags) == 2
    assert count_touches(flags[:20]) == 1
    assert count_touches(flags[20:50]) == 0


def test_object_that_does_not_stay_in_place_is_reported() -> None:
    takes = _takes("put red on violet")
    judge = Judge(infer_goals(takes[1:]), SimulatedArm.objects)
    assert all(judge.judge_segment(i, record) for i, record in enumerate(split_take(takes[0])))
    arm = SimulatedArm(8)
    arm.connect()
    assert not judge.judge_end(arm.observe_all()), "in that scene the cube is elsewhere"
    assert "did not stay" in judge.failure


@pytest.mark.parametrize("hand", [STEADY, *TUNING_HANDS], ids=lambda hand: hand.name)
@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda drawing: drawing.name)
def test_drawings_are_recognised(drawing, hand) -> None:
    first, *others = draw_takes(drawing, hand, 3, 4)
    assert _judge(others, split_take(first)) == ""
    assert _judge(others[:1], split_take(first)) == ""


def _cut(take: Demonstration, fraction: float) -> list[MotionRecord]:
    """Return the record of a take's first part."""
    length = round(fraction * len(take))
    return [
        replace(
            record,
            tool_positions=record.tool_positions[:length],
            object_positions=record.object_positions[:length],
            held=record.held[:length],
            touched=record.touched[:length],
        )
        for record in split_take(take)
    ]


@pytest.mark.parametrize("name", ["eight twice", "wipe", "spiral"])
def test_half_of_a_drawing_is_not_enough(name: str) -> None:
    drawing = next(each for each in DRAWINGS if each.name == name)
    first, *others = draw_takes(drawing, STEADY, 3, 4)
    assert "of the path" in _judge(others, _cut(first, 0.5))


def test_one_eight_is_not_two_and_two_are_not_one() -> None:
    once, twice = ([draw(DRAWINGS[i], STEADY, seed) for seed in (31, 32, 33)] for i in (0, 1))
    assert "of the path" in _judge(twice, split_take(once[0]))
    assert "repeated too often" in _judge(once, split_take(twice[0]))


def test_one_tap_is_not_two() -> None:
    taps = draw_takes(next(each for each in DRAWINGS if each.name == "taps"), STEADY, 3, 4)
    assert "1 times instead of 2" in _judge(taps, split_take(_takes("press red")[0]))


def test_single_take_of_two_moves_reports_the_right_segment() -> None:
    takes = _takes("put red on violet")
    grasped, placed = split_take(takes[0])
    assert _judge(takes[1:2], [grasped, _change(placed, RED, (0.05, 0.0, 0.0))]).endswith("in segment 2")
