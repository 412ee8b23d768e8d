"""A chain of policies as a controller of the real loop: it ends, one way or another, and says how."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from shown import shown
from test_adaptation import _adapt

from metagui.arms.control import ControlLoop
from metagui.arms.simulated import SimulatedArm
from metagui.learning.adapted import AdaptedError, AdaptedTask
from metagui.learning.rollout import PolicyChain, rollout


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
