"""Real-time priority for the control thread, so that a busy machine does not delay its ticks.

The thread asks for the scheduler's class SCHED_FIFO on Linux and for THREAD_PRIORITY_TIME_CRITICAL on Windows. A
refusal is no error: the loop ticks as before, and ``metagui check`` tells how to allow it.
"""

from __future__ import annotations

import os
import sys
import threading

REALTIME_PRIORITY = 10
"""Priority within SCHED_FIFO, 1 to 99: above all ordinary threads, below those of the system, such as interrupts."""
WINDOWS_TIME_CRITICAL = 15


def request_realtime_priority() -> str:
    """Ask for real-time priority for the calling thread; return why it was refused, or an empty string.

    Threads and processes that the thread starts do not inherit it.
    """
    if sys.platform == "linux":
        return _request_fifo()
    if sys.platform == "win32":
        return _request_time_critical()
    return f"metagui does not ask {sys.platform} for it"


def try_realtime_priority() -> str:
    """Ask in a thread of its own, which ends at once; return why it was refused, or an empty string."""
    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(request_realtime_priority()), name="priority trial")
    thread.start()
    thread.join()
    return answers[0]


def _request_fifo() -> str:
    try:
        parameters = os.sched_param(REALTIME_PRIORITY)
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, parameters)  # 0: the calling thread alone
    except (OSError, AttributeError) as error:
        return f"the system refused it ({getattr(error, 'strerror', None) or error})"
    return ""


def _request_time_critical() -> str:
    import ctypes

    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 - mypy knows the name on Windows only
    accepted = kernel.SetThreadPriority(kernel.GetCurrentThread(), WINDOWS_TIME_CRITICAL)
    return "" if accepted else "the system refused it"
