"""A gamepad as a way to drive the gripper (only home of pygame, which is optional and imported when one is looked for).

Ask it thirty times a second from one thread, and pass on what it says; a gamepad that is unplugged says nothing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

GAMEPAD_SPEED_M_S = 0.15
"""m/s at full deflection."""
GAMEPAD_TURN_RAD_S = 1.5
"""rad/s at full deflection."""
DEAD_ZONE_FRACTION = 0.15
"""Share of a stick's travel around its middle that means nothing."""
AXIS_FULL_SCALE = 32767
_SDL_ENVIRONMENT = {
    "PYGAME_HIDE_SUPPORT_PROMPT": "1",
    "SDL_VIDEODRIVER": "dummy",  # it must not open windows beside ours
    "SDL_JOYSTICK_ALLOW_BACKGROUND_EVENTS": "1",
    "SDL_NO_SIGNAL_HANDLERS": "1",
}


class GamepadError(Exception):
    """No gamepad can be used; the message says what is missing and how to get it."""


class GamepadVelocity(NamedTuple):
    """Where the person wants to go, in the arm's base frame: forward, left and up, m/s; turn, rad/s."""

    vx: float
    vy: float
    vz: float
    turn_rate: float
    gripper_open: bool


class Gamepad:
    """The first gamepad that is plugged in, also later. Left stick: forward and sideways; right: up and turn.

    The A button opens and closes the gripper. Raises GamepadError if pygame is not installed.
    """

    def __init__(self, gripper_open: bool = True) -> None:
        self.gripper_open = gripper_open
        """Whether the gripper is to be open."""
        self._pygame, self._controllers = _import_pygame()
        self._device: Any = None
        self._button_was_pressed = False
        self._pygame.display.init()
        self._controllers.init()
        self._pygame.event.set_blocked(None)  # it is asked, and keeps no list of what happened

    @property
    def name(self) -> str:
        """What it calls itself; empty if there is none."""
        return str(self._device.name) if self._device is not None else ""

    def poll(self) -> GamepadVelocity | None:
        """Return what it says now; None if there is none."""
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
        """Let it go; a new Gamepad may be made after that."""
        self._device = None
        self._controllers.quit()
        self._pygame.display.quit()

    def _find_device(self) -> Any:
        """Return the gamepad, a new one if the old one was unplugged."""
        if self._device is not None and not self._device.attached():
            self._device = None
        if self._device is None:
            found = [i for i in range(self._controllers.get_count()) if self._controllers.is_controller(i)]
            self._device = self._controllers.Controller(found[0]) if found else None
            self._button_was_pressed = False
        return self._device


def velocity_from_axes(axes: Sequence[float], gripper_open: bool) -> GamepadVelocity:
    """Turn both sticks' axes (left x, left y, right x, right y in -1 … 1, down and right positive) into a wish."""
    left_x, left_y, right_x, right_y = (_apply_dead_zone(axis) for axis in axes)
    return GamepadVelocity(
        -left_y * GAMEPAD_SPEED_M_S,
        -left_x * GAMEPAD_SPEED_M_S,
        -right_y * GAMEPAD_SPEED_M_S,
        -right_x * GAMEPAD_TURN_RAD_S,
        gripper_open,
    )


def _apply_dead_zone(axis: float) -> float:
    """Leave the middle out, and make small deflections smaller: fine where it matters, fast where it does not."""
    size = min(max((abs(axis) - DEAD_ZONE_FRACTION) / (1.0 - DEAD_ZONE_FRACTION), 0.0), 1.0)
    return size * size if axis > 0 else -size * size


def _import_pygame() -> tuple[Any, Any]:
    """Return pygame and its part for gamepads. Raises GamepadError."""
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
