"""Takes for an export: read one at a time, trimmed, and split by what one file cannot mix."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from metagui.demonstrations.formats.exchange import ExchangeError, LeftOut
from metagui.demonstrations.recording.pauses import keep_samples
from metagui.demonstrations.storage.errors import ContentError, CorruptFileError, NewerFormatError
from metagui.demonstrations.storage.hdf5 import open_take, read_take

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.storage.hdf5 import TakeInfo


class TakeKind(NamedTuple):
    """What must be equal for takes to be in one file of another program."""

    joint_names: tuple[str, ...]
    object_names: tuple[str, ...]
    rate: float
    """Hz."""


@dataclass(frozen=True)
class ExportedTake:
    """A take that was read for an export."""

    info: TakeInfo
    demonstration: Demonstration
    """Without the samples outside its trim."""


def name_take(info: TakeInfo) -> str:
    """Return the name of a take for messages."""
    return f"{info.task} {info.name}"


def split_by_kind(takes: Sequence[TakeInfo], left_out: list[LeftOut]) -> dict[TakeKind, list[TakeInfo]]:
    """Return the takes by their kind, in order; takes that cannot be read are added to ``left_out``.

    Raises ExchangeError if there is no take.
    """
    groups: dict[TakeKind, list[TakeInfo]] = {}
    for info in takes:
        try:
            groups.setdefault(_read_kind(info), []).append(info)
        except (CorruptFileError, NewerFormatError) as error:
            left_out.append(LeftOut(name_take(info), str(error)))
    if not groups:
        raise ExchangeError(
            "There is nothing to export: no intact takes were chosen. Nothing was written; name a task that has takes."
        )
    return groups


def _read_kind(info: TakeInfo) -> TakeKind:
    """Return a take's kind from the attributes of its file. Raises CorruptFileError, NewerFormatError."""
    with open_take(info.path, info.task) as file:
        objects = file.read_json("anchors")
        if not isinstance(objects, list) or not all(isinstance(each, dict) for each in objects):
            raise ContentError("its attribute 'anchors' does not describe objects")
        names = tuple(str(each.get("name")) for each in objects)
        return TakeKind(file.read_texts("joint_names"), names, file.read_number("rate_asked"))


def read_takes(takes: Sequence[TakeInfo], left_out: list[LeftOut]) -> Iterator[ExportedTake | None]:
    """Yield every take, None for one that cannot be read or contains numbers that are not finite."""
    for info in takes:
        try:
            found = trim_demonstration(replace(read_take(info.path, info.task), task=info.task, name=info.name))
        except (CorruptFileError, NewerFormatError) as error:
            left_out.append(LeftOut(name_take(info), str(error)))
            yield None
            continue
        if problem := _find_non_finite(found):
            reason = f"Task {info.task!r}, take {info.name} contains numbers that are not finite ({problem})."
            left_out.append(LeftOut(name_take(info), reason))
            yield None
        else:
            yield ExportedTake(info, found)


def _find_non_finite(demonstration: Demonstration) -> str:
    """Return the first quantity with a number that is not finite; empty if there is none.

    Requested commands may be missing, and positions of the tool if the arm's kinematics are not known.
    """
    names = ("joint_positions", "object_positions", "object_yaws", "command_sent")
    bad = [name for name in names if not np.isfinite(getattr(demonstration, name)).all()]
    return bad[0] if bad else ""


def trim_demonstration(demonstration: Demonstration) -> Demonstration:
    """Return a take without the samples outside its trim, and without segments outside it."""
    if demonstration.trim is None:
        return demonstration
    kept = np.zeros(len(demonstration), dtype=bool)
    kept[slice(*demonstration.trim)] = True
    return keep_samples(demonstration, kept)


def number_path(path: Path, index: int) -> Path:
    """Return the path of the ``index``-th file of an export that is split: ``name``, ``name-2`` and so on."""
    return path if index == 0 else path.with_name(f"{path.stem}-{index + 1}{path.suffix}")


def describe_kind(kind: TakeKind) -> str:
    """Return a text on what distinguishes a kind."""
    objects = ", ".join(kind.object_names) or "no objects"
    return f"{len(kind.joint_names)} joints, {kind.rate:g} Hz, {objects}"
