"""A chain of policies as a controller of the real loop: it ends, one way or another, and says how."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metagui.arms.control.loop import ControlLoop
from metagui.arms.kinematics import MAX_STEP, Motion
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.learning.adaptation.adapted_task import AdaptedError, AdaptedTask
from metagui.learning.adaptation.rollout import PolicyChain, RunSettings, Shaker, rollout
from tests.helpers.takes import shown
from tests.unit.learning.test_adaptation import _adapt


@pytest.fixture(scope="module")
def adapted() -> AdaptedTask:
    return _adapt(shown()["put red on violet"][:1])[1]


def _certain(adapted: AdaptedTask, logit: float) -> AdaptedTask:
    """The same policies, sure that they are done or that they are not."""
    clicks = []
    for click in adapted.clicks:
        weight = click.policy["policy.2.weight"].copy()
        bias = np.array([0, 0, 0, 0, 0, logit], np.float32)
        weight[:] = 0.0
        clicks.append(replace(click, policy={**click.policy, "policy.2.weight": weight, "policy.2.bias": bias}))
    return replace(adapted, clicks=tuple(clicks))


def _loop() -> tuple[SimulatedArm, ControlLoop]:
    arm = SimulatedArm(1)
    arm.connect()
    return arm, ControlLoop(arm, arm)


def test_policies_that_are_done_end_the_run(adapted: AdaptedTask) -> None:
    arm, loop = _loop()
    chain = PolicyChain(_certain(adapted, 9.0), arm.anchors)
    assert chain.current_click is not None
    assert rollout(loop, chain) == "done"
    assert (chain.finished, chain.timed_out, chain.click_index, chain.current_click) == (True, False, 1, None)


def test_a_policy_that_never_ends_is_timed_out(adapted: AdaptedTask) -> None:
    arm, loop = _loop()
    chain = PolicyChain(_certain(adapted, -9.0), arm.anchors)
    assert rollout(loop, chain) == "timed out in click 1"
    assert chain.timed_out


def test_a_policy_that_stands_still_is_shaken_free_gently(adapted: AdaptedTask) -> None:
    arm, loop = _loop()
    tools: list[np.ndarray] = []
    loop.add_sink(lambda tick: tools.append(tick.observation.tool_position))
    chain = PolicyChain(_certain(adapted, -9.0), arm.anchors)
    loop.run_inline(chain, 2 * chain.settings.stuck_decisions - 4)
    assert np.ptp(np.array(tools), axis=0).max() < 0.002
    loop.run_inline(chain, 40 * chain.settings.stuck_decisions)
    way = np.linalg.norm(np.diff(np.array(tools), axis=0), axis=1)
    assert np.ptp(np.array(tools), axis=0).max() > 0.01
    assert way.max() < MAX_STEP


def test_a_policy_that_comes_on_is_left_alone() -> None:
    shaker = Shaker(RunSettings())
    motion = Motion(np.array([0.001, 0.0, 0.0]), 0.0, 0.0)
    for decision in range(100):
        assert shaker.freed(motion, np.array([0.001 * decision, 0.0, 0.1])) is motion


def test_stop_stops(adapted: AdaptedTask) -> None:
    arm, loop = _loop()
    chain = PolicyChain(_certain(adapted, -9.0), arm.anchors)
    loop.run_inline(chain, 10)
    assert chain.distance >= 0.0
    chain.stop()
    assert rollout(loop, chain) == "stopped"


def test_another_scene_is_refused(adapted: AdaptedTask) -> None:
    arm, _ = _loop()
    with pytest.raises(AdaptedError, match="The arm does not move"):
        PolicyChain(adapted, arm.anchors[:3])
