"""The latest feedback of every servo of an arm, so that a lost reply delays a reading but does not end it."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import ConnectionLostError, FloatArray
from metagui.arms.feetech.line_messages import describe_silence
from metagui.arms.feetech.protocol import ServoStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.arms.feetech.control_table import Feedback
    from metagui.arms.so101.motors import ServoChain


class ServosLostError(ConnectionLostError):
    """The port is open, but a servo has not answered for too long."""


class LatestFeedback:
    """The latest feedback of each servo of a chain; ``max_age`` is its longest use instead of lost replies, s."""

    def __init__(self, chain: ServoChain, max_age: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self._chain = chain
        self._max_age = max_age
        self._clock = clock
        self._last: dict[int, Feedback] = {}
        self._received_at: dict[int, float] = {}
        self.responded: frozenset[int] = frozenset()
        """Ids of the servos that answered at the last reading."""

    def read(self) -> None:
        """Read all servos once. Raises ServosLostError if one has been silent for longer than ``max_age``."""
        self._read_servos()
        oldest = self._clock() - self._max_age
        silent = [servo_id for servo_id in self._chain.ids if servo_id not in self.responded]
        lost = [servo_id for servo_id in silent if self._received_at.get(servo_id, -math.inf) < oldest]
        if lost:
            raise ServosLostError(describe_silence(lost))

    def read_now(self) -> None:
        """Read all servos once. Raises ServosLostError if none of them answers now."""
        self._read_servos()
        if not self.responded:
            raise ServosLostError(describe_silence(self._chain.ids))

    def get_positions(self) -> list[int]:
        """Return the positions of the servos, ticks."""
        return [self._last[servo_id].position for servo_id in self._chain.ids]

    def list_feedback(self) -> list[Feedback]:
        """Return the latest feedback of all servos, in the order of the chain."""
        return [self._last[servo_id] for servo_id in self._chain.ids]

    def as_array(self) -> FloatArray:
        """Return the feedback of all servos as one array (J, 8), with the columns of ``Feedback``."""
        return np.array([self._last[servo_id] for servo_id in self._chain.ids], dtype=np.float64)

    def find_overheated(self) -> set[int]:
        """Return the ids of the servos that are too hot to hold."""
        return {servo_id for servo_id, feedback in self._last.items() if feedback.status & ServoStatus.OVERHEAT}

    def _read_servos(self) -> None:
        received = self._chain.read_feedback()
        self._last |= received
        self._received_at |= dict.fromkeys(received, self._clock())
        self.responded = frozenset(received)
