"""Export of takes to one file for robomimic, which is also metagui's own format of several takes.

The takes are ``demo_0 … demo_n``, with the filter keys ``train``, ``valid`` and one for every task. Attributes that
robomimic does not have are in a group that its loaders ignore, so that the import returns the takes unchanged.
"""

from __future__ import annotations

import itertools
import json
import math
import os
from collections import defaultdict
from typing import TYPE_CHECKING

import h5py
import numpy as np

from metagui.atomic_write import write_atomically
from metagui.demonstrations.formats.exchange import ExchangeError, ExchangeProgress, ExportReport
from metagui.demonstrations.formats.robomimic.metadata import encode_flat, make_env_args
from metagui.demonstrations.formats.selection import read_takes
from metagui.demonstrations.storage.errors import CorruptFileError, NewerFormatError
from metagui.demonstrations.storage.extra_data import METAGUI_GROUP, ExtraData, read_extra_data, write_extra_data
from metagui.demonstrations.storage.hdf5 import get_file_image, open_take
from metagui.demonstrations.storage.robomimic_layout import with_following
from metagui.demonstrations.storage.writing.take_encoding import write_attributes, write_demo
from metagui.demonstrations.timing import summarise_timing

if TYPE_CHECKING:
    from collections.abc import Container, Generator, Sequence
    from pathlib import Path

    from metagui.demonstrations.formats.exchange import ExportOptions
    from metagui.demonstrations.formats.selection import ExportedTake
    from metagui.demonstrations.storage.hdf5 import TakeInfo

MAX_EXPORT_BYTES = 4 << 30
"""Maximum size of one file, which is made in memory: HDF5 may crash the process if a disk is full."""


def export_robomimic(
    takes: Sequence[TakeInfo], path: Path, options: ExportOptions
) -> Generator[ExchangeProgress, None, ExportReport]:
    """Write takes of one kind to one new file; nothing is written on an error or if closed early.

    Of every task, ``validation_fraction`` of the takes, rounded up, the last ones, are for validation; none of a single
    take. Raises ExchangeError, OSError.
    """
    if os.path.lexists(path):
        raise ExchangeError(f"{path} exists already. Nothing was written; choose another name.")
    report = ExportReport(files=[path])
    with _TakesFile() as file:
        for index, take in enumerate(read_takes(takes, report.left_out)):
            yield ExchangeProgress(index, len(takes), f"{takes[index].task} {takes[index].name}")
            if take is not None:
                file.add(take)
                report.takes[take.info.task] += 1
        if not report.takes:
            reasons = "; ".join(left.reason for left in report.left_out[:3])
            raise ExchangeError(f"No take could be exported. Nothing was written; the reasons: {reasons}")
        report.samples = file.sample_count
        report.notes = file.notes
        image = file.finish(options.validation_fraction)
    write_atomically(path, image)
    return report


def write_takes_file(path: Path, takes: Sequence[ExportedTake]) -> None:
    """Write takes that were read already to a file in metagui's own format. Raises ExchangeError, OSError."""
    with _TakesFile() as file:
        for take in takes:
            file.add(take)
        image = file.finish(0.0)
    write_atomically(path, image)


class _TakesFile:
    """A file of several takes, made in memory."""

    def __init__(self) -> None:
        self._file = h5py.File("all", "w", libver="v110", driver="core", backing_store=False)
        self._data = self._file.create_group("data")
        self._takes: list[ExportedTake] = []
        self.sample_count = 0
        self.notes: list[str] = []

    def __enter__(self) -> _TakesFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def add(self, take: ExportedTake) -> None:
        """Append a take, with the data of its file that metagui does not know. Raises ExchangeError."""
        demo, found = self._data.create_group(f"demo_{len(self._takes)}"), take.demonstration
        write_demo(demo, found)
        flat = encode_flat(found)
        demo["obs/flat"], demo["next_obs/flat"] = with_following(flat)
        own = demo.create_group(METAGUI_GROUP)
        write_attributes(own, found, summarise_timing(found))
        own.attrs["take"] = take.info.name
        extra = _read_extra(take.info)
        write_extra_data(demo, own.attrs, extra)
        self.notes += [f"{take.info.task} {take.info.name}: {name} was not carried along." for name in extra.left_out]
        self._takes.append(take)
        self.sample_count += len(found)
        if self._file.id.get_filesize() > MAX_EXPORT_BYTES:
            raise ExchangeError(
                f"The file would be larger than {MAX_EXPORT_BYTES >> 30} GiB. Nothing was written; export fewer tasks "
                "at a time."
            )

    def finish(self, validation_fraction: float) -> bytes:
        """Write what depends on all takes; return the bytes of the file."""
        self._data.attrs["total"] = self.sample_count
        self._data.attrs["env_args"] = json.dumps(make_env_args([take.demonstration for take in self._takes]))
        for key, names in _make_filter_keys([take.info.task for take in self._takes], validation_fraction).items():
            if names:
                self._file.create_dataset(f"mask/{key}", data=np.array(names, dtype="S"))
        return get_file_image(self._file)


def _read_extra(info: TakeInfo) -> ExtraData:
    """Return the data of a take's file that metagui does not know, trimmed as the take."""
    try:
        with open_take(info.path, info.task) as file:
            extra = read_extra_data(file.open_group("data/demo_0"), file)
    except (CorruptFileError, NewerFormatError) as error:
        return ExtraData(left_out=(f"what metagui does not know ({error})",))
    return extra if info.trim is None else extra.trim(*info.trim, info.sample_count)


def _make_filter_keys(tasks: Sequence[str], validation_fraction: float) -> dict[str, list[str]]:
    """Return the names of demonstrations by filter key, given the task of each demonstration."""
    found: dict[str, list[str]] = defaultdict(list)
    for index, task in enumerate(tasks):
        found[task].append(f"demo_{index}")
    keys: dict[str, list[str]] = {"train": [], "valid": []}
    for task, names in found.items():
        validation_count = min(math.ceil(validation_fraction * len(names)), len(names) - 1)
        keys["train"] += names[: len(names) - validation_count]
        keys["valid"] += names[len(names) - validation_count :]
        keys[_find_free_key(task, keys)] = names
    return keys


def _find_free_key(task: str, keys: Container[str]) -> str:
    """Return a filter key for a task that no other task has, nor robomimic itself."""
    plain = task.replace("/", "_").replace("\0", "_")
    names = itertools.chain([plain], (f"{plain} ({number})" for number in itertools.count(2)))
    return next(name for name in names if name not in keys and name != ".")
