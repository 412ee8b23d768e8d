"""Timing summary of a take, in numbers and as text."""

from dataclasses import replace

import numpy as np
import pytest

from metagui.arms.control.loop import ControlLoop
from metagui.demonstrations.recording.take_builder import InMemoryRecorder
from metagui.demonstrations.timing import summarise_timing
from tests.helpers.fakes import FakeArm, ScriptedController, make_motion


@pytest.fixture
def take():
    arm = FakeArm()
    loop = ControlLoop(arm, arm)
    memory = InMemoryRecorder("timed", arm)
    loop.add_sink(memory.on_tick)
    loop.set_controller(ScriptedController(*[make_motion()] * 50))
    for _ in range(100):
        loop.step_once()
    return memory.stop()


def test_timing_summary_of_regular_take_is_short(take):
    summary = summarise_timing(replace(take, command_requested=take.command_sent))
    assert str(summary) == "50.0 of 50 Hz, 0 missed, late by 0.0 ms, p99 0.0 ms"
    assert not summary.is_rate_missed


def test_timing_summary_counts_irregularities(take):
    time = take.time.copy()
    time[50:] += 0.06
    lateness, retries = np.zeros(100), np.zeros(100)
    lateness[99], retries[:3] = 0.5, 1.0
    requested = take.command_sent.copy()
    requested[10] += 0.1
    requested[11] = np.nan
    timing = replace(take.timing, lateness=lateness, retries=retries, missed=3)
    summary = summarise_timing(replace(take, time=time, command_requested=requested, timing=timing))
    assert (summary.missed, summary.gaps, summary.retries, summary.clamps) == (3, 1, 3, 2)
    assert summary.lateness_median == 0.0
    assert summary.lateness_p99 > 0.0
    assert summary.is_rate_missed
    assert str(summary).endswith("1 gaps, 3 bus retries, 2 samples slowed for safety, rate missed by more than 1 %")


@pytest.mark.parametrize(("factor", "marked"), [(1.009, False), (1.02, True), (0.98, True)])
def test_is_rate_missed_above_one_percent(take, factor, marked):
    assert summarise_timing(replace(take, time=take.time * factor)).is_rate_missed is marked


def test_summarise_timing_one_sample_or_no_lateness(take):
    timing = replace(take.timing, lateness=np.full(100, np.nan))
    assert summarise_timing(replace(take, timing=timing)).lateness_p99 == 0.0
    one = {name: getattr(take, name)[:1] for name in ("time", "command_requested", "command_sent")}
    assert summarise_timing(replace(take, **one)).rate_reached == 50.0
