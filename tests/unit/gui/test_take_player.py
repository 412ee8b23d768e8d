"""The playhead of a stored take: keys, speed, direction, repeat, and the start of the motion."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import Qt

from metagui.demonstrations.recording.pauses import find_motion
from metagui.gui.scene.player_keys import LONG_STEP_S, press_player_key
from metagui.gui.scene.take_player import TakePlayer
from tests.helpers.clocks import PATIENCE_MS
from tests.helpers.takes import generate_example_takes, hold_still

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

NONE, SHIFT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier


class SteppedClock:
    """A clock that is advanced by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def player(qapp: object, clock: SteppedClock) -> TakePlayer:
    out = TakePlayer(clock=clock)
    out.show_take(generate_example_takes()["press red"][0])
    return out


def advance(player: TakePlayer, clock: SteppedClock, seconds: float) -> None:
    """Let time pass, and deliver the frame that follows."""
    clock.now += seconds
    player._timer.timeout.emit()


def test_player_plays_in_order_and_stops_at_the_end(qtbot: QtBot) -> None:
    player, seen = TakePlayer(), list[float]()
    player.show_take(generate_example_takes()["press red"][0])
    player.set_speed(4.0)
    player.moved.connect(lambda: seen.append(player.position))
    player.play()
    qtbot.waitUntil(lambda: not player.is_playing, timeout=PATIENCE_MS)
    assert len(seen) > 3
    assert seen == sorted(seen)
    assert seen[-1] == player.duration


def test_replay_starts_where_the_motion_starts(qapp: object) -> None:
    take = hold_still(generate_example_takes()["press red"][0], at=0, seconds=2.0)
    player = TakePlayer()
    player.show_take(take)
    assert 1.5 < player.position < 2.3
    assert player.sample == find_motion(take)[0]
    assert player.state is not None
    assert np.array_equal(player.state, take.states[player.sample])  # type: ignore[index]


def test_player_honours_trim_speed_and_repeat(player: TakePlayer, clock: SteppedClock) -> None:
    take = replace(player.take, trim=(10, 40))  # type: ignore[type-var]
    times = take.time - take.time[0]
    player.show_take(take)
    assert player.span == (times[10], times[39])
    player.set_speed(2.0)
    player.play()
    start = player.position
    advance(player, clock, 0.1)
    assert player.position == pytest.approx(start + 0.2)
    player.set_looping(True)
    advance(player, clock, 60.0)
    assert player.position == times[10]
    assert player.is_playing
    player.set_looping(False)
    advance(player, clock, 60.0)
    assert player.position == times[39]
    assert not player.is_playing


def test_player_keys_move_and_play(player: TakePlayer, clock: SteppedClock) -> None:
    assert press_player_key(player, Qt.Key.Key_End, NONE)
    assert player.position == player.duration
    assert press_player_key(player, Qt.Key.Key_Home, NONE)
    assert player.position == 0.0
    assert press_player_key(player, Qt.Key.Key_Right, NONE)
    assert player.sample == 1
    assert press_player_key(player, Qt.Key.Key_Right, SHIFT)
    assert player.position == pytest.approx(0.02 + LONG_STEP_S, abs=0.005)
    assert press_player_key(player, Qt.Key.Key_Space, NONE)
    assert player.is_playing
    assert press_player_key(player, Qt.Key.Key_L, NONE)
    assert player.speed == 2.0
    assert press_player_key(player, Qt.Key.Key_J, NONE)
    before = player.position
    advance(player, clock, 0.05)
    assert player.position == pytest.approx(before - 0.1)
    assert press_player_key(player, Qt.Key.Key_K, NONE)
    assert not player.is_playing
    assert not press_player_key(player, Qt.Key.Key_A, NONE)
    player.show_take(None)
    assert not press_player_key(player, Qt.Key.Key_Space, NONE)
