"""Export of takes for ACT: one HDF5 file per episode, all equally long, with pictures of the scene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from metagui.atomic_write import open_folder_atomically
from metagui.demonstrations.formats.camera import CAMERA_NAME, TakeCamera
from metagui.demonstrations.formats.exchange import ExchangeError, ExchangeProgress, ExportReport
from metagui.demonstrations.formats.selection import read_takes

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.formats.exchange import EqualLength, ExportOptions
    from metagui.demonstrations.storage.hdf5 import TakeInfo

ACT_MODEL_JOINTS = 14
"""Number of joints for which ACT's own model is written."""


def export_act(
    takes: Sequence[TakeInfo], folder: Path, options: ExportOptions
) -> Generator[ExchangeProgress, None, ExportReport]:
    """Write ``episode_0.hdf5``, ``episode_1.hdf5``, … to a new folder; nothing is left on an error or if closed early.

    Raises ExchangeError, FileExistsError, OSError.
    """
    report = ExportReport(files=[folder])
    length = max(_count_samples(info) for info in takes)
    with open_folder_atomically(folder) as root, TakeCamera(options.picture_size) as camera:
        for index, take in enumerate(read_takes(takes, report.left_out)):
            yield ExchangeProgress(index, len(takes), f"{takes[index].task} {takes[index].name}")
            if take is None:
                continue
            episode = sum(report.takes.values())
            _write_episode(root / f"episode_{episode}.hdf5", take.demonstration, camera, length, options.equal_length)
            report.takes[take.info.task] += 1
            report.samples += length
        if not report.takes:
            reasons = "; ".join(left.reason for left in report.left_out[:3])
            raise ExchangeError(f"No take could be exported. Nothing was written; the reasons: {reasons}")
    report.notes += _describe(length, options.equal_length, len(takes))
    return report


def _count_samples(info: TakeInfo) -> int:
    start, stop = info.trim or (0, info.sample_count)
    return stop - start


def _write_episode(path: Path, take: Demonstration, camera: TakeCamera, length: int, how: EqualLength) -> None:
    pictures = np.stack(list(camera.render(take)))
    with h5py.File(path, "w") as file:
        file.attrs["sim"], file.attrs["compress"] = True, False
        file.attrs["task"], file.attrs["take"] = take.task, take.name
        file.attrs["samples"], file.attrs["equal_length"] = len(take), how
        _write(file, "action", equalise(take.command_sent, length, how))
        _write(file, "observations/qpos", equalise(take.joint_positions, length, how))
        velocities = equalise(take.joint_velocities, length, how)
        if how == "resample":  # the motion takes longer than it took
            velocities = velocities * ((len(take) - 1) / max(length - 1, 1))
        else:
            velocities[len(take) :] = 0.0
        _write(file, "observations/qvel", velocities)
        shape = (1, *pictures.shape[1:])
        values = equalise_pictures(pictures, length, how)
        file.create_dataset(f"observations/images/{CAMERA_NAME}", data=values, chunks=shape, dtype="uint8")


def _write(file: Any, name: str, values: NDArray[Any]) -> None:
    file.create_dataset(name, data=np.asarray(values, dtype=np.float32))


def equalise(values: NDArray[Any], length: int, how: EqualLength) -> NDArray[np.float64]:
    """Return samples (N, D) as (length, D): the last one repeated, or interpolated linearly."""
    if how == "pad":
        return np.concatenate([values, np.repeat(values[-1:], length - len(values), axis=0)])
    at = np.linspace(0, len(values) - 1, length)
    old = np.arange(len(values))
    return np.column_stack([np.interp(at, old, column) for column in np.asarray(values).T])


def equalise_pictures(pictures: NDArray[np.uint8], length: int, how: EqualLength) -> NDArray[np.uint8]:
    """Return pictures (N, h, w, 3) as (length, h, w, 3): the last one repeated, or the nearest in time."""
    indices = np.minimum(np.arange(length), len(pictures) - 1)
    if how == "resample":
        indices = np.rint(np.linspace(0, len(pictures) - 1, length)).astype(int)
    chosen: NDArray[np.uint8] = pictures[indices]
    return chosen


def _describe(length: int, how: EqualLength, count: int) -> list[str]:
    means = {
        "pad": "shorter takes were padded: their last sample is repeated, with velocity 0",
        "resample": "shorter takes were resampled, so that their motions are slower than they were recorded",
    }
    return [
        f"All {count} episodes have {length} samples, as the longest take; {means[how]}.",
        f"Angles are in rad; the pictures of the camera {CAMERA_NAME!r} are rendered. Set state_dim to the number of "
        f"joints: ACT's own model is written for {ACT_MODEL_JOINTS}.",
    ]
