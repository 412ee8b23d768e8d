"""Gamepad input for moving the gripper. The only module that imports pygame, which is optional and imported late.

Poll it 30 times per second from one thread, and pass its velocity on; an unplugged gamepad returns none.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

GAMEPAD_SPEED_M_S = 0.15
"""Velocity at full deflection, m/s."""
GAMEPAD_TURN_RAD_S = 1.5
"""Turn rate at full deflection, rad/s."""
DEAD_ZONE_FRACTION = 0.15
"""Fraction of a stick's travel around its middle that is ignored."""
AXIS_FULL_SCALE = 32767
"""Value of an axis at full deflection."""
_SDL_ENVIRONMENT = {
    "PYGAME_HIDE_SUPPORT_PROMPT": "1",
    "SDL_VIDEODRIVER": "dummy",  # pygame must not open windows
    "SDL_JOYSTICK_ALLOW_BACKGROUND_EVENTS": "1",
    "SDL_NO_SIGNAL_HANDLERS": "1",
}


class GamepadError(Exception):
    """No gamepad can be used; the message states what is missing and how to install it."""


class GamepadVelocity(NamedTuple):
    """Requested velocity of the tool in the arm's base frame."""

    vx: float
    """Forward velocity, m/s."""
    vy: float
    """Velocity to the left, m/s."""
    vz: float
    """Upward velocity, m/s."""
    turn_rate: float
    """Rotation about the vertical, rad/s."""
    gripper_open: bool
    """True if the gripper should be open."""


class Gamepad:
    """The first connected gamepad, also if it is plugged in later.

    The left stick moves forward and sideways, the right stick up and in rotation; button A opens and closes the
    gripper. Raises GamepadError if pygame is not installed.
    """

    def __init__(self, gripper_open: bool = True) -> None:
        self.gripper_open = gripper_open
        """True if the gripper should be open."""
        self._pygame, self._controllers = _import_pygame()
        self._device: Any = None
        self._button_was_pressed = False
        self._pygame.display.init()
        self._controllers.init()
        self._pygame.event.set_blocked(None)  # the gamepad is polled, so no events need to be queued

    @property
    def name(self) -> str:
        """Name of the gamepad; empty if there is none."""
        return str(self._device.name) if self._device is not None else ""

    def poll(self) -> GamepadVelocity | None:
        """Return the present velocity; None if there is no gamepad."""
        self._pygame.event.pump()
        pad = self._find_device()
        if pad is None:
            return None
        pygame = self._pygame
        pressed = bool(pad.get_button(pygame.CONTROLLER_BUTTON_A))
        if pressed and not self._button_was_pressed:
            self.gripper_open = not self.gripper_open
        self._button_was_pressed = pressed
        axes = (
            pygame.CONTROLLER_AXIS_LEFTX,
            pygame.CONTROLLER_AXIS_LEFTY,
            pygame.CONTROLLER_AXIS_RIGHTX,
            pygame.CONTROLLER_AXIS_RIGHTY,
        )
        return velocity_from_axes([pad.get_axis(axis) / AXIS_FULL_SCALE for axis in axes], self.gripper_open)

    def close(self) -> None:
        """Release the gamepad; another Gamepad may be made afterwards."""
        self._device = None
        self._controllers.quit()
        self._pygame.display.quit()

    def _find_device(self) -> Any:
        """Return the gamepad, another one if it was unplugged, None if there is none."""
        if self._device is not None and not self._device.attached():
            self._device = None
        if self._device is None:
            found = [i for i in range(self._controllers.get_count()) if self._controllers.is_controller(i)]
            self._device = self._controllers.Controller(found[0]) if found else None
            self._button_was_pressed = False
        return self._device


def velocity_from_axes(axes: Sequence[float], gripper_open: bool) -> GamepadVelocity:
    """Convert axes (left x, y, right x, y in -1 … 1, down and right positive) to a velocity."""
    left_x, left_y, right_x, right_y = (_apply_dead_zone(axis) for axis in axes)
    return GamepadVelocity(
        -left_y * GAMEPAD_SPEED_M_S,
        -left_x * GAMEPAD_SPEED_M_S,
        -right_y * GAMEPAD_SPEED_M_S,
        -right_x * GAMEPAD_TURN_RAD_S,
        gripper_open,
    )


def _apply_dead_zone(axis: float) -> float:
    """Ignore the middle and square the deflection: small deflections are precise, large ones fast."""
    size = min(max((abs(axis) - DEAD_ZONE_FRACTION) / (1.0 - DEAD_ZONE_FRACTION), 0.0), 1.0)
    return size * size if axis > 0 else -size * size


def _import_pygame() -> tuple[Any, Any]:
    """Return pygame and its gamepad module. Raises GamepadError."""
    for name, value in _SDL_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import pygame
        from pygame._sdl2 import controller
    except ImportError as error:
        raise GamepadError(
            f"Gamepads need the package pygame-ce, which is not installed ({error}). Everything else works; run "
            "`pip install 'metagui[gamepad]'` and start again."
        ) from error
    return pygame, controller
