"""Tests of object-relative replay: choice of references, success in new scenes, places visited twice."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from metagui.arms.control.loop import ControlLoop
from metagui.arms.kinematics import GRIPPER_CLOSED_RAD, GRIPPER_OPEN_RAD, ToolMotion
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.demonstration import Instruction, Segment
from metagui.demonstrations.programs.program import TaskProgram
from metagui.demonstrations.programs.scripted import GenerationSettings, generate_takes
from metagui.demonstrations.recording.take_builder import InMemoryRecorder
from metagui.generators import run_to_end
from metagui.learning.adaptation.replay_rollout import make_replay_policy, make_rollout_controller
from metagui.learning.adaptation.rollout import PolicyController, run_rollout
from metagui.learning.adaptation.selection import Candidate
from metagui.learning.adaptation.task_policy import TaskPolicy, TaskPolicyError
from metagui.learning.evaluation.episodes import run_policy_episode
from metagui.learning.evaluation.evaluation import EvaluationSettings, evaluate
from metagui.learning.object_replay.reference_choice import NO_OBJECT
from metagui.learning.object_replay.replay_motion import ReplaySettings, Waiting
from metagui.learning.object_replay.replay_stages import (
    DemonstratedSegment,
    divide_into_stages,
    extract_segments,
)
from metagui.learning.policy.features import limit_displacement
from tests.helpers.priors import adapt_untrained_prior
from tests.helpers.takes import EXAMPLE_PROGRAMS, generate_example_takes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from metagui.arms.arm import FloatArray, Observation
    from metagui.arms.control.tick import Tick
    from metagui.demonstrations.demonstration import Demonstration

PUSH = TaskProgram("push", (Instruction("push", "red cube", "yellow zone", {"offset": (0.0, 0.0, 0.0)}),))
RED, VIOLET = 0, 4
"""Indices of objects of the simulated arm."""
SCENES = range(700, 708)


class EightController:
    """Draws a figure eight twice, 60 mm above an object. Implements Controller."""

    instruction_index, current_instruction = 0, None
    DECISIONS_PER_EIGHT = 60

    def __init__(self, index: int) -> None:
        self._index, self._decision = index, -1

    def decide(self, observation: Observation) -> ToolMotion | None:
        if self._decision > 2 * self.DECISIONS_PER_EIGHT:
            return None
        goal = observation.scene.positions[self._index] + self.offset(max(self._decision, 0))
        error = goal - observation.tool_position
        if self._decision >= 0 or float(error @ error) < 0.003**2:
            self._decision += 1
        return ToolMotion(limit_displacement(0.5 * error), 0.0, GRIPPER_OPEN_RAD)

    def offset(self, decision: int) -> FloatArray:
        angle = 2 * math.pi * decision / self.DECISIONS_PER_EIGHT
        return np.array([0.03 * math.sin(angle), 0.02 * math.sin(2 * angle), 0.06])


def _draw_eights(seed: int) -> tuple[Demonstration, FloatArray]:
    arm = SimulatedArm(seed)
    arm.connect()
    loop, recorder = ControlLoop(arm, arm), InMemoryRecorder("eight", arm)
    loop.add_sink(recorder.on_tick)
    loop.run_inline(EightController(VIOLET), 1000)
    take = recorder.stop()
    take = replace(take, segments=(Segment(0, len(take)),), manually_segmented=True)
    return take, take.tool_positions - take.object_positions[:, VIOLET]


def _count_sides(path: FloatArray) -> list[int]:
    """Return the order in which a relative path (T, 3) visits the two loops of the eight."""
    sides = [int(np.sign(x)) for x, _, z in path if abs(x) > 0.022 and z < 0.075]
    return [side for i, side in enumerate(sides) if i == 0 or side != sides[i - 1]]


def _make_reach(objects: Sequence[tuple[float, float]], end: tuple[float, float]) -> DemonstratedSegment:
    """Return a straight motion over resting objects, that ends 60 mm above a point."""
    path = np.linspace((0.2, 0.0, 0.1), (*end, 0.06), 30)
    positions = np.tile([(*point, 0.0) for point in objects], (len(path), 1, 1))
    flags = np.zeros(positions.shape[:2], dtype=bool)
    steps, zeros = np.gradient(path, axis=0), np.zeros(len(path))
    return DemonstratedSegment(path, zeros, steps, zeros, positions, positions[..., 0] * 0, flags, flags)


def test_one_take_is_relative_to_the_nearest_object() -> None:
    ((_, (stage,)),) = divide_into_stages([_make_reach([(0.2, 0.1), (0.25, -0.1)], (0.21, 0.08))])
    assert stage.reference == 0


def test_several_takes_are_relative_to_what_they_agree_on() -> None:
    """In the first take another object is nearer by chance."""
    takes = [
        _make_reach([(0.2, 0.1), (0.2, 0.05)], (0.2, 0.07)),
        _make_reach([(0.25, -0.1), (0.15, 0.1)], (0.25, -0.13)),
        _make_reach([(0.18, 0.0), (0.25, 0.12)], (0.18, -0.03)),
    ]
    assert divide_into_stages(takes[:1])[0].stages[0].reference == 1
    assert [stages[0].reference for _, stages in divide_into_stages(takes)] == [0, 0, 0]


def test_pick_and_place_has_four_stages() -> None:
    take = generate_example_takes()["put red on violet"][0]
    (_, grasp), (_, place) = (divide_into_stages([segment])[0] for segment in extract_segments(take))
    assert [(stage.reference, stage.carried) for stage in grasp] == [(RED, NO_OBJECT), (NO_OBJECT, RED)]
    assert [(stage.reference, stage.carried) for stage in place] == [(VIOLET, RED), (RED, NO_OBJECT)]
    assert grasp[0].is_grasp
    assert place[1].is_retreat


@pytest.mark.parametrize(
    ("name", "takes", "successes"),
    [("above red", 1, 8), ("press red", 1, 8), ("put red on violet", 1, 7), ("put red on violet", 3, 7)],
)
def test_replay_works_in_new_scenes(name: str, takes: int, successes: int) -> None:
    program = next(program for program in EXAMPLE_PROGRAMS if program.name == name)
    replay = make_replay_policy(generate_example_takes()[name][:takes])
    assert sum(run_policy_episode(program, replay, scene)[0] for scene in SCENES) >= successes


def test_replayed_push_works_in_new_scenes() -> None:
    replay = make_replay_policy(generate_takes(PUSH, GenerationSettings(1, 0)))
    assert sum(run_policy_episode(PUSH, replay, scene)[0] for scene in SCENES) >= 6


@pytest.mark.parametrize("scene", [21, 22, 23])
def test_path_that_visits_places_twice_is_followed_twice(scene: int) -> None:
    take, demonstrated = _draw_eights(20)
    arm = SimulatedArm(scene)
    arm.connect()
    loop, path = ControlLoop(arm, arm), list[np.ndarray]()

    def watch(tick: Tick) -> None:
        path.append(tick.observation.tool_position - tick.observation.scene.positions[VIOLET])

    loop.add_sink(watch)
    assert run_rollout(loop, make_rollout_controller(make_replay_policy([take]), arm.objects)) == "done"
    assert _count_sides(demonstrated) == [1, -1, 1, -1]
    assert _count_sides(np.array(path)) == [1, -1, 1, -1]
    assert len(path) < 1.5 * len(take)


def test_waiting_ends_without_progress() -> None:
    settings = ReplaySettings(max_waiting_decisions=3)
    waiting = Waiting(settings)
    assert waiting.update(True, 0.02)
    assert [waiting.update(False, error) for error in (0.03, 0.02, 0.01, 0.01, 0.01)] == [False] * 5
    assert waiting.update(False, 0.01)


def test_replay_of_other_objects_is_refused() -> None:
    replay = make_replay_policy(generate_example_takes()["above red"][:1])
    with pytest.raises(TaskPolicyError, match="takes of this scene"):
        make_rollout_controller(replay, SimulatedArm.objects[:3])


def test_evaluation_of_replay_needs_no_prior() -> None:
    settings = EvaluationSettings(shots=(1,), scenes=2, candidates=(Candidate.OBJECT_REPLAY,))
    success = run_to_end(evaluate([], EXAMPLE_PROGRAMS[:1], settings))
    assert {(s.candidate, s.episodes) for s in success if s.shots} == {(Candidate.OBJECT_REPLAY, 2)}


def test_gripper_of_replay_is_the_demonstrated_one() -> None:
    take = generate_example_takes()["press red"][0]
    arm = SimulatedArm(3)
    arm.connect()
    loop = ControlLoop(arm, arm)
    run_rollout(loop, make_rollout_controller(make_replay_policy([take]), arm.objects))
    assert arm.observe_all().gripper == pytest.approx(GRIPPER_CLOSED_RAD, abs=0.1)


def test_chosen_replay_is_stored_and_runs_like_before(tmp_path: Path) -> None:
    takes = generate_example_takes()["put red on violet"]
    _, adapted = adapt_untrained_prior(takes)
    chosen = replace(adapted, replay=make_replay_policy(takes).replay)
    chosen.save(tmp_path / "adapted.safetensors")
    loaded = TaskPolicy.load(tmp_path / "adapted.safetensors")
    assert loaded.choices == (Candidate.OBJECT_REPLAY,) * 2
    assert loaded.segment_count == len(loaded.skills) == 2
    assert isinstance(make_rollout_controller(adapted, SimulatedArm.objects), PolicyController)
    paths = []
    for policy in (make_replay_policy(takes), loaded):
        arm = SimulatedArm(11)
        arm.connect()
        loop, path = ControlLoop(arm, arm), list[bytes]()
        loop.add_sink(lambda tick, path=path: path.append(tick.sent.positions.tobytes()))  # type: ignore[misc]
        controller = make_rollout_controller(policy, arm.objects)
        assert run_rollout(loop, controller) == "done"
        assert (controller.distance_to_reference > 0.0) is bool(policy.skills), "as for a policy"
        paths.append(path)
    assert paths[0] == paths[1]
