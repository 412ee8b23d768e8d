"""Widgets fed with bare records: what they show, what they say, and that they can be used without seeing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAction

from metagui.demonstrations.demonstration import TakeKey
from metagui.gui.learning.loss_panel import LossPanel
from metagui.gui.library.task_model import TakeRow, TaskModel, TaskRow
from metagui.gui.recording.joint_plot import JointPlot, shorten_joint_name
from metagui.gui.scene.take_player import TakePlayer
from metagui.gui.similarity.comparison import Comparison
from metagui.gui.similarity.distance_histogram import compute_bin_fractions
from metagui.gui.similarity.neighbour_list import NeighbourRow
from metagui.gui.similarity.similarity_panel import SIMILARITY_VIEWS, SimilarityPanel
from metagui.gui.theme.theme import Theme
from metagui.gui.widgets.eliding_label import ElidingLabel
from metagui.gui.widgets.plot import LogAxis
from metagui.gui.widgets.toast import ToastArea, ToastMessage
from metagui.gui.window.status_bar import StatusBar
from metagui.learning.adaptation.adaptation import AdaptationStep
from metagui.learning.similarity.similarity import Neighbour
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


@pytest.fixture
def theme(qapp: object) -> Theme:
    made = Theme("light")
    made.apply()
    return made


def _steps(click: int = 0) -> list[AdaptationStep]:
    names = ("zero-step", "adapted", "adapted + Adam", "fine-tune", "from scratch")
    return [AdaptationStep(click, 2, s, 5, n, 0.5 / (s + 1), 0.7 / (s + 1), 0.8) for n in names for s in range(4)]


def test_the_loss_panel_explains_itself_then_fills_live(qtbot: QtBot, theme: Theme) -> None:
    panel = LossPanel(theme, QAction("Adapt"))
    qtbot.addWidget(panel)
    panel.show()
    assert not panel.content.is_filled
    panel.begin(["grasp red cube", "place on yellow zone"])
    panel.append_steps(_steps()[:6])
    assert panel.content.is_filled
    panel.append_steps(_steps(1))
    panel.show_choices({0: "adapted", 1: "adapted + Adam"}, {0: "because", 1: "it was best"})
    assert set(panel.axes.getPlotItem().listDataItems())
    theme.choose("dark")
    theme.choose("light")
    panel.show_empty("nothing")
    assert not panel.content.is_filled


def test_panning_stops_following_and_the_chip_resumes_it(qtbot: QtBot, theme: Theme) -> None:
    panel = LossPanel(theme, QAction("Adapt"))
    qtbot.addWidget(panel)
    panel.show()
    panel.begin(["grasp"])
    panel.append_steps(_steps())
    chip = panel._follow_button
    assert not chip.isVisible()
    panel.axes.plotItem.vb.sigRangeChangedManually.emit([True, True])
    assert chip.isVisible()
    qtbot.mouseClick(chip, Qt.MouseButton.LeftButton)
    assert not chip.isVisible()


def _comparison() -> Comparison:
    rng = np.random.default_rng(0)
    found = Comparison()
    for task in ("lift blue", "press red", "circle"):
        for take in ("001", "002", "003"):
            vector = rng.normal(size=16)
            found = found.with_take(TakeKey(task, take), vector / np.linalg.norm(vector))
    return found


def test_similarity_says_not_trained_then_shows_four_views(qtbot: QtBot, theme: Theme) -> None:
    panel = SimilarityPanel(theme, QAction("Train"))
    qtbot.addWidget(panel)
    panel.resize(520, 300)
    panel.show()
    assert not panel.content.is_filled
    panel.show_comparison(_comparison(), TakeKey("circle", "002"))
    assert panel.content.is_filled
    for view in range(len(SIMILARITY_VIEWS)):
        panel.show_view(view)
        assert not panel.grab().isNull()


def test_a_ranked_row_is_clicked_to_compare(qtbot: QtBot, theme: Theme) -> None:
    panel = SimilarityPanel(theme, QAction("Train"))
    qtbot.addWidget(panel)
    panel.resize(520, 300)
    panel.show()
    panel.show_comparison(_comparison(), None)
    panel.show_neighbours("circle", [Neighbour("press red", "001", 0.4, 0.9, "similar")], "why")
    row = panel.findChild(NeighbourRow)
    assert "press red, distance 0.40, similar" in row.accessibleName()
    with qtbot.waitSignal(panel.pair_chosen, timeout=2000) as caught:
        qtbot.mouseClick(row, Qt.MouseButton.LeftButton, pos=QPoint(10, 10))
    assert caught.args == ["circle", "press red"]
    with qtbot.waitSignal(panel.pair_chosen, timeout=2000):
        qtbot.keyClick(row, Qt.Key.Key_Return)
    takes = generate_example_takes()
    panel.show_pair(takes["circle"][0], takes["press red"][0])
    assert panel.take_overlay.isVisible()


def test_the_strip_compares_shapes_not_counts() -> None:
    assert compute_bin_fractions(np.array([0.1, 0.1, 0.5])).max() == 1.0
    assert compute_bin_fractions(np.zeros(0)).max() == 0.0


def test_traces_show_a_take_and_come_back_to_the_arm(qtbot: QtBot, theme: Theme) -> None:
    take = generate_example_takes()["put red on violet"][0]
    traces = JointPlot(theme, take.joint_names)
    qtbot.addWidget(traces)
    traces.show()
    traces.show_take(take)
    assert len(traces._boundary_lines) == 2
    for index in range(40):
        traces.append_tick(index * 0.02, take.joint_positions[index], None, -1)
    traces.show_live()
    assert traces._boundary_lines == []
    assert len(traces._drawn[0]) == 40
    assert shorten_joint_name("shoulder_pan") == "pan"
    assert shorten_joint_name("wrist_flex") == "wrist"


def test_a_replay_runs_in_its_own_time_and_ends(qtbot: QtBot) -> None:
    take = generate_example_takes()["press red"][0]
    replay, seen = TakePlayer(), []
    replay.state_changed.connect(lambda state, share: seen.append(share))
    assert replay.play(take)
    qtbot.waitUntil(lambda: len(seen) > 3, timeout=5000)
    assert seen == sorted(seen)
    with qtbot.waitSignal(replay.playback_ended, timeout=1000):
        replay.stop()
    assert not replay.is_playing


def test_the_task_model_has_two_levels_and_asks_for_new_names(qtbot: QtBot) -> None:
    model = TaskModel()
    rows = [TaskRow("a", (TakeRow("a", "001", 100, 2.0, True),)), TaskRow("b")]
    model.set_tasks(rows)
    assert model.rowCount() == 2
    first = model.index(0, 0)
    assert model.rowCount(first) == 1
    take = model.index(0, 0, first)
    assert model.parent(take) == first
    assert "succeeded" in model.data(take, Qt.ItemDataRole.AccessibleTextRole)
    assert model.index_of("a", "001") == take
    assert not model.index_of("nowhere").isValid()
    with qtbot.waitSignal(model.rename_requested, timeout=1000) as caught:
        model.setData(first, "  c ")
    assert caught.args == ["a", "c"]
    assert not model.setData(first, "   ")
    assert not model.flags(take) & Qt.ItemFlag.ItemIsEditable


def test_a_new_message_replaces_all_but_errors(qtbot: QtBot, theme: Theme) -> None:
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


def test_the_status_bar_says_state_in_icon_and_word(qtbot: QtBot, theme: Theme) -> None:
    from metagui.gui.core.actions import Actions
    from metagui.gui.core.app_state import AppSnapshot, ArmActivity, LearningActivity
    from metagui.gui.widgets.panel import Panel

    window = Panel("window")
    bar = StatusBar(theme, Actions(window, theme))
    window.body.addWidget(bar)
    qtbot.addWidget(window)
    window.show()
    assert "Connect an arm" in bar.rate_label.text()
    bar.show_snapshot(AppSnapshot(ArmActivity.READY, LearningActivity.ADAPTING))
    assert bar.state_label.text() == "Ready · adapting"
    bar.show_progress(0.5, "about 3 s")
    assert bar.progress_bar.isVisible()
    bar.show_progress(None)
    assert not bar.progress_bar.isVisible()


@pytest.mark.parametrize(
    ("low", "high", "numbers"),
    [
        (0.09, 2.1, ["0.1", "0.2", "0.5", "1", "2"]),
        (0.055, 0.078, ["0.06", "0.07"]),
        (0.0591, 0.0613, ["0.06", "0.061"]),
    ],
)
def test_a_loss_axis_has_numbers_however_little_it_shows(
    qtbot: QtBot, low: float, high: float, numbers: list[str]
) -> None:
    axis = LogAxis("left")
    ((_, ticks),) = axis.tickValues(math.log10(low), math.log10(high), 180)
    assert axis.tickStrings(ticks, 1.0, 1.0) == numbers


def test_a_label_of_two_lines_breaks_between_words_and_shortens_the_second(qtbot: QtBot) -> None:
    label = ElidingLabel(max_lines=2)
    qtbot.addWidget(label)
    label.resize(200, 40)
    label.show()
    words = "Held-out loss 0.093 (each of 3 takes left out in turn); next adapted + Adam with 0.102"
    label.set_full_text(words)
    first, second = label.text().split("\n")
    assert words.startswith(first + " ")
    assert second.endswith("…")
    assert words.startswith(f"{first} {second[:-1]}")
    label.resize(2000, 40)
    assert label.text() == words
    label.set_full_text("")
    assert label.text() == ""
