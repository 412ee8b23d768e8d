"""Boundaries of takes without instructions: moved, added and removed in the joint plot, saved and undone."""

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
    bring_boundary,
    is_segmentation_editable,
    join_segments,
    list_boundaries,
    move_boundary,
    split_segment,
    toggle_boundary,
)
from metagui.gui.theme.theme import Theme
from tests.helpers.clocks import PATIENCE_MS
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from metagui.demonstrations.demonstration import Demonstration

SEGMENTS = (Segment(0, 40), Segment(55, 90), Segment(90, 120))


def make_hand_guided_take() -> Demonstration:
    take = generate_example_takes()["put red on violet"][0]
    return replace(take, segments=(Segment(0, 60), Segment(60, len(take))), teaching_method="hand")


def test_move_boundary_stays_between_its_neighbours() -> None:
    assert list_boundaries(SEGMENTS) == (0, 40, 55, 90, 120)
    assert move_boundary(SEGMENTS, 90, 100, 130) == (Segment(0, 40), Segment(55, 100), Segment(100, 120))
    assert move_boundary(SEGMENTS, 40, 70, 130)[0] == Segment(0, 55 - MIN_SEGMENT_SAMPLES)
    assert move_boundary(SEGMENTS, 120, 500, 130)[-1] == Segment(90, 130)
    assert move_boundary(SEGMENTS, 0, -9, 130) == SEGMENTS


def test_split_and_join_add_and_remove_a_boundary() -> None:
    assert split_segment(SEGMENTS, 20) == (Segment(0, 20), Segment(20, 40), *SEGMENTS[1:])
    assert split_segment(SEGMENTS, 48) == SEGMENTS, "a pause is not split"
    assert split_segment(SEGMENTS, 3) == SEGMENTS, "the part would be too short"
    assert join_segments(SEGMENTS, 90) == (Segment(0, 40), Segment(55, 120))
    assert join_segments(SEGMENTS, 40) == (Segment(0, 90), Segment(90, 120)), "the pause between them is included"
    assert join_segments(SEGMENTS, 0) == SEGMENTS
    assert not is_segmentation_editable(generate_example_takes()["put red on violet"][0])


def test_boundaries_at_the_playhead() -> None:
    assert toggle_boundary(SEGMENTS, 20, 130) == split_segment(SEGMENTS, 20)
    assert toggle_boundary(SEGMENTS, 88, 130) == join_segments(SEGMENTS, 90)
    assert toggle_boundary(SEGMENTS, 48, 130) == join_segments(SEGMENTS, 55), "a pause ends there"
    assert toggle_boundary((), 48, 130) == bring_boundary((), 48, 130) == ()
    assert bring_boundary(SEGMENTS, 100, 130) == move_boundary(SEGMENTS, 90, 100, 130)
    assert bring_boundary(SEGMENTS, 125, 130) == move_boundary(SEGMENTS, 120, 125, 130)


@pytest.fixture
def plot(qtbot: QtBot) -> JointPlot:
    take = make_hand_guided_take()
    out = JointPlot(Theme("light"), list(take.joint_names))
    qtbot.addWidget(out)
    out.resize(500, 400)
    with qtbot.waitExposed(out, timeout=PATIENCE_MS):
        out.show()
    out.show_take(take)
    return out


def pixel(plot: JointPlot, seconds: float) -> QPoint:
    place = plot.mapFromScene(plot.plotItem.vb.mapViewToScene(QPointF(seconds, 3.0)))
    return plot.viewport().mapTo(plot, place)


def test_boundary_is_dragged_with_the_mouse(qtbot: QtBot, plot: JointPlot) -> None:
    take = make_hand_guided_take()
    times = take.time - take.time[0]
    viewport = plot.windowHandle()
    start, end = pixel(plot, float(times[60])), pixel(plot, float(times[80]))
    with qtbot.waitSignal(plot.segments_edited, timeout=PATIENCE_MS) as edit:
        QTest.mousePress(viewport, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, start)
        for share in (0.2, 0.6, 1.0):
            QTest.mouseMove(viewport, start + (end - start) * share)
            qtbot.wait(30)
        QTest.mouseRelease(viewport, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, end)
    segments = edit.args[0]
    assert segments[0].stop == segments[1].start
    assert abs(segments[0].stop - 80) <= 3


def test_double_click_adds_and_removes_a_boundary(qtbot: QtBot, plot: JointPlot) -> None:
    take = make_hand_guided_take()
    times = take.time - take.time[0]
    for sample, parts in ((30, 3), (60, 1)):
        with qtbot.waitSignal(plot.segments_edited, timeout=PATIENCE_MS) as edit:
            place = pixel(plot, float(times[sample]))
            QTest.mouseDClick(plot.windowHandle(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
        assert len(edit.args[0]) == parts


def test_moved_boundaries_are_saved_and_undone(qtbot: QtBot, tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.add_take(make_hand_guided_take())
    messages = Messages()
    queue = BackgroundQueue(messages.post_error)
    model, key = LibraryModel(library, queue, messages), TakeKey("put red on violet", "001")
    with qtbot.waitSignal(model.take_loaded, timeout=PATIENCE_MS):
        model.request_take(key)
    before = library.load_take(*key).segments
    model.set_segments(key, (Segment(0, 80), Segment(80, 120)))
    assert library.load_take(*key).segments == (Segment(0, 80), Segment(80, 120))
    assert model.request_take(key).segments == (Segment(0, 80), Segment(80, 120))  # type: ignore[union-attr]
    model.undo_stack.undo()
    assert library.load_take(*key).segments == before
    failures: list[object] = []
    messages.posted.connect(lambda text, kind, action: failures.append(text))
    model.set_segments(key, (Segment(0, 100_000),))
    assert failures
    assert library.load_take(*key).segments == before
    qtbot.waitUntil(lambda: not queue.is_busy, timeout=PATIENCE_MS)
    queue.close()
