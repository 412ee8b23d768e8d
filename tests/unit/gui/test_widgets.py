"""General widgets: messages, logarithmic axis, eliding label."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from PySide6.QtWidgets import QVBoxLayout, QWidget

from metagui.gui.widgets.eliding_label import ElidingLabel
from metagui.gui.widgets.panel import SegmentedControl
from metagui.gui.widgets.plot import LogAxis
from metagui.gui.widgets.toast import ToastArea, ToastMessage

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from metagui.gui.theme.theme import Theme


def test_toast_area_new_message_replaces_all_but_errors(qtbot: QtBot, theme: Theme) -> None:
    toasts = ToastArea(theme)
    qtbot.addWidget(toasts)
    toasts.show_message(ToastMessage("saved", "success"))
    toasts.show_message(ToastMessage("broken", "error"))
    toasts.show_message(ToastMessage("again"))
    assert [t.message.text for t in toasts.toasts] == ["broken", "again"]
    for number in range(5):
        toasts.show_message(ToastMessage(f"error {number}", "error"))
    assert len(toasts.toasts) <= 3
    for toast in list(toasts.toasts):
        toast.dismiss()
    assert toasts.isHidden()


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.09, 2.1, ["0.1", "0.2", "0.5", "1", "2"]),
        (0.055, 0.078, ["0.06", "0.07"]),
        (0.0591, 0.0613, ["0.06", "0.061"]),
    ],
)
def test_log_axis_narrow_range_has_ticks(qtbot: QtBot, low: float, high: float, labels: list[str]) -> None:
    axis = LogAxis("left")
    ((_, ticks),) = axis.tickValues(math.log10(low), math.log10(high), 180)
    assert axis.tickStrings(ticks, 1.0, 1.0) == labels


def test_eliding_label_wraps_words_and_elides_last_line(qtbot: QtBot) -> None:
    label = ElidingLabel(max_lines=2)
    qtbot.addWidget(label)
    label.resize(200, 40)
    label.show()
    text = "Held-out loss 0.093 (each of 3 takes left out in turn); next adapted + Adam with 0.102"
    label.set_full_text(text)
    first, second = label.text().split("\n")
    assert text.startswith(first + " ")
    assert second.endswith("…")
    assert text.startswith(f"{first} {second[:-1]}")
    label.resize(2000, 40)
    assert label.text() == text
    label.set_full_text("")
    assert label.text() == ""


def test_segments_without_parent_are_no_window(qtbot: QtBot) -> None:
    control = SegmentedControl("Views", ("one", "two"))
    qtbot.addWidget(control)
    assert not control.isVisible()
    page = QWidget()
    qtbot.addWidget(page)
    QVBoxLayout(page).addWidget(control)
    page.show()
    assert control.isVisible()
    control.set_labels(("one",))
    assert not control.isVisible()
    control.set_labels(("one", "two", "three"))
    assert control.isVisible()
