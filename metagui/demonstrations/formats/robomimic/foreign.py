"""HDF5 files in robomimic's layout that other programs wrote, as far as they carry joint angles.

robosuite and robomimic name the observations ``robot0_joint_pos`` and so on. Isaac Lab stores the angles in the state
of the articulation; its observation ``joint_pos`` counts from a rest pose, which follows from the initial state. The
actions of these programs are rarely joint targets, so the next angles take their place.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace
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
from metagui.demonstrations.formats.unused_fields import (
    DERIVED,
    NO_FIELD,
    NO_TARGETS,
    OTHER_SIMULATOR,
    PICTURES,
    describe_unused,
)
from metagui.demonstrations.storage.errors import ContentError, NewerFormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from metagui.arms.arm import FloatArray
    from metagui.demonstrations.formats.exchange import ImportOptions
    from metagui.demonstrations.storage.checked_file import CheckedGroup

RELATIVE_JOINTS = "obs/joint_pos"
JOINT_PATHS = (
    "obs/robot0_joint_pos", "obs/joint_positions", "states/articulation/robot/joint_position", RELATIVE_JOINTS,
)  # fmt: skip
"""Places of joint angles (N, J), rad, in the order of preference."""
INITIAL_JOINTS = "initial_state/articulation/robot/joint_position"
"""Place of the joint angles (1, J) of Isaac Lab at the first sample, rad."""
RELATIVE_NOTE = (
    f"Isaac Lab counts {RELATIVE_JOINTS} from a rest pose that these files do not state. It is taken for the joint "
    "angles; check a take before it is used on an arm."
)
MAX_ARM_JOINTS = 7
"""Number of joints up to which angles are taken to be those of an arm without its gripper."""
ISAAC_FORMAT = 1
"""Format version of Isaac Lab from which quaternions are x y z w; no file of an older one states it."""
GRIPPER_PATHS = ("obs/robot0_gripper_qpos", "obs/gripper_pos")
"""Places of finger positions (N, G); the first finger becomes the gripper."""
POSITION_PATHS = ("obs/robot0_eef_pos", "obs/eef_pos", "obs/ee_position")
"""Places of the tool's position (N, 3), m."""
ISAAC_QUATERNION = "obs/eef_quat"
QUATERNION_PATHS = ("obs/robot0_eef_quat", ISAAC_QUATERNION, "obs/ee_quaternion")
"""Places of the tool's orientation (N, 4), x y z w, except for old files of Isaac Lab."""

MIN_PICTURE_DIMENSIONS = 4
"""Number of dimensions of pictures, (N, H, W, C); lists of vectors or matrices have fewer."""


class ForeignFile:
    """What is the same for all demonstrations of a file: its environment and its rate."""

    def __init__(self, file_name: str, file: CheckedGroup, options: ImportOptions) -> None:
        """Read the description of the environment. Raises ContentError, NewerFormatError, MissingAnswerError."""
        self.file_name, self.options = file_name, options
        version = file.read_integer("format_version") if file.has_attribute("format_version") else 0
        if version > ISAAC_FORMAT:
            raise NewerFormatError(
                f"{file_name} was written by a newer Isaac Lab (format {version}; this version reads up to "
                f"{ISAAC_FORMAT}). Nothing was imported; update metagui."
            )
        self.is_scalar_first = version < ISAAC_FORMAT
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
    paths = demo.list_paths()
    motion, used = _read_motion(context, demo, set(paths))
    objects = track_objects(context.file_name, motion, context.options.placement)
    task = context.options.task or context.env_name
    source = f"Imported from {context.file_name}, {name} ({context.env_name})."
    reasons = {path: _find_reason(demo, path) for path in paths if path not in used}
    reasons |= {key: OTHER_SIMULATOR for key in ("model_file", "ep_meta") if demo.has_attribute(key)}
    notes = (NOT_RECORDED_NOTE, *describe_unused(context.file_name, _join_next(reasons)))
    if RELATIVE_JOINTS in used and INITIAL_JOINTS not in used:
        notes = (RELATIVE_NOTE, *notes)
    take = make_foreign_take(task, name, motion, objects, source)
    return ImportedTake(replace(take, success=_read_success(demo)), name, None, notes)


def _read_success(demo: CheckedGroup) -> bool | None:
    """Return whether Isaac Lab marked the demonstration as successful; None if that is not said."""
    with contextlib.suppress(ContentError):
        return demo.read_number("success") > 0
    return None


def _find_reason(demo: CheckedGroup, path: str) -> str:
    """Return why a data set is not imported."""
    group, _, last = path.partition("/")
    if group in ("next_obs", "rewards", "dones"):
        return DERIVED
    if demo.count_dimensions(path) >= MIN_PICTURE_DIMENSIONS:
        return PICTURES
    if group in ("states", "initial_state") or last.startswith("datagen_info/"):
        return OTHER_SIMULATOR
    if group in ("actions", "processed_actions", "actions_abs") or path == "obs/actions":
        return NO_TARGETS
    return NO_FIELD


def _join_next(reasons: dict[str, str]) -> dict[str, str]:
    """Name the successors of the observations as one field."""
    return {path if path.split("/")[0] != "next_obs" else "next_obs": reason for path, reason in reasons.items()}


def _read_motion(context: ForeignFile, demo: CheckedGroup, paths: set[str]) -> tuple[ForeignMotion, set[str]]:
    """Return the motion, and the paths of the data sets that it is from."""
    place = next((path for path in JOINT_PATHS if path in paths), None)
    if place is None:
        raise ContentError(f"it carries no joint angles (none of {', '.join(JOINT_PATHS)})")
    joints = _read_finite(demo, place, (None, None))
    used = {place}
    if place == RELATIVE_JOINTS and INITIAL_JOINTS in paths:
        joints = joints + _read_finite(demo, INITIAL_JOINTS, (1, joints.shape[1])) - joints[:1]
        used.add(INITIAL_JOINTS)
    gripper = next((path for path in GRIPPER_PATHS if path in paths), None)
    is_arm_only = place in ("obs/robot0_joint_pos", RELATIVE_JOINTS) and joints.shape[1] <= MAX_ARM_JOINTS
    if gripper is not None and is_arm_only:
        used.add(gripper)
        joints = np.concatenate([joints, _read_finite(demo, gripper, (len(joints), None))[:, :1]], axis=1)
    if not 2 <= joints.shape[1] <= MAX_JOINTS:
        raise ContentError(f"it has {joints.shape[1]} joints")
    rate = context.require_rate()
    position = next((path for path in POSITION_PATHS if path in paths), None)
    quaternion = next((path for path in QUATERNION_PATHS if path in paths), None)
    if position is not None and quaternion is not None:
        used |= {position, quaternion}
    motion = ForeignMotion(
        context.env_name,
        _name_joints(joints.shape[1]),
        np.arange(len(joints)) / rate,
        rate,
        joints,
        tool_positions=_read_finite(demo, position, (len(joints), 3)) if position and quaternion else None,
        tool_yaws=_read_yaws(context, demo, quaternion, len(joints)) if position and quaternion else None,
    )
    return motion, used


def _read_finite(demo: CheckedGroup, path: str, shape: tuple[int | None, ...]) -> NDArray[np.float64]:
    values = np.asarray(demo.read_array(path, shape), dtype=np.float64)
    if not np.isfinite(values).all():
        raise ContentError(f"{path!r} contains numbers that are not finite")
    return values


def _read_yaws(context: ForeignFile, demo: CheckedGroup, path: str, count: int) -> FloatArray:
    """Return the directions (N,) of the tool's x axis about the vertical, rad."""
    values = _read_finite(demo, path, (count, 4))
    is_scalar_first = path == ISAAC_QUATERNION and context.is_scalar_first
    x, y, z, w = values[:, [1, 2, 3, 0]].T if is_scalar_first else values.T
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
