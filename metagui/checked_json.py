"""Reading of small JSON files that may be damaged, hostile or another program's, with plain reasons where they are."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_MAX_BYTES = 32 << 20
"""Maximum size of a file that is read."""


class FileReasonError(ValueError):
    """A file cannot be used; the message is the reason, as a clause for another message."""


def read_json(path: Path) -> Any:
    """Return the contents of a JSON file; a byte order mark is allowed. Raises FileReasonError."""
    content = read_checked(path, _MAX_BYTES)
    try:
        return json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise FileReasonError("it is no text, so it is damaged or another program's") from error
    except json.JSONDecodeError as error:
        reason = f"it is not JSON from line {error.lineno} on, so it is damaged or another program's"
        raise FileReasonError(reason) from error
    except (ValueError, RecursionError) as error:
        raise FileReasonError("it is damaged") from error


def read_checked(path: Path, max_bytes: int) -> bytes:
    """Return the contents of a file; a pipe or a device is not opened. Raises FileReasonError."""
    check_regular(path, max_bytes)
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileReasonError(_describe(error, path)) from error


def check_regular(path: Path, max_bytes: int) -> None:
    """Raise FileReasonError unless ``path`` is a file that is not empty and at most so large."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise FileReasonError(_describe(error, path)) from error
    if stat.S_ISDIR(status.st_mode):
        raise FileReasonError("it is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise FileReasonError("it is a pipe or a device, not a file")
    if not status.st_size:
        raise FileReasonError("it is empty")
    if status.st_size > max_bytes:
        raise FileReasonError(f"it is larger than {max_bytes >> 20} MiB")


def _describe(error: OSError | ValueError, path: Path) -> str:
    if isinstance(error, FileNotFoundError):
        return "it is a link to a file that does not exist" if path.is_symlink() else "it does not exist"
    if isinstance(error, PermissionError):
        return "you may not read it (check its permissions)"
    if isinstance(error, OSError):
        return f"the disk refuses to read it ({os.strerror(error.errno or 5)})"
    return "its name is not valid"
