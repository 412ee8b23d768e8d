"""Chooses MuJoCo's OpenGL backend, which must happen before MuJoCo is imported, as it reads the choice only once."""

from __future__ import annotations

import ctypes
import os
import sys

OPENGL_LIBRARIES = {"egl": ("libEGL.so.1",), "osmesa": ("libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so")}
"""Libraries that each backend without a window system needs, in the order of preference."""


def choose_backend() -> str:
    """Set ``MUJOCO_GL`` on Linux to an available backend, unless it is set already; return the choice.

    The choice is *disable* if no backend is available: physics works without rendering, and the view states what is
    missing.
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


def can_change_threads() -> bool:
    """Return True if a context that one thread has opened can be used by another one afterwards."""
    return os.environ.get("MUJOCO_GL") == "egl"


def release_context() -> None:
    """Detach the current context from this thread, so that another thread can use it. EGL only."""
    from mujoco import egl  # only now: MuJoCo is imported after the backend was chosen

    egl.EGL.eglMakeCurrent(egl.EGL_DISPLAY, egl.EGL.EGL_NO_SURFACE, egl.EGL.EGL_NO_SURFACE, egl.EGL.EGL_NO_CONTEXT)
