"""Gamepad teleoperation: the gamepad is polled 30 times per second while its mode is active."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from metagui.arms.teleoperation.gamepad import Gamepad, GamepadError

if TYPE_CHECKING:
    from metagui.gui.teaching.keyboard_teleop import VelocityTarget

GAMEPAD_PERIOD_MS = 33
"""Time between two polls of the gamepad, ms."""
NO_GAMEPAD_TEXT = "No gamepad is plugged in."


class GamepadTeleop(QObject):
    """Finds a gamepad on request, and sends its velocity to a controller."""

    gamepad_lost = Signal()
    """The gamepad was unplugged while it commanded the arm."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.problem = NO_GAMEPAD_TEXT
        """Reason why no gamepad can be used; empty if one can."""
        self._gamepad: Gamepad | None = None
        self._target: VelocityTarget | None = None
        self._timer = QTimer(self, interval=GAMEPAD_PERIOD_MS)
        self._timer.timeout.connect(self._poll)

    def find_gamepad(self) -> None:
        """Look for a gamepad; the first call takes a moment."""
        if self._gamepad is None:
            try:
                self._gamepad = Gamepad()
            except GamepadError as error:
                self.problem = str(error)
                return
        self.problem = "" if self._gamepad.poll() is not None else NO_GAMEPAD_TEXT

    def set_target(self, target: VelocityTarget | None, gripper_open: bool = True) -> None:
        """Start to command a controller, with the gripper as it is, or stop with None."""
        self._target = target
        if target is None or self._gamepad is None:
            self._timer.stop()
        else:
            self._gamepad.gripper_open = gripper_open
            self._timer.start()

    def _poll(self) -> None:
        stick = None if self._gamepad is None else self._gamepad.poll()
        if stick is None:
            self.set_target(None)
            self.problem = NO_GAMEPAD_TEXT
            self.gamepad_lost.emit()
        elif self._target is not None:
            self._target.set_velocity(*stick)

    def close(self) -> None:
        """Stop and release the gamepad."""
        self.set_target(None)
        if self._gamepad is not None:
            self._gamepad.close()
            self._gamepad = None
