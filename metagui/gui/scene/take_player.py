"""Playhead of a stored take: the one position that the 3-D view, the joint plot and the slider show.

The take plays in real time or at another speed, forwards or backwards, while the arm does not move.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from metagui.demonstrations.recording.pauses import find_motion

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.arms.arm import FloatArray
    from metagui.demonstrations.demonstration import Demonstration

PLAYBACK_PERIOD_MS = 40
"""Time between two frames, ms."""
PLAYBACK_SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Speeds to choose from, as multiples of the take's own."""


class TakePlayer(QObject):
    """Plays the take on display between the ends of its trim."""

    moved = Signal()
    """The playhead is at another sample, or another take is on display."""
    playback_changed = Signal()
    """Another take is on display, or it plays, pauses, or plays at another speed."""

    def __init__(self, parent: QObject | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(parent)
        self._clock = clock
        self.take: Demonstration | None = None
        """Take on display; None while the arm is shown."""
        self._times: FloatArray = np.zeros(0)
        self.span = 0.0, 0.0
        """Begin and end of the part that is played, s."""
        self.motion_start = 0.0
        """Time at which the take begins to move, s."""
        self.position = 0.0
        """Place of the playhead, s after the first sample."""
        self.speed = 1.0
        """Multiple of the take's own speed; negative while it plays backwards."""
        self.loops = False
        """True if the take begins again at its end."""
        self._last_time = 0.0
        self._timer = QTimer(self, interval=PLAYBACK_PERIOD_MS)
        self._timer.timeout.connect(self._advance)

    # Take

    def show_take(self, take: Demonstration | None) -> None:
        """Show a take at the start of its motion; one that is on display already keeps the playhead. None ends it."""
        if take is self.take:
            return
        before, self.take = self.take, take
        is_same = before is not None and take is not None and (before.task, before.name) == (take.task, take.name)
        self._times = np.zeros(0) if take is None else take.time - take.time[0]
        if take is not None:
            start, stop = take.trim or (0, len(take))
            self.span = float(self._times[start]), float(self._times[max(stop - 1, start)])
            self.motion_start = float(self._times[find_motion(take)[0]])
        if not is_same:
            self._timer.stop()
            self.position, self.speed = self.motion_start, abs(self.speed)
        self.position = min(max(self.position, 0.0), self.duration)
        self.playback_changed.emit()
        self.moved.emit()

    @property
    def duration(self) -> float:
        """Length of the take on display, s."""
        return float(self._times[-1]) if len(self._times) else 0.0

    @property
    def sample(self) -> int:
        """Sample at the playhead."""
        return int(np.clip(np.searchsorted(self._times, self.position + 1e-9, "right") - 1, 0, len(self._times) - 1))

    @property
    def state(self) -> FloatArray | None:
        """State of the simulator (D,) at the playhead; None if the take has none."""
        take = self.take
        return None if take is None or take.states is None or not len(take) else take.states[self.sample]

    # Playback

    @property
    def is_playing(self) -> bool:
        """True if the playhead moves by itself."""
        return self._timer.isActive()

    def play(self) -> None:
        """Play from the playhead; from the start of the motion if it is at the end."""
        if self.take is None or not len(self._times):
            return
        begin, end = self.span
        if self.speed > 0 and not begin <= self.position < end:
            self.seek(max(self.motion_start, begin))
        elif self.speed < 0 and not begin < self.position <= end:
            self.seek(end)
        self._last_time = self._clock()
        self._timer.start()
        self.playback_changed.emit()

    def pause(self) -> None:
        """Stop the playhead where it is."""
        if self.is_playing:
            self._timer.stop()
            self.speed = abs(self.speed)
            self.playback_changed.emit()

    def toggle(self) -> None:
        """Play or pause."""
        self.pause() if self.is_playing else self.play()

    def set_speed(self, speed: float) -> None:
        """Play at a multiple of the take's own speed; negative plays backwards."""
        self.speed = speed
        self.playback_changed.emit()

    def set_looping(self, loops: bool) -> None:
        """Begin again at the end, or stop there."""
        self.loops = loops
        self.playback_changed.emit()

    def shuttle(self, direction: int) -> None:
        """Play forwards (1) or backwards (-1); again in the same direction doubles the speed."""
        if self.is_playing and self.speed * direction > 0:
            self.set_speed(direction * min(2 * abs(self.speed), PLAYBACK_SPEEDS[-1]))
            return
        self.speed = direction * abs(self.speed)
        self.play()

    def seek(self, position: float) -> None:
        """Move the playhead to a time, s after the first sample."""
        before = self.sample if self.take is not None else 0
        self.position = min(max(position, 0.0), self.duration)
        if self.take is not None and self.sample != before:
            self.moved.emit()

    def step(self, samples: int) -> None:
        """Move the playhead by a number of samples, and pause."""
        self.pause()
        if len(self._times):
            self.seek(float(self._times[min(max(self.sample + samples, 0), len(self._times) - 1)]))

    def _advance(self) -> None:
        """Move the playhead by the time since the last frame."""
        now = self._clock()
        target = self.position + (now - self._last_time) * self.speed
        self._last_time = now
        begin, end = self.span
        if begin <= target < end or (self.speed < 0 and target > begin):
            self.seek(target)
        elif self.loops:
            self.seek(begin if self.speed > 0 else end)
        else:
            self.seek(end if self.speed > 0 else begin)
            self.pause()
