"""Playback of a stored take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.gui.scene.take_player import TakePlayer
from tests.helpers.clocks import PATIENCE_MS
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


def test_take_player_plays_in_order_and_stops(qtbot: QtBot) -> None:
    take = generate_example_takes()["press red"][0]
    player, fractions = TakePlayer(), []
    player.state_changed.connect(lambda state, fraction: fractions.append(fraction))
    assert player.play(take)
    qtbot.waitUntil(lambda: len(fractions) > 3, timeout=PATIENCE_MS)
    assert fractions == sorted(fractions)
    with qtbot.waitSignal(player.playback_ended, timeout=PATIENCE_MS):
        player.stop()
    assert not player.is_playing
