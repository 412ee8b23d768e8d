"""Keys that steer the gripper: what is held down becomes a velocity, as seen from where the camera stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from PySide6.QtCore import QObject, Qt, QTimer, Signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.arms.simulation.renderer import Camera

PERIOD = 40
"""How often the velocity is sent while keys are down, ms; it is stale after a quarter of a second."""
SPEED, SLOW = 0.10, 0.025
"""m/s, and with Shift."""
TURN = 1.2
"""rad/s."""
K = Qt.Key
_WAYS: dict[Qt.Key, tuple[float, float, float, float]] = {
    K.Key_Up: (1, 0, 0, 0), K.Key_W: (1, 0, 0, 0), K.Key_Down: (-1, 0, 0, 0), K.Key_S: (-1, 0, 0, 0),
    K.Key_Right: (0, 1, 0, 0), K.Key_D: (0, 1, 0, 0), K.Key_Left: (0, -1, 0, 0), K.Key_A: (0, -1, 0, 0),
    K.Key_PageUp: (0, 0, 1, 0), K.Key_R: (0, 0, 1, 0), K.Key_PageDown: (0, 0, -1, 0), K.Key_F: (0, 0, -1, 0),
    K.Key_Q: (0, 0, 0, 1), K.Key_E: (0, 0, 0, -1),
}  # fmt: skip
"""Away from the viewer, to the right, up, turn."""
KEYS_IN_WORDS = "Arrows or WASD move · Page up, Page down or R, F lift and lower · Q, E turn · Space opens and closes"


class Steered(Protocol):
    """Whoever is given the velocity; see ``demonstrations.velocity.VelocityController``."""

    def set_velocity(self, vx: float, vy: float, vz: float, turn: float, gripper_open: bool) -> None:
        """Take over a velocity in the base frame, m/s and rad/s."""


class KeyPilot(QObject):
    """The keys that are down in the 3-D view, while it has the focus and the mode is on."""

    changed = Signal()
    """The gripper was told to open or to close."""

    def __init__(self, camera: Callable[[], Camera], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._camera = camera
        self._down: set[Qt.Key] = set()
        self._slow = False
        self._steered: Steered | None = None
        self.open = True
        """Whether the gripper is to be open."""
        self._timer = QTimer(self, interval=PERIOD)
        self._timer.timeout.connect(self._send)

    @property
    def active(self) -> bool:
        """Whether keys steer at all."""
        return self._steered is not None

    def steer(self, steered: Steered | None, gripper_open: bool = True) -> None:
        """Begin to steer with the gripper as it is, or stop with None."""
        self.release_all()
        self._steered, self.open = steered, gripper_open

    def press(self, key: int, modifiers: Qt.KeyboardModifier) -> bool:
        """Take a key; return whether it means anything here."""
        if self._steered is None:
            return False
        self._slow = bool(modifiers & Qt.KeyboardModifier.ShiftModifier)
        if key == K.Key_Space:
            self.open = not self.open
            self.changed.emit()
        elif key in _WAYS and not modifiers & Qt.KeyboardModifier.ControlModifier:
            self._down.add(Qt.Key(key))
        else:
            return False
        self._send()
        self._timer.start()
        return True

    def release(self, key: int) -> bool:
        """A key is up again; return whether it meant anything."""
        if key not in self._down:
            return False
        self._down.discard(Qt.Key(key))
        self._send()
        return True

    def release_all(self) -> None:
        """The focus is elsewhere: nothing moves any more."""
        if self._down:
            self._down.clear()
            self._send()
        self._timer.stop()

    def _send(self) -> None:
        if self._steered is None:
            return
        away, right, up, turn = np.sum([_WAYS[key] for key in self._down] or [(0, 0, 0, 0)], axis=0)
        vx, vy = self._level(float(away), float(right))
        speed = SLOW if self._slow else SPEED
        self._steered.set_velocity(speed * vx, speed * vy, speed * float(up), TURN * float(turn), self.open)

    def _level(self, away: float, right: float) -> tuple[float, float]:
        """Return a way on the table as seen by the viewer, in the base frame, at most of length one."""
        across, _, forward = self._camera().axes()
        ahead = forward[:2] / max(float(np.hypot(*forward[:2])), 1e-6)
        way = away * ahead + right * across[:2]
        length = max(float(np.hypot(*way)), 1.0)
        return float(way[0]) / length, float(way[1]) / length
