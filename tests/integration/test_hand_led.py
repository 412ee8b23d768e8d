"""Takes led by a person's hand: cut as a person would, never refused, and what is learnt from them does the task.

The takes in ``data/hand_led`` were led by a demonstrator whom none of this was written for, and hold the cuts of an
older version; the others are led by the people of ``metagui.demonstrations.programs.human_demonstrator``.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.people import TASKS, achieved, adapted_to, hand_led, run_once
from metagui.arms.control.loop import ControlLoop
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.demonstration import Segment
from metagui.demonstrations.programs.human_demonstrator import HELD_OUT, PEOPLE, led
from metagui.demonstrations.recording.segmentation import align_segmentation, ensure_segmented, segment_take
from metagui.demonstrations.storage.hdf5 import read_take
from metagui.demonstrations.storage.library import Library
from metagui.learning.adaptation.rollout import PolicyController, run_rollout
from metagui.learning.adaptation.selection import FIVE_STEP, ZERO_STEP

if TYPE_CHECKING:
    from metagui.arms.control.tick import Tick
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.programs.human_demonstrator import Person
    from metagui.demonstrations.programs.program import TaskProgram
    from metagui.learning.adaptation.adapted_task import TaskPolicy

DATA = Path(__file__).parents[1] / "data" / "hand_led"
PRESS, STACK, WIPE = "press red", "stack green on blue", "wipe violet three times"
STROKES = 7
"""There, six strokes to and fro; the last ends in the rise."""
SCENES = range(300, 310)


@functools.cache
def _stored(task: str) -> tuple[Demonstration, ...]:
    return tuple(read_take(path) for path in sorted((DATA / task).glob("*.hdf5")))


@functools.cache
def _adapted(task: str, takes: int = 3) -> TaskPolicy:
    return adapted_to(_stored(task)[:takes], 0, rivals=False)


def _program(name: str) -> TaskProgram:
    return next(program for program in TASKS if program.name == name)


@pytest.mark.parametrize(("task", "parts"), [(PRESS, 1), (STACK, 2), (WIPE, STROKES)])
def test_takes_are_cut_as_a_person_would(task: str, parts: int) -> None:
    takes = _stored(task)
    assert {len(take.segments) for take in takes} != {parts}, "as an older version cut them"
    assert [len(take.segments) for take in align_segmentation(takes)] == [parts] * 3


@pytest.mark.parametrize(("task", "takes"), [(PRESS, 1), (PRESS, 3), (STACK, 3)])
def test_what_a_hand_showed_is_done_in_new_scenes(task: str, takes: int) -> None:
    done = [run_once(_program(task), _adapted(task, takes), scene)[0] for scene in SCENES]
    assert sum(done) >= 9


def test_strokes_to_and_fro_are_all_done() -> None:
    arm = SimulatedArm(400)
    arm.connect()
    loop, side = ControlLoop(arm, arm), list[int]()
    zone = next(index for index, anchor in enumerate(arm.objects) if anchor.name == "violet zone")

    def watch(tick: Tick) -> None:
        x, y, z = tick.observation.tool_position - tick.observation.scene.positions[zone]
        if abs(x) < 0.03 and abs(y) > 0.012 and z < 0.045:
            side.append(int(np.sign(y)))

    loop.add_sink(watch)
    assert run_rollout(loop, PolicyController(_adapted(WIPE), arm.objects)) == "done"
    assert int(np.abs(np.diff(side)).sum()) // 2 >= 5, "there and back, three times"


def test_rivals_that_imitate_a_hand_better_do_not_win() -> None:
    adapted = adapted_to(_stored(PRESS), 0, rivals=True)
    (click,) = adapted.skills
    assert min(click.held_out, key=lambda name: click.held_out[name]) not in (ZERO_STEP, FIVE_STEP)
    assert click.choice in (ZERO_STEP, FIVE_STEP)
    assert "not yet doing better" in click.reason
    assert sum(run_once(_program(PRESS), adapted, scene)[0] for scene in range(300, 305)) >= 4


@pytest.mark.parametrize("person", [*PEOPLE, *HELD_OUT], ids=lambda person: person.name)
def test_people_pause_hesitate_and_align_and_are_cut_alike(person: Person) -> None:
    right = count = 0
    for name in ("press green, press blue", "put red on violet", "stack red on green, lift blue"):
        program = _program(name)
        takes = hand_led(program, person, 3)
        count += len(takes)
        right += sum(len(take.segments) == len(program.instructions) for take in align_segmentation(takes))
    assert count == 9
    assert right == count


def test_a_grasp_made_anew_is_one_grip() -> None:
    program = _program("put red on violet")
    person = replace(PEOPLE[0], regrasps=1.0, pauses=0.0, hesitates=0.0)
    takes = [led(program.name, program.instructions, person, seed) for seed in range(4)]
    for take in takes:
        assert take is not None
        assert achieved(program, take)
        grips = np.diff(take.held[:, 0].astype(int))
        assert (grips > 0).sum() >= 2, "held, let go, held again"
        assert len(segment_take(take)) == 2


def test_aligning_before_a_contact_is_no_pause() -> None:
    person = replace(PEOPLE[0], align=(3.0, 4.0), pauses=0.0, hesitates=0.0)
    for seed in range(4):
        take = led(PRESS, _program(PRESS).instructions, person, seed)
        assert take is not None
        (only,) = segment_take(take)
        still = np.linalg.norm(np.diff(take.tool_positions[only.start : only.stop], axis=0), axis=1) < 0.001
        assert still.sum() > 100, "what was done there is learnt"


def test_cuts_that_a_person_moved_are_kept_and_tell_how_many_there_are(tmp_path: Path) -> None:
    library = Library(tmp_path)
    for take in _stored(STACK):
        library.add_take(ensure_segmented(replace(take, segments=())))
    first = library.load_take(STACK, "001")
    assert not first.recut
    moved = (Segment(0, 150), Segment(150, 260), Segment(260, len(first)))
    library.set_segments(STACK, "001", moved)
    again = library.load_take(STACK, "001")
    assert again.recut
    takes = align_segmentation([again, *(library.load_take(STACK, name) for name in ("002", "003"))])
    assert takes[0].segments == moved
    adapted = adapted_to(takes, 0, rivals=False)
    assert len(adapted.skills) == 3 or "Move its cuts" in " ".join(adapted.provenance["notes"])


def test_a_take_that_a_person_cut_otherwise_is_left_out_not_refused() -> None:
    first, *others = _stored(STACK)
    length = len(first)
    odd = replace(first, segments=tuple(Segment(i, i + length // 5) for i in range(0, length, length // 5)), recut=True)
    kept = [replace(take, recut=True) for take in align_segmentation(others)]
    adapted = adapted_to([odd, *kept], 0, rivals=False)
    assert len(adapted.skills) == 2
    assert "'001'" in adapted.provenance["notes"][0]
