"""The Arm protocol: what every arm, simulated or on a cable, can do, and the records that cross it.

Everything here is a frozen record of floats and read-only arrays, so that it may cross threads.
Units are metres, radians and seconds throughout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
ArrayT = TypeVar("ArrayT", FloatArray, BoolArray)
ObjectKind = Literal["cube", "zone", "table"]

CONTROL_RATE_HZ = 50.0
"""Ticks a second of the control loop, for every arm."""
CONTROL_PERIOD_S = 1.0 / CONTROL_RATE_HZ


class ArmError(Exception):
    """Something about an arm went wrong; the message says what happened, what is safe, what to do."""


class NotConnectedError(ArmError):
    """The arm was asked for something that needs a connection."""


class ConnectionLostError(ArmError):
    """The arm answered before and does not any more."""


class UnreachableError(ArmError):
    """No joint angles within the limits bring the tool to the asked pose."""


@dataclass(frozen=True)
class Joint:
    """One joint: its name, its limits in radians and the fastest it may be commanded to turn, rad/s."""

    name: str
    lower: float
    upper: float
    max_velocity: float


@dataclass(frozen=True)
class JointState:
    """What the servos reported at one tick; arrays have one entry a joint, NaN where an arm cannot measure."""

    time: float
    """Monotonic time (``perf_counter``) of the reading, s."""
    positions: FloatArray
    velocities: FloatArray
    loads: FloatArray
    """Torque as a fraction of the servo's maximum, signed."""
    temperatures: FloatArray
    """Degrees Celsius."""
    voltages: FloatArray
    latency: float
    """How long the reading took on the bus, s."""
    retries: int
    """How many times the bus had to be asked again."""


@dataclass(frozen=True)
class Command:
    """Joint position targets, rad, one a joint in bus order; the last is the gripper."""

    positions: FloatArray


@dataclass(frozen=True)
class SceneObject:
    """A thing a click can refer to: a cube, a target zone, or the table's own centre."""

    name: str
    kind: ObjectKind
    size: float
    """Edge length, m."""
    colour: tuple[float, float, float]


@dataclass(frozen=True)
class SceneState:
    """Where the anchors are, in the arm's base frame."""

    positions: FloatArray
    """(A, 3) centres, m; a zone's is on its upper face."""
    yaws: FloatArray
    """(A,) rad."""
    held: BoolArray
    """(A,) whether both jaws touch it."""
    touched: BoolArray
    """(A,) whether any part of the gripper touches it."""


@dataclass(frozen=True)
class Observation:
    """Everything a controller may look at in one tick."""

    time: float
    joints: JointState
    tool_position: FloatArray
    """(3,) the point between the finger tips, base frame, m."""
    tool_yaw: float
    """Direction in which the jaws open, about the vertical, rad."""
    scene: SceneState

    @property
    def gripper(self) -> float:
        """The gripper joint's angle, rad; larger is more open."""
        return float(self.joints.positions[-1])


@runtime_checkable
class Arm(Protocol):
    """What a person can connect; ``joints`` is readable while disconnected."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def joints(self) -> tuple[Joint, ...]:
        """Its joints in bus order, the gripper last."""

    @property
    def connected(self) -> bool:
        """Whether it is open."""

    def connect(self) -> None:
        """Open the arm; it holds where it is. Raises ArmError."""

    def observe(self) -> JointState:
        """Read every joint once. Raises ArmError."""

    def command(self, command: Command) -> Command:
        """Send joint targets; return what was actually sent. Raises ArmError."""

    def hold(self) -> None:
        """Command the present position, whatever else was asked."""

    def disconnect(self) -> None:
        """Hold, then close; never drops the arm."""


@runtime_checkable
class HandGuidable(Protocol):
    """An arm that a person can lead by hand; ``Arm.hold`` ends that."""

    @property
    def hand_guiding(self) -> bool:
        """Whether it is limp so that a person can lead it."""

    def start_hand_guiding(self) -> None:
        """Switch the torque off. Raises ArmError."""


class Scene(Protocol):
    """What knows where the anchors are: the simulator, or a twin in which a person marked them."""

    @property
    def objects(self) -> tuple[SceneObject, ...]:
        """What can be referred to."""

    def observe_scene(self) -> SceneState:
        """Return where every anchor is now."""


def read_only_copy(array: ArrayLike) -> FloatArray:
    """Return a read-only float copy of an array, fit to cross threads."""
    return make_read_only(np.array(array, dtype=np.float64))


def read_only_bool_copy(array: ArrayLike) -> BoolArray:
    """Return a read-only copy of an array of flags."""
    return make_read_only(np.array(array, dtype=np.bool_))


def make_read_only(array: ArrayT) -> ArrayT:
    """Make an array read-only and return it, without a copy: only for one just made, that nobody else has."""
    array.setflags(write=False)
    return array
