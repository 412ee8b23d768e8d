"""Many takes in one file, as robomimic trains from it; and the takes out of such a file again, as they were.

A take's file is in robomimic's layout already. Here they become ``demo_0 … demo_n``, with the filter keys ``train``,
``valid`` and one for every task, and what our own files say besides in a group that its loaders do not look at.
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
"""The group of a demonstration that holds what robomimic has no place for."""


class ExchangeError(LibraryError):
    """Takes cannot go into one file, or there are none in a file; the message says why."""


def export_robomimic(takes: Sequence[TakeInfo], path: Path, validation_fraction: float = 0.1) -> int:
    """Write takes into one new file; return how many samples it has. Samples outside a take's trim stay out.

    Of every task the last takes, a share ``valid`` rounded up, are for validation; of a single one none.
    Raises ExchangeError, BrokenFileError, NewerFormatError, OSError.
    """
    if not takes:
        raise ExchangeError("There is nothing to export: no takes were chosen. Name a task that has some.")
    if path.exists():
        raise ExchangeError(f"{path} is there already. Nothing was written; choose another name.")
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
            named = list(source.attrs["joint_names"])
            joints = joints or named
            if named != joints:
                raise ExchangeError(
                    f"{take.task}, take {take.name} is of an arm with other joints than the first take's, and one file "
                    "holds one kind of arm. Nothing was written; export it apart."
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
    """Keep the samples ``[start, stop)`` only."""
    samples = int(demo.attrs["num_samples"])
    names: list[str] = []
    demo.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    for name in set(names) - {"segments"}:
        if demo[name].shape[:1] == (samples,):
            values, attributes = demo[name][start:stop], dict(demo[name].attrs)
            del demo[name]
            demo.create_dataset(name, data=values).attrs.update(attributes)
    ranges, clicks = np.clip(demo["segments"][()], start, stop) - start, json.loads(demo["segments"].attrs["clicks"])
    kept = [index for index, (first, last) in enumerate(ranges) if first < last]
    del demo["segments"]
    demo.create_dataset("segments", data=ranges[kept]).attrs["clicks"] = json.dumps([clicks[i] for i in kept])
    demo.attrs["num_samples"] = stop - start
    demo["dones"][-1] = 1
    demo["rewards"][-1] = float(demo[METAGUI_GROUP].attrs["success"] == "yes")
    del demo[METAGUI_GROUP].attrs["trim"]


def _write_filter_keys(file: Any, takes: Sequence[TakeInfo], validation_fraction: float) -> None:
    """Write the filter keys: byte strings that name demonstrations."""
    tasks: dict[str, list[str]] = defaultdict(list)
    for index, take in enumerate(takes):
        tasks[take.task].append(f"demo_{index}")
    keys: dict[str, list[str]] = {"train": [], "valid": []}
    for task, names in tasks.items():
        held_back = min(math.ceil(validation_fraction * len(names)), len(names) - 1)
        keys["train"] += names[: len(names) - held_back]
        keys["valid"] += names[len(names) - held_back :]
        keys.setdefault(task.replace("/", "_"), []).extend(names)
    for key, names in keys.items():
        if names:
            file.create_dataset(f"mask/{key}", data=np.array(names, dtype="S"))


def import_robomimic(path: Path) -> Iterator[Demonstration]:
    """Yield every demonstration of an exported file, or the one of a take's own file, exactly as it was.

    Raises BrokenFileError, NewerFormatError; ExchangeError for a file of another program.
    """
    try:
        with h5py.File(path, "r") as file:
            single, names = "format_version" in file.attrs, sorted(file.get("data", ()), key=_parse_demo_number)
            foreign = [name for name in names if METAGUI_GROUP not in file["data"][name]]
    except HDF5_READ_ERRORS as error:
        raise CorruptFileError(f"{path.name} cannot be read: {error}. Nothing was imported.") from error
    if single:
        yield read_take(path)
        return
    if foreign or not names:
        raise ExchangeError(
            f"{path.name} was not exported by metagui: it does not say what the arm's joints and the things on the "
            "table did, which a take must. Nothing was imported."
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
        raise CorruptFileError(f"{path.name}, {name} cannot be read: {error}. What came before it was kept.") from error
    return found


def _parse_demo_number(name: str) -> int:
    digits = name.removeprefix("demo_")
    return int(digits) if digits.isdigit() else 0
