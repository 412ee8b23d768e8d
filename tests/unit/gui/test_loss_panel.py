"""The loss panel: filled by the steps of an adaptation, followed live until the user pans it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QLabel

from metagui.gui.learning.adaptation_controller import _compute_fraction_done
from metagui.gui.learning.loss_curves import ADAPTATION_FRACTION, compute_fraction_done
from metagui.gui.learning.loss_legend import SuccessBar
from metagui.gui.learning.loss_panel import LossPanel
from metagui.learning.adaptation.adaptation import AdaptationStep
from metagui.learning.adaptation.task_policy import Provenance, TaskPolicy
from metagui.learning.rehearsal.rehearsal import RehearsalStep
from metagui.learning.rehearsal.rehearsed_adaptation import PolicyReady

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


def test_rehearsed_successes_are_bars_beside_the_losses(qtbot: QtBot, theme: Theme) -> None:
    panel = LossPanel(theme, QAction("Adapt"))
    qtbot.addWidget(panel)
    panel.begin(["press red"])
    rehearsed = [RehearsalStep("adapted", 3, 4, 4, 20), RehearsalStep("object replay", 4, 4, 4, 20)]
    panel.append_steps([*make_steps(), *rehearsed])
    texts = [label.text() for label in panel.legend.findChildren(QLabel)]
    assert "rehearsed" in texts
    assert "3 of 4" in texts
    assert texts[texts.index("object replay") + 1] == "–", "it has no loss"
    bars = {bar.accessibleName(): bar.fraction for bar in panel.legend.findChildren(SuccessBar)}
    assert bars == {"Successes of adapted in rehearsal": 0.75, "Successes of object replay in rehearsal": 1.0}
    assert compute_fraction_done(RehearsalStep("adapted", 3, 4, 20, 20)) == 1.0
    panel.show_choices({0: "object replay"}, {0: "It succeeded in 4 of 4 rehearsed scenes."})
    assert "✓ object replay" in [label.text() for label in panel.legend.findChildren(QLabel)]


def test_narrow_panel_leaves_room_for_the_curves(qtbot: QtBot, theme: Theme) -> None:
    panel = LossPanel(theme, QAction("Adapt"))
    qtbot.addWidget(panel)
    panel.begin(["press red"])
    panel.append_steps([*make_steps(), RehearsalStep("adapted", 20, 20, 20, 20)])
    panel.resize(380, 260)
    panel.show()
    qtbot.waitExposed(panel)
    assert [bar.isVisible() for bar in panel.legend.findChildren(SuccessBar)] == [False]
    shown = [label.text() for label in panel.legend.findChildren(QLabel) if label.isVisible()]
    assert "20 of 20" in shown
    assert panel.axes.width() > 120
    panel.resize(600, 260)
    assert [bar.isVisible() for bar in panel.legend.findChildren(SuccessBar)] == [True]


def test_fraction_of_a_batch_that_ends_with_the_first_policy() -> None:
    policy = TaskPolicy("reach red", (), ("red cube",), Provenance())
    assert _compute_fraction_done([PolicyReady(policy)]) == ADAPTATION_FRACTION
