"""Reading a library: its tasks and takes, wherever their files are, and what cannot be used and why."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from metagui.demonstrations.storage import folder_scan, hdf5, task_names
from metagui.demonstrations.storage.errors import (
    CorruptFileError,
    NewerFormatError,
    StorageError,
    UnknownTakeError,
    UnknownTaskError,
    suggest_names,
)
from metagui.demonstrations.storage.folder_scan import LibraryProblem
from metagui.demonstrations.storage.index.library_listing import LibraryListing, TaskListing
from metagui.demonstrations.storage.validation import find_non_finite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.storage.hdf5 import TakeInfo


class LibraryReader:
    """Tasks in the folder ``root``, and read-only ones in ``examples``.

    Files may come and go at any time; the listing of an unchanged file or folder is cached, in memory and on disk.
    May be used by several threads.
    """

    def __init__(self, root: Path, examples: Path | None = None) -> None:
        self.root = root
        self.examples = None if examples is None or examples.resolve() == root.resolve() else examples
        self._listings = [LibraryListing(each, read_only=each != root) for each in self._roots()]
        self._merged: dict[str, tuple[tuple[TaskListing, ...], TaskListing]] = {}

    def list_tasks(self) -> list[str]:
        """Return the names of all tasks, sorted. Raises StorageError."""
        return _sort_tasks(task for listing in self._listings for task in listing.scan().tasks)

    def list_all(self) -> dict[str, TaskListing]:
        """Return the takes of all tasks, sorted by name, at the cost of what changed since the last time.

        A listing is the same object as long as nothing of its task changes. Raises StorageError.
        """
        found: dict[str, list[TaskListing]] = {}
        for root in self._listings:
            for task, listing in root.list_all().items():
                found.setdefault(task, []).append(listing)
        return {task: self._merge(task, tuple(found[task])) for task in _sort_tasks(found)}

    def list_folder_problems(self) -> list[LibraryProblem]:
        """Return all folders that are no tasks, with reasons, as of the last listing. Raises StorageError."""
        return [problem for listing in self._listings for problem in listing.get_scan().problems]

    def list_problems(self) -> list[LibraryProblem]:
        """Return all folders and files that cannot be used, with reasons. Raises StorageError."""
        problems = self.list_folder_problems()
        for task, folder in itertools.chain(*(listing.get_scan().tasks.items() for listing in self._listings)):
            problems += folder_scan.find_misnamed_takes(folder)
            with contextlib.suppress(StorageError, UnknownTaskError):
                infos = [info for listing in self._list_folders(task) for info in listing.takes]
                problems += [
                    LibraryProblem(info.path, info.error or _describe_hidden(info))
                    for info in infos
                    if info.path.parent == folder and (info.error or (info.read_only and _is_hidden(info, infos)))
                ]
        return problems

    def list_takes(self, task: str) -> list[TakeInfo]:
        """Return the listing of a task's takes, oldest first; corrupt files have an ``error``.

        Raises UnknownTaskError, StorageError.
        """
        return list(self._merge(task, tuple(self._list_folders(task))).takes)

    def get_take_info(self, task: str, take: str) -> TakeInfo:
        """Return the listing of one take. Raises UnknownTaskError, UnknownTakeError."""
        takes = {info.name: info for info in self.list_takes(task)}
        if take not in takes:
            raise UnknownTakeError(f"The task {task!r} has no take {take!r}. {suggest_names(take, takes)}")
        return takes[take]

    def load_take(self, task: str, take: str) -> Demonstration:
        """Read one take. Raises UnknownTaskError, UnknownTakeError, CorruptFileError, NewerFormatError."""
        info = self.get_take_info(task, take)
        try:
            return replace(hdf5.read_take(info.path, task), task=task, name=take)
        except CorruptFileError as error:
            self._get_listing(info.path).note_damage(replace(info, sample_count=0, error=str(error)))
            raise

    def load_takes(self, task: str) -> list[Demonstration]:
        """Read every intact take of a task, oldest first. Raises UnknownTaskError."""
        return [self.load_take(task, info.name) for info in self.list_takes(task) if not info.error]

    def load_intact_takes(
        self, task: str, on_left_out: Callable[[str], None], names: Iterable[str] | None = None
    ) -> list[Demonstration]:
        """Read the takes of a task, or those with ``names``, that are intact and whose numbers are all finite.

        ``on_left_out`` is called with the reason for every other take. Raises UnknownTaskError, UnknownTakeError.
        """
        intact = []
        for name in [info.name for info in self.list_takes(task)] if names is None else names:
            try:
                take = self.load_take(task, name)
            except (CorruptFileError, NewerFormatError) as error:
                on_left_out(str(error))
                continue
            if found := find_non_finite(take):
                on_left_out(f"Task {task!r}, take {name} contains numbers that are not finite ({found}).")
            else:
                intact.append(take)
        return intact

    def get_task_folder(self, task: str) -> Path:
        """Return the folder of a task in ``root``, whether it exists or not. Raises InvalidNameError, StorageError."""
        name = task_names.to_folder_name(task)
        return self._listings[0].get_scan().tasks.get(task_names.normalise_task_name(task), self.root / name)

    def _roots(self) -> tuple[Path, ...]:
        return (self.root,) if self.examples is None else (self.root, self.examples)

    def _get_listing(self, path: Path) -> LibraryListing:
        """Return the listing of the root folder that a take's file is in."""
        return self._listings[0 if path.parent.parent == self.root else -1]

    def _list_folders(self, task: str) -> list[TaskListing]:
        """Return the listings of the folders of a task. Raises UnknownTaskError, StorageError."""
        name = task_names.normalise_task_name(task)
        return [self._get_listing(folder / name).list_task(name, folder) for folder in self._find_task_folders(task)]

    def _merge(self, task: str, listings: tuple[TaskListing, ...]) -> TaskListing:
        """Return the takes of all folders of a task, oldest first; a take of the user hides an example."""
        known = self._merged.get(task)
        if known is not None and known[0] == listings:  # quick, because the listings are mostly the same objects
            return known[1]
        takes: dict[str, TakeInfo] = {}
        for listing in listings:
            for info in listing.takes:
                takes.setdefault(info.name, info)
        ordered = tuple(sorted(takes.values(), key=lambda info: (len(info.name), info.name)))
        merged = TaskListing(ordered, frozenset().union(*(listing.other_files for listing in listings)))
        self._merged[task] = (listings, merged)
        return merged

    def _find_task_folders(self, task: str) -> list[Path]:
        """Return the folders that hold takes of a task. Raises UnknownTaskError."""
        name = task_names.normalise_task_name(task)
        scans = [listing.get_scan().tasks for listing in self._listings]
        found = [tasks[name] for tasks in scans if name in tasks]
        if not found:
            raise UnknownTaskError(f"There is no task {task!r}. {suggest_names(task, self.list_tasks())}")
        return found


def _sort_tasks(tasks: Iterable[str]) -> list[str]:
    return sorted(set(tasks), key=lambda task: (task_names.to_collision_key(task), task))


def _is_hidden(example: TakeInfo, takes: list[TakeInfo]) -> bool:
    """Whether a take of the user has the same name as an example."""
    return any(info.name == example.name and not info.read_only for info in takes)


def _describe_hidden(info: TakeInfo) -> str:
    return (
        f"The example {info.task!r} {info.name} is not shown: a take of your own has its number. Both files stay as "
        "they are; give yours another number to see both."
    )
