"""The goals of the servos, and the limits of the next ones: the driver's own protection behind the safety gate.

A servo that did not report its position keeps its goal. A servo that lost its torque gets only its present position
until it holds again. No goal moves faster than its joint may turn.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from metagui.arms.feetech.control_table import RAD_PER_TICK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metagui.arms.so101.calibration import TickConversion
    from metagui.arms.so101.feedback import LatestFeedback
    from metagui.arms.so101.motors import ServoChain

GRIP_HOLD_TICKS = 20
"""Largest distance of a holding gripper's goal past its position, ticks, so that it does not drop an object."""
MAX_GRIP_VELOCITY, MIN_GRIP_LOAD = 20, 100
"""Largest speed, ticks/s, and smallest load, 0.1 %, of a gripper that is stopped by an object."""
GOAL_INTERVAL_RANGE_S = (0.02, 0.1)
"""Smallest and largest time since the previous goal from which the allowed step is computed, s."""


class ServoGoals:
    """The goals of a chain whose torque was just switched on at ``goals``; all positions are in ticks.

    ``velocity_factor`` is the largest speed of goals as a multiple of the joint's ``max_velocity``.
    """

    def __init__(
        self,
        chain: ServoChain,
        conversion: TickConversion,
        feedback: LatestFeedback,
        goals: Sequence[int],
        velocity_factor: float,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._chain = chain
        self._conversion = conversion
        self._feedback = feedback
        self._max_velocities = [velocity_factor * joint.max_velocity / RAD_PER_TICK for joint in conversion.joints]
        self._last_goals = dict(zip(chain.ids, goals, strict=True))
        self._clock = clock
        self._sent_at = clock()
        self.torque_lost: frozenset[int] = frozenset()
        """Ids of servos that were found without torque and have not been sent their present position since."""

    @property
    def last_goals(self) -> list[int]:
        """The last goals, ticks."""
        return list(self._last_goals.values())

    def get_present_positions(self) -> list[int]:
        """Return the reported positions of the servos, clipped to the limits."""
        return self._conversion.clip(self._feedback.get_positions())

    def move_towards(self, ticks: Sequence[int]) -> None:
        """Send goals, as far towards ``ticks`` as the time since the last ones allows."""
        elapsed = min(max(self._clock() - self._sent_at, GOAL_INTERVAL_RANGE_S[0]), GOAL_INTERVAL_RANGE_S[1])
        steps = [int(speed * elapsed) for speed in self._max_velocities]
        servos = zip(ticks, self._last_goals.values(), steps, strict=True)
        self._send([min(max(tick, last - step), last + step) for tick, last, step in servos])

    def hold_position(self) -> None:
        """Make the present positions the goals; a gripper that is stopped by an object squeezes it gently."""
        *present, gripper = self.get_present_positions()
        feedback, last = self._feedback.list_feedback()[-1], self.last_goals[-1]
        if abs(feedback.velocity) <= MAX_GRIP_VELOCITY and abs(feedback.load) >= MIN_GRIP_LOAD:
            gripper = min(max(last, gripper - GRIP_HOLD_TICKS), gripper + GRIP_HOLD_TICKS)
        self._send([*present, gripper])

    def note_goal(self, servo_id: int, tick: int) -> None:
        """Note a goal that was sent to a servo in another way."""
        self._last_goals[servo_id] = tick

    def _send(self, ticks: Sequence[int]) -> None:
        """Send goals to the servos that reported their position; those without torque get that position."""
        overheated, responded = self._feedback.find_overheated(), self._feedback.responded
        without_torque = self.torque_lost | overheated
        servos = zip(self._chain.ids, ticks, self.get_present_positions(), strict=True)
        goals = {
            servo_id: present if servo_id in without_torque else tick
            for servo_id, tick, present in servos
            if servo_id in responded
        }
        if goals:
            self._chain.write_goals(goals)
            self._sent_at = self._clock()
            self._last_goals |= goals
        self.torque_lost = (without_torque - responded) | overheated
