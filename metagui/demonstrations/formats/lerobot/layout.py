"""Names, paths and features of LeRobot data sets of version 3.0, without files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from metagui.demonstrations.formats.camera import CAMERA_NAME
from metagui.demonstrations.formats.joint_units import POSITION_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.formats.joint_units import JointScale

DATA_SET_VERSION = "v3.0"
FILES_PER_CHUNK = 1000
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
INFO_PATH, TASKS_PATH, STATS_PATH = "meta/info.json", "meta/tasks.parquet", "meta/stats.json"
OWN_INFO_PATH, OWN_TAKES_PATH = "meta/metagui.json", "meta/metagui-takes.hdf5"
"""Files that LeRobot ignores: the units, and the takes as metagui stores them."""
OWN_FORMAT_VERSION = 1
"""Version of ``meta/metagui.json``."""

STATE, ACTION, ENVIRONMENT = "observation.state", "action", "observation.environment_state"
TRUE_TIME = "true_timestamp"
"""Feature with the time at which a sample was taken, s from the first sample; ``timestamp`` is frame / fps."""
CAMERA = f"observation.images.{CAMERA_NAME}"
ROBOT_TYPE = "so101_follower"
DEFAULT_FEATURES: dict[str, dict[str, Any]] = {
    "timestamp": {"dtype": "float32", "shape": [1], "names": None},
    "frame_index": {"dtype": "int64", "shape": [1], "names": None},
    "episode_index": {"dtype": "int64", "shape": [1], "names": None},
    "index": {"dtype": "int64", "shape": [1], "names": None},
    "task_index": {"dtype": "int64", "shape": [1], "names": None},
}
"""Features that every data set has."""


def make_features(take: Demonstration, fps: int, picture_size: tuple[int, int] | None) -> dict[str, dict[str, Any]]:
    """Return the features of a data set with takes like ``take``; pictures if they have a size."""
    joints = [f"{name}{POSITION_SUFFIX}" for name in take.joint_names]
    features: dict[str, dict[str, Any]] = {
        ACTION: {"dtype": "float32", "shape": [len(joints)], "names": joints},
        STATE: {"dtype": "float32", "shape": [len(joints)], "names": joints},
    }
    if names := name_environment(take):
        features[ENVIRONMENT] = {"dtype": "float32", "shape": [len(names)], "names": names}
    features[TRUE_TIME] = {"dtype": "float64", "shape": [1], "names": None}
    if picture_size is not None:
        features[CAMERA] = _make_camera_feature(fps, *picture_size)
    return features | DEFAULT_FEATURES


def _make_camera_feature(fps: int, width: int, height: int) -> dict[str, Any]:
    info = {
        "video.height": height, "video.width": width, "video.codec": "h264", "video.pix_fmt": "yuv420p",
        "video.is_depth_map": False, "video.fps": fps, "video.channels": 3, "has_audio": False,
    }  # fmt: skip
    return {"dtype": "video", "shape": [height, width, 3], "names": ["height", "width", "channels"], "info": info}


def name_environment(take: Demonstration) -> list[str]:
    """Return the names of the numbers that describe the objects; the table does not move and is left out."""
    parts = ("x", "y", "z", "yaw", "held")
    return [f"{each.name}.{part}" for each in take.objects if each.kind != "table" for part in parts]


def encode_environment(take: Demonstration) -> NDArray[np.float32]:
    """Return the objects' state (N, 5 K): position, m, yaw, rad, and 1 if held, in the order of their names."""
    movable = [index for index, each in enumerate(take.objects) if each.kind != "table"]
    parts = [take.object_positions[:, movable], take.object_yaws[:, movable, None], take.held[:, movable, None]]
    return np.concatenate(parts, axis=2).reshape(len(take), -1).astype(np.float32)


def encode_frames(take: Demonstration, scale: JointScale) -> dict[str, NDArray[Any]]:
    """Return the arrays of a take's features, except those that depend on its place in the data set."""
    out: dict[str, NDArray[Any]] = {
        ACTION: scale.to_values(take.command_sent).astype(np.float32),
        STATE: scale.to_values(take.joint_positions).astype(np.float32),
    }
    if name_environment(take):
        out[ENVIRONMENT] = encode_environment(take)
    return out | {TRUE_TIME: take.time - take.time[0]}


def make_info(
    features: dict[str, Any], fps: int, robot_type: str, totals: dict[str, int], has_video: bool
) -> dict[str, Any]:
    """Return the contents of ``meta/info.json``."""
    return {
        "codebase_version": DATA_SET_VERSION,
        "robot_type": robot_type,
        **totals,
        "chunks_size": FILES_PER_CHUNK,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": fps,
        "splits": {"train": f"0:{totals['total_episodes']}"},
        "data_path": DATA_PATH,
        "video_path": VIDEO_PATH if has_video else None,
        "features": features,
    }


def locate_file(number: int) -> dict[str, int]:
    """Return the two indices in the path of the ``number``-th file."""
    return {"chunk_index": number // FILES_PER_CHUNK, "file_index": number % FILES_PER_CHUNK}


def guess_robot_type(joint_names: Sequence[str], so101_names: Sequence[str]) -> str:
    """Return LeRobot's name of the arm."""
    return ROBOT_TYPE if tuple(joint_names) == tuple(so101_names) else "unknown"
