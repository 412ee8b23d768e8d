"""Message about a saved take: plain words, and the action that follows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from metagui.demonstrations.recording.recorder import CUT_OFF_NOTE
from metagui.gui.recording.saved_report import describe_saved
from tests.helpers.takes import generate_example_takes


def test_good_take_is_called_good() -> None:
    take = generate_example_takes()["press red"][0]
    text, kind, action = describe_saved(take, 0.12)
    assert "a good take of" in text
    assert "0.12 from your other takes" in text
    assert (kind, action) == ("success", "undo")


def test_take_of_a_busy_computer_offers_to_record_again() -> None:
    take = generate_example_takes()["press red"][0]
    slower = replace(take, time=take.time * 1.2, timing=replace(take.timing, missed=30))
    text, kind, action = describe_saved(slower, None)
    assert "the computer was busy: 0.6 s are missing" in text
    assert (kind, action) == ("warning", "again")
    assert np.all(slower.time >= take.time)


def test_take_that_was_cut_off_is_not_called_good() -> None:
    take = replace(generate_example_takes()["press red"][0], notes=CUT_OFF_NOTE, success=False)
    text, kind, _ = describe_saved(take, 0.12)
    assert "marked as failed" in text
    assert "good" not in text
    assert kind == "warning"
