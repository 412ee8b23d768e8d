"""Tests that runs are judged by what the takes show, and that takes with two readings are found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from metagui.arms.control.loop import ControlLoop
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.tables.table import TABLE_CENTRE_M
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.programs.program_controller import ProgramController
from metagui.demonstrations.recording.take_builder import InMemoryRecorder
from metagui.learning.adaptation.replay_rollout import make_replay_policy
from metagui.learning.adaptation.rollout import RolloutController
from metagui.learning.rehearsal.judged_run import JudgedRun, make_judged_run
from metagui.learning.rehearsal.readings import find_readings

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray, Observation
    from metagui.arms.kinematics import ToolMotion
    from metagui.demonstrations.demonstration import Demonstration

BESIDE_M = np.array([0.0, 0.055, 0.0])
"""Displacement of the place from the blue cube, m."""
SEEDS, NEW_SEED = (3, 8, 14), 21


class ProgramRollout(RolloutController):
    """A policy that carries out two instructions."""

    def __init__(self, task_policy: object, arm: SimulatedArm, instructions: tuple[Instruction, ...]) -> None:
        super().__init__(task_policy, arm.objects)  # type: ignore[arg-type]
        self._program = ProgramController(arm.objects)
        self._program.add_instructions(*instructions)

    def _decide_next(self, observation: Observation) -> ToolMotion | None:
        motion = self._program.decide(observation)
        if motion is None:
            self.outcome = "done"
        self.instruction_index = max(self._program.instruction_index, 0)
        return motion  # type: ignore[return-value]


def _click_beside_blue(arm: SimulatedArm) -> tuple[Instruction, ...]:
    """Return the clicks of a user who puts the red cube on the bare table beside the blue cube."""
    blue = arm.observe_scene().positions[2]
    return _click_table(blue + BESIDE_M - TABLE_CENTRE_M)


def _click_table(offset: FloatArray) -> tuple[Instruction, ...]:
    x, y, _ = offset.tolist()
    return Instruction("grasp", "red cube"), Instruction("place", "table", None, {"offset": (x, y, 0.0)})


def _make_arm(seed: int) -> SimulatedArm:
    """Return an arm with the red and the blue cube apart, and all else out of the way."""
    rng, arm = np.random.default_rng(seed), SimulatedArm(seed)
    arm.connect()
    for name, (x, y) in {"green cube": (0.1, 0.3), "yellow zone": (0.3, 0.3), "violet zone": (0.2, 0.3)}.items():
        arm.place_object(name, x, y)
    arm.place_object("red cube", rng.uniform(0.18, 0.24), rng.uniform(0.06, 0.10))
    arm.place_object("blue cube", rng.uniform(0.18, 0.24), rng.uniform(-0.10, -0.05))
    return arm


@pytest.fixture(scope="module")
def takes() -> list[Demonstration]:
    found = []
    for seed in SEEDS:
        arm = _make_arm(seed)
        loop, recorder = ControlLoop(arm, arm), InMemoryRecorder("beside blue", arm, str(seed))
        loop.add_sink(recorder.on_tick)
        controller = ProgramController(arm.objects)
        controller.add_instructions(*_click_beside_blue(arm))
        loop.run_inline(controller, 2000)
        assert all(result.achieved for result in controller.results)
        found.append(recorder.stop())
    return found


def _run(takes: list[Demonstration], arm: SimulatedArm, *instructions: Instruction) -> JudgedRun:
    run = make_judged_run(ProgramRollout(make_replay_policy(takes), arm, instructions), takes, arm.objects)
    assert run is not None
    ControlLoop(arm, arm).run_inline(run, 2000)
    return run


def test_place_beside_a_cube_is_judged_relative_to_it(takes: list[Demonstration]) -> None:
    arm = _make_arm(NEW_SEED)
    run = _run(takes, arm, *_click_beside_blue(arm))
    assert run.finished
    assert run.policy.outcome == "done"
    assert run.failures == []


def test_second_look_finds_what_a_camera_sees_after_the_end(takes: list[Demonstration]) -> None:
    arm = _make_arm(NEW_SEED)
    run = _run(takes, arm, *_click_beside_blue(arm))
    assert run.needed_objects == {"red cube", "blue cube"}
    run.look_again(arm.observe_all())
    assert run.failures == []
    arm.place_object("red cube", 0.14, -0.12)
    run.look_again(arm.observe_all())
    assert run.failures == ["the red cube did not stay where it was put"]


def test_place_that_only_one_take_has_is_no_success(takes: list[Demonstration]) -> None:
    arm, first = _make_arm(NEW_SEED), _make_arm(SEEDS[0])
    clicked = first.observe_scene().positions[2] + BESIDE_M - TABLE_CENTRE_M
    assert np.linalg.norm(arm.observe_scene().positions[2] - first.observe_scene().positions[2]) > 0.02
    run = _run(takes, arm, *_click_table(clicked))
    assert any("red cube ended" in failure for failure in run.failures)


def test_cube_that_is_not_grasped_is_a_failure_of_its_segment(takes: list[Demonstration]) -> None:
    arm = _make_arm(NEW_SEED)
    above = Instruction("reach", "red cube", None, {"offset": (0.0, 0.0, 0.06)})
    run = _run(takes, arm, above, above)
    assert "segment 1" in run.failures[0]
    assert len(run.failures) == 2, "it goes on after the first failure"


def test_one_take_has_two_readings_and_three_have_one(takes: list[Demonstration]) -> None:
    (one,) = find_readings(takes[:1])
    assert one.subject == "red cube"
    assert {"next to the blue cube, wherever that is", "at this place on the table"} <= {one.chosen, *one.others}
    assert "a take in which the blue cube is elsewhere settles it" in one.describe()
    (three,) = find_readings(takes)
    assert three.chosen == "next to the blue cube, wherever that is"
    assert three.others == ()
    assert three.describe() == "read as: the red cube ends next to the blue cube, wherever that is."
