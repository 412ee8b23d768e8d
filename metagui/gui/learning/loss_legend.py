"""Legend of the loss panel: the candidates with their held-out losses, and a bar of their successes in rehearsal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from metagui.gui.learning.loss_axes import sort_candidates
from metagui.gui.theme.theme import scaled_font
from metagui.gui.widgets.panel import make_muted_label
from metagui.gui.widgets.plot import LineSwatch, make_pen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from PySide6.QtGui import QPaintEvent

    from metagui.gui.learning.loss_axes import LossAxes
    from metagui.gui.learning.loss_curves import LossCurve

BAR_WIDTH_PX, BAR_HEIGHT_PX = 44, 6
"""Size of a success bar, pixels."""


class SuccessBar(QWidget):
    """A bar that is filled as far as a candidate succeeded; its ground is as long as all of its runs."""

    def __init__(self, colour: str, ground: str) -> None:
        super().__init__()
        self._colour, self._ground, self.fraction = QColor(colour), QColor(ground), 0.0
        self.setFixedSize(BAR_WIDTH_PX, BAR_HEIGHT_PX)

    def set_fraction(self, fraction: float) -> None:
        """Fill the bar to a fraction from 0 to 1."""
        self.fraction = fraction
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the ground and the filled part."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        for colour, fraction in ((self._ground, 1.0), (self._colour, self.fraction)):
            painter.setBrush(colour)
            painter.drawRoundedRect(QRectF(0, 0, fraction * self.width(), self.height()), 3, 3)


class LossLegend(QWidget):
    """Legend of the candidates with their held-out losses and successes, and of solid and dashed lines."""

    def __init__(self, axes: LossAxes) -> None:
        super().__init__()
        self._axes = axes
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._rows = QWidget()
        self._grid = QGridLayout()
        self._signature: tuple[object, ...] = ()
        self._is_compact = False
        self._values: dict[str, QLabel] = {}
        self._scores: dict[str, tuple[SuccessBar, QLabel]] = {}
        self._loss_heading: QLabel | None = None

    def set_compact(self, is_compact: bool) -> None:
        """Leave out bars, and losses where there are successes, so that a narrow panel has room for the curves."""
        self._is_compact = is_compact
        self._hide_what_is_left_out()

    def _hide_what_is_left_out(self) -> None:
        for bar, _ in self._scores.values():
            bar.setHidden(self._is_compact)
        for label in filter(None, (self._loss_heading, *self._values.values())):
            label.setHidden(self._is_compact and bool(self._scores))

    def show_curves(
        self,
        curves: Mapping[str, LossCurve],
        rehearsed: Mapping[str, tuple[int, int]],
        zero_step_loss: float,
        chosen: str,
    ) -> None:
        """List the candidates, with a tick at the chosen one; ``rehearsed`` has numbers of successes and runs."""
        names = [*sort_candidates(curves), *(name for name in rehearsed if name not in curves)]
        signature = (tuple(names), tuple(rehearsed), chosen, self._axes.theme.is_dark)
        if signature != self._signature:
            self._signature = signature
            self._build(names, rehearsed, chosen)
        for name in names:
            self._values[name].setText(_format_loss(curves[name].final_loss) if name in curves else "–")
        for name, (successes, runs) in rehearsed.items():
            bar, label = self._scores[name]
            bar.set_fraction(successes / max(runs, 1))
            label.setText(f"{successes} of {runs}")
        self._values["before"].setText(_format_loss(zero_step_loss))

    def _build(self, names: list[str], rehearsed: Iterable[str], chosen: str) -> None:
        self._column.removeWidget(self._rows)
        self._rows.hide()
        self._rows.deleteLater()
        self._rows = QWidget()
        self._grid = QGridLayout(self._rows)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(6)
        self._grid.setVerticalSpacing(1)
        self._column.addWidget(self._rows, 0, Qt.AlignmentFlag.AlignTop)
        self._values, self._scores = {}, {}
        rehearsed = tuple(rehearsed)
        self._loss_heading = self._add_heading("held-out", 2, 1)
        if rehearsed:
            self._add_heading("rehearsed", 3, 2)
        for name in names:
            self._add_row(name, self._make_pen(name), f"✓ {name}" if name == chosen else name)
            if name in rehearsed:
                self._add_score(name, bold=name == chosen)
        muted_colour = self._axes.theme.colours.muted
        self._add_row("before", make_pen(muted_colour, 1.0, 1), "before")
        self._add_row("solid", make_pen(muted_colour), "support")
        self._add_row("dashed", make_pen(muted_colour, 1.0, 1), "held-out")
        self._hide_what_is_left_out()

    def _make_pen(self, name: str) -> object | None:
        """Return the pen of a candidate's curve, None for a candidate that has none."""
        return self._axes.make_candidate_pen(name, "support") if self._axes.has_curve(name) else None

    def _add_heading(self, text: str, column: int, span: int) -> QLabel:
        heading = make_muted_label(text)
        heading.setFont(scaled_font(0.88))
        self._grid.addWidget(heading, 0, column, 1, span)
        return heading

    def _add_row(self, key: str, line: object | None, text: str) -> None:
        row = self._grid.rowCount()
        name, value = QLabel(text), make_muted_label()
        for label in (name, value):
            label.setFont(scaled_font(0.9, bold=text.startswith("✓")))
        if line is not None:
            self._grid.addWidget(LineSwatch(line), row, 0)  # type: ignore[arg-type]
        self._grid.addWidget(name, row, 1)
        self._grid.addWidget(value, row, 2)
        self._values[key] = value

    def _add_score(self, name: str, bold: bool) -> None:
        """Add a success bar and its numbers to the last row."""
        row, colours = self._grid.rowCount() - 1, self._axes.theme.colours
        bar, label = SuccessBar(colours.success if bold else colours.muted, colours.border), make_muted_label()
        label.setFont(scaled_font(0.9, bold=bold))
        bar.setAccessibleName(f"Successes of {name} in rehearsal")
        self._grid.addWidget(bar, row, 3, Qt.AlignmentFlag.AlignVCenter)
        self._grid.addWidget(label, row, 4)
        self._scores[name] = bar, label


def _format_loss(value: float) -> str:
    return f"{value:.3g}" if np.isfinite(value) else "–"
