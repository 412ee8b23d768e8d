"""Export of many takes to one file for training with robomimic, and import of such a file.

A take's own file is in the layout of robomimic already. In an exported file the takes are ``demo_0 … demo_n``, with
the filter keys ``train``, ``valid`` and one for every task. Attributes that robomimic does not have are in a group that
its loaders ignore, so that the import returns the takes unchanged.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from metagui.atomic_write import write_atomically
from metagui.demonstrations.storage.errors import CorruptFileError, LibraryError
from metagui.demonstrations.storage.hdf5 import HDF5_READ_ERRORS, get_file_image, open_take, read_demo, read_take
from metagui.demonstrations.storage.validation import validate_demonstration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.storage.hdf5 import TakeInfo

METAGUI_GROUP = "metagui"
"""Group of a demonstration for the attributes that robomimic does not have."""


class ExchangeError(LibraryError):
    """Takes cannot be exported to one file, or a file holds none; the message gives the reason."""


def export_robomimic(takes: Sequence[TakeInfo], path: Path, validation_fraction: float = 0.1) -> int:
    """Write takes to one new file, without the samples outside their trim; return its number of samples.

    Of every task, ``validation_fraction`` of the takes, rounded up, the last ones, are for validation; none of a single
    take. Raises ExchangeError, CorruptFileError, NewerFormatError, OSError.
    """
    if not takes:
        raise ExchangeError(
            "There is nothing to export: no takes were chosen. Nothing was written; name a task that has takes."
        )
    if path.exists():
        raise ExchangeError(f"{path} exists already. Nothing was written; choose another name.")
    with h5py.File("all", "w", libver="v110", driver="core", backing_store=False) as file:
        total = _copy_takes(file, takes)
        _write_filter_keys(file, takes, validation_fraction)
        image = get_file_image(file)
    write_atomically(path, image)
    return total


def _copy_takes(file: Any, takes: Sequence[TakeInfo]) -> int:
    data, total, joints = file.create_group("data"), 0, None
    for index, take in enumerate(takes):
        with open_take(take.path) as source:
            names = list(source.attrs["joint_names"])
            joints = joints or names
            if names != joints:
                raise ExchangeError(
                    f"{take.task}, take {take.name} is of an arm with other joints than the first take's, and one file "
                    "holds takes of one kind of arm. Nothing was written; export it to a file of its own."
                )
            source.copy("data/demo_0", data, f"demo_{index}")
            demo = data[f"demo_{index}"]
            demo.create_group(METAGUI_GROUP).attrs.update(source.attrs)
            if index == 0:
                data.attrs["env_args"] = source["data"].attrs["env_args"]
        demo[METAGUI_GROUP].attrs["task"] = take.task
        if take.trim is not None:
            _trim_demonstration(demo, *take.trim)
        total += int(demo.attrs["num_samples"])
    data.attrs["total"] = total
    return total


def _trim_demonstration(demo: Any, start: int, stop: int) -> None:
    """Remove the samples outside ``[start, stop)``."""
    samples = int(demo.attrs["num_samples"])
    names: list[str] = []
    demo.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    for name in set(names) - {"segments"}:
        if demo[name].shape[:1] == (samples,):
            values, attributes = demo[name][start:stop], dict(demo[name].attrs)
            del demo[name]
            demo.create_dataset(name, data=values).attrs.update(attributes)
    ranges = np.clip(demo["segments"][()], start, stop) - start
    instructions = json.loads(demo["segments"].attrs["clicks"])
    kept = [index for index, (first, last) in enumerate(ranges) if first < last]
    del demo["segments"]
    demo.create_dataset("segments", data=ranges[kept]).attrs["clicks"] = json.dumps([instructions[i] for i in kept])
    demo.attrs["num_samples"] = stop - start
    demo["dones"][-1] = 1
    demo["rewards"][-1] = float(demo[METAGUI_GROUP].attrs["success"] == "yes")
    del demo[METAGUI_GROUP].attrs["trim"]


def _write_filter_keys(file: Any, takes: Sequence[TakeInfo], validation_fraction: float) -> None:
    """Write the filter keys: names of demonstrations as byte strings."""
    tasks: dict[str, list[str]] = defaultdict(list)
    for index, take in enumerate(takes):
        tasks[take.task].append(f"demo_{index}")
    keys: dict[str, list[str]] = {"train": [], "valid": []}
    for task, names in tasks.items():
        validation_count = min(math.ceil(validation_fraction * len(names)), len(names) - 1)
        keys["train"] += names[: len(names) - validation_count]
        keys["valid"] += names[len(names) - validation_count :]
        keys.setdefault(task.replace("/", "_"), []).extend(names)
    for key, names in keys.items():
        if names:
            file.create_dataset(f"mask/{key}", data=np.array(names, dtype="S"))


def import_robomimic(path: Path) -> Iterator[Demonstration]:
    """Yield every demonstration of an exported file, or that of a take's own file, unchanged.

    Raises CorruptFileError, NewerFormatError; ExchangeError for a file of another program.
    """
    try:
        with h5py.File(path, "r") as file:
            single, names = "format_version" in file.attrs, sorted(file.get("data", ()), key=_parse_demo_number)
            foreign = [name for name in names if METAGUI_GROUP not in file["data"][name]]
    except HDF5_READ_ERRORS as error:
        raise CorruptFileError(
            f"{path.name} cannot be read: {error}. Nothing was imported; choose another file."
        ) from error
    if single:
        yield read_take(path)
        return
    if foreign or not names:
        raise ExchangeError(
            f"{path.name} was not exported by metagui: the states of the arm's joints and of the objects, which a take "
            "needs, are missing. Nothing was imported; choose a file that metagui has exported."
        )
    for name in names:
        yield _read_demonstration(path, name)


def _read_demonstration(path: Path, name: str) -> Demonstration:
    try:
        with h5py.File(path, "r") as file:
            demo = file["data"][name]
            found = read_demo(demo, dict(demo[METAGUI_GROUP].attrs), name)
            validate_demonstration(found)
    except HDF5_READ_ERRORS as error:
        raise CorruptFileError(f"{path.name}, {name} cannot be read: {error}. The takes before it are kept.") from error
    return found


def _parse_demo_number(name: str) -> int:
    digits = name.removeprefix("demo_")
    return int(digits) if digits.isdigit() else 0
