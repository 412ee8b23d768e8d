"""Plot of the loss curves."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Signal
from PySide6.QtGui import QActionGroup

from metagui.gui.learning.loss_curves import SMOOTHING_MIN_POINTS, LossCurve, smooth
from metagui.gui.widgets.plot import PLOT_SYMBOLS, Plot, add_curve, make_pen
from metagui.gui.widgets.plots.plot_export import PlotTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metagui.gui.theme.theme import Theme

DEFAULT_CANDIDATE = "adapted"
"""The candidate that is drawn bold until one is chosen."""
SMOOTHING_WEIGHTS = {"None": 0.0, "Light": 0.6, "Normal": 0.8, "Strong": 0.95}
"""Smoothing of long curves to choose from."""


class LossAxes(Plot):
    """Plot of the curves; panning it stops following the newest point."""

    panned = Signal()
    fitted = Signal()
    """All points are shown again, by the menu or a key."""

    def __init__(self, theme: Theme) -> None:
        self._lines: dict[tuple[str, str], pg.PlotDataItem] = {}
        self._highlighted = DEFAULT_CANDIDATE
        self._order: list[str] = []
        self._zero_step_line: pg.InfiniteLine | None = None
        self._shown: tuple[dict[str, LossCurve], float, str] = ({}, float("nan"), "")
        self.smoothing = SMOOTHING_WEIGHTS["Normal"]
        """Weight of the points before, with which long curves are smoothed."""
        super().__init__(theme, "Loss against gradient steps", log=True, own_fit=True)
        self.setLogMode(y=True)
        self.showGrid(y=True, alpha=0.12)
        self.label_axes("gradient step", "imitation loss")
        self._zero_step_line = pg.InfiniteLine(angle=0, movable=False)
        self.addItem(self._zero_step_line)
        self.plotItem.vb.sigRangeChangedManually.connect(self._on_panned)
        self._add_smoothing_menu()
        self.recolour()

    def _on_panned(self, _mask: object) -> None:
        self.panned.emit()

    def follow(self) -> None:
        """Show all points, also those to come."""
        self.enableAutoRange()

    def fit(self) -> None:
        """Show all points, also those to come."""
        self.follow()
        self.fitted.emit()

    def make_table(self) -> PlotTable:
        """Return the losses of all candidates, not smoothed."""
        rows = [
            (name, *row)
            for name in self._order
            for row in zip(*(getattr(self._shown[0][name], key) for key in ("steps", "support", "query")), strict=True)
        ]
        return PlotTable(("candidate", "gradient step", "support loss", "held-out loss"), rows)

    def _add_smoothing_menu(self) -> None:
        """Add the choice of how much the curves are smoothed to the menu of the plot."""
        menu, group = self.tools.menu.addMenu("Smoothing"), QActionGroup(self)
        for text, weight in SMOOTHING_WEIGHTS.items():
            action = menu.addAction(text, partial(self.set_smoothing, weight))
            action.setCheckable(True)
            action.setChecked(weight == self.smoothing)
            group.addAction(action)

    def set_smoothing(self, weight: float) -> None:
        """Smooth long curves with a weight of the points before, from 0 to 1."""
        self.smoothing = weight
        self.show_curves(*self._shown)

    def show_curves(self, curves: dict[str, LossCurve], zero_step_loss: float, chosen: str) -> None:
        """Draw the candidates of one segment, the chosen one bold, and the loss before adapting."""
        self._shown = curves, zero_step_loss, chosen
        self._highlighted = chosen or DEFAULT_CANDIDATE
        for key in [k for k in self._lines if k[0] not in curves]:
            self.removeItem(self._lines.pop(key))
        self._order = sort_candidates(curves)
        for name in self._order:
            self._show_curve(name, "support", curves[name].steps, smooth(curves[name].support, self.smoothing))
            self._show_curve(name, "held-out", curves[name].steps, smooth(curves[name].query, self.smoothing))
            if len(curves[name].steps) > SMOOTHING_MIN_POINTS:
                self._show_curve(name, "raw", curves[name].steps, np.array(curves[name].query))
        if self._zero_step_line is not None and np.isfinite(zero_step_loss) and zero_step_loss > 0:
            self._zero_step_line.setPos(np.log10(zero_step_loss))
        self.recolour()

    def _show_curve(self, name: str, kind: str, steps: Sequence[int], losses: np.ndarray) -> None:
        key = (name, kind)
        if key not in self._lines:
            self._lines[key] = add_curve(self, name=None if kind == "raw" else f"{name}, {kind}")
        usable = np.isfinite(losses) & (losses > 0)
        self._lines[key].setData(np.array(steps)[usable], losses[usable])

    def recolour(self) -> None:
        """Draw each candidate in its colour: support solid, held-out dashed, baselines thin with a symbol."""
        for (name, kind), line in self._lines.items():
            line.setPen(self.make_candidate_pen(name, kind))
            is_short = line.xData is not None and len(line.xData) < 3
            rank = self._order.index(name)
            show = kind == "held-out" and (rank > 0 or is_short)
            line.setSymbol(
                PLOT_SYMBOLS[rank % len(PLOT_SYMBOLS)] if show and (is_short or len(line.xData) < 12) else None
            )
            line.setSymbolSize(6)
            line.setSymbolPen(None)
            line.setSymbolBrush(self.candidate_colour(name))
        if self._zero_step_line is not None:
            self._zero_step_line.setPen(make_pen(self.theme.colours.muted, 1.0, 1))

    def has_curve(self, name: str) -> bool:
        """Return whether a candidate has a curve."""
        return name in self._order

    def candidate_colour(self, name: str) -> str:
        """Return a candidate's colour."""
        series = self.theme.colours.series
        return series[self._order.index(name) % len(series)] if name in self._order else series[0]

    def make_candidate_pen(self, name: str, kind: str) -> object:
        """Return a candidate's pen."""
        if kind == "raw":
            return make_pen(self.candidate_colour(name), 1.0, 0, 0.25)
        bold = name == self._highlighted
        return make_pen(self.candidate_colour(name), 2.0 if bold else 1.0, kind == "held-out", 1.0 if bold else 0.85)


def sort_candidates(curves: Iterable[str]) -> list[str]:
    """Return the names of candidates, the one that is drawn bold by default first."""
    names = list(curves)
    return sorted(names, key=lambda name: (name != DEFAULT_CANDIDATE, names.index(name)))
