"""The loss panel: filled by the steps of an adaptation, followed live until the user pans it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction

from metagui.gui.learning.loss_panel import LossPanel
from metagui.learning.adaptation.adaptation import AdaptationStep

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from metagui.gui.theme.theme import Theme


def make_steps(segment: int = 0) -> list[AdaptationStep]:
    """Return the first four adaptation steps of every candidate for a segment."""
    names = ("zero-step", "adapted", "adapted + Adam", "fine-tune", "from scratch")
    return [AdaptationStep(segment, 2, s, 5, n, 0.5 / (s + 1), 0.7 / (s + 1), 0.8) for n in names for s in range(4)]


def test_loss_panel_begun_shows_steps(qtbot: QtBot, theme: Theme) -> None:
    panel = LossPanel(theme, QAction("Adapt"))
    qtbot.addWidget(panel)
    panel.show()
    assert not panel.content.is_filled
    panel.begin(["grasp red cube", "place on yellow zone"])
    panel.append_steps(make_steps()[:6])
    assert panel.content.is_filled
    panel.append_steps(make_steps(1))
    panel.show_choices({0: "adapted", 1: "adapted + Adam"}, {0: "because", 1: "it was best"})
    assert set(panel.axes.getPlotItem().listDataItems())
    theme.choose("dark")
    theme.choose("light")
    panel.show_empty("nothing")
    assert not panel.content.is_filled


def test_loss_panel_panned_stops_following_until_resumed(qtbot: QtBot, theme: Theme) -> None:
    panel = LossPanel(theme, QAction("Adapt"))
    qtbot.addWidget(panel)
    panel.show()
    panel.begin(["grasp"])
    panel.append_steps(make_steps())
    button = panel._follow_button
    assert not button.isVisible()
    panel.axes.plotItem.vb.sigRangeChangedManually.emit([True, True])
    assert button.isVisible()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert not button.isVisible()
