"""Conversion between task names and folder names: any Unicode name, on every file system."""

from __future__ import annotations

import functools
import unicodedata
from urllib.parse import unquote

from metagui.demonstrations.storage.errors import InvalidNameError

_FORBIDDEN_CHARACTERS = set('<>:"/\\|?*%')
"""Characters that Windows or a path cannot hold, and the escape character."""
_RESERVED_NAMES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{i}" for port in ("COM", "LPT") for i in range(1, 10))}
_MAX_NAME_BYTES = 240
"""Maximum length of a folder name, bytes; file systems allow 255."""


def to_folder_name(task: str) -> str:
    """Return the folder name of a task. Raises InvalidNameError."""
    task = normalise_task_name(task)
    escaped = "".join(_escape_character(c) if c in _FORBIDDEN_CHARACTERS or not c.isprintable() else c for c in task)
    if escaped[0] in ". ":
        escaped = _escape_character(escaped[0]) + escaped[1:]
    if escaped[-1] in ". ":
        escaped = escaped[:-1] + _escape_character(escaped[-1])
    if escaped.split(".")[0].upper() in _RESERVED_NAMES:
        escaped = _escape_character(escaped[0]) + escaped[1:]
    if len(escaped.encode()) > _MAX_NAME_BYTES:
        raise InvalidNameError(
            f"The name {task[:40]!r}… is too long for a folder. Nothing was stored; use a shorter one."
        )
    return escaped


def from_folder_name(folder: str) -> str:
    """Return the task name of a folder."""
    return unicodedata.normalize("NFC", unquote(folder))


def normalise_task_name(task: str) -> str:
    """Return a task name in its normal form (NFC, without outer spaces). Raises InvalidNameError."""
    try:
        task.encode()
    except UnicodeEncodeError as error:
        raise InvalidNameError(f"The name {task!r} is not valid Unicode. Nothing was stored; type it again.") from error
    task = unicodedata.normalize("NFC", task).strip()
    if not task:
        raise InvalidNameError("A task needs a name. Nothing was stored; type one.")
    return task


@functools.lru_cache(1 << 16)
def to_collision_key(task: str) -> str:
    """Return a key that is equal for names that some file systems treat as equal."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", task).casefold())


def _escape_character(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())
