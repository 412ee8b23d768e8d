"""Export of takes to a LeRobot data set of version 3.0, which LeRobot's loader and trainer read as it is."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from metagui.arms.tables.object_codec import object_to_dict
from metagui.atomic_write import open_folder_atomically
from metagui.demonstrations.formats.camera import TakeCamera
from metagui.demonstrations.formats.exchange import ExchangeError, ExchangeProgress, ExportReport
from metagui.demonstrations.formats.joint_units import JOINT_NAMES, UNIT_DESCRIPTIONS, make_joint_scale
from metagui.demonstrations.formats.lerobot import layout
from metagui.demonstrations.formats.lerobot.data_files import DataFiles, VideoFiles
from metagui.demonstrations.formats.lerobot.parquet import write_rows, write_tasks
from metagui.demonstrations.formats.lerobot.statistics import compute_statistics
from metagui.demonstrations.formats.robomimic.export import write_takes_file
from metagui.demonstrations.formats.selection import read_takes

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from metagui.demonstrations.formats.exchange import ExportOptions
    from metagui.demonstrations.formats.joint_units import JointScale
    from metagui.demonstrations.formats.selection import ExportedTake
    from metagui.demonstrations.storage.hdf5 import TakeInfo

_MAX_RATE_ERROR = 1e-6
"""Largest difference of a rate from a whole number that is rounding, Hz."""


def export_lerobot(
    takes: Sequence[TakeInfo], folder: Path, options: ExportOptions
) -> Generator[ExchangeProgress, None, ExportReport]:
    """Write takes of one kind to a new data set in ``folder``; nothing is left there on an error or if closed early.

    Raises ExchangeError, FileExistsError, OSError.
    """
    report = ExportReport()
    with open_folder_atomically(folder) as root, contextlib.ExitStack() as stack:
        exporter = _Exporter(root, options, stack)
        for index, take in enumerate(read_takes(takes, report.left_out)):
            yield ExchangeProgress(index, len(takes), f"{takes[index].task} {takes[index].name}")
            if take is not None:
                exporter.add(take)
                report.takes[take.info.task] += 1
        exporter.finish(report)
    report.files = [folder]
    return report


class _Exporter:
    """Writes one data set, take by take."""

    def __init__(self, root: Path, options: ExportOptions, stack: contextlib.ExitStack) -> None:
        self._root, self._options, self._stack = root, options, stack
        self._written: list[ExportedTake] = []
        self._episodes: list[dict[str, Any]] = []
        self._tasks: dict[str, int] = {}
        self._arrays: dict[str, list[NDArray[Any]]] = {}
        self._data: DataFiles | None = None
        self._videos: VideoFiles | None = None

    def add(self, take: ExportedTake) -> None:
        """Append a take as the next episode."""
        found = take.demonstration
        if self._data is None:
            self._open_files(take)
        if self._data is None:
            raise RuntimeError("the files of a data set were not opened")
        index, start = len(self._episodes), self._data.frame_count
        task = self._tasks.setdefault(take.info.task, len(self._tasks))
        frames = layout.encode_frames(found, self._scale) | _index_frames(len(found), self._fps, index, start, task)
        row: dict[str, Any] = {"episode_index": index, "tasks": [take.info.task], "length": len(found)}
        row |= self._data.write(frames)
        row |= {"dataset_from_index": start, "dataset_to_index": start + len(found)}
        statistics = {name: compute_statistics(values) for name, values in frames.items()}
        if self._videos is not None:
            location, statistics[layout.CAMERA] = self._videos.write(found)
            row |= location
        row |= {f"stats/{name}/{key}": v for name, each in statistics.items() for key, v in each.items()}
        self._episodes.append(row | {"meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0})
        for name, values in frames.items():
            self._arrays.setdefault(name, []).append(values)
        self._written.append(take)

    def _open_files(self, first: ExportedTake) -> None:
        take, options = first.demonstration, self._options
        self._fps = _to_fps(take.timing.rate_requested)
        self._scale = make_joint_scale(take.joint_names, options.unit, options.calibration)
        size = options.picture_size if options.with_camera else None
        self._features = layout.make_features(take, self._fps, size)
        self._robot_type = layout.guess_robot_type(take.joint_names, JOINT_NAMES)
        self._data = self._stack.enter_context(DataFiles(self._root, self._features))
        if size is not None:
            camera = self._stack.enter_context(TakeCamera(size))
            self._videos = self._stack.enter_context(VideoFiles(self._root, camera, self._fps))

    def finish(self, report: ExportReport) -> None:
        """Write what depends on all takes, and complete the report."""
        if self._data is None:
            reasons = "; ".join(left.reason for left in report.left_out[:3])
            raise ExchangeError(f"No take could be exported. Nothing was written; the reasons: {reasons}")
        report.samples = self._data.frame_count
        self._stack.close()
        write_rows(self._root / layout.EPISODES_PATH.format(chunk_index=0, file_index=0), self._episodes)
        write_tasks(self._root / layout.TASKS_PATH, list(self._tasks))
        statistics = {name: compute_statistics(np.concatenate(parts)) for name, parts in self._arrays.items()}
        if self._videos is not None:
            statistics[layout.CAMERA] = self._videos.compute_statistics()
        _write_json(self._root / layout.STATS_PATH, statistics)
        totals = {"total_episodes": len(self._episodes), "total_frames": report.samples}
        totals["total_tasks"] = len(self._tasks)
        has_video = self._videos is not None
        info = layout.make_info(self._features, self._fps, self._robot_type, totals, has_video)
        _write_json(self._root / layout.INFO_PATH, info)
        self._write_own_files()
        report.notes += describe_data_set(self._scale, self._features)

    def _write_own_files(self) -> None:
        """Write the units, the takes as metagui stores them, and a page that explains both."""
        own = {"format": layout.OWN_FORMAT_VERSION, "joints": self._scale.to_dict(), "fps": self._fps}
        own["environment"] = "x, y, z: m in the arm's base frame; yaw: rad; held: 1 if the gripper holds the object"
        own["objects"] = [object_to_dict(each) for each in self._written[0].demonstration.objects]
        own["is_calibrated"] = self._options.calibration is not None
        _write_json(self._root / layout.OWN_INFO_PATH, own)
        write_takes_file(self._root / layout.OWN_TAKES_PATH, self._written)
        lines = "\n".join(f"- {note}" for note in describe_data_set(self._scale, self._features))
        text = f"---\ntags:\n- LeRobot\n---\n\n# Data set exported by metagui\n\n{lines}\n"
        (self._root / "README.md").write_text(text, encoding="utf-8")


def describe_data_set(scale: JointScale, features: dict[str, Any]) -> list[str]:
    """Return sentences on what a user of the data set must know."""
    notes = [
        f"Joint angles are in {scale.unit}: {UNIT_DESCRIPTIONS[scale.unit]}; {layout.OWN_INFO_PATH} has the formula."
    ]
    notes.append(f"timestamp is frame / fps; {layout.TRUE_TIME} is the time at which a sample was taken, s.")
    if layout.ENVIRONMENT not in features and layout.CAMERA not in features:
        notes.append("There are neither objects nor pictures, without which LeRobot's policies do not train.")
    return notes


def _index_frames(count: int, fps: int, episode: int, start: int, task: int) -> dict[str, NDArray[Any]]:
    """Return the arrays of the features that every data set has, for one episode."""
    frames = np.arange(count)
    return {
        "timestamp": (frames / fps).astype(np.float32),
        "frame_index": frames.astype(np.int64),
        "episode_index": np.full(count, episode, dtype=np.int64),
        "index": (start + frames).astype(np.int64),
        "task_index": np.full(count, task, dtype=np.int64),
    }


def _to_fps(rate: float) -> int:
    """Return a rate as LeRobot's whole number of frames per second. Raises ExchangeError."""
    fps = round(rate)
    if fps < 1 or abs(rate - fps) > _MAX_RATE_ERROR:
        raise ExchangeError(
            f"The takes have a rate of {rate:g} Hz, and LeRobot's data sets have a whole number of frames per second. "
            "Nothing was written; export them for robomimic."
        )
    return fps


def _write_json(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=4, ensure_ascii=False, allow_nan=False)
    path.write_text(text, encoding="utf-8")
