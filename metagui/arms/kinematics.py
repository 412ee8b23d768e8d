"""Forward and inverse kinematics of the SO-101, in closed form, and the servo that follows Cartesian motions.

The arm is a shoulder pan (axis pointing down), three parallel joints in the plane it turns, and a wrist roll along
the hand. Lengths are those of TheRobotStudio's SO-101; zero is the middle of every joint's travel: upper arm up,
forearm and hand forward. The *tool* is the point between the finger tips when they hold a 25 mm cube, and its
*yaw* is the horizontal direction in which the moving jaw opens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from metagui.arms.arm import Command, FloatArray, Joint, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from metagui.arms.arm import Observation

_Angles = tuple[float, float, float, float, float]
"""Five joint angles as plain numbers, rad."""

JOINTS: tuple[Joint, ...] = (
    Joint("shoulder_pan", -1.91986, 1.91986, 3.5),
    Joint("shoulder_lift", -1.74533, 1.74533, 3.5),
    Joint("elbow_flex", -1.69, 1.69, 3.5),
    Joint("wrist_flex", -1.65806, 1.65806, 3.5),
    Joint("wrist_roll", -2.74385, 2.84121, 4.0),
    Joint("gripper", -0.17453, 1.74533, 3.5),
)

GRIPPER_CLOSED = -0.15
"""Where a closing gripper is sent, rad: past contact with anything graspable, so that it squeezes."""
GRIPPER_OPEN = 0.45
"""Where an opening gripper is sent, rad: 50 mm between the tips, and no wider, for the neighbours' sake."""

MAX_STEP = 0.010
"""Farthest the tool may be asked to move in one decision, m."""
MAX_TURN = 0.12
"""Farthest the tool may be asked to turn in one decision, rad."""

PAN_AXIS_X = 0.0388353
_LIFT_RADIUS, _LIFT_HEIGHT = 0.0303992, 0.1166
_UPPER, _UPPER_ANGLE = math.hypot(0.028, 0.11257), math.atan2(0.11257, 0.028)
_FOREARM, _FOREARM_ANGLE = math.hypot(0.1349, 0.0052), math.atan2(0.0052, 0.1349)
_UPPER_2, _FOREARM_2 = _UPPER**2, _FOREARM**2
_NEAREST, _FARTHEST = abs(_UPPER - _FOREARM), _UPPER + _FOREARM
"""How far the wrist can be from the shoulder, m."""
_HAND = 0.0611 + 0.0981
_JAW = 0.0044
"""The tool lies this far from the roll axis, towards the moving jaw."""

_PAN, _LIFT, _ELBOW, _WRIST, _ROLL = ((joint.lower, joint.upper) for joint in JOINTS[:5])
_DOWN = math.pi / 2
_LEAST_PITCH = math.radians(35)


class ToolPose(NamedTuple):
    """Where the tool is: ``position`` (..., 3) in m and ``yaw`` (...) in rad, base frame."""

    position: FloatArray
    yaw: FloatArray


@dataclass(frozen=True)
class Motion:
    """What a controller asks for during one decision (two ticks of the control loop)."""

    displacement: FloatArray
    """(3,) how the commanded tool shall move, m."""
    turn: float
    """How much it shall turn about the vertical, rad."""
    gripper: float
    """Where the gripper shall go, rad."""
    done: bool = False


def forward(joints: FloatArray) -> ToolPose:
    """Return the tool's pose for joint angles (..., J >= 5), vectorised."""
    *position, yaw = _tool(np.moveaxis(np.asarray(joints)[..., :5], -1, 0), np.cos, np.sin)
    return ToolPose(np.stack(position, axis=-1), yaw)


def _tool(angles: Iterable[Any], cos: Callable[[Any], Any], sin: Callable[[Any], Any]) -> tuple[Any, Any, Any, Any]:
    """Return the tool's x, y, z and yaw for five joint angles: arrays with numpy's sine, numbers with Python's."""
    pan, lift, elbow, wrist, roll = angles
    upper = _UPPER_ANGLE - lift
    fore = _FOREARM_ANGLE - lift - elbow
    pitch = lift + elbow + wrist
    across = _JAW * cos(roll)
    radius = _LIFT_RADIUS + _UPPER * cos(upper) + _FOREARM * cos(fore) + _HAND * cos(pitch)
    radius = radius + across * sin(pitch)
    height = _LIFT_HEIGHT + _UPPER * sin(upper) + _FOREARM * sin(fore) - _HAND * sin(pitch)
    height = height + across * cos(pitch)
    left = _JAW * sin(roll)
    x = PAN_AXIS_X + radius * cos(pan) + left * sin(pan)
    y = -radius * sin(pan) + left * cos(pan)
    return x, y, height, roll - pan


def inverse(position: FloatArray, yaw: float) -> FloatArray:
    """Return the (5,) joint angles that bring the tool to ``position`` (3,) with ``yaw``.

    The hand points straight down where it can; where a joint would leave its limits it tilts outward, as little
    as is needed. Raises UnreachableError, which says how far away the nearest limit is in words.
    """
    x, y, z = where = [float(v) for v in position]
    angles = _angles(where, yaw)
    if angles is not None:
        return np.array(angles)
    if not all(map(math.isfinite, (*where, yaw))):
        raise UnreachableError("The asked pose is not a finite number; the arm stays where it is.")
    raise UnreachableError(
        f"The gripper cannot get to x {x * 1000:.0f}, y {y * 1000:.0f}, z {z * 1000:.0f} mm: that is "
        f"{math.hypot(x - PAN_AXIS_X, y) * 1000:.0f} mm from the arm's axis, and it reaches about 110 to 290 mm. "
        "The arm stays where it is; choose a point nearer the middle of the table."
    )


def _angles(position: Sequence[float], yaw: float) -> _Angles | None:
    """Return the five joint angles of ``inverse``; None where there are none, for a servo that asks at every tick."""
    if not all(map(math.isfinite, (*position, yaw))):
        return None
    x, y, z = position
    turned = _turned(x - PAN_AXIS_X, y, yaw)
    if turned is None:
        return None
    straight = _solve(turned, z, _DOWN)
    if straight is not None:
        return straight
    steps = 11
    for i in range(1, steps + 1):
        low = _DOWN + (_LEAST_PITCH - _DOWN) * i / steps
        tilted = _solve(turned, z, low)
        if tilted is not None:
            return _steepest(turned, z, low, _DOWN + (_LEAST_PITCH - _DOWN) * (i - 1) / steps, tilted)
    return None


def _steepest(turned: _Turned, z: float, good: float, bad: float, solution: _Angles) -> _Angles:
    """Bisect for the steepest pitch that still has a solution, so that tilt changes smoothly with position."""
    for _ in range(8):
        middle = (good + bad) / 2
        found = _solve(turned, z, middle)
        if found is None:
            bad = middle
        else:
            good, solution = middle, found
    return solution


class _Turned(NamedTuple):
    """The horizontal part of a pose, whatever the hand's pitch: two joints, and the jaw in the arm's plane."""

    pan: float
    roll: float
    radius: float
    across: float


def _turned(x: float, y: float, yaw: float) -> _Turned | None:
    """Solve for pan and roll; None too near to the axis or out of their limits, where no pitch of the hand helps."""
    distance = math.hypot(x, y)
    if distance <= _JAW:
        return None
    straight = -math.atan2(y, x)
    pan = straight
    for _ in range(12):  # the jaw's 4 mm off the roll axis: a contraction, exact to 1e-12 in a few rounds
        before, pan = pan, straight + math.asin(_JAW * math.sin(yaw + pan) / distance)
        if abs(pan - before) < 1e-13:
            break
    roll = _wrap(yaw + pan)
    if not (_PAN[0] <= pan <= _PAN[1] and _ROLL[0] <= roll <= _ROLL[1]):
        return None
    left = _JAW * math.sin(roll)
    return _Turned(pan, roll, math.sqrt(distance * distance - left * left), _JAW * math.cos(roll))


def _solve(turned: _Turned, z: float, pitch: float) -> _Angles | None:
    """Solve two links in the plane for one pitch of the hand; None where there is no solution within the limits."""
    pan, roll, radius, across = turned
    sine, cosine = math.sin(pitch), math.cos(pitch)
    wrist_r = radius - across * sine - _HAND * cosine - _LIFT_RADIUS
    wrist_z = z - across * cosine + _HAND * sine - _LIFT_HEIGHT
    reach = math.hypot(wrist_r, wrist_z)
    if not _NEAREST < reach < _FARTHEST:
        return None
    bend = math.acos((_UPPER_2 + reach**2 - _FOREARM_2) / (2 * _UPPER * reach))
    upper = math.atan2(wrist_z, wrist_r) + bend
    lift = _UPPER_ANGLE - upper
    if not _LIFT[0] <= lift <= _LIFT[1]:
        return None
    fore = math.atan2(wrist_z - _UPPER * math.sin(upper), wrist_r - _UPPER * math.cos(upper))
    elbow = _wrap(_FOREARM_ANGLE - fore - lift)
    wrist = pitch - lift - elbow
    if not (_ELBOW[0] <= elbow <= _ELBOW[1] and _WRIST[0] <= wrist <= _WRIST[1]):
        return None
    return pan, lift, elbow, wrist, roll


def _wrap(angle: float) -> float:
    """Return the same angle in (-pi, pi]."""
    return math.atan2(math.sin(angle), math.cos(angle))


HOME_POSITION = np.array([0.215, 0.0, 0.10])
HOME: FloatArray = np.append(inverse(HOME_POSITION, 0.0), GRIPPER_OPEN)
"""Joint angles of the resting pose: hand down, 10 cm above the middle of the table, open."""


def tool_observation(positions: FloatArray) -> tuple[FloatArray, float]:
    """Return the tool's (3,) position and yaw for one joint reading (J,), NaN where that is not finite.

    It is asked for at every tick, and for one reading plain numbers are ten times as fast as arrays.
    """
    angles = positions[:5].tolist()
    if not all(map(math.isfinite, angles)):
        return np.full(3, math.nan), math.nan
    *position, yaw = _tool(angles, math.cos, math.sin)
    return np.array(position), yaw


class CartesianServo:
    """Follows motions: integrates the commanded tool pose and turns it into joint commands.

    The commanded pose is kept on a leash to the real one, so that an arm that is blocked is not pushed harder and
    harder, and above the table's surface.
    """

    def __init__(self, leash: float = 0.015, floor: float = 0.006) -> None:
        self.leash = leash
        self.floor = floor
        self._position = HOME_POSITION.copy()
        self._yaw = 0.0
        self._last = HOME.copy()

    @property
    def target(self) -> ToolPose:
        """The commanded tool pose."""
        return ToolPose(self._position.copy(), np.float64(self._yaw))  # type: ignore[arg-type]

    def reset(self, observation: Observation, sent: FloatArray | None = None) -> None:
        """Start from the last sent joint targets if they are close to the present pose, else from that pose."""
        start = observation.joints.positions
        if sent is not None and float(np.abs(sent[:5] - start[:5]).max()) < 0.15:
            start = sent
        self._position, self._yaw = tool_observation(start)
        self._last = np.array(start, dtype=np.float64)

    def step(self, observation: Observation, motion: Motion, fraction: float = 0.5) -> Command:
        """Move the commanded pose by a fraction of ``motion`` and return the joint targets for it.

        At the border of its reach the arm slides along it; where even that is impossible it stays.
        """
        wanted = self._position + fraction * motion.displacement
        offset = wanted - observation.tool_position
        stretch = math.sqrt(float(offset @ offset))
        if stretch > self.leash:
            wanted = observation.tool_position + offset * (self.leash / stretch)
        wanted[2] = max(wanted[2], self.floor)
        yaw = self._yaw + fraction * motion.turn
        angles = _angles(wanted.tolist(), yaw)
        if angles is None:
            wanted = _along_border(self._position, wanted)
            angles = _angles(wanted.tolist(), yaw)
        if angles is not None:
            self._position, self._yaw = wanted, yaw
        self._last = np.array([*(angles or self._last[:5]), motion.gripper])
        return Command(self._last)


def _along_border(present: FloatArray, wanted: FloatArray) -> FloatArray:
    """Return ``wanted`` (3,) brought back to the present height and distance from the pan axis, a hair off the border.

    So a straight way that leads too close past the arm goes round it.
    """
    x, y = wanted[0] - PAN_AXIS_X, wanted[1]
    distance, here = max(math.hypot(x, y), 1e-9), math.hypot(present[0] - PAN_AXIS_X, present[1])
    scale = (here + math.copysign(0.0005, here - distance)) / distance
    return np.array([PAN_AXIS_X + x * scale, y * scale, present[2]])
