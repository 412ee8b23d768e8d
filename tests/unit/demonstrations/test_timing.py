"""A take's timing in a few numbers, and in words."""

from dataclasses import replace

import numpy as np
import pytest

from metagui.arms.control.loop import ControlLoop
from metagui.demonstrations.recording.recorder import InMemoryRecorder
from metagui.demonstrations.timing import summarise_timing
from tests.helpers.fakes import FakeArm, ScriptedController, make_motion


@pytest.fixture
def shown():
    arm = FakeArm()
    loop = ControlLoop(arm, arm)
    memory = InMemoryRecorder("timed", arm)
    loop.add_sink(memory.on_tick)
    loop.set_controller(ScriptedController(*[make_motion()] * 50))
    for _ in range(100):
        loop.step_once()
    return memory.stop()


def test_a_take_that_kept_its_rate_needs_few_words(shown):
    summary = summarise_timing(replace(shown, command_requested=shown.command_sent))
    assert str(summary) == "50.0 of 50 Hz, 0 missed, late by 0.0 ms, p99 0.0 ms"
    assert not summary.is_rate_missed


def test_everything_remarkable_is_counted_and_said(shown):
    time = shown.time.copy()
    time[50:] += 0.06
    lateness, retries = np.zeros(100), np.zeros(100)
    lateness[99], retries[:3] = 0.5, 1.0
    asked = shown.command_sent.copy()
    asked[10] += 0.1
    asked[11] = np.nan
    timing = replace(shown.timing, lateness=lateness, retries=retries, missed=3)
    summary = summarise_timing(replace(shown, time=time, command_requested=asked, timing=timing))
    assert (summary.missed, summary.gaps, summary.retries, summary.clamps) == (3, 1, 3, 2)
    assert summary.lateness_median == 0.0
    assert summary.lateness_p99 > 0.0
    assert summary.is_rate_missed
    assert str(summary).endswith("1 gaps, 3 bus retries, 2 samples slowed for safety, rate missed by more than 1 %")


@pytest.mark.parametrize(("factor", "marked"), [(1.009, False), (1.02, True), (0.98, True)])
def test_a_rate_off_by_more_than_one_per_cent_is_marked(shown, factor, marked):
    assert summarise_timing(replace(shown, time=shown.time * factor)).is_rate_missed is marked


def test_one_sample_and_no_lateness_are_no_trouble(shown):
    timing = replace(shown.timing, lateness=np.full(100, np.nan))
    assert summarise_timing(replace(shown, timing=timing)).lateness_p99 == 0.0
    one = {name: getattr(shown, name)[:1] for name in ("time", "command_requested", "command_sent")}
    assert summarise_timing(replace(shown, **one)).rate_reached == 50.0
