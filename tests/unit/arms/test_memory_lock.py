"""What the control loop needs stays in memory, and a refusal is told."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from metagui import diagnostics
from metagui.arms.control import memory_lock, realtime_priority
from metagui.arms.control.loop import ControlLoop
from tests.helpers.clocks import wait_until
from tests.helpers.fakes import FakeArm

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux is asked")


def _read_locked_kib() -> int:
    found = re.search(r"VmLck:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1])


@linux_only
def test_loop_locks_the_memory_that_the_system_allows() -> None:
    arm = FakeArm()
    loop = ControlLoop(arm, arm)
    loop.start()
    wait_until(lambda: loop.latest is not None)
    loop.stop()
    assert (_read_locked_kib() > 1000) is (memory_lock.lock_memory() == "")


_REFUSED = """
import os, resource
from metagui.arms.control.memory_lock import lock_memory
resource.setrlimit(resource.RLIMIT_MEMLOCK, (4096, 4096))
if os.geteuid() == 0:
    os.setuid(65534)  # the administrator has no limit
print(lock_memory())
large = bytearray(1 << 26)  # what is allocated later is not refused
"""


@linux_only
def test_refused_lock_is_told_and_later_allocations_work() -> None:
    run = subprocess.run([sys.executable, "-c", _REFUSED], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("the system refused it (")


@linux_only
def test_check_tells_of_a_refused_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime_priority, "try_realtime_priority", lambda: "")
    monkeypatch.setattr(memory_lock, "lock_memory", lambda: "the system refused it (Cannot allocate memory)")
    finding = diagnostics.check_priority()
    assert finding.verdict == "note"
    assert "need not stay in memory" in finding.message
    assert "memlock" in finding.fix


def test_other_systems_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    memory_lock.lock_memory.cache_clear()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert memory_lock.lock_memory() == "metagui does not ask darwin for it"
    monkeypatch.undo()
    memory_lock.lock_memory.cache_clear()
