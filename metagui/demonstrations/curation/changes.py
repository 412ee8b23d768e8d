"""Changes of a library as plain records: applying one returns the change that undoes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metagui.demonstrations.storage.errors import LibraryError
from metagui.demonstrations.storage.trash import TrashEntry

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from metagui.demonstrations.storage.library import Library

EDITABLE_FIELDS = ("success", "notes", "tags", "trim")
"""Fields of a take's listing that a change can set."""


@dataclass(frozen=True)
class Change:
    """One change: its kind and the names and values that it needs, as JSON holds them."""

    kind: str
    """``rename``, ``trash``, ``restore``, ``move``, ``set`` or ``several``."""
    values: dict[str, Any] = field(default_factory=dict)

    def apply(self, library: Library) -> Change:
        """Change the library and return the change that undoes it. Raises LibraryError."""
        try:
            undoing: Change = _APPLY[self.kind](library, **self.values)
        except (TypeError, LookupError, ValueError, AttributeError) as error:
            raise LibraryError(
                f"The undo history (history.json) holds a damaged change ({self.kind}), which was left out. Your takes "
                "are as they were; change them by hand."
            ) from error
        return undoing

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"kind": self.kind, "values": self.values}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Change:
        """Invert ``to_dict``. Raises KeyError, TypeError, ValueError."""
        if values["kind"] not in _APPLY or not isinstance(values["values"], dict):
            raise ValueError(f"unknown change {values['kind']!r}")
        return cls(values["kind"], values["values"])


def several(parts: Sequence[Change]) -> Change:
    """Return the change that makes others in order, or none of them if one fails."""
    return parts[0] if len(parts) == 1 else Change("several", {"changes": [part.to_dict() for part in parts]})


def rename_task(task: str, new_name: str) -> Change:
    """Return the change that renames a task."""
    return Change("rename", {"task": task, "new_name": new_name})


def trash(task: str, take: str | None = None) -> Change:
    """Return the change that moves a take, or a whole task, to the trash."""
    return Change("trash", {"task": task, "take": take})


def trash_added(takes: Iterable[tuple[str, str]], new_tasks: Collection[str]) -> Change:
    """Return the change that undoes adding takes, given as task and name; the folders of ``new_tasks`` go with them."""
    return several([Change("trash", {"task": t, "take": n, "drop_empty": t in new_tasks}) for t, n in takes])


def move_takes(task: str, takes: Iterable[str], new_task: str) -> Change:
    """Return the change that moves takes to another task, which may be new: it splits the task."""
    return several([Change("move", {"task": task, "take": take, "new_task": new_task}) for take in takes])


def merge_tasks(library: Library, task: str, into: str) -> Change:
    """Return the change that moves all takes of a task to another one and the empty task to the trash.

    Raises LibraryError if there is no such task.
    """
    if task == into:
        raise LibraryError("A task cannot be merged with itself. Nothing was changed; name another task.")
    library.list_takes(into)
    return several([move_takes(task, [info.name for info in library.list_takes(task)], into), trash(task)])


def set_fields(task: str, take: str, **fields: Any) -> Change:
    """Return the change that sets fields of a take; ``EDITABLE_FIELDS`` lists them."""
    return Change("set", {"task": task, "take": take, "fields": fields})


def copy_take(library: Library, task: str, take: str, new_task: str | None = None) -> tuple[str, Change]:
    """Copy a take; return the copy's name, and the change that undoes it. Raises LibraryError."""
    info = library.copy_take(task, take, new_task)
    return info.name, trash(info.task, info.name)


def _apply_rename(library: Library, task: str, new_name: str) -> Change:
    library.rename_task(task, new_name)
    return rename_task(new_name, task)


def _apply_trash(library: Library, task: str, take: str | None, drop_empty: bool = False) -> Change:
    entry = library.remove_task(task) if take is None else library.remove_take(task, take, drop_empty)
    path = entry.path.relative_to(library.root).as_posix()
    return Change("restore", {"task": task, "take": take, "path": path, "drop_empty": drop_empty})


def _apply_restore(library: Library, task: str, take: str | None, path: str, drop_empty: bool = False) -> Change:
    place = library.root / path
    if not place.is_dir() or ".." in Path(path).parts:
        raise LibraryError(f"{path} is not in the trash any more. Nothing was restored.")
    library.restore_trashed(TrashEntry(task, take, place))
    return Change("trash", {"task": task, "take": take, "drop_empty": drop_empty})


def _apply_move(
    library: Library, task: str, take: str, new_task: str, new_name: str | None = None, drop_empty: bool = False
) -> Change:
    is_new = new_task not in library.list_tasks()
    moved = library.move_take(task, take, new_task, new_name, drop_empty)
    values = {"task": moved.task, "take": moved.name, "new_task": task, "new_name": take, "drop_empty": is_new}
    return Change("move", values)


def _apply_fields(library: Library, task: str, take: str, fields: dict[str, Any]) -> Change:
    info = library.get_take_info(task, take)
    setters = {
        "success": library.set_success,
        "notes": library.set_notes,
        "tags": library.set_tags,
        "trim": library.set_trim,
    }
    before = {}
    for name, value in fields.items():
        old = getattr(info, name)
        setters[name](task, take, tuple(value) if isinstance(value, list) else value)  # type: ignore[operator]
        before[name] = list(old) if isinstance(old, tuple) else old
    return set_fields(task, take, **before)


def _apply_several(library: Library, changes: list[dict[str, Any]]) -> Change:
    """Apply changes in order; if one fails, undo those before it."""
    undoing: list[Change] = []
    try:
        for change in changes:
            undoing.insert(0, Change.from_dict(change).apply(library))
    except LibraryError:
        for change_back in undoing:
            change_back.apply(library)
        raise
    return Change("several", {"changes": [change.to_dict() for change in undoing]})


_APPLY: dict[str, Any] = {
    "rename": _apply_rename,
    "trash": _apply_trash,
    "restore": _apply_restore,
    "move": _apply_move,
    "set": _apply_fields,
    "several": _apply_several,
}
