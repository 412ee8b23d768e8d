"""Takes that nobody clicked in: their cuts are moved, added and removed in the traces, saved, and taken back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest

from metagui.demonstrations.demonstration import Segment, TakeKey
from metagui.demonstrations.storage.library import Library
from metagui.gui.core.background_queue import BackgroundQueue
from metagui.gui.core.messages import Messages
from metagui.gui.library.library_model import LibraryModel
from metagui.gui.recording.joint_plot import JointPlot
from metagui.gui.recording.segment_edit import (
    MIN_SEGMENT_SAMPLES,
    is_segmentation_editable,
    join_segments,
    list_boundaries,
    move_boundary,
    split_segment,
)
from metagui.gui.theme.theme import Theme
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from metagui.demonstrations.demonstration import Demonstration

PARTS = (Segment(0, 40), Segment(55, 90), Segment(90, 120))


def hand_led() -> Demonstration:
    take = generate_example_takes()["put red on violet"][0]
    return replace(take, segments=(Segment(0, 60), Segment(60, len(take))), teaching_method="hand")


def test_edges_are_moved_between_their_neighbours() -> None:
    assert list_boundaries(PARTS) == (0, 40, 55, 90, 120)
    assert move_boundary(PARTS, 90, 100, 130) == (Segment(0, 40), Segment(55, 100), Segment(100, 120))
    assert move_boundary(PARTS, 40, 70, 130)[0] == Segment(0, 55 - MIN_SEGMENT_SAMPLES)
    assert move_boundary(PARTS, 120, 500, 130)[-1] == Segment(90, 130)
    assert move_boundary(PARTS, 0, -9, 130) == PARTS


def test_cuts_are_added_and_removed() -> None:
    assert split_segment(PARTS, 20) == (Segment(0, 20), Segment(20, 40), *PARTS[1:])
    assert split_segment(PARTS, 48) == PARTS, "a pause is not cut"
    assert split_segment(PARTS, 3) == PARTS, "too short a part"
    assert join_segments(PARTS, 90) == (Segment(0, 40), Segment(55, 120))
    assert join_segments(PARTS, 40) == (Segment(0, 90), Segment(90, 120)), "the pause between goes too"
    assert join_segments(PARTS, 0) == PARTS
    assert not is_segmentation_editable(generate_example_takes()["put red on violet"][0])


@pytest.fixture
def traces(qtbot: QtBot) -> JointPlot:
    take = hand_led()
    out = JointPlot(Theme("light"), list(take.joint_names))
    qtbot.addWidget(out)
    out.resize(500, 400)
    with qtbot.waitExposed(out):
        out.show()
    out.show_take(take)
    return out


def pixel(traces: JointPlot, seconds: float) -> QPoint:
    place = traces.mapFromScene(traces.plotItem.vb.mapViewToScene(QPointF(seconds, 3.0)))
    return traces.viewport().mapTo(traces, place)


def test_a_cut_is_dragged_with_the_mouse(qtbot: QtBot, traces: JointPlot) -> None:
    take = hand_led()
    times = take.time - take.time[0]
    viewport = traces.windowHandle()
    start, end = pixel(traces, float(times[60])), pixel(traces, float(times[80]))
    with qtbot.waitSignal(traces.segments_edited, timeout=5000) as told:
        QTest.mousePress(viewport, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, start)
        for share in (0.2, 0.6, 1.0):
            QTest.mouseMove(viewport, start + (end - start) * share)
            qtbot.wait(30)
        QTest.mouseRelease(viewport, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, end)
    segments = told.args[0]
    assert segments[0].stop == segments[1].start
    assert abs(segments[0].stop - 80) <= 3


def test_a_double_click_cuts_and_joins(qtbot: QtBot, traces: JointPlot) -> None:
    take = hand_led()
    times = take.time - take.time[0]
    for sample, parts in ((30, 3), (60, 1)):
        with qtbot.waitSignal(traces.segments_edited, timeout=5000) as told:
            place = pixel(traces, float(times[sample]))
            QTest.mouseDClick(traces.windowHandle(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
        assert len(told.args[0]) == parts


def test_moved_cuts_are_saved_and_undone(qtbot: QtBot, tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.add_take(hand_led())
    messages = Messages()
    errands = BackgroundQueue(messages.post_error)
    shelf, key = LibraryModel(library, errands, messages), TakeKey("put red on violet", "001")
    with qtbot.waitSignal(shelf.take_loaded, timeout=5000):
        shelf.request_take(key)
    before = library.load_take(*key).segments
    shelf.set_segments(key, (Segment(0, 80), Segment(80, 120)))
    assert library.load_take(*key).segments == (Segment(0, 80), Segment(80, 120))
    assert shelf.request_take(key).segments == (Segment(0, 80), Segment(80, 120))  # type: ignore[union-attr]
    shelf.undo_stack.undo()
    assert library.load_take(*key).segments == before
    failures: list[object] = []
    messages.posted.connect(lambda text, kind, action: failures.append(text))
    shelf.set_segments(key, (Segment(0, 100_000),))
    assert failures
    assert library.load_take(*key).segments == before
    qtbot.waitUntil(lambda: not errands.is_busy)
    errands.close()
