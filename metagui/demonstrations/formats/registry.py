"""All formats by name, and the two functions that the window and the command line call."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from metagui.demonstrations.curation.changes import trash_added
from metagui.demonstrations.formats.exchange import (
    ExchangeError,
    ExchangeProgress,
    ExportReport,
    ImportedTake,
    ImportReport,
    LeftOut,
)
from metagui.demonstrations.formats.lerobot.data_set import find_data_set
from metagui.demonstrations.formats.lerobot.importer import read_lerobot
from metagui.demonstrations.formats.named_file import GIT_LFS, find_kind
from metagui.demonstrations.formats.robomimic.importer import read_hdf5
from metagui.demonstrations.formats.selection import describe_kind, name_take, number_path, split_by_kind
from metagui.demonstrations.storage.errors import (
    ContentError,
    CorruptFileError,
    InvalidNameError,
    InvalidTakeError,
    NameCollisionError,
)
from metagui.demonstrations.storage.index.equal_takes import EqualTakeFinder
from metagui.demonstrations.storage.task_names import normalise_task_name

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from pathlib import Path

    from metagui.demonstrations.curation.changes import Change
    from metagui.demonstrations.formats.exchange import ExportOptions, ImportOptions
    from metagui.demonstrations.storage.hdf5 import TakeInfo
    from metagui.demonstrations.storage.library import Library

    Exporter = Callable[[Sequence[TakeInfo], Path, ExportOptions], Generator[ExchangeProgress, None, ExportReport]]


@dataclass(frozen=True)
class ExportFormat:
    """One format that takes can be exported to."""

    key: str
    """Its name on the command line."""
    title: str
    """Its name in the window."""
    description: str
    """What is written, as a sentence."""
    suffix: str
    """Ending of the file; empty for a folder."""
    options: tuple[str, ...] = ()
    """Fields of ``ExportOptions`` that it uses."""


EXPORT_FORMATS = (
    ExportFormat(
        "robomimic",
        "robomimic",
        "One HDF5 file for training with robomimic; metagui reads it back unchanged.",
        ".hdf5",
        ("validation_fraction",),
    ),
    ExportFormat(
        "lerobot",
        "LeRobot v3.0",
        "A data set for LeRobot's loader and trainer, in a folder.",
        "",
        ("unit", "calibration", "with_camera", "picture_size"),
    ),
    ExportFormat(
        "act",
        "ACT",
        "One HDF5 file per take, all equally long, with rendered pictures, in a folder.",
        "",
        ("equal_length", "picture_size"),
    ),
    ExportFormat("mcap", "MCAP", "One file per take, to look at in Foxglove and other viewers.", ".mcap"),
)
_KIND_ADVICE = {
    "Git LFS pointer": GIT_LFS,
    "Parquet": "it is a Parquet file; choose the folder of its LeRobot data set, which contains meta/info.json",
    "folder": "it is a folder without meta/info.json, so it is no LeRobot data set",
    "MCAP": "it is an MCAP file, which metagui writes for viewers but does not read",
    "zip archive": "it is a zip archive; unpack it first",
    "gzip archive": "it is a gzip archive; unpack it first",
    "Python pickle": "it is a Python pickle, which may run any program when it is opened, so metagui does not",
    "JSON": "it is a JSON file; choose the folder of its LeRobot data set, which contains meta/info.json",
    "file": "it is neither an HDF5 file nor a LeRobot data set, or it is damaged",
}
"""Why a file of a kind cannot be imported, and what to do."""


def get_export_format(key: str) -> ExportFormat:
    """Return the format of that name. Raises ExchangeError with the valid names."""
    for each in EXPORT_FORMATS:
        if each.key == key:
            return each
    names = ", ".join(each.key for each in EXPORT_FORMATS)
    raise ExchangeError(f"There is no format {key!r}; there are {names}. Nothing was written.")


def export_takes(
    takes: Sequence[TakeInfo], path: Path, key: str, options: ExportOptions
) -> Generator[ExchangeProgress, None, ExportReport]:
    """Write takes in the format ``key``; takes that cannot be in one file go to files of their own, ``name-2``, ….

    Closing the generator cancels: the file being written is removed. Raises ExchangeError, OSError.
    """
    chosen, report = get_export_format(key), ExportReport()
    path = path if path.suffix or not chosen.suffix else path.with_suffix(chosen.suffix)
    kinds = split_by_kind(takes, report.left_out)
    groups = [[take] for group in kinds.values() for take in group] if key == "mcap" else list(kinds.values())
    paths = [number_path(path, index) for index in range(len(groups))]
    if existing := [each for each in paths if os.path.lexists(each)]:
        raise ExchangeError(f"{existing[0]} exists already. Nothing was written; choose another name.")
    if len(kinds) > 1 and key != "mcap":
        texts = "; ".join(f"{each.name}: {describe_kind(kind)}" for each, kind in zip(paths, kinds, strict=True))
        report.notes.append(
            f"The takes differ in what {chosen.title} needs equal in a file, so they were split: {texts}."
        )
    done, total = 0, sum(map(len, groups))
    for group, each in zip(groups, paths, strict=True):
        steps = _export_group(chosen, group, each, options)
        report.add((yield from _shift_progress(steps, done, total)))
        done += len(group)
    return report


def _export_group(
    chosen: ExportFormat, group: Sequence[TakeInfo], path: Path, options: ExportOptions
) -> Generator[ExchangeProgress, None, ExportReport]:
    """Write one file; errors of the disk become ExchangeError."""
    try:
        return (yield from _get_exporter(chosen.key)(group, path, options))
    except FileExistsError as error:
        raise ExchangeError(f"{path} exists already. Nothing was written; choose another name.") from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ExchangeError(
            f"{path} cannot be written: {reason}. No part of it is left; the library is as it was. Free some space or "
            "choose another folder."
        ) from error


def _get_exporter(key: str) -> Exporter:
    """Return the function that writes a format, imported when it is needed."""
    from metagui.demonstrations.formats import act, mcap_file
    from metagui.demonstrations.formats.lerobot import export as lerobot
    from metagui.demonstrations.formats.robomimic import export as robomimic

    exporters: dict[str, Exporter] = {
        "robomimic": robomimic.export_robomimic,
        "lerobot": lerobot.export_lerobot,
        "act": act.export_act,
        "mcap": mcap_file.export_mcap,
    }
    return exporters[key]


def _shift_progress(
    steps: Generator[ExchangeProgress, None, ExportReport], done: int, total: int
) -> Generator[ExchangeProgress, None, ExportReport]:
    """Yield the progress of one file as that of all files; return its result."""
    try:
        while True:
            step = next(steps)
            yield ExchangeProgress(done + step.done, total, step.description)
    except StopIteration as finished:
        result: ExportReport = finished.value
        return result
    finally:
        steps.close()


def read_takes_of(path: Path, options: ImportOptions) -> Iterator[ImportedTake | LeftOut]:
    """Yield the takes of a file or a LeRobot data set, or why one cannot be imported.

    Raises CorruptFileError, NewerFormatError, MissingAnswerError, ExchangeError.
    """
    try:
        kind = find_kind(path)
        root = find_data_set(path)
        if kind == "HDF5" and (root is None or path.parent == root.parent):
            yield from read_hdf5(path, options)
        elif root is not None and kind in ("folder", "Parquet", "JSON"):
            yield from read_lerobot(root, options)
        elif kind == "HDF5":
            yield from read_hdf5(path, options)
        else:
            raise ContentError(_KIND_ADVICE[kind])
    except ContentError as error:
        reason = (
            f"{path.name or path} cannot be imported: {error}. Nothing was imported; choose another file or folder."
        )
        raise CorruptFileError(reason) from error


def import_takes(
    path: Path, library: Library, options: ImportOptions, report: ImportReport | None = None
) -> Generator[ExchangeProgress, None, ImportReport]:
    """Add the takes of a file or data set to a library, except those that it has already.

    An import that was cancelled or failed can be repeated: it continues. A ``report`` that is given is filled, so that
    what was added is known then, too. Raises the errors of ``read_takes_of``, and StorageError.
    """
    report, is_readable, stored = report or ImportReport(), False, EqualTakeFinder(library)
    for index, found in enumerate(read_takes_of(path, options)):
        if isinstance(found, LeftOut):
            report.left_out.append(found)
        else:
            is_readable = True
            _add_take(found, path.name, library, options.task, report, stored)
        yield ExchangeProgress(index + 1, 0, found.name)
    if not is_readable:
        reason = report.left_out[0].reason if report.left_out else "it holds no takes."
        raise ExchangeError(f"Nothing was imported: {reason} {_count_others(report)}".rstrip())
    return report


def _count_others(report: ImportReport) -> str:
    others = len(report.left_out) - 1
    return f"So it is for {others} more." if others > 0 else ""


def describe_import(source: str, report: ImportReport) -> tuple[str, Change]:
    """Return a description of an import as one step of the undo history, and the change that undoes it."""
    count = len(report.added)
    text = f"importing {count} take{'s' if count != 1 else ''} from {source}"
    return text, trash_added([(info.task, info.name) for info in report.added], report.new_tasks)


def _add_take(
    found: ImportedTake, source: str, library: Library, task: str | None, report: ImportReport, stored: EqualTakeFinder
) -> None:
    take = found.demonstration if task is None else replace(found.demonstration, task=task)
    if equal := stored.find(take):
        reason = f"{source}, {found.name} is in the library already, as {name_take(equal)}."
        report.left_out.append(LeftOut(found.name, reason))
        return
    try:
        is_new = normalise_task_name(take.task) not in library.list_tasks()
        info = library.add_take(take, found.extra)
    except (InvalidNameError, InvalidTakeError, NameCollisionError) as error:
        report.left_out.append(LeftOut(found.name, f"{source}, {found.name}: {error}"))
        return
    report.added.append(info)
    report.new_tasks |= {info.task} if is_new else set()
    stored.add(info)
    report.notes += [note for note in found.notes if note not in report.notes]
