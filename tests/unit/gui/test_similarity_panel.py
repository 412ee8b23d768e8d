"""The similarity panel: its views, what is chosen in one is marked in the others, mouse and keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QAction

from metagui.demonstrations.demonstration import TakeKey
from metagui.gui.similarity.comparison import BehaviourComparison, Comparison
from metagui.gui.similarity.distance_histogram import compute_bin_fractions
from metagui.gui.similarity.maps.heat_map import MIN_LABEL_DISTANCE_PX, choose_label_step
from metagui.gui.similarity.neighbour_list import CELL_MARGINS_PX, VERDICT_INDENT_PX
from metagui.gui.similarity.ranking_model import RANKING_COLUMNS, TASK_COLUMN, VERDICT_COLUMN, RankedRow
from metagui.gui.similarity.similarity_panel import HEAT_MAP_VIEW, RANKED_VIEW, SIMILARITY_VIEWS, SimilarityPanel
from metagui.learning.similarity.embeddings import concatenate_embeddings
from metagui.learning.similarity.verdicts import Logistic, VerdictCalibration
from tests.helpers.clocks import PATIENCE_MS
from tests.helpers.embeddings import make_embeddings
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from metagui.gui.theme.theme import Theme

CALIBRATION = VerdictCalibration(Logistic(12.0, 0.5), Logistic(12.0, 0.7), Logistic(12.0, 0.7), 0.4, 0.1, 60)
TASKS = {"circle": (1, 0), "lift blue": (2, 1), "press blue": (0, 1), "press red": (0, 0)}
MAP_VIEW, DISTANCES_VIEW = 2, 3


def make_comparison(count: int = 0) -> Comparison:
    """Return a comparison of four tasks, or of ``count`` numbered ones, with three takes each."""
    tasks = {f"task {i:03}": (i % 8, i // 8 % 8) for i in range(count)} or TASKS
    keys = [TakeKey(task, f"{take:03}") for task in tasks for take in (1, 2, 3)]
    return Comparison(
        tuple(keys), concatenate_embeddings([make_embeddings(*each) for each in tasks.values()]), CALIBRATION
    )


@pytest.fixture
def panel(qtbot: QtBot, theme: Theme) -> SimilarityPanel:
    out = SimilarityPanel(theme, QAction("Train"))
    qtbot.addWidget(out)
    out.resize(620, 320)
    out.show()
    return out


def rank(panel: SimilarityPanel, comparison: Comparison, task: str) -> None:
    panel.show_comparison(comparison, None)
    panel.show_neighbours(task, [RankedRow.from_neighbour(each) for each in comparison.rank(task)], "why")


def test_filled_panel_shows_every_view(panel: SimilarityPanel) -> None:
    assert not panel.content.is_filled
    panel.show_comparison(make_comparison(), TakeKey("circle", "002"))
    assert panel.content.is_filled
    for view in range(len(SIMILARITY_VIEWS)):
        panel.show_view(view)
        assert not panel.grab().isNull()


def test_ranked_list_has_a_header_and_plain_words(panel: SimilarityPanel) -> None:
    rank(panel, make_comparison(), "press red")
    table = panel.neighbour_list.table
    header = table.horizontalHeader()
    assert header.isVisible()
    shown = [table.model().headerData(column, Qt.Orientation.Horizontal) for column in range(3)]
    assert tuple(shown) == RANKING_COLUMNS
    words = {row.task: row.words for row in table.ranking.rows}
    assert words == {
        "press blue": "same motion, other object",
        "circle": "same objects, other motion",
        "lift blue": "different task",
    }
    similarities = [row.similarity for row in table.ranking.rows]
    assert similarities == sorted(similarities, reverse=True), "bar, number and order grow in one direction"
    text = table.model().data(table.ranking.index(0, 0), Qt.ItemDataRole.AccessibleTextRole)
    assert "press blue, similarity" in text or "circle, similarity" in text


def test_verdicts_stand_under_the_names_in_a_narrow_panel(panel: SimilarityPanel, qtbot: QtBot) -> None:
    """As wide as in a window of 1024 × 680, neither may be cut."""
    panel.resize(372, 240)
    rank(panel, make_comparison(), "press red")
    table = panel.neighbour_list.table
    qtbot.waitUntil(lambda: table.has_two_lines, timeout=PATIENCE_MS)
    assert table.isColumnHidden(VERDICT_COLUMN)
    metrics, room = table.fontMetrics(), table.columnWidth(TASK_COLUMN) - CELL_MARGINS_PX
    for row in table.ranking.rows:
        assert metrics.horizontalAdvance(row.task) <= room
        assert metrics.horizontalAdvance(row.words) <= room - VERDICT_INDENT_PX
        assert table.rowHeight(table.ranking.find_row(row.task)) >= 2 * metrics.height()
    panel.resize(700, 240)
    qtbot.waitUntil(lambda: not table.has_two_lines, timeout=PATIENCE_MS)
    assert not table.isColumnHidden(VERDICT_COLUMN)


def test_row_clicked_emits_the_pair_and_return_does_too(qtbot: QtBot, panel: SimilarityPanel) -> None:
    rank(panel, make_comparison(), "press red")
    table = panel.neighbour_list.table
    row = table.ranking.find_row("lift blue")
    at = table.visualRect(table.ranking.index(row, 0)).center()
    with qtbot.waitSignal(panel.pair_chosen, timeout=PATIENCE_MS) as caught:
        qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert caught.args == ["press red", "lift blue"]
    assert panel.embedding_map.axes.marked_tasks == ("press red", "lift blue")
    table.setCurrentIndex(table.ranking.index(0, 0))
    with qtbot.waitSignal(panel.pair_chosen, timeout=PATIENCE_MS) as caught:
        qtbot.keyClick(table, Qt.Key.Key_Return)
    assert caught.args == ["press red", table.ranking.rows[0].task]


def test_arrow_keys_mark_the_row_in_all_views(qtbot: QtBot, panel: SimilarityPanel) -> None:
    rank(panel, make_comparison(), "press red")
    table = panel.neighbour_list.table
    table.setCurrentIndex(table.ranking.index(0, 0))
    qtbot.keyClick(table, Qt.Key.Key_Down)
    second = table.ranking.rows[1].task
    assert panel.embedding_map.axes.marked_tasks == ("press red", second)
    with qtbot.waitSignal(panel.pair_chosen, timeout=PATIENCE_MS) as caught:
        qtbot.keyClick(panel.heat_map_page.heat_map, Qt.Key.Key_Return)
    assert caught.args == ["press red", second], "the heat map's cursor is on the pair"


def test_marked_row_survives_an_update(panel: SimilarityPanel) -> None:
    rank(panel, make_comparison(), "press red")
    table = panel.neighbour_list.table
    table.setCurrentIndex(table.ranking.index(1, 0))
    marked = table.ranking.rows[1].task
    rank(panel, make_comparison(), "press red")
    assert table.ranking.rows[table.currentIndex().row()].task == marked


def test_overlay_names_the_verdict(panel: SimilarityPanel) -> None:
    takes = generate_example_takes()
    panel.show_pair(takes["circle"][0], takes["press red"][0], "same motion, other object")
    assert panel.take_overlay.isVisible()
    assert panel.take_overlay.verdict_label.accessibleName() == "Same motion, other object"


def test_heat_map_cell_clicked_selects_its_task_and_emits_the_pair(qtbot: QtBot, panel: SimilarityPanel) -> None:
    rank(panel, make_comparison(), "press red")
    panel.show_view(HEAT_MAP_VIEW)
    heat = panel.heat_map_page.heat_map
    qtbot.waitUntil(lambda: heat.plotItem.vb.width() > 50, timeout=PATIENCE_MS)
    at = heat.mapFromScene(heat.plotItem.vb.mapViewToScene(QPointF(2.5, 1.5)))
    selected: list[tuple[str, object]] = []
    panel.take_chosen.connect(lambda task, take: selected.append((task, take)))
    with qtbot.waitSignal(panel.pair_chosen, timeout=PATIENCE_MS) as caught:
        qtbot.mouseClick(heat.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert caught.args == ["lift blue", "press blue"]
    assert selected == [("lift blue", None)]


def test_heat_map_keyboard_moves_zooms_and_fits(qtbot: QtBot, panel: SimilarityPanel) -> None:
    panel.show_comparison(make_comparison(50), None)
    panel.show_view(HEAT_MAP_VIEW)
    heat, page = panel.heat_map_page.heat_map, panel.heat_map_page
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Right):  # the first press shows the cursor
        qtbot.keyClick(heat, key)
    assert "task 001 and task 001" not in page.description.accessibleName()
    assert "task 001" in page.description.accessibleName()
    for _ in range(4):
        qtbot.keyClick(heat, Qt.Key.Key_Plus)
    (left, right), _ = heat.viewRange()
    assert right - left < 25
    assert left <= 1.5 <= right, "the cursor stays visible"
    assert page.fit_button.isVisible()
    for _ in range(48):
        qtbot.keyClick(heat, Qt.Key.Key_Right)
    (left, right), _ = heat.viewRange()
    assert left <= 48.5 <= right + 1, "the view follows the cursor"
    qtbot.mouseClick(page.fit_button, Qt.MouseButton.LeftButton)
    assert heat.viewRange()[0] == pytest.approx([0, 50], abs=0.1)
    assert not page.fit_button.isVisible()


@pytest.mark.parametrize("count", [15, 50, 500])
def test_heat_map_labels_do_not_overlap(panel: SimilarityPanel, count: int) -> None:
    panel.show_comparison(make_comparison(count), None)
    panel.show_view(HEAT_MAP_VIEW)
    height = panel.heat_map_page.heat_map.plotItem.vb.height()
    axis = panel.heat_map_page.heat_map.getAxis("left")
    ((_, centres),) = axis.tickValues(0, count, height)
    assert len(centres) >= 3
    distance = height / count * (centres[1] - centres[0])
    assert distance >= MIN_LABEL_DISTANCE_PX - 1e-6
    expected = [f"task {int(centre):03}  {int(centre) + 1}" for centre in centres]
    assert axis.tickStrings(centres, 1, 1) == expected


def test_label_step_is_a_round_number() -> None:
    assert [choose_label_step(px) for px in (20.0, 15.0, 14.0, 5.0, 1.6, 0.5, 0.1)] == [1, 1, 2, 5, 10, 50, 200]


def test_map_point_clicked_selects_the_take(qtbot: QtBot, panel: SimilarityPanel) -> None:
    comparison = make_comparison()
    panel.show_comparison(comparison, None)
    panel.show_view(MAP_VIEW)
    axes = panel.embedding_map.axes
    qtbot.waitUntil(lambda: axes.plotItem.vb.width() > 50, timeout=PATIENCE_MS)
    chosen: list[tuple[str, object]] = []
    panel.take_chosen.connect(lambda task, take: chosen.append((task, take)))
    point = comparison.projection[comparison.keys.index(TakeKey("lift blue", "002"))]
    at = axes.mapFromScene(axes.plotItem.vb.mapViewToScene(QPointF(*point)))
    qtbot.mouseClick(axes.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert [task for task, _ in chosen] == ["lift blue"]
    item = panel.embedding_map.legend.item(0)
    at = panel.embedding_map.legend.visualItemRect(item).center()
    qtbot.mouseClick(panel.embedding_map.legend.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert chosen[-1] == ("circle", None)


def test_map_shows_all_points(panel: SimilarityPanel) -> None:
    comparison = make_comparison(30)
    panel.show_comparison(comparison, None)
    panel.show_view(MAP_VIEW)
    (left, right), (low, high) = panel.embedding_map.axes.viewRange()
    x, y = comparison.projection.T
    assert left <= x.min() <= x.max() <= right
    assert low <= y.min() <= y.max() <= high


def test_take_being_recorded_is_ranked_live(qtbot: QtBot, panel: SimilarityPanel) -> None:
    comparison = make_comparison()
    rank(panel, comparison, "circle")
    live = make_embeddings(0, 0, takes=1)
    rows = [RankedRow.from_neighbour(each) for each in comparison.rank_take(live)]
    panel.show_live(rows, comparison.map_axes.project(live.task.astype(float))[0])
    assert panel.neighbour_list.table.ranking.rows[0].task == "press red"
    rank(panel, comparison, "circle")
    assert panel.neighbour_list.table.ranking.rows[0].task == "press red", "the live ranking stays until it ends"
    chosen: list[str] = []
    panel.take_chosen.connect(lambda task, _take: chosen.append(task))
    qtbot.mouseClick(
        panel.neighbour_list.table.viewport(), Qt.MouseButton.LeftButton,
        pos=panel.neighbour_list.table.visualRect(panel.neighbour_list.table.ranking.index(0, 0)).center(),
    )  # fmt: skip
    assert chosen == ["press red"]
    panel.show_live([], None)
    rank(panel, comparison, "circle")
    assert "circle" not in [row.task for row in panel.neighbour_list.table.ranking.rows]


def test_training_leaves_the_chosen_view(qtbot: QtBot, panel: SimilarityPanel) -> None:
    rank(panel, make_comparison(), "circle")
    for view in (RANKED_VIEW, HEAT_MAP_VIEW, MAP_VIEW, DISTANCES_VIEW):
        panel.show_view(view)
        panel.show_training(np.array([0.1, 0.2]), np.array([1.0, 1.2]))
        assert panel.shown_view == view
        assert panel.content.is_filled


def test_policies_are_ranked_without_verdicts(qtbot: QtBot, panel: SimilarityPanel) -> None:
    panel.show_comparison(make_comparison(), None)
    button = next(
        each for each in panel.findChildren(type(panel.heat_map_page.fit_button)) if each.text() == "Policies"
    )
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert panel.shows_behaviour
    panel.show_behaviour(BehaviourComparison(("a", "b"), np.array([[0.0, 1.5], [1.5, 0.0]])), "a")
    table = panel.neighbour_list.table
    assert [(row.task, row.similarity) for row in table.ranking.rows] == [("b", 0.5)]
    assert table.isColumnHidden(VERDICT_COLUMN)


def test_bin_fractions_are_relative_to_fullest_bin() -> None:
    assert compute_bin_fractions(np.array([0.1, 0.1, 0.5])).max() == 1.0
    assert compute_bin_fractions(np.zeros(0)).max() == 0.0


def test_empty_point_is_no_row(qtbot: QtBot, panel: SimilarityPanel) -> None:
    rank(panel, make_comparison(), "circle")
    table = panel.neighbour_list.table
    with qtbot.assertNotEmitted(panel.pair_chosen):
        qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(10, table.viewport().height() - 2))
