"""The numbered data and video files of a LeRobot data set, which a new episode continues or begins."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from metagui.demonstrations.formats.lerobot import layout
from metagui.demonstrations.formats.lerobot.parquet import ParquetWriter
from metagui.demonstrations.formats.lerobot.statistics import compute_picture_statistics, select_pictures
from metagui.demonstrations.formats.lerobot.video import VideoWriter

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.formats.camera import TakeCamera

MAX_ROWS_PER_FILE = 200_000
"""Number of rows after which the next episode begins a new data file; some 50 MB."""
MAX_FRAMES_PER_VIDEO = 30_000
"""Number of frames after which the next episode begins a new video."""
_MAX_STATISTICS_PICTURES = 2000
"""Number of pictures that the statistics of the whole data set use."""


class DataFiles:
    """The files ``data/chunk-…/file-….parquet``; use it as a context manager."""

    def __init__(self, root: Path, features: dict[str, dict[str, Any]]) -> None:
        self._root, self._features = root, features
        self._file: ParquetWriter | None = None
        self._number = -1
        self.frame_count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, frames: dict[str, NDArray[Any]]) -> dict[str, int]:
        """Append an episode; return where it is, as columns of ``meta/episodes``."""
        if self._file is None or self._file.row_count >= MAX_ROWS_PER_FILE:
            if self._file is not None:
                self._file.close()
            self._number += 1
            place = layout.locate_file(self._number)
            self._file = ParquetWriter(self._root / layout.DATA_PATH.format(**place), self._features)
        self._file.write(frames)
        self.frame_count += len(frames["index"])
        return {f"data/{key}": value for key, value in layout.locate_file(self._number).items()}


class VideoFiles:
    """The files ``videos/…/chunk-…/file-….mp4`` of the rendered camera; use it as a context manager."""

    def __init__(self, root: Path, camera: TakeCamera, fps: int) -> None:
        self._root, self._camera, self._fps = root, camera, fps
        self._file: VideoWriter | None = None
        self._number = -1
        self._pictures: list[NDArray[np.uint8]] = []
        self._frame_count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *exception: object) -> None:
        if self._file is not None:
            with contextlib.nullcontext() if kind is None else contextlib.suppress(Exception):
                self._file.close()

    def write(self, take: Demonstration) -> tuple[dict[str, Any], dict[str, list[Any]]]:
        """Append an episode; return where it is, as columns of ``meta/episodes``, and its statistics."""
        if self._file is None or self._file.frame_count >= MAX_FRAMES_PER_VIDEO:
            if self._file is not None:
                self._file.close()
            self._number += 1
            path = layout.VIDEO_PATH.format(video_key=layout.CAMERA, **layout.locate_file(self._number))
            self._file = VideoWriter(self._root / path, self._fps, self._camera.width, self._camera.height)
        start, selected, chosen = self._file.frame_count, select_pictures(len(take)), []
        for index, picture in enumerate(self._camera.render(take)):
            self._file.write(picture)
            if index in selected:
                chosen.append(picture[::2, ::2])
        stop = self._file.frame_count
        self._frame_count += stop - start
        self._pictures += chosen[:: max(len(chosen) // 10, 1)]
        self._pictures = self._pictures[:_MAX_STATISTICS_PICTURES]
        columns: dict[str, Any] = dict(layout.locate_file(self._number))
        columns |= {"from_timestamp": start / self._fps, "to_timestamp": stop / self._fps}
        located = {f"videos/{layout.CAMERA}/{key}": value for key, value in columns.items()}
        return located, compute_picture_statistics(np.stack(chosen))

    def compute_statistics(self) -> dict[str, list[Any]]:
        """Return the statistics of all pictures."""
        return compute_picture_statistics(np.stack(self._pictures)) | {"count": [self._frame_count]}
