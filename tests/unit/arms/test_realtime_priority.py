"""The control thread asks for real-time priority, and ticks without it where it is refused."""

from __future__ import annotations

import errno
import os
import sys
import threading

import pytest

from metagui import diagnostics
from metagui.arms.control import realtime_priority
from metagui.arms.control.loop import ControlLoop
from tests.helpers.clocks import wait_until
from tests.helpers.fakes import FakeArm

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the scheduler's classes are Linux's")


class ThreadClassArm(FakeArm):
    """An arm that notes in which scheduling class it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.scheduling_classes: set[int] = set()

    def observe(self):  # type: ignore[no-untyped-def]
        """Note the class of the thread that reads."""
        self.scheduling_classes.add(os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK)
        return super().observe()


@linux_only
def test_control_thread_alone_gets_the_priority_that_the_system_allows() -> None:
    allowed = realtime_priority.try_realtime_priority() == ""
    arm = ThreadClassArm()
    loop = ControlLoop(arm, arm)
    loop.start()
    wait_until(lambda: loop.latest is not None)
    loop.stop()
    assert arm.scheduling_classes == {os.SCHED_FIFO if allowed else os.SCHED_OTHER}
    assert (loop.priority_refusal == "") is allowed
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


@linux_only
def test_refused_priority_is_told_and_the_loop_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    arm = FakeArm()
    loop = ControlLoop(arm, arm)
    loop.start()
    wait_until(lambda: loop.latest is not None)
    loop.stop()
    assert "refused it (Operation not permitted)" in loop.priority_refusal
    finding = diagnostics.check_priority()
    assert finding.verdict == "note"
    assert "rtprio" in finding.fix


@linux_only
def test_threads_of_the_control_thread_are_ordinary() -> None:
    classes: list[int] = []

    def note() -> None:
        classes.append(os.sched_getscheduler(0))

    def start_another() -> None:
        realtime_priority.request_realtime_priority()
        inner = threading.Thread(target=note)
        inner.start()
        inner.join()

    outer = threading.Thread(target=start_another)
    outer.start()
    outer.join()
    assert classes == [os.SCHED_OTHER]


def test_other_systems_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert realtime_priority.request_realtime_priority() == "metagui does not ask darwin for it"
    monkeypatch.undo()
