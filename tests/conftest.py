"""Fixtures of all tests: no window system, isolated folders, and a check for threads, timers and windows left open.

Real windows are tested with ``make test``, which runs pytest under Xvfb with ``QT_QPA_PLATFORM=xcb``; otherwise Qt
draws into memory and tests marked ``window`` are skipped.
"""

from __future__ import annotations

import os

# Before anything imports Qt, torch or numpy.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from metagui.arms.simulation.opengl import choose_backend

os.environ.setdefault("MUJOCO_GL", choose_backend())  # for tests that render, before anything imports MuJoCo

import gc
import sys
import threading
import time
import traceback
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QSettings, QThread, QTimer
from PySide6.QtWidgets import QApplication, QWidget
from shiboken6 import isValid

from tests.helpers.displays import open_own_display
from tests.helpers.emulated_bench import EmulatedBench

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

THREAD_GRACE_S = 60.0
"""Time in which a thread must end after its test, s; only one that hangs takes as long."""
CALL_FAILED_KEY = pytest.StashKey[bool]()


def pytest_configure() -> None:
    """Give every process that runs tests an X server of its own."""
    open_own_display()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests that need a real window if there is no window system."""
    if os.environ["QT_QPA_PLATFORM"].partition(":")[0] not in ("offscreen", "minimal"):
        return
    skip = pytest.mark.skip(reason="wants an X server: run `make test`")
    for item in items:
        if item.get_closest_marker("window"):
            item.add_marker(skip)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Record whether the test itself failed: its traceback keeps objects alive that are no leak."""
    report: Any = yield
    if report.when == "call":
        item.stash[CALL_FAILED_KEY] = report.failed
    return report


@pytest.fixture(autouse=True)
def isolate_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use empty folders instead of the recordings, arms and settings of the person who runs the tests."""
    monkeypatch.setenv("METAGUI_RECORDINGS", str(tmp_path / "recordings"))
    monkeypatch.setenv("METAGUI_CACHE", str(tmp_path / ".cache"))
    monkeypatch.setattr("metagui.arms.so101.arm_registry.user_config_path", lambda _name: tmp_path / "config")
    for form in (QSettings.Format.NativeFormat, QSettings.Format.IniFormat):
        for scope in (QSettings.Scope.UserScope, QSettings.Scope.SystemScope):
            QSettings.setPath(form, scope, str(tmp_path / "settings"))


@pytest.fixture(autouse=True)
def allow_denormals() -> None:
    """Undo the flushing of denormals in learning threads: hypothesis also tries the smallest numbers."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


@pytest.fixture(autouse=True)
def check_for_leaks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that leaves a thread, a timer or a window behind, naming the line that started it."""
    started = _StartLog()
    threads_before = set(threading.enumerate())
    for kind in (threading.Thread, QThread, QTimer):
        monkeypatch.setattr(kind, "start", started.wrap_start(kind.start))
    yield
    leaks = _end_threads(started, threads_before)
    if _get_application() is not None:
        leaks += _end_timers_and_windows(started)
    if leaks and not request.node.stash.get(CALL_FAILED_KEY, False):
        pytest.fail("left open by this test:\n" + "\n".join(leaks), pytrace=False)


class _StartLog:
    """Objects started during a test, each with the line that started it."""

    def __init__(self) -> None:
        self._entries: list[tuple[weakref.ref[Any], str]] = []

    def wrap_start(self, start: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``start`` with the caller's line recorded."""
        entries = self._entries

        def recorded(this: Any, *args: Any, **kwargs: Any) -> Any:
            caller = traceback.extract_stack(limit=2)[0]
            entries.append((weakref.ref(this), f"{caller.filename}:{caller.lineno}  {caller.line}"))
            return start(this, *args, **kwargs)

        return recorded

    def find_alive(self, kind: type) -> dict[Any, str]:
        """Return the started objects of a kind that still exist, each with the line that started it."""
        alive = {each: line for ref, line in self._entries if (each := ref()) is not None}
        return {each: line for each, line in alive.items() if isinstance(each, kind)}


def _end_threads(started: _StartLog, before: set[threading.Thread]) -> list[str]:
    """Wait for threads to end, and stop Qt threads that do not; return a message per thread left."""
    leaks = []
    lines = started.find_alive(threading.Thread)
    deadline = time.monotonic() + THREAD_GRACE_S
    for thread in set(threading.enumerate()) - before:
        if isinstance(thread, threading._DummyThread):  # created by Qt when it called Python
            continue
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            leaks.append(f"thread {thread.name!r}, started at {lines.get(thread, 'an unknown place')}")
    for thread, line in started.find_alive(QThread).items():
        if isValid(thread) and thread.isRunning():
            leaks.append(f"QThread {type(thread).__name__}, started at {line}")
            thread.requestInterruption()
            thread.quit()
            thread.wait(int(THREAD_GRACE_S * 1000))
    return leaks


def _end_timers_and_windows(started: _StartLog) -> list[str]:
    """Close windows and stop timers that are left; return a message for each."""
    for _ in range(2):
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        gc.collect()
    leaks = []
    for widget in QApplication.topLevelWidgets():
        if isValid(widget) and (widget.isVisible() or type(widget).__module__.startswith("metagui")):
            leaks.append(f"window {type(widget).__name__} {widget.windowTitle()!r}, not closed and deleted")
            _delete_widget(widget)
    for timer, line in started.find_alive(QTimer).items():
        if isValid(timer) and timer.isActive():
            leaks.append(f"QTimer, started at {line}")
            timer.stop()
    return leaks


def _delete_widget(widget: QWidget) -> None:
    widget.close()
    widget.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


def _get_application() -> QCoreApplication | None:
    return QApplication.instance()


@pytest.fixture
def setup() -> EmulatedBench:
    return EmulatedBench()


@pytest.fixture
def connected(setup: EmulatedBench) -> Iterator[EmulatedBench]:
    setup.arm.connect()
    yield setup
    setup.port.unplugged = False
    setup.emulated_arm.faults.silent_ids.clear()
    setup.arm.disconnect()
