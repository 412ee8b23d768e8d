"""Takes that nobody clicked in: their cuts are moved, added and removed in the traces, saved, and taken back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest

from metagui.demonstrations.demonstration import Segment
from metagui.demonstrations.storage.library import Library
from metagui.gui.core.task_queue import Errands
from metagui.gui.library.library_model import Shelf
from metagui.gui.recording.joint_plot import Traces
from metagui.gui.recording.segment_edit import LEAST, edges, joined, movable, moved, split
from metagui.gui.similarity.comparison import TakeKey
from metagui.gui.theme.theme import Theme
from tests.helpers.takes import shown

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from metagui.demonstrations.demonstration import Demonstration

PARTS = (Segment(0, 40), Segment(55, 90), Segment(90, 120))


def hand_led() -> Demonstration:
    take = shown()["put red on violet"][0]
    return replace(take, segments=(Segment(0, 60), Segment(60, len(take))), led_by="hand")


def test_edges_are_moved_between_their_neighbours() -> None:
    assert edges(PARTS) == (0, 40, 55, 90, 120)
    assert moved(PARTS, 90, 100, 130) == (Segment(0, 40), Segment(55, 100), Segment(100, 120))
    assert moved(PARTS, 40, 70, 130)[0] == Segment(0, 55 - LEAST)
    assert moved(PARTS, 120, 500, 130)[-1] == Segment(90, 130)
    assert moved(PARTS, 0, -9, 130) == PARTS


def test_cuts_are_added_and_removed() -> None:
    assert split(PARTS, 20) == (Segment(0, 20), Segment(20, 40), *PARTS[1:])
    assert split(PARTS, 48) == PARTS, "a pause is not cut"
    assert split(PARTS, 3) == PARTS, "too short a part"
    assert joined(PARTS, 90) == (Segment(0, 40), Segment(55, 120))
    assert joined(PARTS, 40) == (Segment(0, 90), Segment(90, 120)), "the pause between goes too"
    assert joined(PARTS, 0) == PARTS
    assert not movable(shown()["put red on violet"][0])


@pytest.fixture
def traces(qtbot: QtBot) -> Traces:
    take = hand_led()
    out = Traces(Theme("light"), list(take.joint_names))
    qtbot.addWidget(out)
    out.resize(500, 400)
    with qtbot.waitExposed(out):
        out.show()
    out.show_take(take)
    return out


def pixel(traces: Traces, seconds: float) -> QPoint:
    place = traces.mapFromScene(traces.plotItem.vb.mapViewToScene(QPointF(seconds, 3.0)))
    return traces.viewport().mapTo(traces, place)


def test_a_cut_is_dragged_with_the_mouse(qtbot: QtBot, traces: Traces) -> None:
    take = hand_led()
    times = take.time - take.time[0]
    viewport = traces.windowHandle()
    start, end = pixel(traces, float(times[60])), pixel(traces, float(times[80]))
    with qtbot.waitSignal(traces.recut, timeout=5000) as told:
        QTest.mousePress(viewport, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, start)
        for share in (0.2, 0.6, 1.0):
            QTest.mouseMove(viewport, start + (end - start) * share)
            qtbot.wait(30)
        QTest.mouseRelease(viewport, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, end)
    segments = told.args[0]
    assert segments[0].stop == segments[1].start
    assert abs(segments[0].stop - 80) <= 3


def test_a_double_click_cuts_and_joins(qtbot: QtBot, traces: Traces) -> None:
    take = hand_led()
    times = take.time - take.time[0]
    for sample, parts in ((30, 3), (60, 1)):
        with qtbot.waitSignal(traces.recut, timeout=5000) as told:
            place = pixel(traces, float(times[sample]))
            QTest.mouseDClick(traces.windowHandle(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
        assert len(told.args[0]) == parts


def test_moved_cuts_are_saved_and_undone(qtbot: QtBot, tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.add(hand_led())
    errands = Errands()
    shelf, key = Shelf(library, errands), TakeKey("put red on violet", "001")
    with qtbot.waitSignal(shelf.loaded, timeout=5000):
        shelf.take(key)
    before = library.load(*key).segments
    shelf.set_segments(key, (Segment(0, 80), Segment(80, 120)))
    assert library.load(*key).segments == (Segment(0, 80), Segment(80, 120))
    assert shelf.take(key).segments == (Segment(0, 80), Segment(80, 120))  # type: ignore[union-attr]
    shelf.undo_stack.undo()
    assert library.load(*key).segments == before
    failures: list[object] = []
    shelf.failed.connect(failures.append)
    shelf.set_segments(key, (Segment(0, 100_000),))
    assert failures
    assert library.load(*key).segments == before
    qtbot.waitUntil(lambda: not errands.busy)
    errands.close()
