"""Checks of everything that metagui needs on this machine, with the command that fixes each problem.

This module imports neither Qt nor torch nor MuJoCo, as a broken library must not break its diagnosis: each is tried
in a separate process or checked by its files.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from metagui.paths import recordings_dir, resources_dir
from metagui.system_packages import DEBIAN_PACKAGES, OPENGL_PACKAGES, QT_LIBRARIES

if TYPE_CHECKING:
    from collections.abc import Iterable

CheckVerdict = Literal["good", "note", "lacking"]
"""Result of a check: good, worth knowing, or a problem (*lacking*, as version 0.1 calls it in JSON)."""

MIN_PYTHON_VERSION = (3, 11)
"""Oldest supported version of Python."""
MIN_FREE_BYTES = 500_000_000
"""Smallest free space on the disk of the recordings, bytes; a minute of recording takes about 5 MB."""
TRIAL_TIMEOUT_S = 120.0
"""Time after which a trial in a separate process counts as failed, s."""

_LIMITS_FIX = (
    r'`printf "$USER - rtprio 20\n$USER - memlock unlimited\n" | sudo tee /etc/security/limits.d/metagui.conf`, '
    "then log out and in again"
)
_RENDER_CODE = """
import mujoco
model = mujoco.MjModel.from_xml_string(
    "<mujoco><worldbody><light pos='0 0 3'/><geom type='box' size='1 1 1' pos='0 0 0'/></worldbody></mujoco>")
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
with mujoco.Renderer(model, 48, 64) as renderer:
    renderer.update_scene(data)
    assert renderer.render().any(), "the picture is black"
"""
_TORCH_CODE = "import torch; (torch.ones(2, 2) @ torch.ones(2)).sum().item()"
_PRIOR_CODE = "from metagui.learning.prior import load_shipped; load_shipped()"


@dataclass(frozen=True)
class Finding:
    """Result of the check of one part of the machine."""

    part: str
    """Name of the part."""
    verdict: CheckVerdict
    """Whether there is a problem."""
    message: str
    """Text on what was found."""
    fix: str = ""
    """Command or sentence that fixes the problem; empty if there is none."""


def run_checks() -> list[Finding]:
    """Check everything that the program needs, in the order in which it is needed."""
    return [
        check_python(),
        check_qt_libraries(),
        check_display(),
        check_rendering(),
        check_torch(),
        check_prior(),
        check_recordings(),
        *check_usb_arm(),
        check_priority(),
        check_cameras(),
    ]


def find_missing_packages() -> list[str]:
    """Return the names of the missing Debian packages, sorted."""
    packages = {DEBIAN_PACKAGES.get(library, "") for library in _find_missing_libraries()}
    if sys.platform == "linux" and _find_rendering_backend() is None:
        packages.update(OPENGL_PACKAGES)
    return sorted(packages - {""})


def check_python() -> Finding:
    """Check the version of Python."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= MIN_PYTHON_VERSION:
        return Finding("Python", "good", f"{version} at {sys.executable}")
    oldest = ".".join(map(str, MIN_PYTHON_VERSION))
    return Finding("Python", "lacking", f"{version} is older than {oldest}", _apt_command(["python3", "python3-venv"]))


def check_qt_libraries() -> Finding:
    """Check that Qt and every system library that its X11 window needs can be loaded."""
    part = "Qt libraries"
    if find_spec("PySide6") is None:
        return Finding(part, "lacking", "PySide6 is not installed", _pip_command("PySide6-Essentials>=6.10,<6.12"))
    missing = sorted(_find_missing_libraries())
    if not missing:
        return Finding(part, "good", "all system libraries of the window are installed")
    return Finding(part, "lacking", "missing: " + ", ".join(missing), _apt_command(find_missing_packages()))


def check_display() -> Finding:
    """Check that there is a display for the window."""
    if sys.platform != "linux":
        return Finding("Display", "good", "that of the desktop")
    for variable in ("WAYLAND_DISPLAY", "DISPLAY"):
        if os.environ.get(variable):
            return Finding("Display", "good", f"{variable}={os.environ[variable]}")
    fix = "log in to a desktop, use ssh -X, or xvfb-run -a metagui; the commands without a window need no display"
    return Finding("Display", "note", "none: neither DISPLAY nor WAYLAND_DISPLAY is set", fix)


def check_rendering() -> Finding:
    """Check that MuJoCo can render, by rendering a picture."""
    part, backend = "3-D view", _find_rendering_backend()
    if backend is not None:
        return Finding(part, "good", f"MuJoCo draws with {backend}")
    chosen = os.environ.get("MUJOCO_GL")
    if chosen:
        return Finding(part, "lacking", f"MUJOCO_GL={chosen} does not draw", "unset MUJOCO_GL, then metagui check")
    message = "no OpenGL backend draws (tried egl, osmesa, glfw)"
    return Finding(part, "lacking", message, _apt_command(list(OPENGL_PACKAGES)))


def check_torch() -> Finding:
    """Check that torch can compute."""
    problem = _try_code(_TORCH_CODE)
    if problem is None:
        return Finding("Learning", "good", "torch works")
    return Finding("Learning", "lacking", f"torch does not work: {problem}", _pip_command("torch>=2.8,<2.14"))


def check_prior() -> Finding:
    """Check that the shipped prior exists and can be loaded."""
    path = resources_dir() / "prior" / "prior.safetensors"
    if not path.is_file():
        return Finding("Prior", "lacking", f"{path} is missing, so no task can be adapted", "metagui train")
    problem = _try_code(_PRIOR_CODE)
    if problem is None:
        return Finding("Prior", "good", f"{path} ({path.stat().st_size / 1e6:.1f} MB)")
    return Finding("Prior", "lacking", f"{path} does not load: {problem}", "metagui train")


def check_recordings() -> Finding:
    """Check that takes can be written, and that there is enough free space."""
    folder = recordings_dir()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            free = shutil.disk_usage(existing).free
    except OSError as error:
        fix = f"make {existing} writable, or choose another folder: export METAGUI_RECORDINGS=~/metagui"
        return Finding("Recordings", "lacking", f"cannot write to {existing}: {error.strerror}", fix)
    if free < MIN_FREE_BYTES:
        fix = "free some space, or choose another disk: export METAGUI_RECORDINGS=/path/to/folder"
        return Finding("Recordings", "lacking", f"{folder} has only {free / 1e6:.0f} MB left", fix)
    return Finding("Recordings", "good", f"{folder} is writable, {free / 1e9:.1f} GB free")


def check_usb_arm() -> list[Finding]:
    """Check that this user may open the port of an arm, and that no other program interferes with it."""
    part = "USB arm"
    if find_spec("serial") is None:
        message = "pyserial is not installed, so no arm can be connected"
        return [Finding(part, "lacking", message, _pip_command("pyserial>=3.5"))]
    from metagui.arms.feetech import port_permissions
    from metagui.arms.feetech.serial_port import list_usb_ports

    ports = [port for port in list_usb_ports() if port.adapter]
    adapters = [(port.vendor, port.product) for port in ports]
    programs = port_permissions.find_interfering_programs(adapters) if ports else []
    access = _check_port_access([port.device for port in ports])
    return [access, *(Finding(part, "note", message, fix) for message, fix in programs)]


def check_priority() -> Finding:
    """Check whether the control loop gets real-time priority, and may stay in memory; it works without."""
    from metagui.arms.control.memory_lock import lock_memory
    from metagui.arms.control.realtime_priority import try_realtime_priority

    part, fix = "Control loop", _LIMITS_FIX if sys.platform == "linux" else ""
    if refusal := try_realtime_priority():
        message = f"it gets no real-time priority, because {refusal}; a busy machine can delay the arm"
        return Finding(part, "note", message, fix)
    if refusal := lock_memory():
        message = (
            f"it gets real-time priority, but need not stay in memory, because {refusal}; the disk can delay the arm"
        )
        return Finding(part, "note", message, fix)
    return Finding(
        part, "good", "it gets real-time priority and stays in memory, so a busy machine does not delay the arm"
    )


def check_cameras() -> Finding:
    """Check that OpenCV works and that this user may open the webcams; a webcam is not needed."""
    part = "Cameras"
    problem = _try_code("import cv2")
    if problem is not None:
        return Finding(part, "lacking", f"OpenCV does not work: {problem}", _pip_command("opencv-python-headless"))
    inaccessible = sorted(str(path) for path in Path("/dev").glob("video*") if not os.access(path, os.R_OK | os.W_OK))
    if inaccessible:
        fix = "`sudo usermod -aG video $USER`, then log out and in again"
        return Finding(part, "lacking", f"you may not open {', '.join(inaccessible)}", fix)
    return Finding(part, "good", "OpenCV works, and you may open all webcams; `metagui cameras` lists them")


def _check_port_access(devices: list[str]) -> Finding:
    """Check whether this user may open an arm's port; it is a problem only if an arm is plugged in."""
    from metagui.arms.feetech import port_permissions

    part, inaccessible = "USB arm", port_permissions.find_inaccessible(devices)
    if inaccessible:
        fix = port_permissions.suggest_fix(inaccessible[0])
        return Finding(part, "lacking", f"you may not open {', '.join(inaccessible)}", fix)
    if devices:
        return Finding(part, "good", f"plugged in at {', '.join(devices)}, and you may open it")
    fix = port_permissions.suggest_fix()
    if fix:
        return Finding(part, "note", "none is plugged in, and you could not open its port", fix)
    return Finding(part, "good", "none is plugged in; you may open its port")


@cache
def _find_missing_libraries() -> frozenset[str]:
    """Return the shared libraries that Qt needs and the loader does not find."""
    spec, ldd = find_spec("PySide6"), shutil.which("ldd")
    if sys.platform != "linux" or spec is None or spec.origin is None or ldd is None:
        return frozenset()
    files = [path for name in QT_LIBRARIES if (path := Path(spec.origin).parent / name).exists()]
    listed = subprocess.run([ldd, *map(str, files)], capture_output=True, text=True, check=False).stdout
    return frozenset(_parse_missing(listed.splitlines()))


def _parse_missing(lines: Iterable[str]) -> Iterable[str]:
    """Yield the libraries that lines of ``ldd`` report as missing."""
    return (line.split("=>")[0].strip() for line in lines if line.rstrip().endswith("=> not found"))


@cache
def _find_rendering_backend() -> str | None:
    """Return the first OpenGL backend with which MuJoCo can draw, or None."""
    chosen = os.environ.get("MUJOCO_GL")
    if sys.platform != "linux":
        return "the system's OpenGL" if _try_code(_RENDER_CODE) is None else None
    for backend in (chosen,) if chosen else ("egl", "osmesa", "glfw"):
        if _try_code(_RENDER_CODE, MUJOCO_GL=backend) is None:
            return backend
    return None


def _try_code(code: str, **environment: str) -> str | None:
    """Run Python code in a separate process; return None, or the last line of its error output."""
    command = [sys.executable, "-c", code]
    env = os.environ | environment
    try:
        trial = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=TRIAL_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return f"no answer within {TRIAL_TIMEOUT_S:.0f} s"
    if trial.returncode == 0:
        return None
    lines = [line for line in trial.stderr.splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"ended with status {trial.returncode}"


def _apt_command(packages: list[str]) -> str:
    """Return the command with which this user installs Debian packages; empty if the system is not Linux."""
    if sys.platform != "linux":
        return ""
    sudo = "" if os.geteuid() == 0 else "sudo "
    return f"{sudo}apt-get install {' '.join(packages)}"


def _pip_command(requirement: str) -> str:
    """Return the command that installs a Python package in this environment."""
    return f"{sys.executable} -m pip install '{requirement}'"
