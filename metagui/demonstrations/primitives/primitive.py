"""State that motion primitives observe and remember, and the steps from which their feedback laws are built.

A law depends on the current state and on little else, so that it recovers from disturbances and so that a policy with
the same inputs can learn it. What a law must remember about its segment (what was touched, the progress along a curve)
is in ``PrimitiveMemory``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metagui.arms.kinematics import GRIPPER_CLOSED_RAD, GRIPPER_OPEN_RAD, MAX_DISPLACEMENT_M, MAX_YAW_CHANGE_RAD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import BoolArray, FloatArray, Observation, SceneObject
    from metagui.demonstrations.demonstration import Instruction

PROPORTIONAL_GAIN = 0.35
"""Fraction of the remaining distance covered in one decision, so that every motion slows down near its target."""
FINGERTIP_OFFSET_M = -0.010
"""Position of the middle of the closed fingers relative to the tool, along the jaw, m."""
RETREAT_HEIGHT_M = 0.050
"""Height above a cube to which the tool rises after it has finished with it, m."""
RETREAT_TOLERANCE_M = 0.004
"""Remaining rise at which a retreat is done, m."""
ZERO_DISPLACEMENT = np.zeros(3)


@dataclass(frozen=True)
class MotionStyle:
    """Parameters in which demonstrators differ."""

    speed_fraction: float = 1.0
    """Speed as a fraction of the maximum."""
    descent_slope: float = 2.5
    """Height above the target per horizontal distance to it, during a descent."""
    clearance: float = 0.055
    """Maximum height above the target during transport, m."""
    step_noise: float = 0.0
    """Standard deviation of the noise on every step, as a fraction of its length."""
    noise_seed: int = 0
    """Seed of the step noise."""
    target_noise: float = 0.0
    """Amplitude of slow noise on the arm's joint targets, rad.

    The arm leaves its path while the commands stay correct, so a policy learns to come back; step noise makes the
    commands themselves wrong."""


@dataclass
class PrimitiveMemory:
    """What a law remembers about its segment."""

    start_position: FloatArray
    """(3,) tool position when the instruction began, m."""
    touched: BoolArray
    """(A,) True if the object was touched since then."""
    trace_progress: float = 0.0
    """Angle covered along a closed curve, rad, in the traced direction; number of corners reached on a polyline."""
    decision_count: int = 0

    @classmethod
    def from_observation(cls, observation: Observation) -> PrimitiveMemory:
        """Return the memory of a segment that starts at ``observation``."""
        return cls(observation.tool_position, np.zeros_like(observation.scene.touched))

    def update(self, observation: Observation) -> None:
        """Add the state of one more decision."""
        self.touched = self.touched | observation.scene.touched
        self.decision_count += 1


@dataclass(frozen=True)
class PrimitiveState:
    """Input of a law: the instruction, the current state, and the instruction's names resolved to indices."""

    instruction: Instruction
    observation: Observation
    memory: PrimitiveMemory
    style: MotionStyle
    object_index: int
    target_index: int
    """Index of the instruction's second object; of the first if there is no second."""
    cube_indices: tuple[int, ...]
    """Indices of the objects with a body."""
    objects: Sequence[SceneObject]
    """All objects, in the order of the scene's arrays."""

    @property
    def tool_position(self) -> FloatArray:
        """(3,) tool position, m."""
        return self.observation.tool_position

    @property
    def jaw_direction(self) -> FloatArray:
        """(3,) unit vector in which the moving jaw opens."""
        return np.array([math.cos(self.observation.tool_yaw), math.sin(self.observation.tool_yaw), 0.0])

    @property
    def current_gripper_target(self) -> float:
        """Gripper target that keeps an open gripper open and a closed one closed, rad."""
        return GRIPPER_OPEN_RAD if self.observation.gripper > 0.25 else GRIPPER_CLOSED_RAD

    def get_object_position(self, index: int) -> FloatArray:
        """Return the position (3,) of an object, m."""
        return np.array(self.observation.scene.positions[index])

    @property
    def offset(self) -> FloatArray:
        """(3,) offset of the instruction, m."""
        return np.asarray(self.instruction.parameters.get("offset", (0.0, 0.0, 0.0)), dtype=np.float64)

    @property
    def max_step(self) -> float:
        """Maximum displacement in one decision, m."""
        return MAX_DISPLACEMENT_M * self.style.speed_fraction

    def get_parameter(self, name: str, default: float) -> float:
        """Return a numeric parameter of the instruction."""
        return float(self.instruction.parameters.get(name, default))


def wrap_half_turn(angle: float) -> float:
    """Return the smallest turn that aligns a rectangle's side with ``angle``, in [-pi/2, pi/2) rad."""
    return (angle + math.pi / 2) % math.pi - math.pi / 2


def wrap_quarter_turn(angle: Any) -> Any:
    """Return the smallest turn that aligns a square with ``angle``, in [-pi/4, pi/4) rad.

    Accepts numbers, arrays and tensors.
    """
    return (angle + math.pi / 4) % (math.pi / 2) - math.pi / 4


def limit_step(displacement: FloatArray, max_length: float) -> FloatArray:
    """Return the next step (3,) along ``displacement``: a fraction of it, at most ``max_length`` m."""
    length = math.sqrt(float(displacement @ displacement)) * PROPORTIONAL_GAIN
    return displacement * (PROPORTIONAL_GAIN if length <= max_length else PROPORTIONAL_GAIN * max_length / length)


def limit_turn(yaw_error: float) -> float:
    """Return the next turn that reduces a yaw error, rad."""
    return max(-MAX_YAW_CHANGE_RAD, min(MAX_YAW_CHANGE_RAD, 0.5 * yaw_error))


def turn_to_neutral(state: PrimitiveState) -> float:
    """Return the next turn towards a jaw that points forward, rad."""
    return limit_turn(-state.observation.tool_yaw)


def step_upwards(state: PrimitiveState, rise: float) -> FloatArray:
    """Return the next step (3,) straight up when ``rise`` m are left."""
    return np.array([0.0, 0.0, min(state.max_step, PROPORTIONAL_GAIN * rise + 0.001)])


def step_along_funnel(state: PrimitiveState, position: FloatArray, goal: FloatArray) -> FloatArray:
    """Return the next step (3,) to ``goal`` through a funnel: first above it, then down, in one law.

    The height above the goal grows with the horizontal distance, up to the style's clearance.
    """
    x, y, z = (goal - position).tolist()
    distance = math.hypot(x, y)
    lift = min(max(0.0, (distance - 0.004) * state.style.descent_slope), state.style.clearance)
    climb = z + lift
    free = 1.0 - min(max((climb - 0.004) / 0.02, 0.0), 1.0)
    max_step = state.max_step
    step: FloatArray = limit_step(np.array([x, y, 0.0]), max_step) * free
    step[2] = max(-max_step, min(max_step, PROPORTIONAL_GAIN * climb))
    length = math.sqrt(float(step @ step))
    return step if length <= max_step else step * (max_step / length)


def is_within(displacement: FloatArray, tolerance: float) -> bool:
    """Whether a displacement is shorter than a tolerance, m."""
    return float(displacement @ displacement) < tolerance * tolerance
