"""Check of a whole library: every file is read completely, and what is certain is repaired."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metagui.demonstrations.curation.changes import move_takes
from metagui.demonstrations.recording.recorder import delete_journal, find_recoverable_takes, recover_take
from metagui.demonstrations.recording.take_builder import RecordingError
from metagui.demonstrations.storage.errors import LibraryError
from metagui.demonstrations.storage.index.equal_takes import EqualTakeFinder
from metagui.demonstrations.storage.task_names import from_folder_name
from metagui.demonstrations.storage.validation import find_non_finite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from metagui.demonstrations.curation.history import ChangeHistory
    from metagui.demonstrations.storage.hdf5 import TakeInfo
    from metagui.demonstrations.storage.library import Library


@dataclass(frozen=True)
class Defect:
    """Something wrong with a library."""

    path: Path
    description: str
    """What is wrong, and what can be done."""
    repair: str = ""
    """What a repair does; empty if only a person can decide."""
    journal: Path | None = None
    """Journal whose take is stored already, which a repair deletes."""
    collision: tuple[str, str] | None = None
    """Task and name of a take that hides an example, which a repair gives another number."""


def find_defects(library: Library) -> Iterator[Defect]:
    """Read all tasks, takes and journals of a library and yield what is wrong with them. Raises StorageError."""
    for problem in library.list_problems():
        task, name = from_folder_name(problem.path.parent.name), problem.path.stem
        is_hidden = library.examples is not None and problem.path.parent.parent == library.examples
        is_hidden = is_hidden and any(not i.read_only and i.name == name for i in library.list_takes(task))
        what = "gives your take the next free number" if is_hidden else ""
        yield Defect(problem.path, problem.description, what, collision=(task, name) if is_hidden else None)
    for task in library.list_tasks():
        seen = EqualTakeFinder(library, ())
        for info in library.list_takes(task):
            if not info.error:
                yield from _check_take(library, info, seen)
    yield from _check_journals(library)


def repair(defect: Defect, history: ChangeHistory) -> bool:
    """Repair a defect if that is certain; return whether it was. Raises LibraryError.

    Nothing is destroyed, and what happens to takes can be undone.
    """
    if defect.collision is not None:
        task, take = defect.collision
        history.apply(f"giving take {take} of “{task}” another number", move_takes(task, [take], task))
    elif defect.journal is not None:
        delete_journal(defect.journal)
    return bool(defect.repair)


def _check_take(library: Library, info: TakeInfo, seen: EqualTakeFinder) -> Iterator[Defect]:
    try:
        take = library.load_take(info.task, info.name)
    except LibraryError as error:
        yield Defect(info.path, str(error))
        return
    label = f"Task {info.task!r}, take {info.name}"
    if found := find_non_finite(take):
        yield Defect(info.path, f"{label} contains numbers that are not finite ({found}); it is left out of learning.")
    if len(take) != info.sample_count:
        text = f"{label} has {len(take)} samples, but its file says {info.sample_count}. The listing is wrong."
        yield Defect(info.path, text)
    if other := seen.find(take):
        text = f"{label} has the same samples as take {other.name}. Delete one, unless you want it twice."
        yield Defect(info.path, text)
        return
    seen.add(info)
    if info.timing is not None and info.timing.is_rate_missed:
        yield Defect(info.path, f"{label}: {info.problem}. It can be used; record it again if it matters.")


def _check_journals(library: Library) -> Iterator[Defect]:
    found_takes = find_recoverable_takes(library.root)
    finder = EqualTakeFinder(library, None if found_takes else ())
    for found in found_takes:
        try:
            stored = None if found.error else finder.find(recover_take(found.path))
        except RecordingError as error:
            yield Defect(found.path, str(error))
            continue
        if found.error:
            yield Defect(found.path, found.error)
        elif stored is not None:
            text = f"{found.path.name} is the journal of {stored.task!r} {stored.name}, which is stored."
            yield Defect(found.path, text, "deletes the journal", journal=found.path)
        else:
            text = f"A recording of {found.task!r} was cut off; {found.duration:.1f} s of it are safe."
            yield Defect(found.path, f"{text} metagui recover --restore adds it to the library.")
