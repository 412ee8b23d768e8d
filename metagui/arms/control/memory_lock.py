"""Keeps in memory what the control loop needs there.

A system that wants memory puts pages of programs aside, first those of code that has not run for a while. The next call
then waits for the disk, and every thread that needs the interpreter waits with it.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys

_MCL_CURRENT, _MCL_ONFAULT = 1, 4


@functools.cache
def lock_memory() -> str:
    """Ask that what is mapped now stays in memory once it is there; return why that was refused, or an empty string.

    What is mapped later is not locked, since a limit would then make allocations fail. Has an effect once per process.
    """
    if sys.platform != "linux":
        return f"metagui does not ask {sys.platform} for it"
    if ctypes.CDLL(None, use_errno=True).mlockall(_MCL_CURRENT | _MCL_ONFAULT) == 0:
        return ""
    return f"the system refused it ({os.strerror(ctypes.get_errno())})"
