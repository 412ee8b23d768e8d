"""Where a take moves and rests, and copies of it without pauses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metagui.demonstrations.recording.pauses import find_motion, find_pauses, keep_samples, remove_pauses
from metagui.demonstrations.storage.validation import validate_demonstration
from tests.helpers.takes import generate_example_takes, hold_still

TAKES = {name: generate_example_takes()[name][0] for name in ("put red on violet", "press red", "circle")}


@pytest.mark.parametrize("name", TAKES)
def test_pause_in_the_middle_is_found_and_removed(name: str) -> None:
    take = TAKES[name]
    first, last = find_motion(take)
    assert len(find_pauses(take)) == 0
    middle = (first + last) // 2
    paused = hold_still(take, middle, 3.0)
    (begin, end), *others = find_pauses(paused)
    assert not others
    assert middle - 15 <= begin < end <= middle + 165
    assert end - begin > 100
    shorter = remove_pauses(paused)
    assert len(shorter) <= len(take) + 30
    validate_demonstration(shorter)
    assert np.all(np.diff(shorter.time) > 0)
    assert np.diff(shorter.time).max() < 0.05, "the clock does not jump across the cut"
    assert [s.instruction for s in shorter.segments] == [s.instruction for s in take.segments]
    assert np.abs(np.diff(shorter.joint_positions, axis=0)).max() < 0.2, "no joint jumps across the cut"


def test_rests_at_both_ends_are_no_motion() -> None:
    take = TAKES["press red"]
    long = hold_still(hold_still(take, 0, 2.0), len(take) + 99, 2.0)
    start, stop = find_motion(long)
    assert 80 <= start <= 120
    assert stop <= len(take) + 115
    assert find_motion(replace(long, trim=(110, 130))) != (start, stop)
    assert len(remove_pauses(long)) <= len(take) + 20


def test_kept_samples_keep_their_times_and_segments() -> None:
    take = TAKES["put red on violet"]
    kept = np.zeros(len(take), dtype=bool)
    kept[10:-10] = True
    cut = keep_samples(replace(take, trim=(10, len(take) - 10)), kept)
    assert np.array_equal(cut.time, take.time[10:-10]), "without a gap, times are exact"
    assert cut.segments[0].start == 0
    assert cut.segments[-1].stop == len(cut)
    assert cut.trim is None
    assert cut.states is not None
    assert len(cut.states) == len(cut) == len(cut.timing.lateness)
