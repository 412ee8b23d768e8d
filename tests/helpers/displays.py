"""An X server per process that runs tests, so that windows of two processes do not compete for the focus."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess


def open_own_display() -> None:
    """Start an X server for this worker of pytest-xdist; elsewhere, or without Xvfb, keep the display."""
    if "PYTEST_XDIST_WORKER" not in os.environ or os.environ.get("QT_QPA_PLATFORM") != "xcb":
        return
    if shutil.which("Xvfb") is None:
        return
    read_end, write_end = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write_end), "-screen", "0", "1600x1000x24", "-nolisten", "tcp"],
        pass_fds=(write_end,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(write_end)
    atexit.register(server.terminate)
    with os.fdopen(read_end) as reply:
        number = reply.readline().strip()
    assert number, "Xvfb did not start"
    os.environ["DISPLAY"] = f":{number}"
    os.environ.pop("XAUTHORITY", None)
