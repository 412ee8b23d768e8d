"""What a law of motion sees and remembers, and the few steps that laws are made of.

A law sees where things are now and little else, so that it recovers from whatever happened, and so that a policy
that sees the same can learn it. What it must remember of its segment (what was touched, how far it has gone round)
is in ``Memory``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metagui.arms.kinematics import GRIPPER_CLOSED_RAD, GRIPPER_OPEN_RAD, MAX_DISPLACEMENT_M, MAX_YAW_CHANGE_RAD

if TYPE_CHECKING:
    from metagui.arms.arm import BoolArray, FloatArray, Observation
    from metagui.demonstrations.demonstration import Instruction

PROPORTIONAL_GAIN = 0.35
"""Share of the remaining way covered in one decision, so that everything slows near its target."""
FINGERTIP_OFFSET_M = -0.010
"""Middle of the closed fingers, from the tool along the jaw, m."""
RETREAT_HEIGHT_M = 0.050
"""How far the tool rises above a cube it has finished with, m."""
ZERO_DISPLACEMENT = np.zeros(3)


@dataclass(frozen=True)
class MotionStyle:
    """How a demonstrator moves; people differ."""

    speed_fraction: float = 1.0
    """Share of the top speed."""
    descent_slope: float = 2.5
    """How steeply the tool comes down on a target."""
    clearance: float = 0.055
    """How high above its target the tool travels, m."""
    step_noise: float = 0.0
    """How unsteady the hand is: standard deviation of every step, as a share of its length."""
    noise_seed: int = 0
    """Of the wobble."""
    target_noise: float = 0.0
    """How far off its goals the arm wanders meanwhile, rad: so there is something to learn beside every path, and
    what is commanded there is right, where a wobble is wrong."""


@dataclass
class PrimitiveMemory:
    """What a law may remember of its own segment."""

    start_position: FloatArray
    """(3,) where the tool was when the click began."""
    touched: BoolArray
    """(A,) what has been touched since."""
    trace_progress: float = 0.0
    """How far round a traced curve the tool has gone, rad, in the traced direction; of a path, the corners it met."""
    decision_count: int = 0

    @classmethod
    def from_observation(cls, observation: Observation) -> PrimitiveMemory:
        """Start a segment at the present state."""
        return cls(observation.tool_position, np.zeros_like(observation.scene.touched))

    def update(self, observation: Observation) -> None:
        """Take in one more decision's state."""
        self.touched = self.touched | observation.scene.touched
        self.decision_count += 1


@dataclass(frozen=True)
class PrimitiveState:
    """What a law sees: the click it carries out, the state now, and its names resolved to indices."""

    instruction: Instruction
    observation: Observation
    memory: PrimitiveMemory
    style: MotionStyle
    object_index: int
    target_index: int
    """Index of the click's second anchor, or of the first again if it has none."""
    cube_indices: tuple[int, ...]

    @property
    def tool_position(self) -> FloatArray:
        """(3,) the tool's position."""
        return self.observation.tool_position

    @property
    def jaw_direction(self) -> FloatArray:
        """(3,) unit vector in which the moving jaw opens."""
        return np.array([math.cos(self.observation.tool_yaw), math.sin(self.observation.tool_yaw), 0.0])

    @property
    def current_gripper_target(self) -> float:
        """Gripper target that changes nothing: open stays open, closed stays closed."""
        return GRIPPER_OPEN_RAD if self.observation.gripper > 0.25 else GRIPPER_CLOSED_RAD

    def get_object_position(self, index: int) -> FloatArray:
        """(3,) position of an anchor."""
        return np.array(self.observation.scene.positions[index])

    @property
    def offset(self) -> FloatArray:
        """(3,) the click's hidden offset."""
        return np.asarray(self.instruction.parameters.get("offset", (0.0, 0.0, 0.0)), dtype=np.float64)

    def get_parameter(self, name: str, default: float) -> float:
        """One of the click's numbers."""
        return float(self.instruction.parameters.get(name, default))


def wrap_quarter_turn(angle: Any) -> Any:
    """Return the smallest turn that brings a square to ``angle``, in [-pi/4, pi/4), of numbers, arrays or tensors."""
    return (angle + math.pi / 4) % (math.pi / 2) - math.pi / 4


def limit_step(displacement: FloatArray, max_length: float) -> FloatArray:
    """Return the next step along ``way``: a share of it, never more than ``most``."""
    length = math.sqrt(float(displacement @ displacement)) * PROPORTIONAL_GAIN
    return displacement * (PROPORTIONAL_GAIN if length <= max_length else PROPORTIONAL_GAIN * max_length / length)


def limit_turn(yaw_error: float) -> float:
    """Return how far to turn now to be rid of an error, rad."""
    return max(-MAX_YAW_CHANGE_RAD, min(MAX_YAW_CHANGE_RAD, 0.5 * yaw_error))


def turn_to_neutral(state: PrimitiveState) -> float:
    """Turn back to the jaw pointing forward."""
    return limit_turn(-state.observation.tool_yaw)


def step_along_funnel(state: PrimitiveState, position: FloatArray, goal: FloatArray) -> FloatArray:
    """Step from ``position`` to ``goal`` so that height above it grows with distance: over, then down, in one law."""
    x, y, z = (goal - position).tolist()
    distance = math.hypot(x, y)
    lift = min(max(0.0, (distance - 0.004) * state.style.descent_slope), state.style.clearance)
    climb = z + lift
    free = 1.0 - min(max((climb - 0.004) / 0.02, 0.0), 1.0)
    most = MAX_DISPLACEMENT_M * state.style.speed_fraction
    step: FloatArray = limit_step(np.array([x, y, 0.0]), most) * free
    step[2] = max(-most, min(most, PROPORTIONAL_GAIN * climb))
    length = math.sqrt(float(step @ step))
    return step if length <= most else step * (most / length)


def is_within(displacement: FloatArray, tolerance: float) -> bool:
    """Whether a way is shorter than a tolerance, m."""
    return float(displacement @ displacement) < tolerance * tolerance
