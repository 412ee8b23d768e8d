"""Tests of the gamepad with SDL's virtual gamepad, which is plugged in, moved, pressed and unplugged."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from metagui.arms.control.loop import ControlLoop
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.teleoperation.gamepad import (
    DEAD_ZONE_FRACTION,
    GAMEPAD_SPEED_M_S,
    GAMEPAD_TURN_RAD_S,
    Gamepad,
    GamepadError,
    GamepadVelocity,
    velocity_from_axes,
)
from metagui.arms.teleoperation.velocity import VelocityController
from tests.helpers.clocks import SteppedClock
from tests.helpers.virtual_gamepad import VirtualGamepad

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def gamepad() -> Iterator[Gamepad]:
    pytest.importorskip("pygame", reason="the extra `gamepad` is not installed")
    made = Gamepad()
    yield made
    made.close()


def test_gamepad_plugged_and_unplugged_is_detected(gamepad: Gamepad) -> None:
    assert gamepad.poll() is None
    assert gamepad.name == ""
    for _ in range(2):
        pad = VirtualGamepad()
        assert gamepad.poll() == GamepadVelocity(0.0, 0.0, 0.0, 0.0, True)
        assert "Virtual" in gamepad.name
        pad.pull_out()
        assert gamepad.poll() is None


def test_gamepad_sticks_and_button_set_velocity(gamepad: Gamepad) -> None:
    pad = VirtualGamepad()
    pad.push(-1.0, -1.0, 0.0, 0.0)
    assert gamepad.poll() == pytest.approx(GamepadVelocity(GAMEPAD_SPEED_M_S, GAMEPAD_SPEED_M_S, 0.0, 0.0, True))
    pad.push(0.0, 0.0, 1.0, -1.0)
    assert gamepad.poll() == pytest.approx(GamepadVelocity(0.0, 0.0, GAMEPAD_SPEED_M_S, -GAMEPAD_TURN_RAD_S, True))
    pad.push(0.0, 0.0, 0.0, 0.0)
    states = []
    for down in (True, True, False, True):
        pad.press(0, down)
        said = gamepad.poll()
        assert said is not None
        states.append(said.gripper_open)
    assert states == [False, False, False, True]
    pad.pull_out()


def test_gamepad_moves_arm(gamepad: Gamepad) -> None:
    pad, arm, drive = VirtualGamepad(), SimulatedArm(0), VelocityController(SteppedClock())
    arm.connect()
    loop = ControlLoop(arm, arm)
    start = arm.observe_all().tool_position
    pad.push(-1.0, 0.0, 0.0, 0.0)
    for _ in range(10):
        said = gamepad.poll()
        assert said is not None
        drive.set_velocity(*said)
        loop.run_inline(drive, 2)
    moved = arm.observe_all().tool_position - start
    assert moved[1] == pytest.approx(10 * 0.04 * GAMEPAD_SPEED_M_S, rel=0.2)
    np.testing.assert_allclose(moved[[0, 2]], 0.0, atol=0.003)
    pad.pull_out()


@pytest.mark.parametrize("axis", range(4))
def test_velocity_from_axes_dead_zone_and_squaring(axis: int) -> None:
    def said(value: float) -> float:
        found = velocity_from_axes([value if i == axis else 0.0 for i in range(4)], True)
        return max(map(abs, found[:4]))

    assert said(DEAD_ZONE_FRACTION) == 0.0
    assert said(-DEAD_ZONE_FRACTION) == 0.0
    assert 0.0 < said(0.5) < 0.3 * said(1.0)
    assert said(-1.2) == said(1.0)


def test_gamepad_without_pygame_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygame", None)
    with pytest.raises(GamepadError, match=r"pip install 'metagui\[gamepad\]'"):
        Gamepad()
