"""Hand guiding with torque: the goals follow the hand, and the motors carry the arm's weight.

Each joint has an anchor, the angle at which it rests. A hand that turns the joint further than the *drag angle* from
its anchor drags the anchor along; so it feels a constant torque, the stiffness, like dry friction. The goal lies ahead
of the anchor by the angle at which the motor's torque equals the weight: a motor is a spring between goal and shaft.
How stiff that spring is depends on motor and supply, so it is estimated from load and distance while the arm is guided.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import GuidingStiffness
from metagui.arms.feetech.control_table import RAD_PER_TICK

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
MAX_DRAG_RAD = np.radians(1.2)
"""Largest drag angle, rad, by which a joint springs back when it is let go."""
WEIGHT_TORQUES_NM = (0.1, 1.1, 0.6, 0.25, 0.1, 0.1)
"""Largest torques of the weight at the joints anywhere in reach, with a small object in the gripper, N·m."""
_MIN_ESTIMATE_ERROR_RAD, _MAX_ESTIMATE_VELOCITY = 4 * RAD_PER_TICK, 0.2
"""Smallest distance from the goal, rad, and largest velocity, rad/s, of a reading that says how stiff a motor is."""
_FORGETTING = 0.99


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
        prior = (5 * MIN_DRAG_RAD) ** 2 * np.ones(len(self.anchors))
        self._products, self._squares = USUAL_STIFFNESS_NM * prior, prior

    @property
    def motor_stiffness(self) -> FloatArray:
        """The estimated stiffness of the motors, N·m/rad."""
        estimate: FloatArray = np.clip(self._products / self._squares, *STIFFNESS_RANGE_NM)
        return estimate

    def compute_torque_limits(self) -> list[float]:
        """Return the greatest torques that the motors need, as fractions of theirs."""
        return [min((weight + 2 * self._drag_torque) / MOTOR_TORQUE_NM, 1.0) for weight in WEIGHT_TORQUES_NM]

    def follow(self, angles: FloatArray, velocities: FloatArray, loads: FloatArray, goals: FloatArray) -> FloatArray:
        """Return the new goals, rad, for measured angles, rad, velocities, rad/s, loads, and the last goals, rad."""
        self._estimate_stiffness(goals - angles, velocities, loads)
        stiffness = self.motor_stiffness
        drag = np.clip(self._drag_torque / stiffness, MIN_DRAG_RAD, MAX_DRAG_RAD)
        self.anchors = np.clip(self.anchors, angles - drag, angles + drag)
        return self.anchors + self._compute_weight(self.anchors) / stiffness

    def _estimate_stiffness(self, distances: FloatArray, velocities: FloatArray, loads: FloatArray) -> None:
        """Update the estimate by least squares, from joints that are at rest under a load within their limits."""
        limits = 0.9 * np.array(self.compute_torque_limits())
        usable = (
            (np.abs(distances) >= _MIN_ESTIMATE_ERROR_RAD)
            & (np.abs(velocities) <= _MAX_ESTIMATE_VELOCITY)
            & (np.abs(loads) <= limits)
            & (loads * distances > 0)
        )
        self._products = np.where(
            usable, _FORGETTING * self._products + loads * MOTOR_TORQUE_NM * distances, self._products
        )
        self._squares = np.where(usable, _FORGETTING * self._squares + distances**2, self._squares)
