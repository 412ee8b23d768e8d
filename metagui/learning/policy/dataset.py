"""Data set for meta-learning: the segments of many tasks in memory, cached as one ``.npz`` file of arrays.

One meta-learning task is one instruction of one program; its takes are that instruction's segments. Support and query
set come from different takes, see ``task_sampler``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metagui.atomic_write import open_atomically
from metagui.checked_json import FileReasonError
from metagui.learning.policy import feature_layout
from metagui.learning.policy.features import SegmentArrays, most_common_segment_count
from metagui.learning.torch_utils.npz_io import read_arrays

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_MAX_BYTES = 4 << 30
"""Maximum size of a file that is read."""
_SEGMENT_ARRAYS = ("anchors", "globals", "actions", "done")
_ARRAY_NAMES = ("header", "starts", "lengths", "tasks", *_SEGMENT_ARRAYS)
MIN_SEGMENT_DECISIONS = 2
"""Minimum number of decisions of a segment to learn from."""


class DatasetError(Exception):
    """A data set cannot be used; the message gives the reason."""


@dataclass(frozen=True)
class MetaDataset:
    """All decisions of all segments concatenated (R rows, S segments), and the segments' tasks."""

    segments: SegmentArrays
    """Arrays of R rows."""
    starts: NDArray[np.int64]
    """(S,) first row of every segment."""
    lengths: NDArray[np.int64]
    """(S,) number of decisions of every segment."""
    task_indices: NDArray[np.int64]
    """(S,) task of every segment, an index into ``task_names``."""
    task_names: tuple[str, ...]

    def find_segments(self, task: int) -> NDArray[np.int64]:
        """Return the indices of a task's segments."""
        return np.flatnonzero(self.task_indices == task)

    def get_segment(self, index: int) -> SegmentArrays:
        """Return one segment's decisions."""
        return self.segments.select(self.starts[index] + np.arange(self.lengths[index]))

    def fingerprint(self) -> str:
        """Return a short hash of the data and the feature version."""
        digest = hashlib.sha256(json.dumps([feature_layout.VERSION, self.task_names]).encode())
        for array in (self.segments.global_features, self.segments.actions, self.starts):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]

    def save(self, path: Path) -> None:
        """Write the cache, atomically. Raises OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        header = json.dumps({"version": feature_layout.VERSION, "names": self.task_names})
        s = self.segments
        with open_atomically(path, replace=True) as temporary, temporary.open("wb") as file:
            np.savez(
                file, header=np.array(header), starts=self.starts, lengths=self.lengths, tasks=self.task_indices,
                anchors=s.object_features, globals=s.global_features, actions=s.actions, done=s.done,
            )  # fmt: skip

    @classmethod
    def load(cls, path: Path) -> MetaDataset:
        """Read the cache. Raises DatasetError."""
        try:
            arrays = read_arrays(path, _ARRAY_NAMES, _MAX_BYTES)
            version, names = _decode_header(arrays["header"])
        except FileReasonError as error:
            raise DatasetError(f"{path} is not a cached data set: {error}. Make it again from the takes.") from error
        if version != feature_layout.VERSION:
            raise DatasetError(
                f"{path} contains features of version {version}, this program uses {feature_layout.VERSION}. "
                "Nothing was changed; make it again from the takes."
            )
        segments = SegmentArrays(*(arrays[name] for name in _SEGMENT_ARRAYS))
        found = cls(segments, arrays["starts"], arrays["lengths"], arrays["tasks"], names)
        if problem := _find_contradiction(found):
            raise DatasetError(f"{path} is damaged: {problem}. Make it again from the takes.")
        return found


def _decode_header(values: NDArray[Any]) -> tuple[int, tuple[str, ...]]:
    """Return the version of the features and the names of the tasks. Raises FileReasonError."""
    try:
        header = json.loads(str(values[()]))
        version, names = header["version"], header["names"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise FileReasonError("its description is damaged") from error
    if type(version) is not int or not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise FileReasonError("its description is damaged")
    return version, tuple(names)


def _find_contradiction(found: MetaDataset) -> str:
    """Return what is wrong with a data set that was read; empty if nothing is."""
    s, rows = found.segments, len(found.segments.done) if found.segments.done.ndim == 1 else -1
    widths = (s.object_features.shape[2:], s.global_features.shape[1:], s.actions.shape[1:])
    wanted = ((feature_layout.OBJECT_FEATURES,), (feature_layout.GLOBAL_FEATURES,), (feature_layout.ACTION_SIZE,))
    lengths = {len(each) if each.ndim else -1 for each in (s.object_features, s.global_features, s.actions)}
    if lengths != {rows} or widths != wanted:
        return "its arrays do not fit each other"
    if any(each.dtype.kind != "f" or not np.isfinite(each).all() for each in vars(s).values()):
        return "it contains numbers that are not finite"
    index = (found.starts, found.lengths, found.task_indices)
    if any(each.ndim != 1 or each.dtype.kind != "i" or len(each) != len(found.starts) for each in index):
        return "its segments do not fit each other"
    is_inside = (found.starts >= 0) & (found.lengths > 0) & (found.lengths <= rows) & (found.starts <= rows)
    if not is_inside.all() or (found.starts + found.lengths > rows).any():
        return "its segments are not within its decisions"
    if ((found.task_indices < 0) | (found.task_indices >= len(found.task_names))).any():
        return "its segments are of unknown tasks"
    return ""


def build_dataset(takes_by_task: Mapping[str, Sequence[tuple[SegmentArrays, ...]]]) -> MetaDataset:
    """Return the data set of encoded takes: a task's takes, each a tuple of segments. Raises DatasetError.

    Takes whose number of segments is not the most common one of their task are left out; so are segments that are too
    short.
    """
    usable: list[SegmentArrays] = []
    tasks: list[int] = []
    names: list[str] = []
    for task, takes in takes_by_task.items():
        count = most_common_segment_count(takes)
        for index in range(count):
            found = [t[index] for t in takes if len(t) == count and len(t[index]) >= MIN_SEGMENT_DECISIONS]
            usable += found
            tasks += [len(names)] * len(found)
            names.append(meta_task_name(task, index))
    if not usable:
        raise DatasetError("There is nothing to learn from: no task has a segment of two decisions or more.")
    return concatenate_segments(usable, tasks, tuple(names))


def meta_task_name(program: str, index: int) -> str:
    """Return the name of the meta-learning task of instruction ``index`` of a program or task."""
    return f"{program} / {index + 1}"


def program_name(meta_task: str) -> str:
    """Return the program of a meta-learning task's name."""
    return meta_task.rsplit(" / ", 1)[0]


def concatenate_segments(
    segments: Sequence[SegmentArrays], tasks: Sequence[int], names: tuple[str, ...]
) -> MetaDataset:
    """Return the data set of some segments, each with the index of its task in ``names``."""
    lengths = np.array([len(s) for s in segments], dtype=np.int64)
    columns = zip(*((s.object_features, s.global_features, s.actions, s.done) for s in segments), strict=True)
    starts = np.cumsum(lengths) - lengths
    joined = SegmentArrays(*(np.concatenate(column) for column in columns))
    return MetaDataset(joined, starts, lengths, np.array(tasks, dtype=np.int64), names)
