"""The similarity panel: its views, the ranked list, and the histogram of distances."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAction

from metagui.demonstrations.demonstration import TakeKey
from metagui.gui.similarity.comparison import Comparison
from metagui.gui.similarity.distance_histogram import compute_bin_fractions
from metagui.gui.similarity.neighbour_list import NeighbourRow
from metagui.gui.similarity.similarity_panel import SIMILARITY_VIEWS, SimilarityPanel
from metagui.learning.similarity.similarity import Neighbour
from tests.helpers.clocks import PATIENCE_MS
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from metagui.gui.theme.theme import Theme


def make_comparison() -> Comparison:
    """Return a comparison of three tasks with random embeddings."""
    rng = np.random.default_rng(0)
    out = Comparison()
    for task in ("lift blue", "press red", "circle"):
        for take in ("001", "002", "003"):
            vector = rng.normal(size=16)
            out = out.with_take(TakeKey(task, take), vector / np.linalg.norm(vector))
    return out


def test_similarity_panel_filled_shows_every_view(qtbot: QtBot, theme: Theme) -> None:
    panel = SimilarityPanel(theme, QAction("Train"))
    qtbot.addWidget(panel)
    panel.resize(520, 300)
    panel.show()
    assert not panel.content.is_filled
    panel.show_comparison(make_comparison(), TakeKey("circle", "002"))
    assert panel.content.is_filled
    for view in range(len(SIMILARITY_VIEWS)):
        panel.show_view(view)
        assert not panel.grab().isNull()


def test_similarity_panel_row_clicked_emits_pair(qtbot: QtBot, theme: Theme) -> None:
    panel = SimilarityPanel(theme, QAction("Train"))
    qtbot.addWidget(panel)
    panel.resize(520, 300)
    panel.show()
    panel.show_comparison(make_comparison(), None)
    panel.show_neighbours("circle", [Neighbour("press red", "001", 0.4, 0.9, "similar")], "why")
    row = panel.findChild(NeighbourRow)
    assert "press red, distance 0.40, similar" in row.accessibleName()
    with qtbot.waitSignal(panel.pair_chosen, timeout=PATIENCE_MS) as caught:
        qtbot.mouseClick(row, Qt.MouseButton.LeftButton, pos=QPoint(10, 10))
    assert caught.args == ["circle", "press red"]
    with qtbot.waitSignal(panel.pair_chosen, timeout=PATIENCE_MS):
        qtbot.keyClick(row, Qt.Key.Key_Return)
    takes = generate_example_takes()
    panel.show_pair(takes["circle"][0], takes["press red"][0])
    assert panel.take_overlay.isVisible()


def test_bin_fractions_are_relative_to_fullest_bin() -> None:
    assert compute_bin_fractions(np.array([0.1, 0.1, 0.5])).max() == 1.0
    assert compute_bin_fractions(np.zeros(0)).max() == 0.0
