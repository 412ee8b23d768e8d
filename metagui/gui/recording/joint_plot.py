"""Plot of joint angles against time, one lane per joint: the last seconds of the arm, or the selected take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal

from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.programs.program import describe_instruction
from metagui.gui.recording.boundary_line import LABEL_HEADROOM_LANES, BoundaryLine
from metagui.gui.recording.lanes import AngleHistory, compute_heights, make_angle_table, shorten_joint_name
from metagui.gui.recording.segment_edit import (
    is_segmentation_editable,
    join_segments,
    list_boundaries,
    move_boundary,
    split_segment,
)
from metagui.gui.recording.take_ruler import GRAB_DISTANCE_PX, TakeRuler
from metagui.gui.theme.theme import scaled_font
from metagui.gui.widgets.plot import Plot, add_curve, make_pen
from metagui.gui.widgets.plots.plot_export import PlotTable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtGui import QKeyEvent, QMouseEvent, QResizeEvent

    from metagui.arms.arm import FloatArray
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.gui.recording.segment_edit import SegmentTuple
    from metagui.gui.theme.theme import Theme

LIVE_SPAN_S = 12.0
"""Length of the live plot, s."""


class JointPlot(Plot):
    """Lanes on a common time axis; the right edge shows the angles now, or at the pointer."""

    editable_changed = Signal(bool)
    """True if the boundaries of the take on display can be edited."""
    segments_edited = Signal(object)
    """Segments of the take on display after the user edited a boundary."""
    trimmed = Signal(object, float, float)
    """The take on display, and begin and end, s, to which the user trimmed it."""

    def __init__(self, theme: Theme, joints: Sequence[str]) -> None:
        self._curves: list[pg.PlotDataItem] = []
        self._boundary_lines: list[BoundaryLine] = []
        super().__init__(theme, "Joint angles against time")
        self._joint_names, self._joints = tuple(joints), [shorten_joint_name(j) for j in joints]
        self._history = AngleHistory()
        self._drawn = np.zeros(0), np.zeros((0, len(joints)))
        self._instruction_index = -1
        self._is_live = True
        self._take: Demonstration | None = None
        self._cursor = pg.InfiniteLine(angle=90, movable=False)
        self._cursor.hide()
        self.ruler = TakeRuler(self)
        self.ruler.trimmed.connect(self._on_trimmed)
        self.press_key: Callable[[int, Qt.KeyboardModifier], bool] | None = None
        """Receives keys while a take is on display."""
        self._lay_out()

    def _lay_out(self) -> None:
        count = len(self._joints)
        self.addItem(self._cursor)
        self._curves = [add_curve(self) for _ in self._joints]
        self._dashed = [add_curve(self) for _ in self._joints]
        self.setYRange(0, count + LABEL_HEADROOM_LANES, padding=0)
        self.setMouseEnabled(x=False, y=False)
        self.plotItem.vb.sigXRangeChanged.connect(self._fit_boundary_labels)
        self.showAxis("right")
        self.getAxis("left").setTicks([[(count - 0.5 - i, name) for i, name in enumerate(self._joints)]])
        self.getAxis("right").setStyle(tickFont=scaled_font(0.88), tickLength=0)
        self.getAxis("left").setWidth(46)
        self.getAxis("right").setWidth(54)
        self.label_axes("seconds", "")
        self.scene().sigMouseMoved.connect(self._on_mouse_moved)
        self.recolour()

    def recolour(self) -> None:
        """Apply the colours of the theme to lanes, boundaries and cursor."""
        colours = self.theme.colours
        for index, line in enumerate(self._curves):
            line.setPen(make_pen(colours.series[index % len(colours.series)], 1.0))
            self._dashed[index].setPen(make_pen(colours.text, 1.0, 1))
        for line in self._boundary_lines:
            line.recolour(colours)
        if self._curves:
            self._cursor.setPen(make_pen(colours.muted))
            self.ruler.recolour(colours)

    # Live

    def append_tick(self, time: float, angles: FloatArray, instruction: object | None, instruction_index: int) -> None:
        """Add one tick: its time, s, joint angles (J,), rad, and the instruction being carried out."""
        if not self._history.append(time, angles):
            return
        if instruction_index != self._instruction_index and instruction is not None:
            self._instruction_index = instruction_index
            if self._is_live:
                self._add_boundary_line(
                    time,
                    describe_instruction(instruction) if isinstance(instruction, Instruction) else str(instruction),
                )

    def clear_live(self) -> None:
        """Clear the live plot, because another arm was connected."""
        self._history = AngleHistory()
        self._instruction_index = -1
        if self._is_live:
            self._clear_boundary_lines()

    def show_live(self) -> None:
        """Show the live plot."""
        if not self._is_live:
            self._is_live, self._take = True, None
            self._clear_boundary_lines()
            self.ruler.hide()
            self.show_second_take(None)
            self.setMouseEnabled(x=False, y=False)
            self.setLimits(xMin=None, xMax=None)
            self.editable_changed.emit(False)
        self.refresh()

    def refresh(self) -> None:
        """Draw the ticks added since the last call; does nothing while a take is shown."""
        if not self._is_live or len(self._history) < 2 or not self.isVisible():
            return
        now = self._history.newest
        self._draw(*self._history.get_recent(LIVE_SPAN_S))
        self.setXRange(-LIVE_SPAN_S, 0.0, padding=0)
        self._remove_boundary_lines(now - LIVE_SPAN_S)
        for line in self._boundary_lines:
            line.move_to(line.time - now)
        self._fit_boundary_labels()

    # Takes

    def show_take(self, take: Demonstration) -> None:
        """Show a take with its boundaries and trim; one that is on display already keeps the zoom."""
        before, self._take = self._take, take
        self._is_live = False
        self._clear_boundary_lines()
        self.editable_changed.emit(is_segmentation_editable(take))
        times = take.time - take.time[0]
        if is_segmentation_editable(take):
            self._show_boundaries(take, times)
        else:
            for segment in take.segments:
                self._add_boundary_line(
                    float(times[segment.start]),
                    describe_instruction(segment.instruction) if segment.instruction else "",
                )
        self._draw(times, take.joint_positions)
        start, stop = take.trim or (0, len(take))
        self.ruler.show_trim(float(times[start]), float(times[max(stop - 1, start)]), float(times[-1]))
        self.setMouseEnabled(x=True, y=False)
        if before is None or (before.task, before.name) != (take.task, take.name):
            self.fit()
        self._fit_boundary_labels()

    def show_second_take(self, take: Demonstration | None) -> None:
        """Draw the angles of a second take dashed, by progress, in the lanes of the take on display; None hides it."""
        for line in self._dashed:
            line.setVisible(take is not None)
        if take is not None and self._take is not None:
            times = np.linspace(0.0, float(self._drawn[0][-1]), len(take))
            heights = compute_heights(take.joint_positions, self._drawn[1])
            for line, each in zip(self._dashed, heights.T, strict=True):
                line.setData(times, each)

    def fit(self) -> None:
        """Show the whole take on display."""
        if self._take is not None:
            span = max(float(self._drawn[0][-1]), 1.0)
            self.setLimits(xMin=-0.02 * span, xMax=1.02 * span)
            self.setXRange(0.0, span, padding=0.01)

    def make_table(self) -> PlotTable:
        """Return the joint angles on display, in degrees, by time."""
        return PlotTable(*make_angle_table(self._joint_names, *self._drawn))

    def _on_trimmed(self, begin: float, end: float) -> None:
        if self._take is not None:
            self.trimmed.emit(self._take, begin, end)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move or play the playhead while a take is on display."""
        if self._is_live or self.press_key is None or not self.press_key(event.key(), event.modifiers()):
            super().keyPressEvent(event)

    def _show_boundaries(self, take: Demonstration, times: FloatArray) -> None:
        """Show the boundaries of a take without instructions, which can be edited."""
        starts = {segment.start: f"segment {number + 1}" for number, segment in enumerate(take.segments)}
        for edge in list_boundaries(take.segments):
            self._add_boundary_line(float(times[min(edge, len(times) - 1)]), starts.get(edge, ""), edge)

    def _on_boundary_dropped(self, line: BoundaryLine) -> None:
        take = self._take
        if take is not None and line.boundary is not None:
            self._emit_edit(take, move_boundary(take.segments, line.boundary, self._sample_at(line.x), len(take)))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Add a boundary at the pointer, or remove the one that is there."""
        take = self._take
        if take is None or self._is_live or not is_segmentation_editable(take):
            super().mouseDoubleClickEvent(event)
            return
        x = self.plotItem.vb.mapSceneToView(self.mapToScene(event.position().toPoint())).x()
        near = [
            line
            for line in self._boundary_lines
            if line.boundary is not None and abs(line.x - x) < GRAB_DISTANCE_PX * self._seconds_per_pixel()
        ]
        if near:
            self._emit_edit(take, join_segments(take.segments, near[0].boundary or 0))
        else:
            self._emit_edit(take, split_segment(take.segments, self._sample_at(x)))

    def _emit_edit(self, take: Demonstration, segments: SegmentTuple) -> None:
        if segments == take.segments:
            self.show_take(take)
        else:
            self.segments_edited.emit(segments)

    def _sample_at(self, x: float) -> int:
        """Return the sample of the take at a time on the axis, s."""
        times = self._drawn[0]
        return len(times) if x > times[-1] else int(np.searchsorted(times, x))

    def show_playhead(self, time: float | None) -> None:
        """Show the playhead at a time of the take, s, with the angles there; None hides it."""
        self.ruler.show_playhead(time)
        if time is not None and not self._cursor.isVisible() and len(self._drawn[0]):
            self._show_values(min(self._sample_at(time), len(self._drawn[0]) - 1))

    # Drawing

    def _draw(self, times: FloatArray, angles: FloatArray) -> None:
        self._drawn = times, angles
        for line, heights in zip(self._curves, compute_heights(angles, angles).T, strict=True):
            line.setData(times, heights)
        if not self._cursor.isVisible() and not self.ruler.playhead.isVisible():
            self._show_values(-1)

    def _fit_boundary_labels(self, *_range: object) -> None:
        """Elide the label of each boundary to the space before the next one."""
        scale, end = 1.0 / self._seconds_per_pixel(), self.plotItem.vb.viewRange()[0][1]
        for line in reversed(self._boundary_lines):
            line.fit_label((end - line.x) * scale)
            end = line.x

    def _seconds_per_pixel(self) -> float:
        box = self.plotItem.vb
        low, high = box.viewRange()[0]
        return float(max(high - low, 1e-6) / max(box.width(), 1.0))

    def _show_values(self, sample: int) -> None:
        angles = self._drawn[1]
        if len(angles):
            count = len(self._curves)
            ticks = [(count - 0.5 - i, f"{np.degrees(angles[sample, i]):+.0f}°") for i in range(count)]
            self.getAxis("right").setTicks([ticks])

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Fit the labels to the new size."""
        super().resizeEvent(event)
        if self._boundary_lines and self.plotItem is not None:  # None while the plot is being closed
            self._fit_boundary_labels()

    def _on_mouse_moved(self, position: object) -> None:
        """Show the angles at the pointer."""
        times = self._drawn[0]
        inside = self.plotItem.vb.sceneBoundingRect().contains(position) and len(times) > 1
        self._cursor.setVisible(bool(inside))
        if inside:
            x = self.plotItem.vb.mapSceneToView(position).x()
            self._cursor.setPos(x)
            self._show_values(int(np.clip(np.searchsorted(times, x), 0, len(times) - 1)))

    def _add_boundary_line(self, time: float, label: str, boundary: int | None = None) -> None:
        """Add a boundary line at a time, s; ``boundary`` is its sample if it can be edited."""
        line = BoundaryLine(self, time, label, len(self._joints), boundary)
        line.dropped.connect(self._on_boundary_dropped)
        self._boundary_lines.append(line)
        self.recolour()

    def _remove_boundary_lines(self, before: float) -> None:
        for line in [c for c in self._boundary_lines if c.time < before]:
            line.remove()
            self._boundary_lines.remove(line)

    def _clear_boundary_lines(self) -> None:
        self._remove_boundary_lines(float("inf"))
