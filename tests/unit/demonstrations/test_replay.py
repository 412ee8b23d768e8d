"""Replay: a slow approach, never faster than recorded, and given up at an obstacle."""

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


@pytest.mark.parametrize("teaching_method", ["clicks", "hand"])
def test_replay_repeats_clicked_and_hand_guided_take(take: Demonstration, teaching_method: Any) -> None:
    """A hand-guided take has measured gripper angles only; the replay closes further to hold the cube."""
    if teaching_method == "hand":
        following = np.concatenate([take.joint_positions[1:], take.joint_positions[-1:]])
        take = replace(take, teaching_method=teaching_method, command_requested=following, command_sent=following)
    arm = SimulatedArm(1)
    arm.connect()
    loop, replay = ControlLoop(arm, arm), ReplayController(take)
    start = HOME_ANGLES_RAD + (0.3, -0.2, 0.1, 0.0, 0.2, 0.0)
    loop.run_inline(HoldingController(start), 60)
    assert replay.approaching
    loop.run_inline(replay, 10)
    assert replay.progress == 0.0
    loop.run_inline(replay, 1000)
    assert replay.finished
    assert replay.progress == 1.0
    placed = arm.observe_scene().positions
    assert np.linalg.norm(placed[0, :2] - placed[3, :2]) < 0.008
    assert loop.gate.report.slowed < 40  # gripper requests always exceed what it can do


def test_replay_respects_speed_and_trim(take: Demonstration) -> None:
    """The speed is limited to that of the take."""

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


def test_replay_of_unsuitable_take_raises(take: Demonstration) -> None:
    with pytest.raises(ReplayError, match="The arm does not move"):
        ReplayController(replace(take, joint_names=("rail",)))
    with pytest.raises(ReplayError, match="0 samples"):
        ReplayController(replace(take, trim=(5, 5)))


def test_replay_waits_for_blocked_arm(take: Demonstration) -> None:
    arm = FakeArm(HOME_ANGLES_RAD)
    loop, replay = ControlLoop(arm, arm), ReplayController(take)
    loop.run_inline(replay, 30)
    arm.command = lambda command: command  # type: ignore[method-assign]
    loop.run_inline(replay, 100)
    assert 0.0 < replay.progress < 0.9
    assert not replay.finished


def test_replay_wait_restarts_after_progress(take: Demonstration) -> None:
    """Short blockages add up to no timeout."""
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


def test_replay_blocked_for_long_is_given_up_with_reason(take: Demonstration) -> None:
    arm = FakeArm(HOME_ANGLES_RAD)
    loop, replay = ControlLoop(arm, arm), ReplayController(take)
    loop.run_inline(replay, 30)
    arm.command = lambda command: command  # type: ignore[method-assign]
    loop.run_inline(replay, 600)
    assert replay.finished
    assert replay.progress < 0.9
    assert re.fullmatch(r"\w+ stayed 0\.\d\d rad behind for 3 s, at \d+% of the take", replay.blocked_reason)
