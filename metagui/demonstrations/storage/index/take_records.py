"""Listings of takes as records of the index: a JSON list of the fields of ``TakeInfo``, in their order."""

from __future__ import annotations

import hashlib
import json
from dataclasses import astuple, fields
from typing import TYPE_CHECKING, Any

from metagui import __version__
from metagui.demonstrations.storage.hdf5 import TakeInfo
from metagui.demonstrations.timing import TimingSummary

if TYPE_CHECKING:
    from pathlib import Path

_FIELDS = [field.name for field in fields(TakeInfo)]
_LOCATION = ("task", "name", "path", "read_only")
"""Fields that follow from where the file is; they are not stored."""
_STORED = [name for name in _FIELDS if name not in _LOCATION]
_TIMING = _STORED.index("timing")
SCHEMA = hashlib.sha256(
    " ".join([__version__, *_FIELDS, *(field.name for field in fields(TimingSummary))]).encode()
).hexdigest()[:16]
"""Name of this form of records; another version of the program, or another field, gives another one."""


def encode_info(info: TakeInfo) -> bytes:
    """Return the record of a take's listing."""
    values: list[Any] = [getattr(info, name) for name in _STORED]
    values[_TIMING] = None if info.timing is None else astuple(info.timing)
    return json.dumps(values, ensure_ascii=False).encode("utf-8", "surrogatepass")


def decode_info(record: bytes, task: str, path: Path, read_only: bool) -> TakeInfo | None:
    """Invert ``encode_info`` for the file ``path``; None if the record is damaged."""
    try:
        values: list[Any] = [tuple(value) if isinstance(value, list) else value for value in json.loads(record)]
        if values[_TIMING] is not None:
            values[_TIMING] = TimingSummary(*values[_TIMING])
        fields_by_name: dict[str, Any] = dict(zip(_STORED, values, strict=True))
        return TakeInfo(task, path.stem, path, read_only, **fields_by_name)
    except (ValueError, TypeError, LookupError):
        return None
