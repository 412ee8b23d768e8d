"""Keyboard teleoperation: pressed keys become a velocity of the gripper, in the directions of the camera."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from PySide6.QtCore import QObject, Qt, QTimer, Signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.arms.simulation.orbit_camera import OrbitCamera

KEYBOARD_PERIOD_MS = 40
"""Time between two velocity commands while keys are down, ms; a command expires after 0.25 s."""
KEYBOARD_SPEED_M_S, SLOW_KEYBOARD_SPEED_M_S = 0.10, 0.025
"""Speed without and with Shift, m/s."""
KEYBOARD_TURN_RAD_S = 1.2
"""Angular speed about the vertical axis, rad/s."""
QtKey = Qt.Key
_DIRECTIONS: dict[Qt.Key, tuple[float, float, float, float]] = {
    QtKey.Key_Up: (1, 0, 0, 0), QtKey.Key_W: (1, 0, 0, 0), QtKey.Key_Down: (-1, 0, 0, 0), QtKey.Key_S: (-1, 0, 0, 0),
    QtKey.Key_Right: (0, 1, 0, 0), QtKey.Key_D: (0, 1, 0, 0), QtKey.Key_Left: (0, -1, 0, 0), QtKey.Key_A: (0, -1, 0, 0),
    QtKey.Key_PageUp: (0, 0, 1, 0), QtKey.Key_R: (0, 0, 1, 0),
    QtKey.Key_PageDown: (0, 0, -1, 0), QtKey.Key_F: (0, 0, -1, 0),
    QtKey.Key_Q: (0, 0, 0, 1), QtKey.Key_E: (0, 0, 0, -1),
}  # fmt: skip
"""Direction of each key: away from the viewer, to the right, up, turn."""
KEYBOARD_HINT = "Arrows or WASD move · Page up, Page down or R, F lift and lower · Q, E turn · Space opens and closes"


class VelocityTarget(Protocol):
    """Receiver of the velocity; see ``arms.teleoperation.velocity.VelocityController``."""

    def set_velocity(self, vx: float, vy: float, vz: float, turn: float, gripper_open: bool) -> None:
        """Set the velocity in the base frame, m/s and rad/s."""


class KeyboardTeleop(QObject):
    """The keys that are pressed in the 3-D view, while it has the focus and the keyboard mode is active."""

    gripper_toggled = Signal()
    """``gripper_open`` has changed."""

    def __init__(self, camera: Callable[[], OrbitCamera], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._camera = camera
        self._pressed_keys: set[Qt.Key] = set()
        self._slow = False
        self._target: VelocityTarget | None = None
        self.gripper_open = True
        """Requested state of the gripper."""
        self._timer = QTimer(self, interval=KEYBOARD_PERIOD_MS)
        self._timer.timeout.connect(self._send_velocity)

    @property
    def is_active(self) -> bool:
        """True if keys command the arm."""
        return self._target is not None

    def set_target(self, target: VelocityTarget | None, gripper_open: bool = True) -> None:
        """Start to command a controller, with the gripper as it is, or stop with None."""
        self.release_all()
        self._target, self.gripper_open = target, gripper_open

    def press_key(self, key: int, modifiers: Qt.KeyboardModifier) -> bool:
        """Handle a pressed key; return False if it has no meaning here."""
        if self._target is None:
            return False
        self._slow = bool(modifiers & Qt.KeyboardModifier.ShiftModifier)
        if key == QtKey.Key_Space:
            self.gripper_open = not self.gripper_open
            self.gripper_toggled.emit()
        elif key in _DIRECTIONS and not modifiers & Qt.KeyboardModifier.ControlModifier:
            self._pressed_keys.add(Qt.Key(key))
        else:
            return False
        self._send_velocity()
        self._timer.start()
        return True

    def release_key(self, key: int) -> bool:
        """Handle a released key; return False if it has no meaning here."""
        if key not in self._pressed_keys:
            return False
        self._pressed_keys.discard(Qt.Key(key))
        self._send_velocity()
        return True

    def release_all(self) -> None:
        """Release all keys, so that the arm stops; called when the view loses the focus."""
        if self._pressed_keys:
            self._pressed_keys.clear()
            self._send_velocity()
        self._timer.stop()

    def _send_velocity(self) -> None:
        if self._target is None:
            return
        away, right, up, turn = np.sum([_DIRECTIONS[key] for key in self._pressed_keys] or [(0, 0, 0, 0)], axis=0)
        vx, vy = self._table_direction(float(away), float(right))
        speed = SLOW_KEYBOARD_SPEED_M_S if self._slow else KEYBOARD_SPEED_M_S
        self._target.set_velocity(
            speed * vx, speed * vy, speed * float(up), KEYBOARD_TURN_RAD_S * float(turn), self.gripper_open
        )

    def _table_direction(self, away: float, right: float) -> tuple[float, float]:
        """Return a direction of the viewer on the table in the base frame, of length at most 1."""
        across, _, forward = self._camera().compute_axes()
        ahead = forward[:2] / max(float(np.hypot(*forward[:2])), 1e-6)
        direction = away * ahead + right * across[:2]
        length = max(float(np.hypot(*direction)), 1.0)
        return float(direction[0]) / length, float(direction[1]) / length
