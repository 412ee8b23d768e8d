"""Panel of an adaptation, live: loss against gradient steps, and how often each candidate succeeded in rehearsal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from metagui.gui.learning.loss_axes import LossAxes
from metagui.gui.learning.loss_curves import LossCurves
from metagui.gui.learning.loss_legend import LossLegend
from metagui.gui.widgets.eliding_label import ElidingLabel
from metagui.gui.widgets.panel import GRID_PX, EmptyState, EmptyStateStack, Panel, SegmentedControl

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from PySide6.QtGui import QAction, QResizeEvent

    from metagui.gui.theme.theme import Theme
    from metagui.learning.adaptation.adaptation import AdaptationStep
    from metagui.learning.rehearsal.rehearsal import RehearsalStep

FULL_LEGEND_WIDTH_PX = 420
"""Width of the panel below which the legend is shortened, pixels: at a window of 1024 the curves would have 20."""


class LossPanel(Panel):
    """Curves, legend, selector of the segment, Follow button, and the chosen candidate with its reason."""

    def __init__(self, theme: Theme, adapt: QAction) -> None:
        super().__init__("Adaptation")
        self.curves = LossCurves()
        self._chosen: dict[int, str] = {}
        self.axes = LossAxes(theme)
        self.legend = LossLegend(self.axes)
        self._segment_selector = SegmentedControl("Segment of the curves")
        self._follow_button = QPushButton("Follow")
        self._follow_button.setToolTip("Show all points again, and follow new ones.")
        self._follow_button.setAccessibleName("Follow the newest point")
        self._follow_button.hide()
        self._verdict = ElidingLabel(max_lines=2)
        self._reasons: dict[int, str] = {}
        self._progress = ""
        sentence = "Record a few takes of a task, then press Adapt: its loss curves appear here."
        self.content = EmptyStateStack(self._make_content(), EmptyState(theme, "adapt", sentence, adapt, "primary"))
        self.body.addWidget(self.content)
        self._views = SegmentedControl("View of the adaptation")
        self._other_view: QWidget | None = None
        self.header.addWidget(self._views)
        self._curve_tools = self._make_curve_tools()
        self.header.addWidget(self._curve_tools)
        self._views.segment_chosen.connect(self.show_view)
        self.axes.panned.connect(self._follow_button.show)
        self.axes.fitted.connect(self._follow_button.hide)
        self._follow_button.clicked.connect(self._follow_newest)
        self._segment_selector.segment_chosen.connect(self._draw)
        theme.changed.connect(self._draw)

    def _make_curve_tools(self) -> QWidget:
        out = QWidget()
        row = QHBoxLayout(out)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._segment_selector)
        row.addWidget(self._follow_button)
        return out

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Shorten the legend of a narrow panel."""
        self.legend.set_compact(self.width() < FULL_LEGEND_WIDTH_PX)
        super().resizeEvent(event)

    def add_view(self, name: str, view: QWidget) -> None:
        """Add a second view of what was learnt beside the curves."""
        self._other_view = view
        self.body.addWidget(view)
        self._views.set_labels(["Curves", name])
        self.show_view(0)

    def show_view(self, index: int) -> None:
        """Show the curves (0) or the other view (1)."""
        self._views.select(index)
        self.content.setVisible(index == 0)
        self._curve_tools.setVisible(index == 0)
        if self._other_view is not None:
            self._other_view.setVisible(index == 1)

    def _make_content(self) -> QWidget:
        out = QWidget()
        side = QHBoxLayout()
        side.setSpacing(GRID_PX)
        side.addWidget(self.axes, 1)
        side.addWidget(self.legend)
        layout = QVBoxLayout(out)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(side, 1)
        layout.addWidget(self._verdict)
        return out

    def begin(self, segment_labels: Sequence[str]) -> None:
        """Clear the panel for a new adaptation, with the labels of the segments."""
        self.curves = LossCurves()
        self._chosen, self._reasons, self._progress = {}, {}, ""
        self._verdict.set_full_text("")
        self._segment_selector.set_labels(
            [short_segment_label(i, label) for i, label in enumerate(segment_labels)], list(segment_labels)
        )
        self._follow_newest()
        self.content.set_filled(False)
        self.content.empty_state.set_sentence("Adapting: the first point is on its way.")

    def append_steps(self, steps: Iterable[AdaptationStep | RehearsalStep]) -> None:
        """Add a batch of steps, and show the segment that is being learnt."""
        self.curves.extend(steps)
        if self.curves.rehearsed:
            self._progress = "Rehearsing in simulation: each candidate runs in the same fresh scenes."
        self._segment_selector.select(self.curves.newest_segment)
        self.content.set_filled(True)
        self._draw()

    def show_choices(self, chosen: dict[int, str], reasons: dict[int, str]) -> None:
        """Show the chosen candidate of each segment, and the reason."""
        self._chosen, self._reasons = chosen, reasons
        self._draw()

    def show_stored_curves(self, segment_labels: Sequence[str], curves: LossCurves) -> None:
        """Show the curves of an earlier adaptation."""
        self.begin(segment_labels)
        self.curves = curves
        self.content.set_filled(bool(curves.by_segment))
        self._draw()

    def show_empty(self, sentence: str) -> None:
        """Show a sentence in place of curves."""
        self.curves = LossCurves()
        self._segment_selector.set_labels([])
        self.content.empty_state.set_sentence(sentence)
        self.content.set_filled(False)

    def _follow_newest(self) -> None:
        self._follow_button.hide()
        self.axes.follow()

    def _draw(self) -> None:
        segment = max(self._segment_selector.current_index, 0)
        found, baseline = self.curves.curves_of(segment), self.curves.zero_step_losses.get(segment, float("nan"))
        if found:
            self.axes.show_curves(found, baseline, self._chosen.get(segment, ""))
            self.legend.show_curves(found, self.curves.rehearsed, baseline, self._chosen.get(segment, ""))
        choice = self._chosen.get(segment)
        self._verdict.set_full_text(f"Chosen: {choice}. {self._reasons.get(segment, '')}" if choice else self._progress)


def short_segment_label(index: int, label: str) -> str:
    """Return the number and the action of a segment, from its label.

    The label of a segment without an instruction already is its number.
    """
    return label if label.startswith("segment ") else f"{index + 1} {label.split(' ')[0]}"
