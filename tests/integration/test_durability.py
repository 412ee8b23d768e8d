"""Kills, disk failures and power cuts: a small run of ``python -m benchmarks.durability``, and that it can fail."""

import sys
from dataclasses import replace

import pytest

from benchmarks import durability
from benchmarks.durability import Loss, run_disk_failures, run_kills, run_power_cuts
from metagui import atomic_write
from metagui.demonstrations.recording import journal
from metagui.demonstrations.recording.recorder import Recorder
from metagui.demonstrations.storage import trash

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL and no fork")


def test_kills_lose_nothing():
    assert run_kills(15, seed=1).total() == 15


def test_disk_failures_lose_nothing():
    outcomes = run_disk_failures(8, seed=1)
    assert outcomes["failed"] >= 2


def test_power_cuts_lose_nothing():
    outcomes = run_power_cuts(120, seed=1)
    assert outcomes["after the change"] >= 8
    assert outcomes["before the change"] >= 8


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
        run_power_cuts(400, seed=1)


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
    with pytest.raises(Loss, match=r"come back|missing"):
        run_kills(10, seed=1)


def test_cut_off_take_that_is_called_achieved_is_noticed(monkeypatch):
    real = Recorder.stop
    monkeypatch.setattr(Recorder, "stop", lambda this: replace(real(this), success=True))
    with pytest.raises(Loss, match="achieved"):
        run_disk_failures(8, seed=1)
