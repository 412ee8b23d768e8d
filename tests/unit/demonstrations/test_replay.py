"""A take done again: gently to where it began, never faster than shown, and never against what is in the way."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from metagui.arms.control.loop import ControlLoop
from metagui.arms.kinematics import HOME_ANGLES_RAD
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.recording.replay import ReplayController, ReplayError
from tests.helpers.fakes import FakeArm, HoldingController
from tests.helpers.takes import record_simulated_take

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration


@pytest.fixture(scope="module")
def take() -> Demonstration:
    return record_simulated_take()


@pytest.mark.parametrize("led_by", ["clicks", "hand"])
def test_a_take_is_done_again_also_one_whose_grip_was_only_measured(take: Demonstration, led_by: Any) -> None:
    if led_by == "hand":
        following = np.concatenate([take.joint_positions[1:], take.joint_positions[-1:]])
        take = replace(take, teaching_method=led_by, command_requested=following, command_sent=following)
    arm = SimulatedArm(1)
    arm.connect()
    loop, replay = ControlLoop(arm, arm), ReplayController(take)
    away = HOME_ANGLES_RAD + (0.3, -0.2, 0.1, 0.0, 0.2, 0.0)
    loop.run_inline(HoldingController(away), 60)
    assert replay.approaching
    loop.run_inline(replay, 10)
    assert replay.progress == 0.0
    loop.run_inline(replay, 1000)
    assert replay.finished
    assert replay.progress == 1.0
    placed = arm.observe_scene().positions
    assert np.linalg.norm(placed[0, :2] - placed[3, :2]) < 0.008
    assert loop.gate.report.slowed < 40  # the gripper is always asked for more than it can do


def test_a_slower_replay_takes_longer_and_a_trimmed_one_begins_later(take: Demonstration) -> None:
    def ticks(replay: ReplayController) -> int:
        arm = SimulatedArm(1)
        arm.connect()
        last = ControlLoop(arm, arm).run_inline(replay, 3000)
        assert last is not None
        return last.index

    usual = ticks(ReplayController(take))
    assert ticks(ReplayController(take, speed=0.5)) > 1.7 * usual
    assert ticks(ReplayController(take, speed=9.0)) == usual
    assert ticks(ReplayController(replace(take, trim=(0, 60)))) < 0.6 * usual


def test_a_take_that_cannot_be_done_again(take: Demonstration) -> None:
    with pytest.raises(ReplayError, match="The arm does not move"):
        ReplayController(replace(take, joint_names=("rail",)))
    with pytest.raises(ReplayError, match="0 samples"):
        ReplayController(replace(take, trim=(5, 5)))


def test_a_replay_waits_for_an_arm_that_is_held_back(take: Demonstration) -> None:
    arm = FakeArm(HOME_ANGLES_RAD)
    loop, replay = ControlLoop(arm, arm), ReplayController(take)
    loop.run_inline(replay, 30)
    arm.command = lambda command: command  # type: ignore[method-assign]
    loop.run_inline(replay, 100)
    assert 0.0 < replay.progress < 0.9
    assert not replay.finished


def test_an_arm_that_comes_on_again_is_waited_for_anew(take: Demonstration) -> None:
    arm = FakeArm(HOME_ANGLES_RAD)
    loop, replay = ControlLoop(arm, arm), ReplayController(take)
    loop.run_inline(replay, 30)
    follow = arm.command
    for _ in range(3):
        arm.command = lambda command: command  # type: ignore[method-assign]
        loop.run_inline(replay, 100)
        arm.command = follow  # type: ignore[method-assign]
        loop.run_inline(replay, 10)
    assert not replay.blocked_reason
    loop.run_inline(replay, 1000)
    assert replay.finished
    assert replay.progress == 1.0


def test_a_replay_that_is_held_back_for_long_is_given_up_and_says_what_was_in_its_way(take: Demonstration) -> None:
    arm = FakeArm(HOME_ANGLES_RAD)
    loop, replay = ControlLoop(arm, arm), ReplayController(take)
    loop.run_inline(replay, 30)
    arm.command = lambda command: command  # type: ignore[method-assign]
    loop.run_inline(replay, 600)
    assert replay.finished
    assert replay.progress < 0.9
    assert re.fullmatch(r"\w+ stayed 0\.\d\d rad behind for 3 s, at \d+% of the take", replay.blocked_reason)
