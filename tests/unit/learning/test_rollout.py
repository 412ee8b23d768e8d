"""A chain of policies as a controller of the real loop: it ends, one way or another, and says how."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metagui.arms.control.loop import ControlLoop
from metagui.arms.kinematics import MAX_DISPLACEMENT_M, ToolMotion
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.learning.adaptation.adapted_task import TaskPolicy, TaskPolicyError
from metagui.learning.adaptation.rollout import PolicyController, RolloutSettings, StuckRecovery, run_rollout
from tests.helpers.priors import adapt_untrained_prior as _adapt
from tests.helpers.takes import generate_example_takes


@pytest.fixture(scope="module")
def adapted() -> TaskPolicy:
    return _adapt(generate_example_takes()["put red on violet"][:1])[1]


def _certain(adapted: TaskPolicy, logit: float) -> TaskPolicy:
    """The same policies, sure that they are done or that they are not."""
    clicks = []
    for click in adapted.skills:
        weight = click.params["policy.2.weight"].copy()
        bias = np.array([0, 0, 0, 0, 0, logit], np.float32)
        weight[:] = 0.0
        clicks.append(replace(click, params={**click.params, "policy.2.weight": weight, "policy.2.bias": bias}))
    return replace(adapted, skills=tuple(clicks))


def _loop() -> tuple[SimulatedArm, ControlLoop]:
    arm = SimulatedArm(1)
    arm.connect()
    return arm, ControlLoop(arm, arm)


def test_policies_that_are_done_end_the_run(adapted: TaskPolicy) -> None:
    arm, loop = _loop()
    chain = PolicyController(_certain(adapted, 9.0), arm.objects)
    assert chain.current_instruction is not None
    assert run_rollout(loop, chain) == "done"
    assert (chain.finished, chain.is_timed_out, chain.instruction_index, chain.current_instruction) == (
        True,
        False,
        1,
        None,
    )


def test_a_policy_that_never_ends_is_timed_out(adapted: TaskPolicy) -> None:
    arm, loop = _loop()
    chain = PolicyController(_certain(adapted, -9.0), arm.objects)
    assert run_rollout(loop, chain) == "timed out in click 1"
    assert chain.is_timed_out


def test_a_policy_that_stands_still_is_shaken_free_gently(adapted: TaskPolicy) -> None:
    arm, loop = _loop()
    tools: list[np.ndarray] = []
    loop.add_sink(lambda tick: tools.append(tick.observation.tool_position))
    chain = PolicyController(_certain(adapted, -9.0), arm.objects)
    loop.run_inline(chain, 2 * chain.settings.stuck_decisions - 4)
    assert np.ptp(np.array(tools), axis=0).max() < 0.002
    loop.run_inline(chain, 40 * chain.settings.stuck_decisions)
    way = np.linalg.norm(np.diff(np.array(tools), axis=0), axis=1)
    assert np.ptp(np.array(tools), axis=0).max() > 0.01
    assert way.max() < MAX_DISPLACEMENT_M


def test_a_policy_that_comes_on_is_left_alone() -> None:
    shaker = StuckRecovery(RolloutSettings())
    motion = ToolMotion(np.array([0.001, 0.0, 0.0]), 0.0, 0.0)
    for decision in range(100):
        assert shaker.recover(motion, np.array([0.001 * decision, 0.0, 0.1])) is motion


def test_stop_stops(adapted: TaskPolicy) -> None:
    arm, loop = _loop()
    chain = PolicyController(_certain(adapted, -9.0), arm.objects)
    loop.run_inline(chain, 10)
    assert chain.distance_to_reference >= 0.0
    chain.stop()
    assert run_rollout(loop, chain) == "stopped"


def test_another_scene_is_refused(adapted: TaskPolicy) -> None:
    arm, _ = _loop()
    with pytest.raises(TaskPolicyError, match="The arm does not move"):
        PolicyController(adapted, arm.objects[:3])
