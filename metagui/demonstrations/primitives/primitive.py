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

from metagui.arms.kinematics import GRIPPER_CLOSED, GRIPPER_OPEN, MAX_STEP, MAX_TURN

if TYPE_CHECKING:
    from metagui.arms.arm import BoolArray, FloatArray, Observation
    from metagui.demonstrations.demonstration import Click

GAIN = 0.35
"""Share of the remaining way covered in one decision, so that everything slows near its target."""
TIP = -0.010
"""Middle of the closed fingers, from the tool along the jaw, m."""
RISE = 0.050
"""How far the tool rises above a cube it has finished with, m."""
STILL = np.zeros(3)


@dataclass(frozen=True)
class Style:
    """How a demonstrator moves; people differ."""

    speed: float = 1.0
    """Share of the top speed."""
    slope: float = 2.5
    """How steeply the tool comes down on a target."""
    clearance: float = 0.055
    """How high above its target the tool travels, m."""
    wobble: float = 0.0
    """How unsteady the hand is: standard deviation of every step, as a share of its length."""
    seed: int = 0
    """Of the wobble."""
    tremble: float = 0.0
    """How far off its goals the arm wanders meanwhile, rad: so there is something to learn beside every path, and
    what is commanded there is right, where a wobble is wrong."""


@dataclass
class Memory:
    """What a law may remember of its own segment."""

    start: FloatArray
    """(3,) where the tool was when the click began."""
    touched: BoolArray
    """(A,) what has been touched since."""
    swept: float = 0.0
    """How far round a traced curve the tool has gone, rad, in the traced direction; of a path, the corners it met."""
    decisions: int = 0

    @classmethod
    def begin(cls, observation: Observation) -> Memory:
        """Start a segment at the present state."""
        return cls(observation.tool_position, np.zeros_like(observation.scene.touched))

    def update(self, observation: Observation) -> None:
        """Take in one more decision's state."""
        self.touched = self.touched | observation.scene.touched
        self.decisions += 1


@dataclass(frozen=True)
class Situation:
    """What a law sees: the click it carries out, the state now, and its names resolved to indices."""

    click: Click
    now: Observation
    memory: Memory
    style: Style
    anchor: int
    target: int
    """Index of the click's second anchor, or of the first again if it has none."""
    cubes: tuple[int, ...]

    @property
    def tool(self) -> FloatArray:
        """(3,) the tool's position."""
        return self.now.tool_position

    @property
    def jaw(self) -> FloatArray:
        """(3,) unit vector in which the moving jaw opens."""
        return np.array([math.cos(self.now.tool_yaw), math.sin(self.now.tool_yaw), 0.0])

    @property
    def keep(self) -> float:
        """Gripper target that changes nothing: open stays open, closed stays closed."""
        return GRIPPER_OPEN if self.now.gripper > 0.25 else GRIPPER_CLOSED

    def where(self, index: int) -> FloatArray:
        """(3,) position of an anchor."""
        return np.array(self.now.scene.positions[index])

    @property
    def offset(self) -> FloatArray:
        """(3,) the click's hidden offset."""
        return np.asarray(self.click.parameters.get("offset", (0.0, 0.0, 0.0)), dtype=np.float64)

    def number(self, name: str, default: float) -> float:
        """One of the click's numbers."""
        return float(self.click.parameters.get(name, default))


def wrap_square(angle: Any) -> Any:
    """Return the smallest turn that brings a square to ``angle``, in [-pi/4, pi/4), of numbers, arrays or tensors."""
    return (angle + math.pi / 4) % (math.pi / 2) - math.pi / 4


def limited(way: FloatArray, most: float) -> FloatArray:
    """Return the next step along ``way``: a share of it, never more than ``most``."""
    length = math.sqrt(float(way @ way)) * GAIN
    return way * (GAIN if length <= most else GAIN * most / length)


def turning(error: float) -> float:
    """Return how far to turn now to be rid of an error, rad."""
    return max(-MAX_TURN, min(MAX_TURN, 0.5 * error))


def neutral(s: Situation) -> float:
    """Turn back to the jaw pointing forward."""
    return turning(-s.now.tool_yaw)


def funnel(s: Situation, position: FloatArray, goal: FloatArray) -> FloatArray:
    """Step from ``position`` to ``goal`` so that height above it grows with distance: over, then down, in one law."""
    x, y, z = (goal - position).tolist()
    distance = math.hypot(x, y)
    lift = min(max(0.0, (distance - 0.004) * s.style.slope), s.style.clearance)
    climb = z + lift
    free = 1.0 - min(max((climb - 0.004) / 0.02, 0.0), 1.0)
    most = MAX_STEP * s.style.speed
    step: FloatArray = limited(np.array([x, y, 0.0]), most) * free
    step[2] = max(-most, min(most, GAIN * climb))
    length = math.sqrt(float(step @ step))
    return step if length <= most else step * (most / length)


def near(way: FloatArray, tolerance: float) -> bool:
    """Whether a way is shorter than a tolerance, m."""
    return float(way @ way) < tolerance * tolerance
