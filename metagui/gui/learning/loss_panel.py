"""Loss against gradient steps, live: the adapted policy bold, its rivals thin, the loss before adapting dashed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from metagui.gui.learning.loss_curves import MANY, Curve, Curves, smoothed
from metagui.gui.theme.theme import scaled_font
from metagui.gui.widgets.eliding_label import Elided
from metagui.gui.widgets.panel import GAP, EmptyState, Filled, Panel, Segments, muted
from metagui.gui.widgets.plot import SYMBOLS, Plot, Swatch, curve, pen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from PySide6.QtGui import QAction

    from metagui.gui.theme.theme import Theme
    from metagui.learning.adaptation.adaptation import AdaptationStep

LEADING = "adapted"
"""The candidate that is drawn bold until one is chosen."""


class LossAxes(Plot):
    """The plot itself; panning by hand stops following the newest point."""

    panned = Signal()

    def __init__(self, theme: Theme) -> None:
        self._lines: dict[tuple[str, str], pg.PlotDataItem] = {}
        self._leading = LEADING
        self._order: list[str] = []
        self._before: pg.InfiniteLine | None = None
        super().__init__(theme, "Loss against gradient steps", log=True)
        self.setLogMode(y=True)
        self.showGrid(y=True, alpha=0.12)
        self.label_axes("gradient step", "imitation loss")
        self._before = pg.InfiniteLine(angle=0, movable=False)
        self.addItem(self._before)
        self.plotItem.vb.sigRangeChangedManually.connect(self._on_pan)
        self.recolour()

    def _on_pan(self, _mask: object) -> None:
        self.panned.emit()

    def follow(self) -> None:
        """Show every point, and keep doing so."""
        self.enableAutoRange()

    def show_curves(self, curves: dict[str, Curve], baseline: float, chosen: str) -> None:
        """Draw the candidates of one click, the chosen one bold, and the loss before adapting."""
        self._leading = chosen or LEADING
        for key in [k for k in self._lines if k[0] not in curves]:
            self.removeItem(self._lines.pop(key))
        self._order = sorted(curves, key=lambda name: (name != LEADING, list(curves).index(name)))
        for name in self._order:
            self._show(name, "support", curves[name].steps, smoothed(curves[name].support))
            self._show(name, "held-out", curves[name].steps, smoothed(curves[name].query))
            if len(curves[name].steps) > MANY:
                self._show(name, "raw", curves[name].steps, np.array(curves[name].query))
        if self._before is not None and np.isfinite(baseline) and baseline > 0:
            self._before.setPos(np.log10(baseline))
        self.recolour()

    def _show(self, name: str, kind: str, steps: Sequence[int], losses: np.ndarray) -> None:
        key = (name, kind)
        if key not in self._lines:
            self._lines[key] = curve(self)
        usable = np.isfinite(losses) & (losses > 0)
        self._lines[key].setData(np.array(steps)[usable], losses[usable])

    def recolour(self) -> None:
        """Colours by candidate; support solid, held-out dashed; rivals thin with a symbol of their own."""
        for (name, kind), line in self._lines.items():
            line.setPen(self.line(name, kind))
            alone = line.xData is not None and len(line.xData) < 3
            rank = self._order.index(name)
            show = kind == "held-out" and (rank > 0 or alone)
            line.setSymbol(SYMBOLS[rank % len(SYMBOLS)] if show and (alone or len(line.xData) < 12) else None)
            line.setSymbolSize(6)
            line.setSymbolPen(None)
            line.setSymbolBrush(self.colour(name))
        if self._before is not None:
            self._before.setPen(pen(self.theme.colours.muted, 1.0, 1))

    def colour(self, name: str) -> str:
        """Return a candidate's colour."""
        series = self.theme.colours.series
        return series[self._order.index(name) % len(series)] if name in self._order else series[0]

    def line(self, name: str, kind: str) -> object:
        """Return a candidate's pen."""
        if kind == "raw":
            return pen(self.colour(name), 1.0, 0, 0.25)
        bold = name == self._leading
        return pen(self.colour(name), 2.0 if bold else 1.0, kind == "held-out", 1.0 if bold else 0.85)


class Legend(QWidget):
    """Every candidate with its newest held-out loss, and what solid and dashed mean."""

    def __init__(self, axes: LossAxes) -> None:
        super().__init__()
        self._axes = axes
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._rows = QWidget()
        self._grid = QGridLayout()
        self._signature: tuple[object, ...] = ()
        self._values: dict[str, QLabel] = {}

    def show_curves(self, curves: dict[str, Curve], baseline: float, chosen: str) -> None:
        """List the candidates; the chosen one is ticked."""
        names = sorted(curves, key=lambda name: (name != LEADING, list(curves).index(name)))
        signature = (tuple(names), chosen, self._axes.theme.dark)
        if signature != self._signature:
            self._signature = signature
            self._build(names, chosen)
        for name in names:
            self._values[name].setText(_number(curves[name].settled))
        self._values["before"].setText(_number(baseline))

    def _build(self, names: list[str], chosen: str) -> None:
        self._column.removeWidget(self._rows)
        self._rows.deleteLater()
        self._rows = QWidget()
        self._grid = QGridLayout(self._rows)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(6)
        self._grid.setVerticalSpacing(1)
        self._column.addWidget(self._rows, 0, Qt.AlignmentFlag.AlignTop)
        self._values = {}
        muted_colour = self._axes.theme.colours.muted
        heading = muted("held-out")
        heading.setFont(scaled_font(0.88))
        self._grid.addWidget(heading, 0, 2)
        for name in names:
            self._row(name, self._axes.line(name, "support"), f"✓ {name}" if name == chosen else name)
        self._row("before", pen(muted_colour, 1.0, 1), "before")
        self._row("solid", pen(muted_colour), "support")
        self._row("dashed", pen(muted_colour, 1.0, 1), "held-out")

    def _row(self, key: str, line: object, words: str) -> None:
        row = self._grid.rowCount()
        name, value = QLabel(words), muted()
        for label in (name, value):
            label.setFont(scaled_font(0.9, bold=words.startswith("✓")))
        self._grid.addWidget(Swatch(line), row, 0)  # type: ignore[arg-type]
        self._grid.addWidget(name, row, 1)
        self._grid.addWidget(value, row, 2)
        self._values[key] = value


class LossPanel(Panel):
    """Curves, legend, the clicks to look at, a chip that follows again, and what was chosen in words."""

    def __init__(self, theme: Theme, adapt: QAction) -> None:
        super().__init__("Adaptation")
        self.curves = Curves()
        self._chosen: dict[int, str] = {}
        self.axes = LossAxes(theme)
        self.legend = Legend(self.axes)
        self._clicks = Segments("Which click's curves are shown")
        self._chip = QPushButton("Follow")
        self._chip.setToolTip("Show every point again and keep up with new ones.")
        self._chip.setAccessibleName("Follow the newest point")
        self._chip.hide()
        self._verdict = Elided(lines=2)
        self._reasons: dict[int, str] = {}
        sentence = "Record a few takes of a task, then press Adapt: the curves of learning it appear here."
        self.place = Filled(self._content(), EmptyState(theme, "adapt", sentence, adapt, "primary"))
        self.body.addWidget(self.place)
        self.header.addWidget(self._clicks)
        self.header.addWidget(self._chip)
        self.axes.panned.connect(self._chip.show)
        self._chip.clicked.connect(self._follow)
        self._clicks.chosen.connect(self._draw)
        theme.changed.connect(self._draw)

    def _content(self) -> QWidget:
        out = QWidget()
        side = QHBoxLayout()
        side.setSpacing(GAP)
        side.addWidget(self.axes, 1)
        side.addWidget(self.legend)
        layout = QVBoxLayout(out)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(side, 1)
        layout.addWidget(self._verdict)
        return out

    def begin(self, clicks: Sequence[str]) -> None:
        """Start over with the clicks of a task, in words."""
        self.curves = Curves()
        self._chosen, self._reasons = {}, {}
        self._verdict.say("")
        self._clicks.set_labels([short_click(i, words) for i, words in enumerate(clicks)], list(clicks))
        self._follow()
        self.place.fill(False)
        self.place.empty.say("Adapting: the first point is on its way.")

    def extend(self, steps: Iterable[AdaptationStep]) -> None:
        """Take in a batch; shows the click that is being learnt."""
        self.curves.extend(steps)
        self._clicks.choose(self.curves.newest)
        self.place.fill(True)
        self._draw()

    def conclude(self, chosen: dict[int, str], reasons: dict[int, str]) -> None:
        """Say which candidate was chosen for every click, and why."""
        self._chosen, self._reasons = chosen, reasons
        self._draw()

    def restore(self, clicks: Sequence[str], curves: Curves) -> None:
        """Show an earlier adaptation's curves."""
        self.begin(clicks)
        self.curves = curves
        self.place.fill(bool(curves.by_click))
        self._draw()

    def clear(self, sentence: str) -> None:
        """Show nothing but a sentence."""
        self.curves = Curves()
        self._clicks.set_labels([])
        self.place.empty.say(sentence)
        self.place.fill(False)

    def _follow(self) -> None:
        self._chip.hide()
        self.axes.follow()

    def _draw(self) -> None:
        click = max(self._clicks.current, 0)
        found, baseline = self.curves.of(click), self.curves.baselines.get(click, float("nan"))
        if found:
            self.axes.show_curves(found, baseline, self._chosen.get(click, ""))
            self.legend.show_curves(found, baseline, self._chosen.get(click, ""))
        choice = self._chosen.get(click)
        self._verdict.say(f"Chosen: {choice}. {self._reasons.get(click, '')}" if choice else "")


def short_click(index: int, words: str) -> str:
    """Return a click's number and verb; the parts of a take that nobody clicked in are numbered already."""
    return words if words.startswith("part ") else f"{index + 1} {words.split(' ')[0]}"


def _number(value: float) -> str:
    return f"{value:.3g}" if np.isfinite(value) else "–"
