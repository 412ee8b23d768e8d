"""Export of many takes to one file for training with robomimic, and import of such a file.

A take's own file is in the layout of robomimic already. In an exported file the takes are ``demo_0 … demo_n``, with
the filter keys ``train``, ``valid`` and one for every task. Attributes that robomimic does not have are in a group that
its loaders ignore, so that the import returns the takes unchanged.
"""

from __future__ import annotations

import itertools
import json
import math
import os
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from metagui.atomic_write import write_atomically
from metagui.demonstrations.storage.checked_file import open_checked
from metagui.demonstrations.storage.errors import ContentError, CorruptFileError, LibraryError, NewerFormatError
from metagui.demonstrations.storage.hdf5 import (
    check_format_version,
    get_file_image,
    make_environment,
    read_take,
    write_attributes,
    write_demo,
)
from metagui.demonstrations.storage.take_decoding import decode_take

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.storage.hdf5 import TakeInfo

METAGUI_GROUP = "metagui"
"""Group of a demonstration for the attributes that robomimic does not have."""


class ExchangeError(LibraryError):
    """Takes cannot be exported to one file, or a file holds none; the message gives the reason."""


def export_robomimic(
    takes: Sequence[TakeInfo],
    path: Path,
    validation_fraction: float = 0.1,
    on_left_out: Callable[[TakeInfo, LibraryError], None] | None = None,
) -> int:
    """Write takes to one new file, without the samples outside their trim; return its number of samples.

    Of every task, ``validation_fraction`` of the takes, rounded up, the last ones, are for validation; none of a single
    take. With ``on_left_out``, takes that cannot be read are left out and reported to it. Raises ExchangeError,
    CorruptFileError, NewerFormatError, OSError.
    """
    if os.path.lexists(path):
        raise ExchangeError(f"{path} exists already. Nothing was written; choose another name.")
    written: list[TakeInfo] = []
    with h5py.File("all", "w", libver="v110", driver="core", backing_store=False) as file:
        data, total, first = file.create_group("data"), 0, None
        for take in takes:
            try:
                found = read_take(take.path, take.task)
            except (CorruptFileError, NewerFormatError) as error:
                if on_left_out is None:
                    raise
                on_left_out(take, error)
                continue
            first = first or found
            _check_equal_kind(take, found, first)
            total += _write_take(data, len(written), take, found)
            written.append(take)
        if first is None:
            raise ExchangeError(
                "There is nothing to export: no takes were chosen. Nothing was written; name a task that has takes."
            )
        data.attrs["total"] = total
        data.attrs["env_args"] = make_environment(first)
        _write_filter_keys(file, written, validation_fraction)
        image = get_file_image(file)
    write_atomically(path, image)
    return total


def _check_equal_kind(take: TakeInfo, found: Demonstration, first: Demonstration) -> None:
    """Raise ExchangeError unless a take can be in one file with the first one."""
    for name, own, other in (
        ("joints", ", ".join(found.joint_names), ", ".join(first.joint_names)),
        ("objects", *(", ".join(each.name for each in one.objects) for one in (found, first))),
        ("rate", f"{found.timing.rate_requested:g} Hz", f"{first.timing.rate_requested:g} Hz"),
    ):
        if own != other:
            raise ExchangeError(
                f"Task {take.task!r}, take {take.name} has other {name} than the first take ({own or 'none'}; the "
                f"first: {other or 'none'}), and robomimic needs the same in a whole file. Nothing was written; export "
                "the tasks to files of their own (--task)."
            )


def _write_take(data: Any, index: int, take: TakeInfo, found: Demonstration) -> int:
    """Write one take as ``demo_<index>``; return its number of samples."""
    demo = data.create_group(f"demo_{index}")
    write_demo(demo, found)
    write_attributes(demo.create_group(METAGUI_GROUP), replace(found, task=take.task))
    if found.trim is not None:
        _trim_demonstration(demo, *found.trim)
    return int(demo.attrs["num_samples"])


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
    attributes = demo[METAGUI_GROUP].attrs
    del attributes["trim"]
    attributes["samples"] = stop - start


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
        keys[_find_free_key(task, keys)] = names
    for key, names in keys.items():
        if names:
            file.create_dataset(f"mask/{key}", data=np.array(names, dtype="S"))


def _find_free_key(task: str, keys: Container[str]) -> str:
    """Return a filter key for a task that no other task has, nor robomimic itself."""
    plain = task.replace("/", "_").replace("\0", "_")
    names = itertools.chain([plain], (f"{plain} ({number})" for number in itertools.count(2)))
    return next(name for name in names if name not in keys and name != ".")


def import_robomimic(path: Path) -> Iterator[Demonstration]:
    """Yield every demonstration of an exported file, or that of a take's own file, unchanged.

    Raises CorruptFileError, NewerFormatError; ExchangeError for a file of another program.
    """
    try:
        with open_checked(path) as file:
            single = file.has_attribute("format_version")
            data = file.open_group("data") if "data" in file and not single else None
            names = [] if data is None else sorted(data.list_names(), key=_parse_demo_number)
            foreign = [name for name in names if data is None or METAGUI_GROUP not in data.open_group(name)]
    except ContentError as error:
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
        with open_checked(path) as file:
            demo = file.open_group("data").open_group(name)
            attributes = demo.open_group(METAGUI_GROUP)
            check_format_version(attributes, f"{path.name}, {name}")
            return decode_take(demo, attributes, name)
    except ContentError as error:
        raise CorruptFileError(
            f"{path.name}, {name} cannot be read: {error}. The file is left as it is, and the takes before this one "
            "were imported."
        ) from error


def _parse_demo_number(name: str) -> tuple[int, str]:
    """Return the key by which demonstrations are sorted: their number, and last those without one."""
    digits = name.removeprefix("demo_")
    is_number = digits.isascii() and digits.isdigit() and len(digits) < 16
    return (int(digits) if is_number else 1 << 60, name)
