"""Segmentation without instructions, compared with the segments of scripted takes, plain and hand-guided."""

from __future__ import annotations

import functools
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from metagui.arms.arm import CONTROL_RATE_HZ
from metagui.demonstrations.demonstration import Segment
from metagui.demonstrations.programs.scripted import GenerationSettings, generate_takes
from metagui.demonstrations.programs.task_distribution import draw_programs
from metagui.demonstrations.recording.segmentation import (
    MIN_LONG_REST_STRENGTH,
    align_segmentation,
    ensure_segmented,
    find_boundaries,
    segment_take,
)
from metagui.demonstrations.recording.smoothed_trajectory import SmoothedTrajectory
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


def _without_segments(take: Demonstration) -> Demonstration:
    return replace(take, segments=())


def test_segment_take_finds_ends_of_instructions() -> None:
    errors, right, count = [], 0, 0
    for takes in _takes():
        actions = [segment.instruction.action for segment in takes[0].segments[:-1]]
        if any(action in ("reach", "trace") for action in actions):  # without a pause, their end has no cue
            continue
        for take in takes:
            found = segment_take(_without_segments(take))
            count += 1
            right += len(found) == len(take.segments)
            if len(found) == len(take.segments):
                errors += [abs(a.start - b.start) for a, b in zip(found[1:], take.segments[1:], strict=True)]
    assert right / count > 0.9
    assert np.median(errors) <= 12, "six decisions"


def test_align_segmentation_of_hand_guided_takes() -> None:
    rng = np.random.default_rng(0)
    errors, alone, together, count = [], 0, 0, 0
    for takes in _takes():
        guided = [make_hand_guided(take, rng) for take in takes]
        aligned = align_segmentation([take for take, _ in guided])
        for (take, bounds), one in zip(guided, aligned, strict=True):
            count += 1
            alone += len(segment_take(take)) == len(bounds)
            together += len(one.segments) == len(bounds)
            if len(one.segments) == len(bounds):
                errors += [abs(a.start - b[0]) for a, b in zip(one.segments[1:], bounds[1:], strict=True)]
    assert alone / count > 0.85
    assert together / count > 0.9, "between 0.90 and 0.99, depending on the seed"
    assert np.median(errors) <= 12
    assert together >= alone


def test_segment_take_keeps_short_rests_only_above_objects() -> None:
    """Without other takes as evidence, a short rest is a boundary above an object and nowhere else."""
    rng, compared = np.random.default_rng(1), 0
    for shown in itertools.chain.from_iterable(_takes()):
        take, _ = make_hand_guided(shown, rng)
        none = np.zeros_like(take.held)
        away = replace(take, object_positions=take.object_positions + [1.0, 1.0, 0.0], held=none, touched=none)
        found = [each for each in find_boundaries(away) if each.strength >= 1.0]
        short = [each for each in found if each.cue == "rest" and each.strength < MIN_LONG_REST_STRENGTH]
        assert len(segment_take(away)) == 1 + len(found) - len(short)
        if short:
            compared += 1
            below = away.object_positions.copy()
            below[:, 0] = away.tool_positions[short[0].stop]
            free = replace(away, object_positions=below)
            assert short[0].start in {each.start for each in segment_take(free)}
    assert compared


def _reaches_and_presses(take: Demonstration) -> bool:
    """Whether the tool reaches one object and presses another: above the same one a pause would only be aligning."""
    shown = [segment.instruction for segment in take.segments if segment.instruction]
    return [each.action for each in shown] == ["reach", "press"] and shown[0].object_name != shown[1].object_name


def test_pauses_above_a_contact_are_no_boundaries() -> None:
    """People wait above what they are about to touch, and pause twice while they lift what they have grasped."""
    shown = generate_example_takes()["put red on violet"][0]
    grasp = int(np.flatnonzero(shown.held.any(axis=1))[0])
    raised = np.flatnonzero(shown.tool_positions[:, 2] > shown.tool_positions[grasp, 2] + 0.05)
    above, lifted = int(raised[raised < grasp][-1]), int(raised[raised > grasp][0])
    for rests in ([above], [lifted - 8, lifted + 4], [above, lifted - 8, lifted + 4]):
        samples = np.sort(np.concatenate([np.arange(len(shown)), np.repeat(rests, 90)]))
        assert len(segment_take(_without_segments(_resampled(shown, samples)))) == 2


def test_hesitations_between_contacts_are_no_boundaries() -> None:
    """A rest of one second at a corner ends a segment, but not of a person who also rests on straight ways."""
    shown = _without_segments(generate_example_takes()["put red on violet"][1])
    held = np.flatnonzero(shown.held.any(axis=1))
    corner, carrying = int(held[0]) // 3, int(held[0] + held[-1]) // 2

    def count_segments(at_corner_s: float, carrying_s: float) -> int:
        rests = [(corner, at_corner_s), (carrying, carrying_s)]
        extra = [np.repeat(sample, round(seconds * CONTROL_RATE_HZ)) for sample, seconds in rests]
        return len(segment_take(_resampled(shown, np.sort(np.concatenate([np.arange(len(shown)), *extra])))))

    assert count_segments(1.3, 0.0) == 3
    assert count_segments(1.3, 0.8) == 2
    assert count_segments(4.0, 0.8) == 3, "longer than anybody hesitates"


def test_segments_exclude_pauses_and_can_be_encoded() -> None:
    take = next(t[0] for t in _takes() if _reaches_and_presses(t[0]))
    guided, bounds = make_hand_guided(take, np.random.default_rng(1))
    first, second = segment_take(guided)
    assert second.start - first.stop > 10
    assert abs(first.stop - bounds[0][1]) <= 20
    assert first.start > 5, "the person has not started yet"
    assert second.stop < len(guided) - 5
    assert [len(arrays) > 5 for arrays in encode(ensure_segmented(guided))] == [True, True]
    assert all(segment.instruction is None for segment in ensure_segmented(guided).segments)


def test_takes_with_instructions_are_unchanged() -> None:
    take = generate_example_takes()["put red on violet"][0]
    assert ensure_segmented(take) is take
    other = _without_segments(generate_example_takes()["put red on violet"][1])
    same, aligned = align_segmentation([take, other])
    assert same is take
    assert len(aligned.segments) == 2


def test_align_segmentation_drops_boundary_of_one_take() -> None:
    rng = np.random.default_rng(3)
    takes = [make_hand_guided(take, rng)[0] for take in generate_example_takes()["lift blue"]]
    stop = int(np.flatnonzero(takes[0].held.any(axis=1))[0]) * 3 // 5  # on the way to the cube the person hesitates
    samples = np.concatenate([np.arange(stop), np.full(60, stop), np.arange(stop, len(takes[0]))])
    hesitant = _resampled(takes[0], samples)
    assert len(segment_take(hesitant)) == 2
    assert [len(take.segments) for take in align_segmentation([hesitant, *takes[1:]])] == [1, 1, 1]


def test_stop_on_straight_path_is_no_boundary() -> None:
    take = _without_segments(generate_example_takes()["above red"][0])
    half, start = len(take) // 2, take.tool_positions[0]
    straight = replace(take, tool_positions=np.linspace(start, start + (0.0, 0.2, 0.0), len(take)))
    stops = np.concatenate([np.arange(half), np.full(60, half), np.arange(half, len(take))])
    assert len(segment_take(_resampled(straight, stops))) == 1
    corner = np.array(straight.tool_positions)
    corner[half:, 0] += np.linspace(0.0, 0.2, len(take) - half)
    corner[half:, 1] = corner[half, 1]
    assert len(segment_take(_resampled(replace(straight, tool_positions=corner), stops))) == 2, (
        "a stop at a corner is a boundary"
    )


def test_manual_segments_are_unchanged() -> None:
    takes = [ensure_segmented(_without_segments(take)) for take in generate_example_takes()["put red on violet"]]
    moved = replace(takes[0], segments=(Segment(0, 50), Segment(50, len(takes[0]))), manually_segmented=True)
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
    return replace(take, time=np.arange(len(index)) / CONTROL_RATE_HZ, **changed)


@pytest.mark.parametrize("task", ["put red on violet", "press red", "lift blue"])
def test_segment_take_may_end_at_any_sample(task: str) -> None:
    guided, _ = make_hand_guided(generate_example_takes()[task][0], np.random.default_rng(4))
    for end in range(100, len(guided), 3):
        take = _resampled(guided, np.arange(end))
        assert segment_take(take)[-1].stop <= end
        assert SmoothedTrajectory.from_take(take).measure_travel(end, end + 1) == 0.0, "a rise may last until the end"


@pytest.mark.parametrize("samples", [1, 2, 10])
def test_segment_take_of_short_take_is_one_segment(samples: int) -> None:
    take = _resampled(generate_example_takes()["press red"][0], np.arange(samples))
    assert segment_take(take) == (Segment(0, samples),)


def test_segment_take_ignores_trimmed_samples() -> None:
    take = replace(_without_segments(generate_example_takes()["put red on violet"][0]), trim=(0, 40))
    assert segment_take(take)[-1].stop <= 40
