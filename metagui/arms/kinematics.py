"""Forward and inverse kinematics of the SO-101 in closed form.

The arm has a shoulder pan (axis pointing down), three parallel joints in the plane that the pan turns, and a wrist
roll along the hand. Lengths are those of TheRobotStudio's SO-101; zero is the middle of every joint's travel: upper
arm up, forearm and hand forward. The *tool* is the point between the finger tips when they hold a 25 mm cube, and
its *yaw* is the horizontal direction in which the moving jaw opens.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from metagui.arms.arm import FloatArray, Joint, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


JointAngles = tuple[float, float, float, float, float]
"""Five joint angles as Python floats, rad."""

JOINTS: tuple[Joint, ...] = (
    Joint("shoulder_pan", -1.91986, 1.91986, 3.5),
    Joint("shoulder_lift", -1.74533, 1.74533, 3.5),
    Joint("elbow_flex", -1.69, 1.69, 3.5),
    Joint("wrist_flex", -1.65806, 1.65806, 3.5),
    Joint("wrist_roll", -2.74385, 2.84121, 4.0),
    Joint("gripper", -0.17453, 1.74533, 3.5),
)

GRIPPER_CLOSED_RAD = -0.15
"""Target of a closing gripper, rad: past contact with any graspable object, so that it squeezes."""
GRIPPER_OPEN_RAD = 0.45
"""Target of an opening gripper, rad: 50 mm between the tips; wider, it would hit neighbouring objects."""

MAX_DISPLACEMENT_M = 0.010
"""Largest displacement of the tool in one decision, m."""
MAX_YAW_CHANGE_RAD = 0.12
"""Largest yaw change of the tool in one decision, rad."""

MAX_POSTURE_ERROR_RAD = 0.25
"""Largest difference of a joint from the inverse kinematics of the tool's pose at which lines start there, rad."""

PAN_AXIS_X_M = 0.0388353
_LIFT_AXIS_RADIUS_M, _LIFT_AXIS_HEIGHT_M = 0.0303992, 0.1166
_UPPER_ARM_M, _UPPER_ARM_ANGLE_RAD = math.hypot(0.028, 0.11257), math.atan2(0.11257, 0.028)
_FOREARM_M, _FOREARM_ANGLE_RAD = math.hypot(0.1349, 0.0052), math.atan2(0.0052, 0.1349)
_UPPER_ARM_SQUARED, _FOREARM_SQUARED = _UPPER_ARM_M**2, _FOREARM_M**2
_MIN_WRIST_REACH_M, _MAX_WRIST_REACH_M = abs(_UPPER_ARM_M - _FOREARM_M), _UPPER_ARM_M + _FOREARM_M
"""Smallest and largest distance of the wrist from the shoulder, m."""
_HAND_M = 0.0611 + 0.0981
_JAW_OFFSET_M = 0.0044
"""Distance of the tool from the roll axis, towards the moving jaw, m."""
_TIP_HAND_M, _TIP_OFFSET_M = 0.0611 + 0.104, -0.0081
"""The same distances of the tip at which the closed fingers meet, m."""

_PAN_LIMITS, _LIFT_LIMITS, _ELBOW_LIMITS, _WRIST_LIMITS, _ROLL_LIMITS = (
    (joint.lower, joint.upper) for joint in JOINTS[:5]
)
_PITCH_DOWN_RAD = math.pi / 2
_MIN_PITCH_RAD = math.radians(35)


class ToolPose(NamedTuple):
    """Pose of the tool in the base frame."""

    position: FloatArray
    """(..., 3) position, m."""
    yaw: FloatArray
    """(...) rotation about the vertical, rad."""


@dataclass(frozen=True)
class ToolMotion:
    """Action of a controller for one decision (two ticks of the control loop)."""

    displacement: FloatArray
    """(3,) displacement of the commanded tool position, m."""
    yaw_change: float
    """Rotation of the commanded tool about the vertical, rad."""
    gripper: float
    """Target of the gripper, rad."""
    done: bool = False
    """True if the instruction or task is complete."""


def forward_kinematics(joints: FloatArray) -> ToolPose:
    """Return the tool pose for joint angles (..., J >= 5), vectorised."""
    *position, yaw = _compute_tool_coordinates(np.moveaxis(np.asarray(joints)[..., :5], -1, 0), np.cos, np.sin)
    return ToolPose(np.stack(position, axis=-1), yaw)


def compute_closed_tip(joints: FloatArray) -> FloatArray:
    """Return the positions (..., 3), m, of the tip at which the closed fingers meet, for angles (..., J >= 5)."""
    angles = np.moveaxis(np.asarray(joints)[..., :5], -1, 0)
    *position, _ = _compute_tool_coordinates(angles, np.cos, np.sin, _TIP_HAND_M, _TIP_OFFSET_M)
    return np.stack(position, axis=-1)


def _compute_tool_coordinates(
    angles: Iterable[Any],
    cos: Callable[[Any], Any],
    sin: Callable[[Any], Any],
    hand: float = _HAND_M,
    offset: float = _JAW_OFFSET_M,
) -> tuple[Any, Any, Any, Any]:
    """Return x, y, z and yaw of the tool, or of another point of the hand, for five joint angles, arrays or floats."""
    pan, lift, elbow, wrist, roll = angles
    upper = _UPPER_ARM_ANGLE_RAD - lift
    fore = _FOREARM_ANGLE_RAD - lift - elbow
    pitch = lift + elbow + wrist
    across = offset * cos(roll)
    radius = _LIFT_AXIS_RADIUS_M + _UPPER_ARM_M * cos(upper) + _FOREARM_M * cos(fore) + hand * cos(pitch)
    radius = radius + across * sin(pitch)
    height = _LIFT_AXIS_HEIGHT_M + _UPPER_ARM_M * sin(upper) + _FOREARM_M * sin(fore) - hand * sin(pitch)
    height = height + across * cos(pitch)
    left = offset * sin(roll)
    x = PAN_AXIS_X_M + radius * cos(pan) + left * sin(pan)
    y = -radius * sin(pan) + left * cos(pan)
    return x, y, height, roll - pan


def inverse_kinematics(position: FloatArray, yaw: float) -> FloatArray:
    """Return the (5,) joint angles that bring the tool to ``position`` (3,), m, with ``yaw``, rad.

    The hand points straight down if possible; if a joint would leave its limits, the hand tilts outward as little as
    necessary. Raises UnreachableError, whose message states the reach.
    """
    x, y, z = target = [float(v) for v in position]
    angles = solve_joint_angles(target, yaw)
    if angles is not None:
        return np.array(angles)
    if not all(map(math.isfinite, (*target, yaw))):
        raise UnreachableError("The requested pose is not finite. The arm stays where it is; choose another point.")
    raise UnreachableError(
        f"The gripper cannot reach x {x * 1000:.0f}, y {y * 1000:.0f}, z {z * 1000:.0f} mm: that is "
        f"{math.hypot(x - PAN_AXIS_X_M, y) * 1000:.0f} mm from the arm's axis, and it reaches about 110 to 290 mm. "
        "The arm stays where it is; choose a point closer to the middle of the table."
    )


def solve_joint_angles(position: Sequence[float], yaw: float) -> JointAngles | None:
    """Return the angles of ``inverse_kinematics``, or None; fast enough for every tick."""
    if not all(map(math.isfinite, (*position, yaw))):
        return None
    x, y, z = position
    plane = _solve_arm_plane(x - PAN_AXIS_X_M, y, yaw)
    if plane is None:
        return None
    straight_down = _solve_planar_chain(plane, z, _PITCH_DOWN_RAD)
    if straight_down is not None:
        return straight_down
    steps = 11
    pitches = [_PITCH_DOWN_RAD + (_MIN_PITCH_RAD - _PITCH_DOWN_RAD) * i / steps for i in range(steps + 1)]
    for steeper, pitch in itertools.pairwise(pitches):
        tilted = _solve_planar_chain(plane, z, pitch)
        if tilted is not None:
            return _find_steepest_pitch(plane, z, pitch, steeper, tilted)
    return None


def _find_steepest_pitch(
    plane: _ArmPlane, z: float, reachable_pitch: float, unreachable_pitch: float, solution: JointAngles
) -> JointAngles:
    """Bisect for the steepest pitch with a solution, so that the tilt is continuous in the position."""
    for _ in range(8):
        middle = (reachable_pitch + unreachable_pitch) / 2
        found = _solve_planar_chain(plane, z, middle)
        if found is None:
            unreachable_pitch = middle
        else:
            reachable_pitch, solution = middle, found
    return solution


class _ArmPlane(NamedTuple):
    """The part of a pose that does not depend on the hand's pitch."""

    pan: float
    """Angle of the shoulder pan, rad."""
    roll: float
    """Angle of the wrist roll, rad."""
    radius: float
    """Distance of the tool from the pan axis in the arm's plane, m."""
    jaw_offset: float
    """Component of the jaw offset in the arm's plane, m."""


def _solve_arm_plane(x: float, y: float, yaw: float) -> _ArmPlane | None:
    """Solve for pan and roll; return None if no pitch of the hand can reach the pose."""
    distance = math.hypot(x, y)
    if distance <= _JAW_OFFSET_M:
        return None
    straight = -math.atan2(y, x)
    pan = straight
    for _ in range(12):  # fixed point of the jaw's 4 mm offset: a contraction, exact to 1e-12 in a few iterations
        before, pan = pan, straight + math.asin(_JAW_OFFSET_M * math.sin(yaw + pan) / distance)
        if abs(pan - before) < 1e-13:
            break
    roll = _wrap_angle(yaw + pan)
    if not (_PAN_LIMITS[0] <= pan <= _PAN_LIMITS[1] and _ROLL_LIMITS[0] <= roll <= _ROLL_LIMITS[1]):
        return None
    left = _JAW_OFFSET_M * math.sin(roll)
    return _ArmPlane(pan, roll, math.sqrt(distance * distance - left * left), _JAW_OFFSET_M * math.cos(roll))


def _solve_planar_chain(plane: _ArmPlane, z: float, pitch: float) -> JointAngles | None:
    """Solve the two links in the plane for one pitch; return None if the limits allow no solution."""
    pan, roll, radius, across = plane
    sine, cosine = math.sin(pitch), math.cos(pitch)
    wrist_r = radius - across * sine - _HAND_M * cosine - _LIFT_AXIS_RADIUS_M
    wrist_z = z - across * cosine + _HAND_M * sine - _LIFT_AXIS_HEIGHT_M
    reach = math.hypot(wrist_r, wrist_z)
    if not _MIN_WRIST_REACH_M < reach < _MAX_WRIST_REACH_M:
        return None
    bend = math.acos((_UPPER_ARM_SQUARED + reach**2 - _FOREARM_SQUARED) / (2 * _UPPER_ARM_M * reach))
    upper = math.atan2(wrist_z, wrist_r) + bend
    lift = _UPPER_ARM_ANGLE_RAD - upper
    if not _LIFT_LIMITS[0] <= lift <= _LIFT_LIMITS[1]:
        return None
    fore = math.atan2(wrist_z - _UPPER_ARM_M * math.sin(upper), wrist_r - _UPPER_ARM_M * math.cos(upper))
    elbow = _wrap_angle(_FOREARM_ANGLE_RAD - fore - lift)
    wrist = pitch - lift - elbow
    if not (_ELBOW_LIMITS[0] <= elbow <= _ELBOW_LIMITS[1] and _WRIST_LIMITS[0] <= wrist <= _WRIST_LIMITS[1]):
        return None
    return pan, lift, elbow, wrist, roll


def _wrap_angle(angle: float) -> float:
    """Return the angle wrapped to (-pi, pi], rad."""
    return math.atan2(math.sin(angle), math.cos(angle))


HOME_POSITION_M = np.array([0.215, 0.0, 0.10])
HOME_ANGLES_RAD: FloatArray = np.append(inverse_kinematics(HOME_POSITION_M, 0.0), GRIPPER_OPEN_RAD)
"""Joint angles of the resting pose: hand down, 10 cm above the middle of the table, open."""


def compute_tool_pose(positions: FloatArray) -> tuple[FloatArray, float]:
    """Return the tool's (3,) position, m, and yaw, rad, for one joint reading (J,), NaN if not finite.

    It is called at every tick, and for one reading floats are ten times as fast as arrays.
    """
    angles = positions[:5].tolist()
    if not all(map(math.isfinite, angles)):
        return np.full(3, math.nan), math.nan
    *position, yaw = _compute_tool_coordinates(angles, math.cos, math.sin)
    return np.array(position), yaw


def has_cartesian_way(positions: FloatArray) -> bool:
    """Return whether the gripper can move in a line from a reading (J,), rad: the hand points down as far as it can.

    Else the first step of such a line would turn the hand by more than ``MAX_POSTURE_ERROR_RAD``.
    """
    position, yaw = compute_tool_pose(positions)
    angles = solve_joint_angles(position.tolist(), yaw)
    return angles is not None and float(np.abs(np.array(angles) - positions[:5]).max()) < MAX_POSTURE_ERROR_RAD
