"""Hand guiding with torque: the goals follow the hand, and the motors carry the arm's weight.

Each joint has an anchor, the angle at which it rests. A hand that turns the joint further than the *drag angle* from
its anchor drags the anchor along; so it feels a constant torque, the stiffness, like dry friction. The goal lies ahead
of the anchor by the angle at which the motor's torque equals the weight: a motor is a spring between goal and shaft.
How stiff that spring is depends on motor and supply, so it is estimated from load and distance while the arm is guided.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.feetech.control_table import RAD_PER_TICK
from metagui.arms.guiding import GuidingStiffness

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from metagui.arms.arm import FloatArray

DRAG_TORQUES_NM: Mapping[GuidingStiffness, float] = {
    GuidingStiffness.SOFT: 0.12,
    GuidingStiffness.MEDIUM: 0.25,
    GuidingStiffness.FIRM: 0.5,
}
"""Torque that a hand feels at each joint, N·m."""
MOTOR_TORQUE_NM = 2.94
"""Greatest torque of a motor, N·m."""
USUAL_STIFFNESS_NM = 30.0
"""First estimate of a motor's stiffness with P = 16, N·m/rad: 1.8 to 2.6° under 1 N·m on real motors with P = 32."""
STIFFNESS_RANGE_NM = (10.0, 80.0)
"""Smallest and largest plausible stiffness, N·m/rad."""
MIN_DRAG_RAD = 1.5 * RAD_PER_TICK
"""Smallest drag angle, rad: below it the encoder's rounding would drag the anchor."""
MAX_DRAG_RAD = math.radians(1.0)
"""Largest drag angle, rad, by which a joint springs back when it is let go."""
VISCOSITY_NM = 0.3
"""Torque per velocity that a hand feels in addition, N·m·s/rad, so that a joint that is let go in motion stops."""
WEIGHT_MARGIN = 0.25
"""Fraction of the weight by which the drag torque is larger downwards, so that an object in the gripper, or parts that
are heavier than the model's, do not make the arm sink."""
SETTLING_READINGS = 15
"""Number of readings at the start in which anchors stay, until it is known how stiff the motors are."""
WEIGHT_TORQUES_NM = (0.1, 1.1, 0.6, 0.25, 0.1, 0.1)
"""Largest torques of the weight at the joints anywhere in reach, with a small object in the gripper, N·m."""
_MIN_ESTIMATE_ERROR_RAD, _REST_VELOCITY = 4 * RAD_PER_TICK, 0.02
"""Smallest distance from the goal, rad, and largest velocity, rad/s, of a reading that says how stiff a motor is. A
joint that swings to its goal has distance and no load, which would make the motor seem soft."""
_FORGETTING = 0.99
_PRIOR_WEIGHT = 10 * (4 * RAD_PER_TICK) ** 2
"""Weight of the first estimate: that of ten readings, rad²."""


class SoftGuiding:
    """Anchors and goals of an arm that is guided by hand; all arrays are (J,).

    ``compute_weight`` returns the torques, N·m, that hold joint angles, rad, against gravity.
    """

    def __init__(
        self, angles: FloatArray, stiffness: GuidingStiffness, compute_weight: Callable[[FloatArray], FloatArray]
    ) -> None:
        self.anchors: FloatArray = np.array(angles, dtype=np.float64)
        """Angles at which the joints rest, rad."""
        self._drag_torque = DRAG_TORQUES_NM[stiffness]
        self._compute_weight = compute_weight
        self._products, self._squares = USUAL_STIFFNESS_NM * _PRIOR_WEIGHT, _PRIOR_WEIGHT
        self._reading_count = 0
        self._was_at_rest = np.zeros(len(self.anchors), dtype=bool)

    @property
    def motor_stiffness(self) -> float:
        """The estimated stiffness of the motors, which are all alike, N·m/rad."""
        return min(max(self._products / self._squares, STIFFNESS_RANGE_NM[0]), STIFFNESS_RANGE_NM[1])

    def compute_torque_limits(self) -> list[float]:
        """Return the greatest torques that the motors need, as fractions of theirs."""
        return [min((weight + 2 * self._drag_torque) / MOTOR_TORQUE_NM, 1.0) for weight in WEIGHT_TORQUES_NM]

    def follow(self, angles: FloatArray, velocities: FloatArray, loads: FloatArray, goals: FloatArray) -> FloatArray:
        """Return the new goals, rad, for measured angles, rad, velocities, rad/s, loads, and the last goals, rad."""
        self._estimate_stiffness(goals - angles, velocities, loads)
        self._reading_count += 1
        stiffness = self.motor_stiffness
        weight_torque = self._compute_weight(self.anchors)
        weight = weight_torque / stiffness
        if self._reading_count > SETTLING_READINGS:
            torques = self._drag_torque + VISCOSITY_NM * np.abs(velocities)
            drag = np.clip(torques / stiffness, MIN_DRAG_RAD, MAX_DRAG_RAD)
            above = drag + WEIGHT_MARGIN * np.maximum(weight, 0.0)
            below = drag + WEIGHT_MARGIN * np.maximum(-weight, 0.0)
            dragged = np.clip(self.anchors, angles - below, angles + above)
            # A joint that its own motor moves must not drag its anchor, or a wrong stiffness would move it for ever.
            driven = (loads * MOTOR_TORQUE_NM - weight_torque) * velocities > 0.0
            self.anchors = np.where(driven, self.anchors, dragged)
        goals = self.anchors + weight
        return goals

    def _estimate_stiffness(self, distances: FloatArray, velocities: FloatArray, loads: FloatArray) -> None:
        """Update the estimate by least squares, from joints that are at rest under a load within their limits."""
        limits = 0.9 * np.array(self.compute_torque_limits())
        at_rest = np.abs(velocities) <= _REST_VELOCITY
        usable = (
            (np.abs(distances) >= _MIN_ESTIMATE_ERROR_RAD)
            & at_rest
            & self._was_at_rest
            & (np.abs(loads) <= limits)
            & (loads * distances > 0)
        )
        self._was_at_rest = at_rest
        usable[-1] = False  # the gripper's gear differs
        if usable.any():
            torques = loads[usable] * MOTOR_TORQUE_NM
            self._products = _FORGETTING * self._products + float(torques @ distances[usable])
            self._squares = _FORGETTING * self._squares + float(distances[usable] @ distances[usable])
