"""Kills, disk failures and power cuts: a small run of ``python -m benchmarks.durability``, which must be able to fail."""

import sys
from contextlib import suppress

import pytest

from benchmarks import durability
from benchmarks.durability import Loss, run_disk_failures, run_kills, run_power_cuts
from metagui import atomic_write
from metagui.demonstrations.recording import journal
from metagui.demonstrations.recording.recorder import Recorder
from metagui.demonstrations.storage import trash

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL and no fork")


def test_kills_lose_nothing():
    assert run_kills(25, seed=1).total() == 25


def test_disk_failures_lose_nothing():
    outcomes = run_disk_failures(8, seed=1)
    assert outcomes["failed"] >= 2


def test_power_cuts_lose_nothing():
    outcomes = run_power_cuts(300, seed=1)
    assert outcomes["after the change"] >= 20
    assert outcomes["before the change"] >= 20


@pytest.mark.parametrize("where", ["files", "journals", "trash"])
def test_power_cut_without_flushing_is_noticed(monkeypatch, where):
    """The replayed states are unkind enough: whichever flush is left out, something is lost."""
    module = {"files": atomic_write, "journals": durability, "trash": trash.atomic_write}[where]
    if where == "journals":
        monkeypatch.setattr(module._NoThread, "stop", lambda _: None)
    elif where == "trash":
        monkeypatch.setattr(trash.Trash, "_flush", lambda *_: None)
    else:
        monkeypatch.setattr(module, "flush_to_disk", lambda _path: None)
        monkeypatch.setattr(journal, "flush_to_disk", lambda _path: None)
    with pytest.raises(Loss):
        run_power_cuts(3000, seed=1)


def test_lost_sample_is_noticed(monkeypatch):
    """A journal that holds samples back loses them when the process is killed."""
    real, held = journal.Journal.append, []

    def append(this, rows, instructions):
        held.append((rows, instructions))
        if len(held) == 8:
            for each in held:
                real(this, *each)
            held.clear()

    monkeypatch.setattr(journal.Journal, "append", append)
    with pytest.raises(Loss, match="come back|missing"):
        run_kills(10, seed=1)


def test_cut_off_take_that_is_called_achieved_is_noticed(monkeypatch):
    real = Recorder.stop

    def stop(this):
        take = real(this)
        this.failure_reason = None
        return take

    monkeypatch.setattr(Recorder, "stop", stop)
    with suppress(AttributeError), pytest.raises(Loss, match="achieved|stored"):
        run_disk_failures(8, seed=1)
