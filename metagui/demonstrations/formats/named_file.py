"""Kinds of files by their first bytes, so that a wrong one is named as what it is."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

from metagui.demonstrations.storage.errors import ContentError

if TYPE_CHECKING:
    from pathlib import Path

FILE_SIGNATURES = {
    b"version https://git-lfs": "Git LFS pointer",
    b"PAR1": "Parquet",
    b"PK\x03\x04": "zip archive",
    b"\x1f\x8b": "gzip archive",
    b"\x89HDF\r\n\x1a\n": "HDF5",
    b"\x89MCAP0\r\n": "MCAP",
    b"\x80\x04": "Python pickle",
    b"{": "JSON",
}
"""Name of a kind by how its files begin."""
GIT_LFS = "it is a Git LFS pointer and the file itself was not downloaded (git lfs pull does)"
MAX_JSON_BYTES = 64 << 20
"""Maximum size of a JSON file that is read."""


def find_kind(path: Path) -> str:
    """Return the kind of a file, ``folder``, or ``file`` if it is not known; a pipe is not opened.

    Raises ContentError if it cannot be read.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return "folder"
        if not stat.S_ISREG(mode):
            raise ContentError("it is a pipe or a device, not a file")
        with path.open("rb") as file:
            start = file.read(64)
    except FileNotFoundError as error:
        gone = "it is a link to a file that does not exist" if path.is_symlink() else "it does not exist"
        raise ContentError(gone) from error
    except PermissionError as error:
        raise ContentError("you may not read it (check its permissions)") from error
    except OSError as error:
        raise ContentError(f"the disk refuses to read it ({os.strerror(error.errno or 5)})") from error
    except ValueError as error:
        raise ContentError("its name is not valid") from error
    if not start:
        raise ContentError("it is empty")
    return next((kind for signature, kind in FILE_SIGNATURES.items() if start.startswith(signature)), "file")


def check_kind(path: Path, expected: str) -> None:
    """Raise ContentError, with what a file is instead, unless it is of the expected kind."""
    found = find_kind(path)
    if found == "Git LFS pointer":
        raise ContentError(GIT_LFS)
    if found != expected:
        what = {"folder": "a folder", "file": "of another kind, or damaged"}.get(found, f"a {found} file")
        raise ContentError(f"it is {what}, not a {expected} file")


def read_json_file(path: Path) -> Any:
    """Return the contents of a JSON file. Raises ContentError."""
    return parse_json(read_text_file(path))


def read_text_file(path: Path) -> str:
    """Return the text of a JSON or JSON lines file, its size checked first. Raises ContentError."""
    kind = find_kind(path)
    if kind not in ("JSON", "file"):
        check_kind(path, "JSON")
    if path.stat().st_size > MAX_JSON_BYTES:
        raise ContentError(f"it is larger than {MAX_JSON_BYTES >> 20} MiB")
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise ContentError("it is damaged") from error


def parse_json(text: str) -> Any:
    """Return the value of a JSON text. Raises ContentError."""
    import json

    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ContentError("it is damaged") from error
