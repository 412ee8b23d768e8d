"""The Arm protocol of simulated and real arms, and the records that its methods exchange.

All records are frozen and hold floats and read-only arrays, so that they may be passed between threads.
Units are metres, radians and seconds throughout.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metagui.arms.guiding import GuidingStiffness

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
ArrayT = TypeVar("ArrayT", FloatArray, BoolArray)
ObjectKind = Literal["block", "cylinder", "bowl", "tray", "zone", "point", "table"]

CONTROL_RATE_HZ = 50.0
"""Ticks per second of the control loop, for every arm."""
CONTROL_PERIOD_S = 1.0 / CONTROL_RATE_HZ
"""Time between two ticks, s."""
WALL_THICKNESS_M = 0.003
"""Thickness of the floor and the walls of a container, m."""
_NO_READINGS: FloatArray = np.zeros(0)
_NO_READINGS.setflags(write=False)


class ArmError(Exception):
    """Base of all errors of arms; the message states what happened, what is safe and what to do."""


class NotConnectedError(ArmError):
    """The operation needs a connected arm."""


class ConnectionLostError(ArmError):
    """The connected arm does not answer any more."""


class UnreachableError(ArmError):
    """No joint angles within the limits bring the tool to the requested pose."""


@dataclass(frozen=True)
class Joint:
    """One joint of an arm."""

    name: str
    """Name as in LeRobot."""
    lower: float
    """Lower limit, rad."""
    upper: float
    """Upper limit, rad."""
    max_velocity: float
    """Fastest rotation that may be commanded, rad/s."""


@dataclass(frozen=True)
class JointState:
    """Servo feedback of one tick; arrays have one entry per joint, NaN if an arm cannot measure a value."""

    time: float
    """Monotonic time (``perf_counter``) of the reading, s."""
    positions: FloatArray
    """(J,) joint angles, rad."""
    velocities: FloatArray
    """(J,) joint velocities, rad/s."""
    loads: FloatArray
    """(J,) signed torque as a fraction of the servo's maximum."""
    temperatures: FloatArray
    """(J,) temperatures, degrees Celsius."""
    voltages: FloatArray
    """(J,) supply voltages, V."""
    latency: float
    """Duration of the reading on the bus, s."""
    retries: int
    """Number of repeated requests on the bus."""
    currents: FloatArray = field(default_factory=lambda: _NO_READINGS)
    """(J,) currents, A; empty if the arm measures none."""
    statuses: FloatArray = field(default_factory=lambda: _NO_READINGS)
    """(J,) status bits of the servos, see ``ServoStatus``; empty if the arm has none."""
    alarm: str = ""
    """Faults that the servos report, as a text for the user; empty if there is none."""


@dataclass(frozen=True)
class Command:
    """Joint position targets."""

    positions: FloatArray
    """(J,) angles in bus order, the gripper last, rad."""


@dataclass(frozen=True)
class SceneObject:
    """An object that an instruction can refer to: a block, a container, a mark on the table, or the table itself."""

    name: str
    """Unique name, such as ``red cube``."""
    kind: ObjectKind
    """Kind of object; a bowl is a round container, a tray a rectangular one, a cup a high bowl."""
    size: tuple[float, float, float]
    """Outer size along x, y and z, m; marks on the table and the table have no height."""
    colour: tuple[float, float, float]
    """Red, green and blue, 0 to 1."""
    tag: int | None = None
    """Id of the printed tag on top of it; None if it follows from its place in the list."""

    @property
    def is_solid(self) -> bool:
        """Return whether it has a body that can be pushed; a zone, a point and the table have none."""
        return self.kind in ("block", "cylinder", "bowl", "tray")

    @property
    def is_container(self) -> bool:
        """Return whether other objects can lie in it."""
        return self.kind in ("bowl", "tray")

    @property
    def is_round(self) -> bool:
        """Return whether it looks the same from all sides."""
        return self.kind in ("cylinder", "bowl", "point")

    @property
    def width(self) -> float:
        """Return the larger of the two horizontal sizes, m."""
        return max(self.size[:2])

    @property
    def support_height(self) -> float:
        """Return how far above its position the face is on which an object rests that is put on or into it, m."""
        return self.size[2] / 2 if self.is_solid and not self.is_container else 0.0

    @property
    def resting_height(self) -> float:
        """Return the height of its position when it rests on the table, m."""
        if self.is_container:
            return WALL_THICKNESS_M
        return self.support_height


@dataclass(frozen=True)
class SceneState:
    """State of the A scene objects, in the arm's base frame."""

    positions: FloatArray
    """(A, 3) centres, m; a zone's or a point's is on its upper face, a container's on the upper face of its floor."""
    yaws: FloatArray
    """(A,) rotations about the vertical, rad."""
    held: BoolArray
    """(A,) True if both jaws touch the object."""
    touched: BoolArray
    """(A,) True if any part of the gripper touches the object."""


@dataclass(frozen=True)
class Observation:
    """Input of a controller in one tick."""

    time: float
    """Time of the tick, s."""
    joints: JointState
    """Feedback of the servos."""
    tool_position: FloatArray
    """(3,) point between the finger tips, base frame, m."""
    tool_yaw: float
    """Direction in which the jaws open, about the vertical, rad."""
    scene: SceneState
    """State of the scene objects."""

    @property
    def gripper(self) -> float:
        """Return the gripper joint's angle, rad; larger is more open."""
        return float(self.joints.positions[-1])


@runtime_checkable
class Arm(Protocol):
    """An arm that can be connected; ``name`` and ``joints`` are readable while it is disconnected."""

    @property
    def name(self) -> str:
        """Name of the arm."""

    @property
    def joints(self) -> tuple[Joint, ...]:
        """Joints in bus order, the gripper last."""

    @property
    def connected(self) -> bool:
        """Return whether the arm is connected."""

    def connect(self) -> None:
        """Connect the arm; it holds its present position. Raises ArmError."""

    def observe(self) -> JointState:
        """Read every joint once. Raises ArmError."""

    def command(self, command: Command) -> Command:
        """Send joint targets; return the targets that were actually sent. Raises ArmError."""

    def hold(self) -> None:
        """Command the present position, whatever was commanded before."""

    def disconnect(self) -> None:
        """Hold, then close; never drops the arm."""


@runtime_checkable
class HandGuidable(Protocol):
    """An arm that a person can guide by hand; ``Arm.hold`` ends hand guiding."""

    @property
    def hand_guiding(self) -> bool:
        """Return whether a person guides the arm by hand."""

    @property
    def limp(self) -> bool:
        """Return whether the torque is off."""

    def start_hand_guiding(self, stiffness: GuidingStiffness = GuidingStiffness.LIMP) -> None:
        """Let a hand move the arm: with the torque off, or with motors that carry its weight. Raises ArmError."""


@runtime_checkable
class OverloadClearable(Protocol):
    """An arm whose motors protect themselves from an overload and then stay weak until it is cleared."""

    @property
    def overloaded(self) -> frozenset[str]:
        """Names of the joints that are overloaded."""

    def clear_overload(self) -> None:
        """End the overloads; the joints hold their present positions. Raises ArmError."""


class Scene(Protocol):
    """Source of the objects' poses: the simulator, or a digital twin in which a person placed the objects."""

    @property
    def objects(self) -> tuple[SceneObject, ...]:
        """Objects that instructions can refer to."""

    def observe_scene(self) -> SceneState:
        """Return the present state of all objects."""


def read_only_copy(array: ArrayLike) -> FloatArray:
    """Return a read-only float copy of an array, which may be passed between threads."""
    return make_read_only(np.array(array, dtype=np.float64))


def make_read_only_floats(array: ArrayLike) -> FloatArray:
    """Return a read-only float array, the array itself if it is one; only for new arrays without other references."""
    return make_read_only(np.asarray(array, dtype=np.float64))


def read_only_bool_copy(array: ArrayLike) -> BoolArray:
    """Return a read-only copy of a boolean array."""
    return make_read_only(np.array(array, dtype=np.bool_))


def make_read_only(array: ArrayT) -> ArrayT:
    """Make an array read-only without a copy and return it; only for new arrays without other references."""
    array.setflags(write=False)
    return array
