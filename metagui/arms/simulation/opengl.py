"""Choose how MuJoCo gets its OpenGL, before MuJoCo is imported: it reads the choice once and for all."""

from __future__ import annotations

import ctypes
import os
import sys

OPENGL_LIBRARIES = {"egl": ("libEGL.so.1",), "osmesa": ("libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so")}
"""What each way of drawing without a window system needs, in the order of preference."""


def choose_backend() -> str:
    """Set ``MUJOCO_GL`` on Linux to a way that this machine has, unless someone chose; return the choice.

    *disable* where there is none: physics works without pictures, and the view says what is missing.
    """
    if sys.platform != "linux":
        return os.environ.get("MUJOCO_GL", "")
    return os.environ.setdefault("MUJOCO_GL", next(filter(_is_available, OPENGL_LIBRARIES), "disable"))


def _is_available(backend: str) -> bool:
    return any(_can_load(library) for library in OPENGL_LIBRARIES[backend])


def _can_load(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
