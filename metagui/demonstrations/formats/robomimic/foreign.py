"""HDF5 files in robomimic's layout that other programs wrote, as far as they carry joint angles.

robosuite and robomimic name the observations ``robot0_joint_pos`` and so on, Isaac Lab ``joint_pos`` or a state of the
articulation. The actions of these programs are rarely joint targets, so the next angles take their place.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from metagui.demonstrations.formats.exchange import ImportedTake, MissingAnswerError
from metagui.demonstrations.formats.foreign_take import (
    MAX_JOINTS,
    NOT_RECORDED_NOTE,
    ForeignMotion,
    make_foreign_take,
    track_objects,
)
from metagui.demonstrations.formats.joint_units import JOINT_NAMES
from metagui.demonstrations.storage.errors import ContentError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from metagui.arms.arm import FloatArray
    from metagui.demonstrations.formats.exchange import ImportOptions
    from metagui.demonstrations.storage.checked_file import CheckedGroup

JOINT_PATHS = (
    "obs/robot0_joint_pos", "obs/joint_positions", "obs/joint_pos", "states/articulation/robot/joint_position",
)  # fmt: skip
"""Places of joint angles (N, J), rad, in the order of preference."""
GRIPPER_PATHS = ("obs/robot0_gripper_qpos", "obs/gripper_pos")
"""Places of finger positions (N, G); the first finger becomes the gripper."""
POSITION_PATHS = ("obs/robot0_eef_pos", "obs/eef_pos", "obs/ee_position")
"""Places of the tool's position (N, 3), m."""
QUATERNION_PATHS = {"obs/robot0_eef_quat": "xyzw", "obs/eef_quat": "wxyz", "obs/ee_quaternion": "xyzw"}
"""Places of the tool's orientation (N, 4), and the order of its numbers."""


class ForeignFile:
    """What is the same for all demonstrations of a file: its environment and its rate."""

    def __init__(self, file_name: str, file: CheckedGroup, options: ImportOptions) -> None:
        """Read the description of the environment. Raises ContentError, MissingAnswerError."""
        self.file_name, self.options = file_name, options
        data = file.open_group("data")
        args = data.read_json("env_args") if data.has_attribute("env_args") else {}
        self.env_args: dict[str, Any] = args if isinstance(args, dict) else {}
        self.env_name = str(self.env_args.get("env_name") or "unknown")
        self.rate = options.rate or _find_rate(self.env_args)

    def require_rate(self) -> float:
        """Return the number of samples per second. Raises MissingAnswerError."""
        if self.rate is None:
            raise MissingAnswerError(
                f"{self.file_name} does not say how many samples a second it has. Nothing was imported; name the rate "
                "(--rate 20).",
                "rate",
            )
        return self.rate


def read_foreign_take(context: ForeignFile, demo: CheckedGroup, name: str) -> ImportedTake:
    """Return the take of a demonstration. Raises ContentError, ExchangeError, MissingAnswerError, PlacementError."""
    motion = _read_motion(context, demo)
    objects = track_objects(context.file_name, motion, context.options.placement)
    task = context.options.task or context.env_name
    source = f"Imported from {context.file_name}, {name} ({context.env_name})."
    return ImportedTake(make_foreign_take(task, name, motion, objects, source), name, None, (NOT_RECORDED_NOTE,))


def _read_motion(context: ForeignFile, demo: CheckedGroup) -> ForeignMotion:
    paths = set(demo.list_paths())
    place = next((path for path in JOINT_PATHS if path in paths), None)
    if place is None:
        raise ContentError(f"it carries no joint angles (none of {', '.join(JOINT_PATHS)})")
    joints = _read_finite(demo, place, (None, None))
    gripper = next((path for path in GRIPPER_PATHS if path in paths), None)
    is_arm_only = place != "obs/joint_positions" and not place.startswith("states/")
    if gripper is not None and is_arm_only:
        joints = np.concatenate([joints, _read_finite(demo, gripper, (len(joints), None))[:, :1]], axis=1)
    if not 2 <= joints.shape[1] <= MAX_JOINTS:
        raise ContentError(f"it has {joints.shape[1]} joints")
    rate = context.require_rate()
    position = next((path for path in POSITION_PATHS if path in paths), None)
    quaternion = next((path for path in QUATERNION_PATHS if path in paths), None)
    has_pose = position is not None and quaternion is not None
    return ForeignMotion(
        context.env_name,
        _name_joints(joints.shape[1]),
        np.arange(len(joints)) / rate,
        rate,
        joints,
        tool_positions=_read_finite(demo, position, (len(joints), 3)) if has_pose and position else None,
        tool_yaws=_read_yaws(demo, quaternion, len(joints)) if has_pose and quaternion else None,
    )


def _read_finite(demo: CheckedGroup, path: str, shape: tuple[int | None, ...]) -> NDArray[np.float64]:
    values = np.asarray(demo.read_array(path, shape), dtype=np.float64)
    if not np.isfinite(values).all():
        raise ContentError(f"{path!r} contains numbers that are not finite")
    return values


def _read_yaws(demo: CheckedGroup, path: str, count: int) -> FloatArray:
    """Return the directions (N,) of the tool's x axis about the vertical, rad."""
    values = _read_finite(demo, path, (count, 4))
    x, y, z, w = values.T if QUATERNION_PATHS[path] == "xyzw" else values[:, [1, 2, 3, 0]].T
    yaws: FloatArray = np.unwrap(np.arctan2(2 * (x * y + w * z), 1 - 2 * (y * y + z * z)))
    return yaws


def _name_joints(count: int) -> tuple[str, ...]:
    if count == len(JOINT_NAMES):
        return JOINT_NAMES
    return (*(f"joint_{index + 1}" for index in range(count - 1)), "gripper")


def _find_rate(env_args: dict[str, Any]) -> float | None:
    """Return the rate that a description of an environment states, Hz: robosuite's, or Isaac Lab's."""
    found: Any = None
    for holder in (env_args, env_args.get("env_kwargs"), env_args.get("sim_args")):
        if isinstance(holder, dict):
            found = found or holder.get("control_freq")
            dt, decimation = holder.get("dt"), holder.get("decimation", 1)
            if found is None and _is_positive(dt) and _is_positive(decimation):
                found = 1.0 / (dt * decimation)
    return float(found) if _is_positive(found) else None


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf
