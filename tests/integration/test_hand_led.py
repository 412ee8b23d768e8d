"""Hand-guided takes: segmented as a person would, never refused, and sufficient to learn the task.

The takes in ``data/hand_led`` are of a demonstrator on whom nothing was tuned, and have the segments of an older
version; the others are of the styles in ``metagui.demonstrations.people``.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.cuts import list_people
from benchmarks.people import TASKS, adapt, is_achieved, record_hand_guided, run_policy
from benchmarks.repeated_places import REPEATED_TASKS
from metagui.arms.control.loop import ControlLoop
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.demonstration import Instruction, Segment
from metagui.demonstrations.people.habits import HELD_OUT_STYLES, TUNING_STYLES
from metagui.demonstrations.people.human_demonstrator import demonstrate_by_hand
from metagui.demonstrations.recording.segmentation import align_segmentation, ensure_segmented, segment_take
from metagui.demonstrations.storage.hdf5 import read_take
from metagui.demonstrations.storage.library import Library
from metagui.learning.adaptation.replay_rollout import make_replay_policy
from metagui.learning.adaptation.rollout import PolicyController, run_rollout
from metagui.learning.adaptation.selection import Candidate
from tests.helpers.leader_bench import demonstrate_with_leader

if TYPE_CHECKING:
    from metagui.arms.control.tick import Tick
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.people.habits import HumanStyle
    from metagui.demonstrations.programs.program import TaskProgram
    from metagui.learning.adaptation.task_policy import TaskPolicy

DATA = Path(__file__).parents[1] / "data" / "hand_led"
PRESS, STACK, WIPE = "press red", "stack green on blue", "wipe violet three times"
WIPE_SEGMENTS = 7
"""The approach and six strokes; the last ends with the rise."""
SCENES = range(300, 310)


@functools.cache
def _stored(task: str) -> tuple[Demonstration, ...]:
    return tuple(read_take(path) for path in sorted((DATA / task).glob("*.hdf5")))


@functools.cache
def _adapted(task: str, takes: int = 3) -> TaskPolicy:
    return adapt(_stored(task)[:takes], 0, baselines=False)


def _program(name: str) -> TaskProgram:
    return next(program for program in TASKS if program.name == name)


@pytest.mark.parametrize(("task", "count"), [(PRESS, 1), (STACK, 2), (WIPE, WIPE_SEGMENTS)])
def test_align_segmentation_finds_segments_of_task(task: str, count: int) -> None:
    takes = _stored(task)
    assert {len(take.segments) for take in takes} != {count}, "the segments of an older version"
    assert [len(take.segments) for take in align_segmentation(takes)] == [count] * 3


@pytest.mark.parametrize(("task", "takes"), [(PRESS, 1), (PRESS, 3), (STACK, 3)])
def test_policy_of_hand_guided_takes_works_in_new_scenes(task: str, takes: int) -> None:
    successes = [run_policy(_program(task), _adapted(task, takes), scene)[0] for scene in SCENES]
    assert sum(successes) >= 9


def test_policy_repeats_all_strokes() -> None:
    arm = SimulatedArm(400)
    arm.connect()
    loop, sides = ControlLoop(arm, arm), list[int]()
    zone = next(index for index, each in enumerate(arm.objects) if each.name == "violet zone")

    def watch(tick: Tick) -> None:
        x, y, z = tick.observation.tool_position - tick.observation.scene.positions[zone]
        if abs(x) < 0.03 and abs(y) > 0.012 and z < 0.045:
            sides.append(int(np.sign(y)))

    loop.add_sink(watch)
    assert run_rollout(loop, PolicyController(_adapted(WIPE), arm.objects)) == "done"
    assert int(np.abs(np.diff(sides)).sum()) // 2 >= 5, "forth and back, three times"


def test_candidates_that_only_imitate_better_are_not_chosen() -> None:
    adapted = adapt(_stored(PRESS), 0, baselines=True)
    (skill,) = adapted.skills
    assert min(skill.held_out, key=lambda name: skill.held_out[name]) not in (Candidate.ZERO_STEP, Candidate.FIVE_STEP)
    assert skill.choice in (Candidate.ZERO_STEP, Candidate.FIVE_STEP)
    assert "imitation is not success" in skill.reason
    assert sum(run_policy(_program(PRESS), adapted, scene)[0] for scene in range(300, 305)) >= 4


@pytest.mark.parametrize("style", [*TUNING_STYLES, *HELD_OUT_STYLES], ids=lambda style: style.name)
def test_align_segmentation_suits_every_human_style(style: HumanStyle) -> None:
    right = count = 0
    for name in ("press green, press blue", "put red on violet", "stack red on green, lift blue"):
        program = _program(name)
        takes = record_hand_guided(program, style, 3)
        count += len(takes)
        right += sum(len(take.segments) == len(program.instructions) for take in align_segmentation(takes))
    assert count == 9
    assert right == count


def test_repeated_grasp_is_one_grip() -> None:
    program = _program("put red on violet")
    style = replace(TUNING_STYLES[0], regrasp_probability=1.0, pause_probability=0.0, hesitation_probability=0.0)
    takes = [demonstrate_by_hand(program.name, program.instructions, style, seed) for seed in range(4)]
    for take in takes:
        assert take is not None
        assert is_achieved(program, take)
        grips = np.diff(take.held[:, 0].astype(int))
        assert (grips > 0).sum() >= 2, "held, released, held again"
        assert len(segment_take(take)) == 2


def test_aligning_before_contact_is_no_pause() -> None:
    style = replace(TUNING_STYLES[0], align_duration=(3.0, 4.0), pause_probability=0.0, hesitation_probability=0.0)
    for seed in range(4):
        take = demonstrate_by_hand(PRESS, _program(PRESS).instructions, style, seed)
        assert take is not None
        (only,) = segment_take(take)
        still = np.linalg.norm(np.diff(take.tool_positions[only.start : only.stop], axis=0), axis=1) < 0.001
        assert still.sum() > 100, "the alignment is part of the segment"


def test_manual_segments_are_kept_and_determine_the_number(tmp_path: Path) -> None:
    library = Library(tmp_path)
    for take in _stored(STACK):
        library.add_take(ensure_segmented(replace(take, segments=())))
    first = library.load_take(STACK, "001")
    assert not first.manually_segmented
    moved = (Segment(0, 150), Segment(150, 260), Segment(260, len(first)))
    library.set_segments(STACK, "001", moved)
    again = library.load_take(STACK, "001")
    assert again.manually_segmented
    takes = align_segmentation([again, *(library.load_take(STACK, name) for name in ("002", "003"))])
    assert takes[0].segments == moved
    adapted = adapt(takes, 0, baselines=False)
    assert len(adapted.skills) == 3 or "move its boundaries" in " ".join(adapted.provenance.notes)


def test_take_with_other_manual_segments_is_left_out() -> None:
    first, *others = _stored(STACK)
    length = len(first)
    other = replace(
        first,
        segments=tuple(Segment(i, i + length // 5) for i in range(0, length, length // 5)),
        manually_segmented=True,
    )
    kept = [replace(take, manually_segmented=True) for take in align_segmentation(others)]
    adapted = adapt([other, *kept], 0, baselines=False)
    assert len(adapted.skills) == 2
    assert "'001'" in adapted.provenance.notes[0]


@pytest.mark.parametrize("program", [TASKS[5], TASKS[3]], ids=lambda program: program.name)
def test_take_of_a_leader_with_play_achieves_the_task(program: TaskProgram) -> None:
    takes = record_hand_guided(program, TUNING_STYLES[0], 2, with_leader=True)
    assert len(takes) == 2
    for take in takes:
        assert take.teaching_method == "leader"
        assert len(take.segments) == 2
        gripper = take.command_requested[:, -1]
        assert len(np.unique(gripper)) > 20, "the leader's gripper is followed as it was read, not as open or closed"


def test_play_delays_the_leader() -> None:
    instructions = (Instruction("reach", "table", None, {"offset": (0.0, 0.05, 0.09)}),)
    ends = []
    for play in (0.0, 0.05):
        take = demonstrate_with_leader("reach", instructions, replace(TUNING_STYLES[0], tremor=0.0), 3, play=play)
        assert take is not None
        ends.append(np.abs(np.diff(take.joint_positions[:, 0])).cumsum())
    first = [int(np.argmax(travel > 0.005)) for travel in ends]
    assert first[1] > first[0]


@pytest.mark.parametrize(("task", "seed", "person"), [("tower on blue", 1, 7), (PRESS, 0, 4)])
def test_replay_of_one_take_by_a_trembling_hand_works(task: str, seed: int, person: int) -> None:
    takes = record_hand_guided(_program(task), list_people("drawn", seed)[person], 1)
    policy = make_replay_policy(takes)
    assert sum(run_policy(_program(task), policy, scene)[0] for scene in SCENES) >= 9


def test_what_people_hold_is_labelled_as_gripped() -> None:
    for style in (TUNING_STYLES[2], list_people("drawn", seed=0)[0]):
        for take in record_hand_guided(_program("tower on blue"), style, 3):
            steady = np.convolve(take.held.any(axis=1), np.ones(21), mode="same") > 20.5  # 0.2 s off its ends
            assert (take.command_requested[steady, -1] < 0.0).all()


@pytest.mark.parametrize("program", REPEATED_TASKS, ids=lambda program: program.name)
def test_people_visit_places_twice(program: TaskProgram) -> None:
    takes = record_hand_guided(program, TUNING_STYLES[1], 2)
    assert len(takes) == 2
    for take in takes:
        stop = len(take) // 2
        assert take.states is not None
        half = replace(
            take,
            tool_positions=take.tool_positions[:stop],
            touched=take.touched[:stop],
            held=take.held[:stop],
            states=take.states[:stop],
        )
        assert is_achieved(program, take)
        assert not is_achieved(program, half), "the first half is not enough"
