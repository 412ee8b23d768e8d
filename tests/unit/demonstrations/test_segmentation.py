"""Takes without clicks are cut where the clicks were: scripted takes with their clicks removed, plain and by hand."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from metagui.demonstrations.demonstration import Segment
from metagui.demonstrations.programs.scripted import GenerationSettings, generate_takes
from metagui.demonstrations.programs.task_distribution import draw_programs
from metagui.demonstrations.recording.segmentation import align_segmentation, ensure_segmented, segment_take
from metagui.demonstrations.recording.segmentation_cues import SmoothedTrajectory
from metagui.learning.policy.features import encode
from tests.helpers.hands import make_hand_guided
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration

FAMILIES = (
    "reach", "lift", "place", "stack", "press", "push", "trace", "press+trace", "place+reach", "stack+press",
    "lift+trace", "press+place+trace", "reach+press",
)  # fmt: skip


@functools.cache
def _takes() -> tuple[tuple[Demonstration, ...], ...]:
    settings = GenerationSettings(takes=3, seed=11, prefix_fraction=0.5, workers=1)
    return tuple(tuple(generate_takes(program, settings)) for program in draw_programs(8, 2 * len(FAMILIES), FAMILIES))


def _bare(take: Demonstration) -> Demonstration:
    return replace(take, segments=())


def test_gripping_letting_go_and_touching_are_found_where_the_clicks_ended() -> None:
    off, right, count = [], 0, 0
    for takes in _takes():
        verbs = [segment.instruction.action for segment in takes[0].segments[:-1]]
        if any(verb in ("reach", "trace") for verb in verbs):  # nothing shows where these end without a pause
            continue
        for take in takes:
            found = segment_take(_bare(take))
            count += 1
            right += len(found) == len(take.segments)
            if len(found) == len(take.segments):
                off += [abs(a.start - b.start) for a, b in zip(found[1:], take.segments[1:], strict=True)]
    assert right / count > 0.9
    assert np.median(off) <= 12, "six decisions"


def test_a_hand_trembles_hesitates_and_pauses_and_is_cut_all_the_same() -> None:
    rng = np.random.default_rng(0)
    off, alone, together, count = [], 0, 0, 0
    for takes in _takes():
        led = [make_hand_guided(take, rng) for take in takes]
        cut = align_segmentation([take for take, _ in led])
        for (take, bounds), one in zip(led, cut, strict=True):
            count += 1
            alone += len(segment_take(take)) == len(bounds)
            together += len(one.segments) == len(bounds)
            if len(one.segments) == len(bounds):
                off += [abs(a.start - b[0]) for a, b in zip(one.segments[1:], bounds[1:], strict=True)]
    assert alone / count > 0.85
    assert together / count > 0.9, "between 0.90 and 0.99, by what is drawn"
    assert np.median(off) <= 12
    assert together >= alone


def test_pauses_belong_to_no_segment_and_what_is_cut_can_be_learnt_from() -> None:
    take = next(t[0] for t in _takes() if [s.instruction.action for s in t[0].segments] == ["reach", "press"])
    led, bounds = make_hand_guided(take, np.random.default_rng(1))
    first, second = segment_take(led)
    assert second.start - first.stop > 10
    assert abs(first.stop - bounds[0][1]) <= 20
    assert first.start > 5, "the person had not begun yet"
    assert second.stop < len(led) - 5
    assert [len(arrays) > 5 for arrays in encode(ensure_segmented(led))] == [True, True]
    assert all(segment.instruction is None for segment in ensure_segmented(led).segments)


def test_clicks_are_left_alone() -> None:
    take = generate_example_takes()["put red on violet"][0]
    assert ensure_segmented(take) is take
    bare = _bare(generate_example_takes()["put red on violet"][1])
    same, cut = align_segmentation([take, bare])
    assert same is take
    assert len(cut.segments) == 2


def test_a_take_with_a_cut_too_many_follows_the_others() -> None:
    rng = np.random.default_rng(3)
    takes = [make_hand_guided(take, rng)[0] for take in generate_example_takes()["lift blue"]]
    way = int(np.flatnonzero(takes[0].held.any(axis=1))[0]) * 2 // 3  # to the cube: there the person stops to think
    odd = _resampled(takes[0], np.concatenate([np.arange(way), np.full(60, way), np.arange(way, len(takes[0]))]))
    assert len(segment_take(odd)) == 2
    assert [len(take.segments) for take in align_segmentation([odd, *takes[1:]])] == [1, 1, 1]


def test_who_goes_on_the_same_way_only_hesitated() -> None:
    take = _bare(generate_example_takes()["above red"][0])
    half, start = len(take) // 2, take.tool_positions[0]
    straight = replace(take, tool_positions=np.linspace(start, start + (0.0, 0.2, 0.0), len(take)))
    stops = np.concatenate([np.arange(half), np.full(60, half), np.arange(half, len(take))])
    assert len(segment_take(_resampled(straight, stops))) == 1
    corner = np.array(straight.tool_positions)
    corner[half:, 0] += np.linspace(0.0, 0.2, len(take) - half)
    corner[half:, 1] = corner[half, 1]
    assert len(segment_take(_resampled(replace(straight, tool_positions=corner), stops))) == 2, "here something ended"


def test_cuts_that_a_person_moved_stay_where_they_are() -> None:
    takes = [ensure_segmented(_bare(take)) for take in generate_example_takes()["put red on violet"]]
    moved = replace(takes[0], segments=(Segment(0, 50), Segment(50, len(takes[0]))), recut=True)
    assert align_segmentation([moved, *takes[1:]])[0] is moved
    joined = replace(takes[1], segments=(Segment(0, len(takes[1])),))
    again = align_segmentation([moved, joined, takes[2]])
    assert again[0] is moved
    assert len(again[1].segments) == 2


def _resampled(take: Demonstration, index: np.ndarray) -> Demonstration:
    names = (
        "joint_positions", "joint_velocities", "tool_positions", "tool_yaws", "object_positions", "object_yaws", "held",
        "touched", "command_requested", "command_sent",
    )  # fmt: skip
    changed = {name: getattr(take, name)[index] for name in names}
    return replace(take, time=np.arange(len(index)) / 50.0, **changed)


@pytest.mark.parametrize("task", ["put red on violet", "press red", "lift blue"])
def test_a_take_may_end_at_any_moment(task: str) -> None:
    led, _ = make_hand_guided(generate_example_takes()[task][0], np.random.default_rng(4))
    for end in range(100, len(led), 3):
        take = _resampled(led, np.arange(end))
        assert segment_take(take)[-1].stop <= end
        assert SmoothedTrajectory.from_take(take).measure_travel(end, end + 1) == 0.0, "a rise may last until the end"


@pytest.mark.parametrize("samples", [1, 2, 10])
def test_a_take_too_short_to_cut_is_one_segment(samples: int) -> None:
    take = _resampled(generate_example_takes()["press red"][0], np.arange(samples))
    assert segment_take(take) == (Segment(0, samples),)


def test_nothing_outside_the_trim_is_looked_at() -> None:
    take = replace(_bare(generate_example_takes()["put red on violet"][0]), trim=(0, 40))
    assert segment_take(take)[-1].stop <= 40
