"""Trash of a library: removed takes and tasks, from which they can be restored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from metagui import atomic_write
from metagui.demonstrations.storage.errors import NameCollisionError

if TYPE_CHECKING:
    from pathlib import Path

TRASH_FOLDER = ".trash"
"""Name of the trash folder in a library."""


@dataclass(frozen=True)
class TrashEntry:
    """A removed take or task."""

    task: str
    take: str | None
    """Name of the take; None for a whole task."""
    path: Path
    """Folder in the trash that holds its files."""


class Trash:
    """Trash folder of the library in ``library_root``. Every method raises OSError if the disk refuses."""

    def __init__(self, library_root: Path) -> None:
        self.folder = library_root / TRASH_FOLDER

    def move_file(self, path: Path) -> Path:
        """Move a file to the trash; return the folder that holds it now."""
        folder = self._create_folder() / path.parent.name
        folder.mkdir()
        atomic_write.flush_to_disk(folder.parent)
        path.rename(folder / path.name)
        self._flush(folder, path.parent)
        return folder

    def move_folder(self, path: Path) -> Path:
        """Move a folder to the trash; return where it is now."""
        folder = self._create_folder() / path.name
        path.rename(folder)
        self._flush(folder.parent, path.parent)
        return folder

    def restore(self, entry: TrashEntry, folder: Path) -> None:
        """Move the files of an entry to a task folder. Raises NameCollisionError; then nothing was moved."""
        if not folder.exists():  # at once, so that a power cut leaves no half of a task
            entry.path.rename(folder)
            self._flush(folder.parent, entry.path.parent)
            entry.path.parent.rmdir()
            return
        removed = sorted(entry.path.iterdir())
        for path in removed:
            if (folder / path.name).exists():
                raise NameCollisionError(
                    f"{entry.task!r} has another {path.stem!r} by now. Nothing was restored; the removed one stays in "
                    f"{entry.path}. Rename the task, then try again."
                )
        for path in removed:
            path.rename(folder / path.name)
        self._flush(folder, entry.path)
        entry.path.rmdir()
        entry.path.parent.rmdir()

    def _flush(self, target: Path, source: Path) -> None:
        """Wait until files that were moved from one folder to another are on the disk."""
        atomic_write.flush_to_disk(target)
        atomic_write.flush_to_disk(source)

    def list_task_folders(self, name: str) -> list[Path]:
        """Return the removed folders with a name, and those that hold single takes of it."""
        return list(self.folder.glob(f"*/{_escape_glob(name)}"))

    def _create_folder(self) -> Path:
        """Create a folder in the trash that nothing else uses."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
        path = self.folder / stamp
        path.mkdir(parents=True)
        atomic_write.flush_to_disk(self.folder)
        atomic_write.flush_to_disk(self.folder.parent)
        return path


def _escape_glob(name: str) -> str:
    """Return a glob pattern that matches one name only."""
    return "".join(f"[{c}]" if c in "[*?" else c for c in name)
