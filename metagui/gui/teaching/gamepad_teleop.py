"""A gamepad that steers the gripper: it is asked thirty times a second while that is the way to teach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from metagui.arms.teleoperation.gamepad import Gamepad, GamepadError

if TYPE_CHECKING:
    from metagui.gui.teaching.keyboard_teleop import Steered

PERIOD = 33
"""How often it is asked, ms."""
MISSING = "No gamepad is plugged in."


class PadPilot(QObject):
    """Looks for a gamepad when somebody wants to know, and passes on what it says."""

    lost = Signal()
    """It was unplugged while it steered."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.problem = MISSING
        """Why none can be used, in words; empty if one can."""
        self._pad: Gamepad | None = None
        self._steered: Steered | None = None
        self._timer = QTimer(self, interval=PERIOD)
        self._timer.timeout.connect(self._ask)

    def look(self) -> None:
        """See whether there is one; the first time takes a moment."""
        if self._pad is None:
            try:
                self._pad = Gamepad()
            except GamepadError as error:
                self.problem = str(error)
                return
        self.problem = "" if self._pad.poll() is not None else MISSING

    def steer(self, steered: Steered | None, gripper_open: bool = True) -> None:
        """Begin to steer with the gripper as it is, or stop with None."""
        self._steered = steered
        if steered is None or self._pad is None:
            self._timer.stop()
        else:
            self._pad.gripper_open = gripper_open
            self._timer.start()

    def _ask(self) -> None:
        stick = None if self._pad is None else self._pad.poll()
        if stick is None:
            self.steer(None)
            self.problem = MISSING
            self.lost.emit()
        elif self._steered is not None:
            self._steered.set_velocity(*stick)

    def close(self) -> None:
        """Let it go."""
        self.steer(None)
        if self._pad is not None:
            self._pad.close()
            self._pad = None
