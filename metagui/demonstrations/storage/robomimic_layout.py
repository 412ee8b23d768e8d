"""Conversion between a demonstration and the arrays of robomimic's layout, without files.

Observations are float32, as data loaders expect; times, states, commands and segments keep their precision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from metagui.arms.arm import make_read_only_floats, read_only_bool_copy, read_only_copy
from metagui.arms.kinematics import JOINTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from metagui.arms.arm import FloatArray
    from metagui.demonstrations.demonstration import Demonstration

OBSERVATION_FIELDS = {
    "joint_positions": "joint_positions",
    "joint_velocities": "joint_velocities",
    "ee_position": "tool_positions",
    "object_positions": "object_positions",
    "object_yaws": "object_yaws",
    "held": "held",
    "touched": "touched",
}
"""Field of a Demonstration by its key in ``obs``."""
OBSERVATION_KEYS = (*OBSERVATION_FIELDS, "gripper", "ee_yaw", "ee_quaternion", "flat")
"""All keys of ``obs``; exported files have ``flat`` for robomimic's environments."""
COMMAND_FIELDS = {"command_asked": "command_requested", "command_sent": "command_sent"}
"""Field of a Demonstration by the name of its float64 data set."""


class Observations(NamedTuple):
    """Two views of one array of N + 1 rows, of which the last two are equal."""

    current: NDArray[np.float32]
    """(N, ...) array of ``obs``."""
    following: NDArray[np.float32]
    """(N, ...) array of ``next_obs``: each sample's successor, and the last one again."""


def encode_observations(demonstration: Demonstration) -> dict[str, Observations]:
    """Return the arrays of ``obs`` and ``next_obs`` by their key."""
    out = {key: with_following(getattr(demonstration, name)) for key, name in OBSERVATION_FIELDS.items()}
    out["gripper"] = with_following(demonstration.joint_positions[:, -1:])
    out["ee_yaw"] = with_following(demonstration.tool_yaws[:, None])
    quaternions = compute_tool_quaternions(demonstration.joint_positions, demonstration.tool_yaws)
    return out | {"ee_quaternion": with_following(quaternions)}


def with_following(array: NDArray[Any]) -> Observations:
    """Return an array (N, ...) as observations."""
    extended = np.empty((len(array) + 1, *array.shape[1:]), np.float32)
    extended[:-1], extended[-1:] = array, array[-1:]
    return Observations(extended[:-1], extended[1:])


def decode_observations(stored_observations: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return the read-only fields of a Demonstration that ``obs`` holds. Raises KeyError for a missing one."""
    fields: dict[str, Any] = {
        name: (read_only_bool_copy if key in ("held", "touched") else make_read_only_floats)(stored_observations[key])
        for key, name in OBSERVATION_FIELDS.items()
    }
    return fields | {"tool_yaws": read_only_copy(stored_observations["ee_yaw"][:, 0])}


def compute_observation_shapes(samples: int, joints: int, objects: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of every array of ``obs`` that ``decode_observations`` needs."""
    rows: dict[str, tuple[int, ...]] = {"joint_positions": (joints,), "joint_velocities": (joints,)}
    rows |= {"ee_position": (3,), "ee_yaw": (1,), "object_positions": (objects, 3)}
    rows |= dict.fromkeys(("object_yaws", "held", "touched"), (objects,))
    return {key: (samples, *shape) for key, shape in rows.items()}


def compute_action_scaling(joint_names: Sequence[str]) -> tuple[FloatArray, FloatArray]:
    """Return ``scale`` and ``offset`` (A,) of action = (target - offset) / scale in [-1, 1].

    They follow from the joint limits, rad. A joint that the SO-101 does not have is assumed to turn half a turn either
    way.
    """
    limits = {joint.name: (joint.lower, joint.upper) for joint in JOINTS}
    lower, upper = np.array([limits.get(name, (-np.pi, np.pi)) for name in joint_names]).T
    return (upper - lower) / 2, (upper + lower) / 2


def encode_actions(demonstration: Demonstration) -> NDArray[np.float32]:
    """Return the sent commands, normalised to [-1, 1], (N, A) float32."""
    scale, offset = compute_action_scaling(demonstration.joint_names)
    return _to_float32(np.clip((demonstration.command_sent - offset) / scale, -1.0, 1.0))


def compute_tool_quaternions(joints: FloatArray, yaws: FloatArray) -> FloatArray:
    """Return the tool's orientations (N, 4) as (x, y, z, w) from joint angles (N, J) and yaws (N,), rad.

    The tool's x axis is the direction in which the jaws open, its z axis points out of the gripper. An arm with other
    joints than the SO-101's is assumed to point straight down.
    """
    pan, tilt = np.zeros(len(yaws)), np.zeros(len(yaws))
    if joints.shape[1] == len(JOINTS):
        pan, tilt = joints[:, 0], joints[:, 1:4].sum(axis=1) - np.pi / 2
    roll = yaws + pan
    # Rz(-pan) Ry(tilt) Rz(roll) Rx(pi), multiplied out: a quaternion (w, x, y, z) for the first three, then Rx(pi).
    half_sum, half_difference = (roll - pan) / 2, (roll + pan) / 2
    w, z = np.cos(tilt / 2) * np.cos(half_sum), np.cos(tilt / 2) * np.sin(half_sum)
    x, y = np.sin(tilt / 2) * np.sin(half_difference), np.sin(tilt / 2) * np.cos(half_difference)
    return np.stack([w, z, -y, -x], axis=1)


def _to_float32(array: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(array, dtype=np.float32)
