"""Joint angles against time, one lane a joint: the last seconds of the arm, or the whole of a chosen take."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Signal

from metagui.demonstrations.demonstration import Click
from metagui.demonstrations.programs.program import describe
from metagui.gui.recording.boundary_line import HEAD, Cut
from metagui.gui.recording.segment_edit import edges, joined, movable, moved, split
from metagui.gui.theme.theme import scaled_font
from metagui.gui.widgets.plot import Plot, curve, pen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QMouseEvent, QResizeEvent

    from metagui.arms.arm import FloatArray
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.gui.recording.segment_edit import Segments
    from metagui.gui.theme.theme import Theme

SECONDS = 12.0
"""How much of the past the live view shows."""
LEAST_SPAN = 0.5
"""Smallest range of a lane, rad, so that noise does not look like motion."""
_FILL = 0.8
_NEAR = 6
"""How near to a cut a double click means that cut, pixels."""
_SHORT = {"shoulder_": "", "_flex": "", "gripper": "grip", "wrist_roll": "roll"}


def short_name(joint: str) -> str:
    """Return a joint's name as it fits beside a lane."""
    for long, short in _SHORT.items():
        joint = joint.replace(long, short)
    return joint


def lane(values: FloatArray) -> tuple[float, float]:
    """Return centre and span of a lane that holds these angles."""
    low, high = float(np.min(values)), float(np.max(values))
    return (low + high) / 2, max(high - low, LEAST_SPAN)


class Traces(Plot):
    """Six lanes on one time axis; the right edge shows the angles now, or under the pointer."""

    recuttable = Signal(bool)
    """Whether the cuts of what is shown can be moved."""
    recut = Signal(object)
    """The segments of the take shown, cut elsewhere by a person."""

    def __init__(self, theme: Theme, joints: Sequence[str]) -> None:
        self._curves: list[pg.PlotDataItem] = []
        self._cuts: list[Cut] = []
        super().__init__(theme, "Joint angles against time")
        self._joints = [short_name(j) for j in joints]
        self._times: deque[float] = deque(maxlen=2000)
        self._angles: deque[FloatArray] = deque(maxlen=2000)
        self._shown = np.zeros(0), np.zeros((0, len(joints)))
        self._click_index = -1
        self._live = True
        self._take: Demonstration | None = None
        self._cursor = pg.InfiniteLine(angle=90, movable=False)
        self._cursor.hide()
        self._lay_out()

    def _lay_out(self) -> None:
        count = len(self._joints)
        self.addItem(self._cursor)
        self._curves = [curve(self) for _ in self._joints]
        self.setYRange(0, count + HEAD, padding=0)
        self.setMouseEnabled(x=False, y=False)
        self.showAxis("right")
        self.getAxis("left").setTicks([[(count - 0.5 - i, name) for i, name in enumerate(self._joints)]])
        self.getAxis("right").setStyle(tickFont=scaled_font(0.88), tickLength=0)
        self.getAxis("left").setWidth(46)
        self.getAxis("right").setWidth(54)
        self.label_axes("seconds", "")
        self.scene().sigMouseMoved.connect(self._point)
        self.recolour()

    def recolour(self) -> None:
        """Give lanes, cuts and the cursor the theme's colours."""
        colours = self.theme.colours
        for index, line in enumerate(self._curves):
            line.setPen(pen(colours.series[index % len(colours.series)], 1.0))
        for cut in self._cuts:
            cut.recolour(colours)
        if self._curves:
            self._cursor.setPen(pen(colours.muted))

    # Live

    def extend(self, time: float, angles: FloatArray, click: object | None, click_index: int) -> None:
        """Take in one tick: its time, s, and (J,) angles, rad, and the click under way."""
        if self._times and time <= self._times[-1]:
            return
        self._times.append(time)
        self._angles.append(angles)
        if click_index != self._click_index and click is not None:
            self._click_index = click_index
            if self._live:
                self._cut(time, describe(click) if isinstance(click, Click) else str(click))

    def forget(self) -> None:
        """Another arm is there: what the one before did is of no interest."""
        self._times.clear()
        self._angles.clear()
        self._click_index = -1
        if self._live:
            self._clear_cuts()

    def live(self) -> None:
        """Show the arm again."""
        if not self._live:
            self._live, self._take = True, None
            self._clear_cuts()
            self.recuttable.emit(False)
        self.refresh()

    def refresh(self) -> None:
        """Draw what was taken in since; costs nothing while a take is shown."""
        if not self._live or len(self._times) < 2 or not self.isVisible():
            return
        times, angles = np.array(self._times), np.array(self._angles)
        now = times[-1]
        recent = times > now - SECONDS
        self._draw(times[recent] - now, angles[recent])
        self.setXRange(-SECONDS, 0.0, padding=0)
        self._drop_old_cuts(now - SECONDS)
        for cut in self._cuts:
            cut.move(cut.began - now)
        self._fit_cuts()

    # A take

    def show_take(self, take: Demonstration) -> None:
        """Show a whole take with its cuts."""
        self._live, self._take = False, take
        self._clear_cuts()
        self.recuttable.emit(movable(take))
        times = take.time - take.time[0]
        if movable(take):
            self._show_edges(take, times)
        else:
            for segment in take.segments:
                self._cut(float(times[segment.start]), describe(segment.click) if segment.click else "")
        self._draw(times, take.joint_positions)
        self.setXRange(0.0, max(float(times[-1]), 1.0), padding=0.01)
        self._fit_cuts()

    def _show_edges(self, take: Demonstration, times: FloatArray) -> None:
        """Show where a take was cut that nobody clicked in; a person may know better."""
        starts = {segment.start: f"part {number + 1}" for number, segment in enumerate(take.segments)}
        for edge in edges(take.segments):
            self._cut(float(times[min(edge, len(times) - 1)]), starts.get(edge, ""), edge)

    def _on_dropped(self, cut: Cut) -> None:
        take = self._take
        if take is not None and cut.edge is not None:
            self._cut_again(take, moved(take.segments, cut.edge, self._sample(cut.x), len(take)))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Cut a take that nobody clicked in here, or remove the cut that is here."""
        take = self._take
        if take is None or self._live or not movable(take):
            super().mouseDoubleClickEvent(event)
            return
        x = self.plotItem.vb.mapSceneToView(self.mapToScene(event.position().toPoint())).x()
        near = [cut for cut in self._cuts if cut.edge is not None and abs(cut.x - x) < _NEAR * self._seconds_a_pixel()]
        if near:
            self._cut_again(take, joined(take.segments, near[0].edge or 0))
        else:
            self._cut_again(take, split(take.segments, self._sample(x)))

    def _cut_again(self, take: Demonstration, segments: Segments) -> None:
        if segments == take.segments:
            self.show_take(take)
        else:
            self.recut.emit(segments)

    def _sample(self, x: float) -> int:
        """Return the sample of the take at a time on the axis."""
        times = self._shown[0]
        return len(times) if x > times[-1] else int(np.searchsorted(times, x))

    def show_progress(self, share: float | None) -> None:
        """Show how far a replay of the take has come; None hides the line."""
        times = self._shown[0]
        self._cursor.setVisible(share is not None)
        if share is not None and len(times):
            self._cursor.setPos(share * times[-1])
            self._show_values(int(np.clip(share * len(times), 0, len(times) - 1)))

    # Drawing

    def _draw(self, times: FloatArray, angles: FloatArray) -> None:
        self._shown = times, angles
        count = len(self._curves)
        for index, line in enumerate(self._curves):
            centre, span = lane(angles[:, index])
            line.setData(times, count - 0.5 - index + _FILL * (angles[:, index] - centre) / span)
        if not self._cursor.isVisible():
            self._show_values(-1)

    def _fit_cuts(self) -> None:
        """Give every cut's words the room up to the next cut."""
        scale, end = 1.0 / self._seconds_a_pixel(), self.plotItem.vb.viewRange()[0][1]
        for cut in reversed(self._cuts):
            cut.fit((end - cut.x) * scale)
            end = cut.x

    def _seconds_a_pixel(self) -> float:
        box = self.plotItem.vb
        low, high = box.viewRange()[0]
        return float(max(high - low, 1e-6) / max(box.width(), 1.0))

    def _show_values(self, sample: int) -> None:
        angles = self._shown[1]
        if len(angles):
            count = len(self._curves)
            ticks = [(count - 0.5 - i, f"{np.degrees(angles[sample, i]):+.0f}°") for i in range(count)]
            self.getAxis("right").setTicks([ticks])

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Fit the words over the cuts anew."""
        super().resizeEvent(event)
        if self._cuts and self.plotItem is not None:  # it is gone while the plot closes
            self._fit_cuts()

    def _point(self, position: object) -> None:
        """Show the angles under the pointer."""
        times = self._shown[0]
        inside = self.plotItem.vb.sceneBoundingRect().contains(position) and len(times) > 1
        self._cursor.setVisible(bool(inside))
        if inside:
            x = self.plotItem.vb.mapSceneToView(position).x()
            self._cursor.setPos(x)
            self._show_values(int(np.clip(np.searchsorted(times, x), 0, len(times) - 1)))

    def _cut(self, time: float, words: str, edge: int | None = None) -> None:
        """Mark where a click began, or at which sample a part can be cut elsewhere."""
        cut = Cut(self, time, words, len(self._joints), edge)
        cut.dropped.connect(self._on_dropped)
        self._cuts.append(cut)
        self.recolour()

    def _drop_old_cuts(self, before: float) -> None:
        for cut in [c for c in self._cuts if c.began < before]:
            cut.remove()
            self._cuts.remove(cut)

    def _clear_cuts(self) -> None:
        self._drop_old_cuts(float("inf"))
