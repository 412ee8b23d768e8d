"""Keys of the playhead, as in video editors; they act where the playhead has the focus."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.gui.scene.take_player import TakePlayer

PLAYER_SHORTCUTS = (
    ("Space; K", "play or pause the take on display; pause"),
    ("Left, Right (Shift)", "one sample back or on (half a second)"),
    ("Home, End", "first and last sample of the take"),
    ("J, L", "play backwards or forwards; again: faster"),
    ("I, O", "begin or end the take at the playhead"),
)
"""Keys with the slider or the joint angles focused, and what they do."""
LONG_STEP_S = 0.5
"""Step of an arrow key with Shift, s."""


def press_player_key(player: TakePlayer, key: int, modifiers: Qt.KeyboardModifier) -> bool:
    """Move or play the playhead; return False for any other key."""
    if player.take is None or modifiers & ~(Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.KeypadModifier):
        return False
    shift = bool(modifiers & Qt.KeyboardModifier.ShiftModifier)
    if key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
        direction = 1 if key == Qt.Key.Key_Right else -1
        if shift:
            player.pause()
            player.seek(player.position + direction * LONG_STEP_S)
        else:
            player.step(direction)
        return True
    count = len(player.take)
    commands: dict[int, Callable[[], None]] = {
        Qt.Key.Key_Space: player.toggle,
        Qt.Key.Key_K: player.pause,
        Qt.Key.Key_J: partial(player.shuttle, -1),
        Qt.Key.Key_L: partial(player.shuttle, 1),
        Qt.Key.Key_Home: partial(player.step, -count),
        Qt.Key.Key_End: partial(player.step, count),
    }
    if shift or key not in commands:
        return False
    commands[key]()
    return True
