"""SDL's own virtual gamepad, for tests without hardware."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

_AXIS_COUNT, _BUTTON_COUNT, _GAME_CONTROLLER_TYPE = 6, 15, 1


class VirtualGamepad:
    """A gamepad that SDL treats as plugged in; sticks and triggers from -1 to 1."""

    def __init__(self) -> None:
        maps = Path("/proc/self/maps")
        paths = {line.split()[-1] for line in maps.read_text().splitlines()} if maps.exists() else set()
        library = next((path for path in paths if "libSDL2-2" in path), None)
        if library is None:
            pytest.skip("SDL's library is found under Linux only")
        self.sdl = ctypes.CDLL(library)
        self.sdl.SDL_JoystickOpen.restype = ctypes.c_void_p
        self.index = self.sdl.SDL_JoystickAttachVirtual(_GAME_CONTROLLER_TYPE, _AXIS_COUNT, _BUTTON_COUNT, 0)
        assert self.index >= 0
        self.handle = ctypes.c_void_p(self.sdl.SDL_JoystickOpen(self.index))

    def push(self, *axes: float) -> None:
        """Set the first axes, from -1 to 1."""
        for axis, value in enumerate(axes):
            self.sdl.SDL_JoystickSetVirtualAxis(self.handle, axis, ctypes.c_int16(round(value * 32767)))

    def press(self, button: int, down: bool) -> None:
        """Press or release a button."""
        self.sdl.SDL_JoystickSetVirtualButton(self.handle, button, ctypes.c_uint8(down))

    def pull_out(self) -> None:
        """Unplug the gamepad."""
        self.sdl.SDL_JoystickClose(self.handle)
        self.sdl.SDL_JoystickDetachVirtual(self.index)
