"""Tests of running a task policy in the control loop: its outcomes and its recovery when stuck."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metagui.arms.control.loop import ControlLoop
from metagui.arms.kinematics import MAX_DISPLACEMENT_M, ToolMotion
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.learning.adaptation.rollout import PolicyController, RolloutSettings, StuckRecovery, run_rollout
from metagui.learning.adaptation.task_policy import TaskPolicy, TaskPolicyError
from tests.helpers.priors import adapt_untrained_prior
from tests.helpers.takes import generate_example_takes


@pytest.fixture(scope="module")
def adapted() -> TaskPolicy:
    return adapt_untrained_prior(generate_example_takes()["put red on violet"][:1])[1]


def _certain(adapted: TaskPolicy, logit: float) -> TaskPolicy:
    """Return the policies with a constant done logit and no motion."""
    skills = []
    for skill in adapted.skills:
        weight = skill.params["policy.2.weight"].copy()
        bias = np.array([0, 0, 0, 0, 0, logit], np.float32)
        weight[:] = 0.0
        skills.append(replace(skill, params={**skill.params, "policy.2.weight": weight, "policy.2.bias": bias}))
    return replace(adapted, skills=tuple(skills))


def _loop() -> tuple[SimulatedArm, ControlLoop]:
    arm = SimulatedArm(1)
    arm.connect()
    return arm, ControlLoop(arm, arm)


def test_rollout_ends_when_all_policies_are_done(adapted: TaskPolicy) -> None:
    arm, loop = _loop()
    controller = PolicyController(_certain(adapted, 9.0), arm.objects)
    assert controller.current_instruction is not None
    assert run_rollout(loop, controller) == "done"
    assert (
        controller.finished,
        controller.instruction_index,
        controller.current_instruction,
    ) == (
        True,
        1,
        None,
    )


def test_rollout_of_a_policy_that_never_ends_times_out(adapted: TaskPolicy) -> None:
    arm, loop = _loop()
    controller = PolicyController(_certain(adapted, -9.0), arm.objects)
    assert run_rollout(loop, controller) == "timed out in segment 1"


def test_rollout_of_a_stuck_policy_takes_small_random_steps(adapted: TaskPolicy) -> None:
    arm, loop = _loop()
    tools: list[np.ndarray] = []
    loop.add_sink(lambda tick: tools.append(tick.observation.tool_position))
    controller = PolicyController(_certain(adapted, -9.0), arm.objects)
    loop.run_inline(controller, 2 * controller.settings.stuck_decisions - 4)
    assert np.ptp(np.array(tools), axis=0).max() < 0.002
    loop.run_inline(controller, 40 * controller.settings.stuck_decisions)
    way = np.linalg.norm(np.diff(np.array(tools), axis=0), axis=1)
    assert np.ptp(np.array(tools), axis=0).max() > 0.01
    assert way.max() < MAX_DISPLACEMENT_M


def test_stuck_recovery_leaves_a_moving_policy_unchanged() -> None:
    shaker = StuckRecovery(RolloutSettings())
    motion = ToolMotion(np.array([0.001, 0.0, 0.0]), 0.0, 0.0)
    for decision in range(100):
        assert shaker.recover(motion, np.array([0.001 * decision, 0.0, 0.1])) is motion


def test_rollout_stop_ends_the_run(adapted: TaskPolicy) -> None:
    arm, loop = _loop()
    controller = PolicyController(_certain(adapted, -9.0), arm.objects)
    loop.run_inline(controller, 10)
    assert controller.distance_to_reference >= 0.0
    controller.stop()
    assert run_rollout(loop, controller) == "stopped"


def test_rollout_in_another_scene_raises(adapted: TaskPolicy) -> None:
    arm, _ = _loop()
    with pytest.raises(TaskPolicyError, match="The arm does not move"):
        PolicyController(adapted, arm.objects[:3])
