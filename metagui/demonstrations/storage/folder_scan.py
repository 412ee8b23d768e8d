"""Folders of a library on disk: which are tasks, which files are takes, and what cannot be used and why."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metagui.demonstrations.storage import task_names
from metagui.demonstrations.storage.errors import InvalidNameError, StorageError
from metagui.demonstrations.storage.index.file_version import get_version, is_version

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from metagui.demonstrations.storage.index.file_version import FileVersion

TAKE_SUFFIX = ".hdf5"
STALE_AGE_S = 24 * 3600
"""Age at which temporary files of ended processes are deleted, s."""
_TEMPORARY_NAME = re.compile(r"\..+\.(\d+)\.tmp")
"""Name of a temporary file of ``metagui.atomic_write``, with the process that wrote it."""


@dataclass(frozen=True)
class LibraryProblem:
    """Folder or file of a library that cannot be used."""

    path: Path
    description: str
    """What it is, why it cannot be used, and what to do."""


@dataclass
class FolderScan:
    """Contents of a library's root folder."""

    tasks: dict[str, Path] = field(default_factory=dict)
    """Folder of every task by the task's name."""
    problems: list[LibraryProblem] = field(default_factory=list)


@dataclass(frozen=True)
class CheckedFolder:
    """Entry of a library's root folder, whose name and permissions were checked."""

    version: FileVersion | None
    """Version that was checked; None for an entry that cannot be seen."""
    path: Path
    task: str
    """Name of the task; empty for an entry that is not a task."""
    problem: LibraryProblem | None


def scan_tasks(root: Path, checked: dict[str, CheckedFolder] | None = None) -> FolderScan:
    """Return the task folders of a library; whatever else it contains does no harm. Raises StorageError.

    ``checked`` has the entries of an earlier scan by their names, which are not checked again unless they changed; it
    is brought up to date.
    """
    known, found = {} if checked is None else checked, FolderScan()
    folders: dict[str, list[Path]] = {}
    try:
        names = sorted(os.listdir(root))
    except FileNotFoundError:
        return found
    except OSError as error:
        raise StorageError(
            f"The folder {root} cannot be read: {describe_os_error(error)}. Nothing was changed. Choose another folder."
        ) from error
    current = {name: _check_entry(root, name, known.get(name)) for name in names if not name.startswith(".")}
    known.clear()
    known.update(current)
    for entry in current.values():
        if entry.problem is not None:
            found.problems.append(entry.problem)
        elif entry.task:
            folders.setdefault(entry.task, []).append(entry.path)
    for task, candidates in folders.items():
        found.tasks[task] = candidates[0]
        if len(candidates) == 1:
            continue
        usual = task_names.to_folder_name(task)
        chosen, *others = sorted(candidates, key=lambda path: (path.name != usual, path.name))
        found.tasks[task] = chosen
        found.problems += [
            LibraryProblem(
                path,
                f"{quote_name(path)} is not shown: its name means the same task as {quote_name(chosen)}. Nothing was "
                "changed; give the folder another name.",
            )
            for path in others
        ]
    return found


def list_file_names(folder: Path) -> list[str]:
    """Return the names of all files in a task folder, sorted. Raises StorageError."""
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageError(
            f"The folder {quote_name(folder)} cannot be read: {describe_os_error(error)}. Nothing was changed."
        ) from error


def is_take_name(name: str) -> bool:
    """Whether a file of that name in a task folder is a take, readable or not."""
    return name.endswith(TAKE_SUFFIX) and name[0] != "." and _is_text(name)


def list_take_files(folder: Path) -> list[Path]:
    """Return the take files of a task folder, also those that cannot be read. Raises StorageError."""
    return [folder / name for name in list_file_names(folder) if is_take_name(name)]


def find_misnamed_takes(folder: Path) -> Iterator[LibraryProblem]:
    """Yield the take files of a task folder whose names are no text."""
    with contextlib.suppress(OSError):
        for name in sorted(os.listdir(folder)):
            if name.endswith(TAKE_SUFFIX) and not _is_text(name):
                path = folder / name
                yield LibraryProblem(
                    path, f"{quote_name(path)} is not shown: its name is not valid Unicode. Rename the file."
                )


def delete_stale_files(root: Path) -> None:
    """Delete temporary files that metagui left in a library when it was killed, not those of running processes."""
    with contextlib.suppress(OSError), os.scandir(root) as entries:
        for entry in entries:
            _delete_if_stale(entry)
            if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                with contextlib.suppress(OSError), os.scandir(entry) as files:
                    for file in files:
                        _delete_if_stale(file)


@contextlib.contextmanager
def translate_disk_errors(root: Path) -> Iterator[None]:
    """Raise a StorageError for an OSError of a library in ``root``."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{root} cannot be written: {describe_os_error(error)}. Existing files are unchanged; make room or choose "
            "another folder."
        ) from error


def describe_os_error(error: OSError) -> str:
    """Return the operating system's description of an error, without numbers and paths."""
    return error.strerror or "the system gives no reason"


def quote_name(path: Path) -> str:
    """Return the name of a file or folder in quotes, printable whatever its bytes are."""
    name = os.fsencode(path.name).decode("utf-8", "backslashreplace")
    return f"'{name}'" if name.isprintable() else repr(name)


def _check_entry(root: Path, name: str, known: CheckedFolder | None) -> CheckedFolder:
    """Return what an entry of the root folder is, as ``known`` from before if it has not changed."""
    location = f"{root}{os.sep}{name}"
    if known is not None and known.version is not None and is_version(location, known.version):
        return known
    version = get_version(location)
    path = root / name
    if reason := _find_problem(path):
        problem = LibraryProblem(path, f"{quote_name(path)} is not a task: {reason}.")
        return known if known is not None and known.problem == problem else CheckedFolder(None, path, "", problem)
    task = task_names.normalise_task_name(task_names.from_folder_name(name)) if path.is_dir() else ""
    return CheckedFolder(version, path if known is None else known.path, task, None)


def _find_problem(path: Path) -> str:
    """Return why an entry of the root folder is not a task; empty if it may be one or does not matter."""
    try:
        if path.is_symlink() and not path.exists():
            return "it is a link to a folder that does not exist. Remove the link, or restore the folder"
        if not path.is_dir():
            is_take = path.suffix == TAKE_SUFFIX
            return "a take needs a folder named after its task around it. Move it there, or import it" * is_take
        task_names.to_folder_name(task_names.from_folder_name(path.name))
        os.scandir(path).close()
    except InvalidNameError as error:
        return f"its name cannot be the name of a task ({str(error).partition('.')[0]}). Rename the folder"
    except (OSError, ValueError) as error:
        reason = describe_os_error(error) if isinstance(error, OSError) else "its name is not valid"
        return f"it cannot be read ({reason}). Change its permissions, or move it away"
    return ""


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _delete_if_stale(entry: os.DirEntry[str]) -> None:
    """Delete a temporary file that is old and whose process has ended."""
    match = _TEMPORARY_NAME.fullmatch(entry.name)
    with contextlib.suppress(OSError):
        if match and entry.is_file(follow_symlinks=False):
            is_old = time.time() - entry.stat(follow_symlinks=False).st_mtime > STALE_AGE_S
            if is_old and not _is_running(int(match[1])):
                os.unlink(entry.path)


def _is_running(process_id: int) -> bool:
    """Whether a process with that number runs; on Windows, where asking would end it, only whether it is this one."""
    if process_id == os.getpid():
        return True
    if sys.platform == "win32":
        return False
    try:
        os.kill(process_id, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return process_id > 0
